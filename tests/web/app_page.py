"""The packaged app in a page of Chromium, as on a phone: to be opened and used by tests."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from edgecnn.package.privacy.browser import PHONE
from edgecnn.serve.policy import HEADERS
from edgecnn.serve.server import BundleServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


def phone(browser: Browser, **more: Any) -> BrowserContext:
    width, height = PHONE
    settings = {"viewport": {"width": width, "height": height}, "has_touch": True}
    context = browser.new_context(**{**settings, "is_mobile": True, **more})
    context.set_default_timeout(30_000)
    return context


def place(server: BundleServer) -> str:
    return f"http://127.0.0.1:{server.port}/"


@contextlib.contextmanager
def opened_at(
    browser: Browser, files: dict[str, bytes], headers: Mapping[str, str] = HEADERS
) -> Iterator[tuple[Page, BundleServer]]:
    """A page of its own, at another bundle's server."""
    with (
        serving(files, headers=headers) as other,
        phone(browser, permissions=["camera"]) as context,
    ):
        page = context.new_page()
        page.goto(place(other))
        yield page, other


def ready(page: Page) -> None:
    page.locator("#choose:enabled").wait_for(state="attached")


def classify(page: Page, pictures: dict[str, bytes]) -> list[dict[str, str]]:
    """Choose pictures; return the rows of the CSV file that is saved then."""
    page.locator('#nav a[href="#pictures"]').tap()
    chosen = [
        {"name": name, "mimeType": "image/png", "buffer": data} for name, data in pictures.items()
    ]
    page.locator("#files").set_input_files(chosen)  # type: ignore[arg-type]
    page.locator(f"#results > li:nth-child({len(pictures)})").wait_for()
    with page.expect_download() as saved:
        page.locator("#save").tap()
    text = saved.value.path().read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))
