"""The single file in WebKit and Firefox, opened from a disk: it works, and nothing leaves it."""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from edgecnn.package.privacy.browser import Sink
from edgecnn.package.privacy.web_check import sample_pictures
from edgecnn.package.web.single import single_page
from edgecnn.serve.server import serving
from web.engine import Engine, until
from web.in_engines import ENGINES, classify, heard, listening, ready, started

pytestmark = pytest.mark.slow

MODEL = "resnet8"
OUTSIDE = "http://outside.invalid"
ATTEMPTS = (importlib.resources.files("edgecnn.package.privacy") / "attempts.js").read_text(
    encoding="utf-8"
)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return listening(MODEL)


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()


@pytest.fixture(scope="module", params=ENGINES)
def window(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sink: Sink
) -> Iterator[Engine]:
    """A window whose camera is refused, where the engine can, and whose every way out is noted."""
    camera = {"Firefox": "refused", "WebKit": "none"}[request.param]
    folder = tmp_path_factory.mktemp(request.param) / "profile"
    with started(request.param, folder, camera=camera, proxy=sink.address) as made:
        yield made


def try_to_send(page: Engine) -> dict[str, str | None]:
    """Return each way of sending that a page has, and what refused it."""
    found: dict[str, str | None] = page.run(f"return ({ATTEMPTS})(args)", OUTSIDE, False)
    return found


def went_out(sink: Sink, before: int, target: str) -> bool:
    """Whether something has gone there since."""
    return any(target in line for line in sink.lines[before:])


def own(line: str) -> bool:
    """Whether a line at the sink is of what Firefox fetches for itself, page or no page."""
    hosts = r"[\w.-]+\.(mozilla\.(com|org|net)|firefox\.com|googleapis\.com)"
    return re.match(f"CONNECT {hosts}:443 ", line) is not None


def test_it_works_and_opens_no_connection(
    window: Engine, files: dict[str, bytes], sink: Sink, tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    path = tmp_path / "classifier.html"
    path.write_bytes(single_page(files))
    before = len(sink.lines)
    took = ready(window, path.as_uri())
    rows = classify(window, tmp_path, sample_pictures(files))
    golden = json.loads(files["golden.json"])["images"]
    labels = json.loads(files["model/contract.json"])["labels"]
    assert [(row["label"], row["score"]) for row in rows] == [
        (labels[one["top"]], f"{max(one['scores']):.4f}") for one in golden[: len(rows)]
    ]
    assert heard(window) == []
    record_property("measured", f"{MODEL}'s single file, {window.version}: ready in {took:.1f} s")
    outcome = try_to_send(window)
    assert len(outcome) >= 14
    # That a worker of another origin is refused is no matter of the policy; Firefox says nothing.
    assert [way for way, by in outcome.items() if by is None and way != "worker"] == []
    assert outcome["fetch"] == outcome["WebSocket"] == "connect-src"
    assert [line for line in sink.lines[before:] if not own(line)] == []


def test_what_a_page_without_a_policy_sends_arrives(
    window: Engine, sink: Sink, tmp_path: Path
) -> None:
    """Control: the engine sends, and the sink sees it."""
    path = tmp_path / "open.html"
    path.write_text("<!doctype html><title>open</title><body>")
    window.open(path.as_uri())
    before = len(sink.lines)
    outcome = try_to_send(window)
    assert outcome["fetch"] is outcome["image"] is None
    # Not the image: Firefox asks for it by HTTPS, which shows the sink no more than a host.
    for way in ("fetch", "XMLHttpRequest", "beacon", "script", "style", "frame"):
        until(functools.partial(went_out, sink, before, f"{OUTSIDE}/{way} "), way)


def test_a_camera_that_cannot_be_had_is_said(
    window: Engine, files: dict[str, bytes], tmp_path: Path
) -> None:
    refused = window.version.startswith("Firefox")
    said = "The camera is not allowed." if refused else "No camera was found."
    with serving(files) as server:
        ready(window, f"http://127.0.0.1:{server.port}/")
        window.run("document.getElementById('camera-start').click()")
        message = "return document.getElementById('camera-message').textContent"
        until(lambda: said in window.run(message), said)
        assert len(classify(window, tmp_path, sample_pictures(files))) == 3


def test_the_folder_from_a_disk_says_what_to_do(
    window: Engine, files: Mapping[str, bytes], tmp_path: Path
) -> None:
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    window.open((tmp_path / "index.html").as_uri())
    text = window.run("return document.body.innerText")
    assert "This page was opened from a folder" in text
    assert "classifier.html" in text
