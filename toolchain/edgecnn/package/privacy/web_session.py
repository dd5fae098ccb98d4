"""A whole session with a web bundle in a real browser, and what was seen of it.

The folder is served without any header but content types, as by the simplest server there is, so
that what holds the page is what is in the bundle itself.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.resources
import io
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from edgecnn.package.privacy.browser import PHONE, Sink, opened_browser
from edgecnn.serve.server import BundleServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


# What Debian's Chromium itself asks for, page or no page: looks for updates, and for accounts.
_BROWSERS_OWN: Final = ("accounts.google.com", "update.googleapis.com")
_LATE_MS: Final = 3000  # for what is sent by and by


@dataclass(frozen=True, kw_only=True)
class FolderSession:
    """What was seen of the folder.

    Attributes:
        browser: Name and version.
        asked: Request lines at the bundle's own server.
        outside: What left for elsewhere, from the start to the end, attempts not counted.
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
        browser: Name and version.
        outside: What left for elsewhere, attempts not counted.
        attempts: Way of sending to the directive that refused it; None where none did.
        arrived: Ways whose attempt was seen outside.
        answers: File name to label.
    """

    browser: str
    outside: Sequence[str]
    attempts: Mapping[str, str | None]
    arrived: Sequence[str]
    answers: Mapping[str, str]


FOLDER_STEPS: Final = 4
SINGLE_STEPS: Final = 2
"""So many steps each session tells of."""


def folder_session(
    files: Mapping[str, bytes],
    pictures: Mapping[str, bytes],
    begin: Callable[[str], object] = lambda _: None,
) -> FolderSession:
    """Start the app, use all that it has, try to send, end the server, and use it again.

    Args:
        files: A web bundle's.
        pictures: File name to bytes; what the app is to classify.
        begin: Is told of each step before it is done.

    Raises:
        SessionError: If the app does not work in the first place.
        playwright.sync_api.Error: If the browser fails.
    """
    asked: list[str] = []
    begin("the app in use")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(files, headers={}, said=asked.append))
        place = f"127.0.0.1:{server.port}"
        browser, sink = stack.enter_context(opened_browser(allowed=place))
        context, strange = open_phone(browser, f"http://{place}/")
        page = context.new_page()
        page.goto(f"http://{place}/")
        answers = use_app(page, pictures)
        page.evaluate("() => navigator.serviceWorker.ready.then(() => undefined)")
        begin("what it stores")
        stored = page.evaluate(_script("stored.js"))
        other = context.new_page()
        other.goto(f"http://{place}/")
        wait_for(other, "#choose:enabled", "the app to be ready a second time")
        host = _no_host()
        begin("ways to send")
        attempts, arrived = _attempts(other, sink, host)
        other.close()
        begin("without its server")
        offline, refused = _offline(page, server, pictures)
        page.wait_for_timeout(_LATE_MS)
        return FolderSession(
            browser=f"Chromium {browser.version}",
            asked=tuple(asked),
            outside=_elsewhere(sink, strange, host),
            attempts=attempts,
            arrived=arrived,
            stored=stored,
            answers=answers,
            offline=offline,
            refused=refused,
        )


def single_session(
    page_text: bytes,
    pictures: Mapping[str, bytes],
    begin: Callable[[str], object] = lambda _: None,
) -> SingleSession:
    """Open the single file from a disk, use it, and try to send.

    Args:
        page_text: The file.
        pictures: File name to bytes; what the app is to classify.
        begin: Is told of each step before it is done.

    Raises:
        SessionError: If the app does not work in the first place.
        playwright.sync_api.Error: If the browser fails.
    """
    begin("the single file in use")
    with _opened_file(page_text) as (page, browser, sink, strange):
        answers = use_app(page, pictures)
        page.wait_for_timeout(_LATE_MS)
        outside = _elsewhere(sink, strange, "")
        begin("its ways to send")
        attempts, arrived = _attempts(page, sink, _no_host())
        return SingleSession(
            browser=f"Chromium {browser.version}",
            outside=outside,
            attempts=attempts,
            arrived=arrived,
            answers=answers,
        )


def refusal_to_start(page_text: bytes) -> str | None:
    """Open the single file from a disk; return why its app refuses to work, None if it works.

    Args:
        page_text: The file.

    Raises:
        playwright.sync_api.Error: If the browser fails.
    """
    with _opened_file(page_text) as (page, *_):
        try:
            wait_for(page, "#choose:enabled", "the app to be ready")
        except SessionError as error:
            return str(error)
    return None


@contextlib.contextmanager
def _opened_file(page_text: bytes) -> Iterator[tuple[Page, Browser, Sink, list[str]]]:
    """Open a page from a disk; yield it, its browser, and where its requests end up."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="edgecnn-page-"))
        path = Path(folder) / "classifier.html"
        path.write_bytes(page_text)
        browser, sink = stack.enter_context(opened_browser())
        context, strange = open_phone(browser, path.as_uri())
        page = context.new_page()
        page.goto(path.as_uri())
        yield page, browser, sink, strange


