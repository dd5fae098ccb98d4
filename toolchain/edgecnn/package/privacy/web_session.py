"""A whole session with a web bundle in a real browser, and what was seen of it.

The folder is served without any header but content types, as by the simplest server there is, so
that what holds the page is what is in the bundle itself.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.resources
import io
import socket
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from edgecnn.package.privacy.browser import PHONE, Sink, opened_browser
from edgecnn.package.web.server import BundleServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

__all__ = ["OUTSIDE", "FolderSession", "SessionError", "SingleSession", "folder_session",
           "single_session"]  # fmt: skip

OUTSIDE: Final = "http://outside.invalid"
"""Where the attempts to send something go to; the name never exists (RFC 2606)."""

# What Chromium itself speaks to, page or no page; a request of the page to one of these is among
# the page's requests, which are seen apart.
_BROWSERS_OWN: Final = (".google.com", ".googleapis.com", ".gstatic.com", ".gvt1.com")
_PNG: Final = "image/png"
_TIMEOUT_MS: Final = 60_000
_FRAMES_MS: Final = 1500  # of camera


class SessionError(Exception):
    """The app did not do what a session takes; the text says what was waited for."""


@dataclass(frozen=True, kw_only=True)
class FolderSession:
    """What was seen of the folder.

    Attributes:
        browser: Name and version.
        asked: Request lines at the bundle's own server.
        outside: What left for elsewhere during the session, attempts not counted.
        attempts: Way of sending to the directive that refused it; None where none did.
        arrived: Ways whose attempt was seen outside.
        stored: As ``stored.js`` gives it.
        answers: File name to label, with the server.
        offline: The same after the server's end; None if the app did not start then.
        refused: Whether the server's port refused connections by then.
    """

    browser: str
    asked: Sequence[str]
    outside: Sequence[str]
    attempts: Mapping[str, str | None]
    arrived: Sequence[str]
    stored: Mapping[str, Any]
    answers: Mapping[str, str]
    offline: Mapping[str, str] | None
    refused: bool


@dataclass(frozen=True, kw_only=True)
class SingleSession:
    """What was seen of the single file, with no server and no network at all.

    Attributes:
        outside: What left for elsewhere, attempts not counted.
        attempts: See ``FolderSession``.
        arrived: See ``FolderSession``.
        answers: File name to label.
    """

    outside: Sequence[str]
    attempts: Mapping[str, str | None]
    arrived: Sequence[str]
    answers: Mapping[str, str]


def folder_session(files: Mapping[str, bytes], pictures: Mapping[str, bytes]) -> FolderSession:
    """Start the app, use all that it has, try to send, end the server, and use it again.

    Args:
        files: A web bundle's.
        pictures: File name to bytes; what the app is to classify.

    Raises:
        SessionError: If the app does not work in the first place.
        playwright.sync_api.Error: If the browser fails.
    """
    asked: list[str] = []
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(files, headers={}, said=asked.append))
        place = f"127.0.0.1:{server.port}"
        browser, sink = stack.enter_context(opened_browser(allowed=place))
        context, strange = _context(browser, f"http://{place}/")
        page = context.new_page()
        page.goto(f"http://{place}/")
        answers = _use(page, pictures)
        page.evaluate("() => navigator.serviceWorker.ready.then(() => undefined)")
        stored = page.evaluate(_script("stored.js"))
        outside = _elsewhere(sink, strange)
        other = context.new_page()
        other.goto(f"http://{place}/")
        _wait(other, "#choose:enabled", "the app to be ready a second time")
        seen = tuple(asked)
        attempts, arrived = _attempts(other, sink)
        other.close()
        offline, refused = _offline(page, server, pictures)
        return FolderSession(
            browser=f"Chromium {browser.version}",
            asked=seen,
            outside=outside,
            attempts=attempts,
            arrived=arrived,
            stored=stored,
            answers=answers,
            offline=offline,
            refused=refused,
        )


def single_session(page_text: bytes, pictures: Mapping[str, bytes]) -> SingleSession:
    """Open the single file from a disk, use it, and try to send.

    Args:
        page_text: The file.
        pictures: See ``folder_session``.

    Raises:
        SessionError: If the app does not work in the first place.
        playwright.sync_api.Error: If the browser fails.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="edgecnn-page-"))
        path = Path(folder) / "classifier.html"
        path.write_bytes(page_text)
        browser, sink = stack.enter_context(opened_browser())
        context, strange = _context(browser, path.as_uri())
        page = context.new_page()
        page.goto(path.as_uri())
        answers = _use(page, pictures)
        outside = _elsewhere(sink, strange)
        attempts, arrived = _attempts(page, sink)
        return SingleSession(outside=outside, attempts=attempts, arrived=arrived, answers=answers)


