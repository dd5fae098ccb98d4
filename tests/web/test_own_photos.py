"""A classifier of a few photos on the pretrained network, built, packaged and used in Chromium."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command import edgecnn
from published_weights import need_lite0
from web.app_page import opened_at, ready
from web.made import needs_browser, package

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, needs_browser]

RECIPE = """
[model]
name = "places"
backbone = "efficientnet_lite0"
[data]
name = "folder"
path = "photos"
image_size = 96
split_by = "image"
[transfer]
fine_tune = "never"
copies = 1
[convert]
variants = ["onnx-fp32", "onnx-int8"]
"""
EACH, NEW = 40, 6

# By the app's own modules, as its page of pictures does it; scores in full.
SCORES = """async (pictures) => {
  const load = (name) => import(new URL(name, location.href).href);
  const [{ openPicture }, { prepare }, { parseContract }, { loadRuntime, resource }, { Runner }] =
    await Promise.all(
      ["pixels.js", "preprocess.js", "contract.js", "resources.js", "runner.js"].map(load),
    );
  const contract = parseContract(await resource("model/contract.json"));
  const model = await resource("model/model.onnx");
  const runner = await Runner.load(await loadRuntime(), model, contract);
  const found = [];
  for (const picture of pictures) {
    const bytes = Uint8Array.from(atob(picture), (character) => character.charCodeAt(0));
    const { source } = await openPicture(new Blob([bytes]));
    const { scores } = await runner.scores(prepare(source, contract.input));
    found.push(Array.from(scores));
  }
  return found;
}"""


def parts_of_photos(count: int, *, seed: int) -> dict[str, list[Image.Image]]:
    """Cut parts from the two photos that scikit-learn ships: of a temple, and of a flower."""
    from sklearn.datasets import load_sample_images

    random = np.random.default_rng(seed)
    found: dict[str, list[Image.Image]] = {}
    for name, pixels in zip(("temple", "flower"), load_sample_images().images, strict=True):
        for _ in range(count):
            side = int(random.integers(120, 240))
            top, left = (int(random.integers(0, whole - side)) for whole in pixels.shape[:2])
            part = Image.fromarray(pixels[top : top + side, left : left + side])
            found.setdefault(name, []).append(part)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that is built; its bundle for the web in ``dist``."""
    need_lite0()
    project = tmp_path_factory.mktemp("places")
    for name, pictures in parts_of_photos(EACH, seed=0).items():
        (project / "photos" / name).mkdir(parents=True)
        for number, picture in enumerate(pictures):
            picture.save(project / "photos" / name / f"{number}.png")
    (project / "recipe.toml").write_text(RECIPE)
    done = edgecnn("build", project, "--json")
    # Sixteen test images cannot decide what an int8 file loses.
    assert done.code == 4, done.err
    verdicts = {row["variant"]: row["verdict"] for row in done.json()["parity"]["rows"]}
    assert verdicts == {"onnx-fp32": "PASS", "onnx-int8": "INCONCLUSIVE"}
    # The claims of a web bundle are checked in test_command.py and test_privacy.py.
    asked = (project, "--variant", "onnx-int8", "--version", "1.0", "--out", project / "dist",
             "--skip-privacy-checks")  # fmt: skip
    assert package(*asked).returncode == 35
    made = package(*asked, "--accept-inconclusive", "--format", "folder")
    assert made.returncode == 0, made.stderr
    return project


@pytest.fixture(scope="module")
def served(folder: Path) -> dict[str, bytes]:
    bundle = folder / "dist/places-1.0-web"
    return {
        path.relative_to(bundle).as_posix(): path.read_bytes()
        for path in bundle.rglob("*")
        if path.is_file()
    }


def test_int8_scores_in_the_browser_are_those_of_python(
    browser: Browser,
    folder: Path,
    served: dict[str, bytes],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    pictures = [one for some in parts_of_photos(NEW, seed=1).values() for one in some]
    files = []
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
        files.append(tmp_path / f"{number}.png")
    command: list[str | Path] = [sys.executable, "-m", "edgecnn_runner", "classify"]
    command += [folder / "build/places-int8.onnx", *files, "--json"]
    rows: Any = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    in_python = np.zeros((len(files), 2))
    for number, row in enumerate(rows):
        for entry in row["ranked"]:
            in_python[number, entry["index"]] = entry["score"]
    with opened_at(browser, served) as (page, _):
        ready(page)
        encoded = [base64.b64encode(file.read_bytes()).decode() for file in files]
        in_browser = np.array(page.evaluate(SCORES, encoded))
    # Answers that are all sure would be equal whatever the arithmetic.
    assert len({tuple(scores) for scores in in_python.tolist()}) > 2
    difference = float(np.abs(in_browser - in_python).max())
    record_property(
        "measured",
        f"EfficientNet-Lite0 int8, {len(files)} pictures: scores in Chromium differ from Python's "
        f"by {difference:g} at most",
    )
    assert (in_browser == in_python).all()


def test_the_app_says_that_the_file_is_not_proven_and_between_which_bounds(
    browser: Browser, served: dict[str, bytes], tmp_path: Path
) -> None:
    said = json.loads(served["model/contract.json"])["not_proven"]
    assert "not proven: 16 images" in said
    assert "95 %" in said
    with opened_at(browser, served) as (page, _):
        ready(page)
        status = page.locator("#status")
        assert "Not proven" in status.inner_text()
        assert status.get_attribute("data-kind") == "unproven"
        assert status.is_visible()
        shown = Image.open(io.BytesIO(page.screenshot(path=tmp_path / "start.png")))
        assert shown.width >= 300
        page.locator('#nav a[href="#about"]').tap()
        proof = page.locator("#about-proof")
        proof.scroll_into_view_if_needed()
        assert proof.inner_text() == said
        page.screenshot(path=tmp_path / "about.png")
