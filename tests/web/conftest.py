"""A bundle, its server, and a browser with a camera, for the tests of the app."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgecnn.package.privacy.browser import opened_browser
from edgecnn.serve.server import BundleServer, serving
from web.app_page import phone, place, ready
from web.made import camera_video, files_of, golden_images

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

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


@pytest.fixture
def page(browser: Browser, server: BundleServer) -> Iterator[Page]:
    with phone(browser, permissions=["camera"]) as context:
        made = context.new_page()
        made.goto(place(server))
        ready(made)
        yield made
