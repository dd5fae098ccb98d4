"""WebKitGTK's MiniBrowser, by WebDriver (https://www.w3.org/TR/webdriver2/).

Its window is never narrower than its tools, unless it fills the screen: then it has none. So it
gets a screen of the size that the window is to have. Where that is too narrow for any window, the
page is enlarged.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import requests

from web.engine import Wanted, missing, result, running, script, until

_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"  # the standard's key of an element
_TIMEOUT_S: Final = 60
_NARROWEST: Final = 334  # pixels of the screen


def _browsers() -> list[Path]:
    return sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))


def why_no_webkit() -> str | None:
    """Say why nothing can be tested in WebKit here; None if it can."""
    absent = missing("WebKitWebDriver", "Xvfb") + ([] if _browsers() else ["MiniBrowser"])
    wanted = "apt-get install webkit2gtk-driver xvfb"
    return f"no {', '.join(absent)}: {wanted}" if absent else None


class WebKit:
    """A window of MiniBrowser.

    Args:
        driver: Address of a WebDriver.
        wanted: How it is to be.
        width: Of its screen, pixels.
        height: Of its screen, pixels.
    """

    def __init__(self, driver: str, wanted: Wanted, width: int, height: int) -> None:
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy is for what lies outside
        self._place = driver
        own = {"binary": str(_browsers()[-1]), "args": _options(wanted)}
        asked = {"alwaysMatch": {"webkitgtk:browserOptions": own}}
        made = self._ask("POST", "/session", {"capabilities": asked})
        self._place = f"{driver}/session/{made['sessionId']}"
        self.version = f"WebKitGTK {made['capabilities']['browserVersion']}"
        self._ask("POST", "/window/rect", {"x": 0, "y": 0, "width": width, "height": height})

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    def run(self, body: str, *arguments: object) -> Any:
        text = f"{script(body, arguments)}.then(arguments[0])"
        return result(self._ask("POST", "/execute/async", {"script": text, "args": []}))

    def choose(self, paths: Sequence[Path]) -> None:
        wanted = {"using": "css selector", "value": "input[type=file]"}
        found = self._ask("POST", "/element", wanted)
        text = "\n".join(map(str, paths))
        self._ask("POST", f"/element/{found[_ELEMENT]}/value", {"text": text})

    def screenshot(self) -> bytes:
        return base64.b64decode(self._ask("GET", "/screenshot"))

    def close(self) -> None:
        self._ask("DELETE", "")
        self._http.close()

    def _ask(self, method: str, path: str, value: Any = None) -> Any:
        answer = self._http.request(method, self._place + path, json=value, timeout=_TIMEOUT_S)
        found = answer.json()["value"]
        if not answer.ok:
            raise RuntimeError(f"{found['error']}: {found['message']}")
        return found


def _options(wanted: Wanted) -> list[str]:
    options = ["--automation", "--full-screen"]
    if wanted.dark:
        options.append("--dark-mode")
    if wanted.camera == "fake":
        options.append("--enable-mock-capture-devices=true")
    if wanted.camera == "refused":
        raise ValueError("MiniBrowser under automation refuses no camera")
    if wanted.proxy is not None:
        options += [f"--proxy=http://{wanted.proxy}", "--ignore-host=127.0.0.1"]
    return options


@contextlib.contextmanager
def webkit(folder: Path, wanted: Wanted) -> Iterator[WebKit]:
    """Start a window; its screen is there for it alone.

    Args:
        folder: An empty one, for what the programs write.
        wanted: How it is to be.
    """
    log = folder / "log"
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "HOME": str(folder)}
    factor = max(1, _NARROWEST / wanted.width)
    environment["GDK_DPI_SCALE"] = f"{factor:.4f}"
    width, height = round(wanted.width * factor), round(wanted.height * factor)
    screen = ["-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"]
    read, write = os.pipe()
    with os.fdopen(read) as told, contextlib.ExitStack() as stack:
        command = ["Xvfb", "-displayfd", str(write), *screen]
        stack.enter_context(running(command, environment, log, pass_fds=[write]))
        os.close(write)
        environment["DISPLAY"] = f":{told.readline().strip()}"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = ["WebKitWebDriver", f"--port={port}"]
        stack.enter_context(running(command, environment, log))
        until(lambda: _listens(port), "WebKitWebDriver")
        made = WebKit(f"http://127.0.0.1:{port}", wanted, width, height)
        stack.callback(made.close)
        yield made


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True
