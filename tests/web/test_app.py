"""The packaged app in Chromium, as on a phone: what a user sees and does."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from edgecnn.package.privacy.browser import PHONE, opened_browser
from edgecnn.package.privacy.web_check import sample_pictures
from edgecnn.package.web.policy import HEADERS
from edgecnn.package.web.server import BundleServer, serving
from edgecnn.package.web.single import single_page
from web.made import AXE, camera_video, files_of, golden_images, needs_browser

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [pytest.mark.slow, needs_browser]

MODEL = "resnet8"


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return files_of(MODEL, reject_below=0.3)


@pytest.fixture(scope="module")
def server(files: dict[str, bytes]) -> Iterator[BundleServer]:
    with serving(files) as running:
        yield running


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A camera that shows a golden image, and the label it has."""
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    images, classes = golden_images(MODEL)
    camera_video(path, images[0])
    labels = json.loads(files_of(MODEL)["model/contract.json"])["labels"]
    return path, labels[classes[0]]


@pytest.fixture(scope="module")
def browser(video: tuple[Path, str]) -> Iterator[Browser]:
    options = [
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={video[0]}",
    ]
    with opened_browser(allowed="127.0.0.1", options=options) as (started, _):
        yield started


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


@pytest.fixture
def page(browser: Browser, server: BundleServer) -> Iterator[Page]:
    with phone(browser, permissions=["camera"]) as context:
        made = context.new_page()
        made.goto(place(server))
        ready(made)
        yield made


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 393, 1280])
def test_nothing_hangs_over_and_axe_finds_nothing(
    browser: Browser, server: BundleServer, files: dict[str, bytes], width: int, scheme: Any
) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not there: npm ci in deploy/web")
    view: Any = {"width": width, "height": 851}
    with phone(browser, viewport=view, color_scheme=scheme, permissions=["camera"]) as context:
        context.add_init_script(path=AXE)  # by the browser's own protocol, past the policy
        page = context.new_page()
        page.goto(place(server))
        ready(page)
        classify(page, {**sample_pictures(files), "text.png": b"no picture"})
        for name in ("camera", "pictures", "about"):
            page.locator(f'#nav a[href="#{name}"]').tap()
            if name == "camera":
                page.locator("#camera-start").tap()
                page.locator("#answer-bars > li").first.wait_for()
            wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{name}: {wide} pixels beyond {width}"
            found = page.evaluate("() => axe.run().then((found) => found.violations)")
            assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
            small = page.evaluate(_SMALL_TARGETS)
            assert small == []


# WCAG 2.2, 2.5.8 asks for 24 CSS pixels; a thumb, for more.
_SMALL_TARGETS = """() => Array.from(document.querySelectorAll("button, nav a"))
  .map((one) => [one, one.getBoundingClientRect()])
  .filter(([, box]) => box.width > 0 && box.height < 44)
  .map(([one, box]) => `${one.id || one.textContent} ${box.height}`)"""


def test_it_is_used_by_keyboard_alone(browser: Browser, server: BundleServer) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(place(server))
        ready(page)
        reached = []
        for _ in range(8):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("() => document.activeElement.textContent.trim()"))
        assert {"Camera", "Pictures", "About and privacy"} <= set(reached)
        page.locator('#nav a[href="#pictures"]').focus()
        page.keyboard.press("Enter")
        assert page.locator("#pictures").is_visible()


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
