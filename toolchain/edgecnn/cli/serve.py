"""``edgecnn serve``: a web bundle for the browsers of this machine, or of phones in its network."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from edgecnn.cli.options import JsonOption, QuietOption

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.commands.serve import Served

_LOOK_S: Final = 0.1


def serve(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="A web bundle, as edgecnn package --target web makes it."
        ),
    ],
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="Where to listen: an address of this machine, or lan for the one in its network.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes any that is free.")
    ] = 8000,
    https: Annotated[
        bool,
        typer.Option(
            "--https",
            help="Encrypt, with a certificate of its own making. A phone warns once; then its "
            "camera works, installing for offline use does not.",
        ),
    ] = False,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Serve a web bundle until Ctrl-C: to this machine, or to phones in its network.

    Only the files that were packaged are served, with fixed content types and headers. Each visit
    is one line, each file too with --verbose; who came is not kept.

    Example: edgecnn serve dist/seed_cnn-1.0-web --host lan --https
    """
    import signal
    import time

    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import out_console, print_json
    from edgecnn.commands import serve as serving

    # Ctrl-C is how this is meant to end. Not by sigwait: a signal that comes before it waits may be
    # delivered to a thread of numpy's, and it would wait for ever.
    ended: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda which, _: ended.append(which))
    request = serving.ServeRequest(folder=folder, host=host, port=port, https=https)
    with serving.serve(request, progress=terminal_progress(quiet=quiet)) as served:
        if json_output:
            print_json(served.to_dict())
        else:
            print_place(out_console(), served)
        while not ended:
            time.sleep(_LOOK_S)


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


def print_place(console: Console, served: Served) -> None:
    """Print where the bundle is served."""
    url, fingerprint = served.url, served.fingerprint

    def line(text: str) -> None:
        # Without emoji: rich takes the :CD: of a fingerprint for a picture of a disc.
        console.print(text, markup=False, emoji=False, soft_wrap=True)

    if served.place.shows_others_the_way:
        code = qr_code(url, encoding=console.encoding, coloured=console.is_terminal)
        console.file.write(f"{code}\n" if code else "")
    line(f"{url}  (Ctrl-C ends it)")
    if fingerprint is not None:
        line(f"certificate, SHA-256: {fingerprint}\n{_SELF_SIGNED}")
    elif served.place.is_loopback:
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
