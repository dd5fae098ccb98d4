"""A real browser to check web bundles in: Chromium, by Playwright, with every way out watched."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgecnn.log import step

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""What Chromium is called, the first that is there is taken."""
PHONE: Final = (393, 851)
"""CSS pixels of the emulated phone's screen."""
# A camera of the browser's own, which is allowed without a question.
_CAMERA: Final = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
# UDP would go past a proxy; this browser sends none.
_NO_UDP: Final = "--force-webrtc-ip-handling-policy=disable_non_proxied_udp"
_LISTEN_S: Final = 0.2


def chromium() -> Path | None:
    """Return where this machine's Chromium is; None if there is none."""
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    return None if found is None else Path(found)


def why_no_browser() -> str | None:
    """Say why nothing can be checked in a browser here; None if it can."""
    if importlib.util.find_spec("playwright") is None:
        return "Playwright is not installed (pip install playwright)"
    if chromium() is None:
        return "Chromium is not installed (Debian, Ubuntu: sudo apt install chromium)"
    return None


class Sink:
    """Where everything goes that a browser would send past the server it may speak to.

    It is that browser's proxy. What arrives is noted by its first line and not answered.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_LISTEN_S)
        self._lines: list[str] = []
        self._ended = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens, as ``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The first line of each request so far."""
        return tuple(self._lines)

    def close(self) -> None:
        """Stop listening."""
        self._ended = True
        self._thread.join()
        self._listener.close()

    def _listen(self) -> None:
        while not self._ended:
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            with connection, contextlib.suppress(OSError):
                connection.settimeout(1)
                first = connection.recv(2048).split(b"\r\n")[0]
                # Browsers open connections ahead of a use that may never come.
                if first:
                    self._lines.append(first.decode("ascii", "replace")[:200])


@contextlib.contextmanager
def opened_browser(
    *, allowed: str | None = None, options: Sequence[str] = _CAMERA
) -> Iterator[tuple[Browser, Sink]]:
    """Start Chromium with no way out but one.

    Args:
        allowed: ``HOST:PORT`` that it may reach; None for nothing.
        options: More of its command line.

    Yields:
        The browser, and where all else that it asks for ends up.
    """
    from playwright.sync_api import ProxySettings, sync_playwright

    sink = Sink()
    try:
        with sync_playwright() as playwright:
            # Chromium would speak to loopback past its proxy. The first rule takes that back, and
            # of rules that fit, it goes by the last.
            rules = ["<-loopback>", *([] if allowed is None else [allowed])]
            proxy = ProxySettings(server=f"http://{sink.address}", bypass=",".join(rules))
            program = chromium()
            step(f"browser {program}")
            browser = playwright.chromium.launch(
                executable_path=program,
                # Root has no sandbox to be put into; nobody else goes without it.
                chromium_sandbox=os.geteuid() != 0,
                args=[_NO_UDP, *options],
                proxy=proxy,
            )
            with contextlib.closing(browser):
                yield browser, sink
    finally:
        sink.close()
