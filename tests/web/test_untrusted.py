"""HTTPS with a certificate that nobody vouches for, in a browser whose user went on anyway."""

from __future__ import annotations

import pytest

from edgecnn.package.privacy.browser import opened_browser
from edgecnn.serve.certificate import self_signed
from edgecnn.serve.server import serving
from web.made import files_of, needs_browser

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

pytestmark = [pytest.mark.slow, needs_browser]


@pytest.mark.parametrize("secure", [True, False])
def test_it_says_that_the_certificate_is_why_nothing_is_kept(secure: bool) -> None:
    """And, as the control, keeps its files where there is no certificate to distrust."""
    context = self_signed(["127.0.0.1"]).context if secure else None
    with (
        serving(files_of("resnet8"), context=context) as server,
        opened_browser(allowed=f"127.0.0.1:{server.port}") as (browser, _),
        browser.new_context(ignore_https_errors=True) as phone,
    ):
        page = phone.new_page()
        page.goto(f"{'https' if secure else 'http'}://127.0.0.1:{server.port}/#about")
        assert page.evaluate("isSecureContext")
        said = page.locator("#about-offline:not(:text('being saved'))")
        said.wait_for()
        wanted = "browser does not trust this server's certificate" if secure else "All files"
        assert wanted in said.inner_text()
