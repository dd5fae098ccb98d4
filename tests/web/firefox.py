"""Firefox without a screen, by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/).

It speaks that itself. Other ways to drive it take geckodriver, which Debian does not have.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from web.engine import Wanted, missing, result, running, script, until

_TIMEOUT_S: Final = 60
_PROGRAM: Final = "firefox-esr"
_QUIET: Final[dict[str, bool | int | str]] = {
    # They would let files read files and load modules from a disk, which users' browsers do not.
    "remote.prefs.recommended": False,
    # One of those that is needed: files can be chosen.
    "dom.file.createInChild": True,
    # What it would fetch by itself: lists, updates, pages of its own, whether there is a network.
    "app.normandy.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "browser.topsites.contile.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.server": "data:,",
    # As on a phone: over the page, and none of its width.
    "ui.useOverlayScrollbars": 1,
}


def why_no_firefox() -> str | None:
    """Say why nothing can be tested in Firefox here; None if it can."""
    if missing(_PROGRAM):
        return f"no {_PROGRAM}: apt-get install {_PROGRAM}"
    if importlib.util.find_spec("websocket") is None:
        return "websocket-client is not installed"
    return None


class Firefox:
    """A window of Firefox.

    Args:
        place: Address of its BiDi server.
        wanted: How it is to be.
    """

    def __init__(self, place: str, wanted: Wanted) -> None:
        import websocket

        self._number = 0
        # Without the origin that the client would name: Firefox takes it for a page's, and refuses.
        self._socket = websocket.create_connection(
            place, timeout=_TIMEOUT_S, suppress_origin=True, http_no_proxy=["*"]
        )
        made = self._ask("session.new", capabilities={})
        self.version = f"Firefox {made['capabilities']['browserVersion']}"
        self._page = self._ask("browsingContext.getTree")["contexts"][0]["context"]
        size = {"width": wanted.width, "height": wanted.height}
        self._ask("browsingContext.setViewport", context=self._page, viewport=size)

    def open(self, url: str) -> None:
        self._ask("browsingContext.navigate", context=self._page, url=url, wait="complete")

    def run(self, body: str, *arguments: object) -> Any:
        found = self._ask(
            "script.evaluate",
            expression=script(body, arguments),
            target={"context": self._page},
            awaitPromise=True,
        )
        return result(found["result"]["value"])

    def choose(self, paths: Sequence[Path]) -> None:
        locator = {"type": "css", "value": "input[type=file]"}
        found = self._ask("browsingContext.locateNodes", context=self._page, locator=locator)
        element = {"sharedId": found["nodes"][0]["sharedId"]}
        files = [str(path) for path in paths]
        self._ask("input.setFiles", context=self._page, element=element, files=files)

    def screenshot(self) -> bytes:
        found = self._ask("browsingContext.captureScreenshot", context=self._page)
        return base64.b64decode(found["data"])

    def close(self) -> None:
        self._ask("browser.close")
        self._socket.close()

    def _ask(self, method: str, **parameters: object) -> Any:
        self._number += 1
        question = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(question))
        answer: dict[str, Any] = {}
        while answer.get("id") != self._number:  # it may tell of other things between
            answer = json.loads(self._socket.recv())
        if answer["type"] == "error":
            raise RuntimeError(f"{method}: {answer['error']}: {answer['message']}")
        return answer["result"]


def _settings(wanted: Wanted) -> dict[str, bool | int | str]:
    settings = {**_QUIET, "ui.systemUsesDarkTheme": int(wanted.dark)}
    if wanted.camera != "none":
        settings["media.navigator.streams.fake"] = True
        allowed = wanted.camera == "fake"
        settings["permissions.default.camera"] = 1 if allowed else 2  # or ask, which nobody answers
    if wanted.proxy is not None:
        host, _, port = wanted.proxy.rpartition(":")
        settings |= {"network.proxy.type": 1, "network.proxy.no_proxies_on": "127.0.0.1"}
        for kind in ("http", "ssl"):
            settings |= {f"network.proxy.{kind}": host, f"network.proxy.{kind}_port": int(port)}
    return settings


@contextlib.contextmanager
def firefox(folder: Path, wanted: Wanted) -> Iterator[Firefox]:
    """Start a window.

    Args:
        folder: An empty one, for the profile.
        wanted: How it is to be.
    """
    lines = [
        f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
        for name, value in _settings(wanted).items()
    ]
    (folder / "user.js").write_text("".join(lines), encoding="utf-8")
    server = folder / "WebDriverBiDiServer.json"
    command = [_PROGRAM, "--headless", "--no-remote", "--profile", str(folder)]
    command.append("--remote-debugging-port=0")
    environment = {**os.environ, "HOME": str(folder)}
    with running(command, environment, folder / "log"):
        place = until(lambda: _place(server), "Firefox")
        made = Firefox(place, wanted)
        try:
            yield made
        finally:
            made.close()


def _place(server: Path) -> str | None:
    """Return the address that Firefox writes into its profile; None while it has not."""
    try:
        found = json.loads(server.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return f"ws://{found['ws_host']}:{found['ws_port']}/session"