def _context(browser: Browser, own: str) -> tuple[BrowserContext, list[str]]:
    """Open a phone; return it, and a list that its requests to elsewhere are added to."""
    width, height = PHONE
    context = browser.new_context(
        viewport={"width": width, "height": height},
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
    )
    context.set_default_timeout(_TIMEOUT_MS)
    strange: list[str] = []

    def note(method: str, url: str) -> None:
        if not url.startswith((own, "blob:", "data:")):
            strange.append(f"{method} {url}")

    context.on("request", lambda request: note(request.method, request.url))
    context.on(
        "page", lambda page: page.on("websocket", lambda socket: note("WebSocket", socket.url))
    )
    return context, strange


def _elsewhere(sink: Sink, strange: Sequence[str]) -> tuple[str, ...]:
    """Return what went elsewhere, without what the browser does by itself."""
    past = [line for line in sink.lines if not _host(line).endswith(_BROWSERS_OWN)]
    return tuple(sorted({*strange, *past}))


def _host(line: str) -> str:
    """Return the host of a request line to a proxy, with a dot before it."""
    method, _, rest = line.partition(" ")
    target = rest.partition(" ")[0]
    url = f"//{target}" if method == "CONNECT" else target
    return f".{urlsplit(url).hostname or ''}"


def _wait(page: Page, selector: str, what: str) -> None:
    from playwright.sync_api import TimeoutError as TooLong

    try:
        # A failure of the app ends the wait, too: it is told at once.
        page.locator(f"{selector}, #failure:visible").first.wait_for(state="attached")
    except TooLong as error:
        raise SessionError(f"waited in vain for {what}") from error
    failure = page.locator("#failure:visible")
    if failure.count():
        raise SessionError(f"the app fails: {' '.join(failure.inner_text().split())[:300]}")


def _use(page: Page, pictures: Mapping[str, bytes]) -> dict[str, str]:
    """Use all of the app: camera, pictures, results as CSV, privacy page."""
    _wait(page, "#choose:enabled", "the app to be ready")
    page.locator('#nav a[href="#camera"]').click()
    page.locator("#camera-start").click()
    _wait(page, "#answer-bars > li", "an answer to the camera's frames")
    page.wait_for_timeout(_FRAMES_MS)
    page.locator("#camera-stop").click()
    answers = _classified(page, pictures)
    page.locator('#nav a[href="#about"]').click()
    _wait(page, "#claims > li", "the privacy page")
    return answers


def _classified(page: Page, pictures: Mapping[str, bytes]) -> dict[str, str]:
    """Have pictures classified; return what the CSV file says of each."""
    from playwright.sync_api import FilePayload

    page.locator('#nav a[href="#pictures"]').click()
    page.locator("#files").set_input_files(
        [FilePayload(name=name, mimeType=_PNG, buffer=data) for name, data in pictures.items()]
    )
    _wait(page, f"#results > li:nth-child({len(pictures)})", "all pictures' results")
    with page.expect_download() as saved:
        page.locator("#save").click()
    rows = csv.DictReader(io.StringIO(saved.value.path().read_text(encoding="utf-8-sig")))
    return {row["file"]: row["label"] or row["error"] for row in rows}


def _attempts(page: Page, sink: Sink) -> tuple[dict[str, str | None], tuple[str, ...]]:
    from playwright.sync_api import Error

    before = len(sink.lines)
    outcome = dict(page.evaluate(_script("attempts.js"), [OUTSIDE, False]))
    try:
        outcome |= page.evaluate(_script("attempts.js"), [OUTSIDE, True])
    except Error:  # the page was left
        outcome["form"] = None
    page.wait_for_timeout(300)  # what is on its way arrives
    found = sink.lines[before:]
    arrived = [name for name in outcome if any(_target(name) in line for line in found)]
    # A WebSocket asks the proxy for a tunnel, which names the host alone.
    if any(line.startswith("CONNECT outside.invalid") for line in found):
        arrived.append("WebSocket")
    return outcome, tuple(arrived)


def _target(way: str) -> str:
    return f"{OUTSIDE}/{way.replace(' ', '%20')}"


def _offline(
    page: Page, server: BundleServer, pictures: Mapping[str, bytes]
) -> tuple[dict[str, str] | None, bool]:
    from playwright.sync_api import Error

    server.shutdown()
    server.server_close()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5):
            refused = False
    except ConnectionRefusedError:
        refused = True
    try:
        page.reload()
        _wait(page, "#choose:enabled", "the app to be ready without its server")
        return _classified(page, pictures), refused
    except (Error, SessionError):
        return None, refused


def _script(name: str) -> str:
    place = importlib.resources.files("edgecnn.package.privacy") / name
    return place.read_text(encoding="utf-8")