def _no_host() -> str:
    """Return a name that no host ever has (RFC 2606), and that no page can know before."""
    return f"x{secrets.token_hex(8)}.invalid"


def _elsewhere(sink: Sink, strange: Sequence[str], attempts: str) -> tuple[str, ...]:
    """Return what went elsewhere, without attempts and what the browser does by itself."""
    past = [line for line in sink.lines if _host(line) not in (attempts, *_BROWSERS_OWN)]
    mine = [line for line in strange if urlsplit(line.partition(" ")[2]).hostname != attempts]
    return tuple(sorted({*mine, *past}))


def _host(line: str) -> str:
    """Return the host of a request line to a proxy."""
    method, _, rest = line.partition(" ")
    target = rest.partition(" ")[0]
    return urlsplit(f"//{target}" if method == "CONNECT" else target).hostname or ""


def _attempts(page: Page, sink: Sink, host: str) -> tuple[dict[str, str | None], tuple[str, ...]]:
    """Try to send to a host; return which directive refused each way, and what arrived."""
    from playwright.sync_api import Error

    place, before = f"http://{host}", len(sink.lines)
    outcome = dict(page.evaluate(_script("attempts.js"), [place, False]))
    try:
        outcome |= page.evaluate(_script("attempts.js"), [place, True])
    except Error:  # the page was left
        outcome["form"] = None
    page.wait_for_timeout(300)  # what is on its way arrives
    found = sink.lines[before:]
    arrived = [
        name
        for name in outcome
        if any(f"{place}/{name.replace(' ', '%20')}" in line for line in found)
    ]
    # A WebSocket asks the proxy for a tunnel, which names the host alone.
    if any(line.startswith(f"CONNECT {host}") for line in found):
        arrived.append("WebSocket")
    return outcome, tuple(arrived)


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
        wait_for(page, "#choose:enabled", "the app to be ready without its server")
        return classified(page, pictures), refused
    except (Error, SessionError):
        return None, refused


def _script(name: str) -> str:
    place = importlib.resources.files("edgecnn.package.privacy") / name
    return place.read_text(encoding="utf-8")


_PNG: Final = "image/png"
_TIMEOUT_MS: Final = 60_000
_FRAMES_MS: Final = 1500  # of camera


class SessionError(Exception):
    """The app did not do what a session takes; the text says what was waited for."""


def open_phone(browser: Browser, own: str) -> tuple[BrowserContext, list[str]]:
    """Open a phone; return it, and a list that its requests to elsewhere are added to.

    So are its uses of ways out that are no requests: WebRTC, other windows, sharing.

    Args:
        browser: Where.
        own: What the address of each request begins with that is none to elsewhere.
    """
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
    context.expose_binding("edgecnnSessionNote", lambda _, what: strange.append(f"used {what}"))
    watched = importlib.resources.files("edgecnn.package.privacy") / "watched.js"
    context.add_init_script(watched.read_text(encoding="utf-8"))
    return context, strange


def wait_for(page: Page, selector: str, what: str) -> None:
    """Wait for what the app is to show.

    Args:
        page: Where the app is.
        selector: What it is to show.
        what: The same in words.

    Raises:
        SessionError: If it does not come, or the app says that it fails.
    """
    from playwright.sync_api import TimeoutError as TooLong

    try:
        # A failure of the app ends the wait, too: it is told at once.
        page.locator(f"{selector}, #failure:visible").first.wait_for(state="attached")
    except TooLong as error:
        raise SessionError(f"waited in vain for {what}") from error
    failure = page.locator("#failure:visible")
    if failure.count():
        raise SessionError(f"the app fails: {' '.join(failure.inner_text().split())[:300]}")


def use_app(page: Page, pictures: Mapping[str, bytes]) -> dict[str, str]:
    """Use all of the app: camera, pictures, results as CSV, privacy page."""
    wait_for(page, "#choose:enabled", "the app to be ready")
    page.locator('#nav a[href="#camera"]').click()
    page.locator("#camera-start").click()
    wait_for(page, "#answer-bars > li", "an answer to the camera's frames")
    page.wait_for_timeout(_FRAMES_MS)
    page.locator("#camera-stop").click()
    answers = classified(page, pictures)
    page.locator('#nav a[href="#about"]').click()
    wait_for(page, "#claims > li", "the privacy page")
    return answers


def classified(page: Page, pictures: Mapping[str, bytes]) -> dict[str, str]:
    """Have pictures classified; return what the CSV file says of each."""
    from playwright.sync_api import FilePayload

    page.locator('#nav a[href="#pictures"]').click()
    page.locator("#files").set_input_files(
        [FilePayload(name=name, mimeType=_PNG, buffer=data) for name, data in pictures.items()]
    )
    wait_for(page, f"#results > li:nth-child({len(pictures)})", "all pictures' results")
    with page.expect_download() as saved:
        page.locator("#save").click()
    rows = csv.DictReader(io.StringIO(saved.value.path().read_text(encoding="utf-8-sig")))
    return {row["file"]: row["label"] or row["error"] for row in rows}
