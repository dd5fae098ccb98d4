"""What ``edgecnn serve`` prints: where it is, what a phone can do there, and a code to scan."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.serve.addresses import Place

__all__ = ["print_place", "qr_code"]

_PLAIN: Final = (
    "Over plain HTTP a phone's browser gives no camera and installs nothing; pictures work. For "
    "the camera: --https"
)
_SELF_SIGNED: Final = (
    "The browser will warn that it cannot check who this is: compare the fingerprint before you go "
    "on. Then the camera works; installing for offline use does not, for that takes a certificate "
    "that the phone trusts. The single file, whose name ends in classifier.html, needs no "
    "server at all."
)


def print_place(console: Console, url: str, place: Place, *, fingerprint: str | None) -> None:
    """Print where the bundle is served.

    Args:
        console: Where to.
        url: For a browser.
        place: Where it listens.
        fingerprint: SHA-256 of the certificate; None without HTTPS.
    """

    def line(text: str) -> None:
        # Without emoji: rich takes the :CD: of a fingerprint for a picture of a disc.
        console.print(text, markup=False, emoji=False, soft_wrap=True)

    if place.shows_others_the_way:
        code = qr_code(url, encoding=console.encoding, coloured=console.is_terminal)
        console.file.write(f"{code}\n" if code else "")
    line(f"{url}  (Ctrl-C ends it)")
    if fingerprint is not None:
        line(f"certificate, SHA-256: {fingerprint}\n{_SELF_SIGNED}")
    elif place.is_loopback:
        line("For a phone in the same network: --host lan --https")
    else:
        line(_PLAIN)
    console.file.flush()


def qr_code(text: str, *, encoding: str, coloured: bool) -> str:
    """Return a QR code as text.

    Args:
        text: What it says.
        encoding: The terminal's; empty is returned if it has no block characters.
        coloured: Whether to set the terminal's colours, so that dark is dark whatever they are.
    """
    import segno

    try:
        "▀▄█".encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return ""
    made = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out=made, border=2, compact=True)
    lines = made.getvalue().rstrip("\n")
    if not coloured:
        return lines
    # Bright white on black, said outright: its blocks are the light parts.
    return "\n".join(f"\x1b[97;40m{line}\x1b[0m" for line in lines.splitlines())
