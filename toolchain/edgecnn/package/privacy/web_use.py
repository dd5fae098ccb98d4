"""Use the web app in a browser as a person does: an emulated phone, camera, pictures, results."""

from __future__ import annotations

import csv
import importlib.resources
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from edgecnn.package.privacy.browser import PHONE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

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
