"""The packaged app in Chromium, as on a phone: what a user sees and does."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from edgecnn.package.privacy.web_check import sample_pictures
from edgecnn.package.web.single import single_page
from edgecnn.serve.server import BundleServer
from web.app_page import classify, opened_at, phone, place, ready
from web.made import needs_browser

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, needs_browser]


def test_it_tests_itself_and_says_so(page: Page, files: dict[str, bytes]) -> None:
    count = len(json.loads(files["golden.json"])["images"])
    assert f"Self-test passed: {count} of {count}" in page.locator("#status").inner_text()


def test_a_failed_self_test_is_shown_and_nothing_is_classified(
    browser: Browser, files: dict[str, bytes]
) -> None:
    golden = json.loads(files["golden.json"])
    golden["images"][0]["scores"][0] += 0.5
    bad = {**files, "golden.json": json.dumps(golden).encode()}
    with opened_at(browser, bad) as (shown, _):
        shown.locator("#failure:visible").wait_for()
        assert "self-test failed" in shown.locator("#failure").inner_text()
        assert shown.locator("#choose").is_disabled()


def test_the_camera_s_frames_get_the_image_s_class(page: Page, video: tuple[Path, str]) -> None:
    page.locator('#nav a[href="#camera"]').tap()
    page.locator("#camera-start").tap()
    page.locator("#answer-bars > li").first.wait_for()
    page.wait_for_timeout(1500)
    assert page.locator("#answer").inner_text() == video[1]
    assert page.locator("#answer-bars > li").count() == 3
    assert re.fullmatch(r"\d+\.\d ms", page.locator("#latency").inner_text())
    assert int(page.locator("#rate").inner_text().split()[0]) >= 1
    page.locator("#camera-stop").tap()
    assert page.locator("#camera-start").is_visible()


def test_several_pictures_and_a_corrupt_one(page: Page, files: dict[str, bytes]) -> None:
    golden = json.loads(files["golden.json"])
    labels = json.loads(files["model/contract.json"])["labels"]
    pictures = sample_pictures(files)
    whole = next(iter(pictures.values()))
    wrong = {"cut.png": whole[: len(whole) // 2], "text.png": b"no picture", "empty.png": b""}
    rows = classify(page, {**pictures, **wrong})
    wanted = [one for one in golden["images"] if one["scores"]][: len(pictures)]
    for row, one in zip(rows[: len(pictures)], wanted, strict=True):
        assert row["label"] == labels[one["top"]]
        # The same file, the same pixels: the same scores as in Python, in all of CSV's digits.
        assert float(row["score"]) == pytest.approx(max(one["scores"]), abs=5.1e-5)
    for row in rows[len(pictures) :]:
        assert row["label"] == ""
        assert row["error"]
    assert page.locator("#results li.problem").count() == len(wrong)


def test_below_the_limit_it_says_unknown(browser: Browser, files: dict[str, bytes]) -> None:
    contract = {**json.loads(files["model/contract.json"]), "reject_below": 1.0}
    strict = {**files, "model/contract.json": json.dumps(contract).encode()}
    with opened_at(browser, strict) as (shown, _):
        ready(shown)
        rows = classify(shown, sample_pictures(files))
    assert {row["label"] for row in rows} == {"unknown"}


def test_a_denied_camera_is_said_and_pictures_still_work(
    browser: Browser, server: BundleServer, files: dict[str, bytes]
) -> None:
    with phone(browser, permissions=[]) as context:
        page = context.new_page()
        page.goto(place(server))
        ready(page)
        page.locator('#nav a[href="#camera"]').tap()
        page.locator("#camera-start").tap()
        page.locator('#camera-message[data-problem="true"]').wait_for()
        assert "not allowed" in page.locator("#camera-message").inner_text()
        assert len(classify(page, sample_pictures(files))) == 3


def test_it_can_be_installed(browser: Browser, page: Page, files: dict[str, bytes]) -> None:
    page.evaluate("() => navigator.serviceWorker.ready.then(() => undefined)")
    found = page.context.new_cdp_session(page).send("Page.getAppManifest")
    assert found["errors"] == []
    assert json.loads(found["data"])["display"] == "standalone"
    # A context is an incognito window, which cannot install anything; that is all it may say.
    assert obstacles(page) == {"in-incognito"}
    # Control: it says more where there is more to say.
    manifest = {**json.loads(files["manifest.webmanifest"]), "icons": []}
    bad = {**files, "manifest.webmanifest": json.dumps(manifest).encode()}
    with opened_at(browser, bad) as (other, _):
        ready(other)
        assert "manifest-missing-suitable-icon" in obstacles(other)


def obstacles(page: Page) -> set[str]:
    """What the browser has against an installation."""
    session = page.context.new_cdp_session(page)
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    return {one["errorId"] for one in errors}


def test_offline_once_it_was_open(browser: Browser, files: dict[str, bytes]) -> None:
    with opened_at(browser, files) as (page, other):
        ready(page)
        page.evaluate("() => navigator.serviceWorker.ready.then(() => undefined)")
        before = classify(page, sample_pictures(files))
        other.shutdown()
        other.server_close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", other.port), timeout=5)
        page.reload()
        ready(page)
        after = classify(page, sample_pictures(files))
    for row in (*before, *after):
        row.pop("milliseconds")
    assert after == before


def test_without_wasm_s_permission_it_says_that_it_cannot_run(
    browser: Browser, files: dict[str, bytes]
) -> None:
    """Control: the policy is in force, and that word of it is needed."""
    text = files["index.html"].replace(b" 'wasm-unsafe-eval'", b"")
    with opened_at(browser, {**files, "index.html": text}, headers={}) as (page, _):
        page.locator("#failure:visible").wait_for()


def test_text_is_never_run(page: Page) -> None:
    # Later: while a debugger's own request runs, the browser lets it run text.
    said = page.evaluate(
        """() => new Promise((done) => setTimeout(() => {
          try { done(new Function("return 1")()); } catch (error) { done(error.name); }
        }))"""
    )
    assert said == "EvalError"


def test_the_single_file_from_a_disk_with_no_network(
    browser: Browser, files: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "classifier.html"
    path.write_bytes(single_page(files))
    with phone(browser, offline=True) as context:
        asked: list[str] = []
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.goto(path.as_uri())
        ready(page)
        rows = classify(page, sample_pictures(files))
    golden = json.loads(files["golden.json"])["images"]
    labels = json.loads(files["model/contract.json"])["labels"]
    assert [row["label"] for row in rows] == [labels[one["top"]] for one in golden[:3]]
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]


def test_the_folder_from_a_disk_says_what_to_do(
    browser: Browser, files: dict[str, bytes], tmp_path: Path
) -> None:
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    with phone(browser) as context:
        page = context.new_page()
        page.goto((tmp_path / "index.html").as_uri())
        text = page.locator("body").inner_text()
    assert "classifier.html" in text
    assert "edgecnn serve" in text


def test_every_claim_is_on_the_privacy_page(page: Page, files: dict[str, bytes]) -> None:
    page.locator('#nav a[href="#about"]').tap()
    text = page.locator("#claims").inner_text()
    for one in json.loads(files["privacy.json"])["claims"]:
        assert one["text"] in text
    assert "Not checked" in text  # as these files say
