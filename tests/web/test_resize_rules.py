"""A model of one's own with torchvision's preprocessing, from convert to the app in Chromium."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from edgecnn.files import file_digest
from edgecnn.package.privacy.browser import opened_browser
from edgecnn.package.privacy.web_check import sample_pictures
from edgecnn.package.proven import Proven, ProvenFile
from edgecnn_runner.classifier import Classifier
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.images.decode import read_image
from edgecnn_runner.images.preprocess import prepare
from runner.fixture_files import HAS_ONNX
from web.app_page import classify, opened_at, ready
from web.made import bundle_of, needs_browser

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [
    pytest.mark.slow,
    needs_browser,
    pytest.mark.skipif(not HAS_ONNX, reason="onnxruntime is not installed"),
]
RULE = "centre-crop-0.875-bilinear-antialias-1"
NAMES = ("blue", "green", "red")

# The class is the colour of most; where in the picture it is, moves the scores a little.
CONVERT = """
import sys
import keras, numpy as np

folder, *options = sys.argv[1:]
image = keras.Input((14, 21, 3))
flat = keras.layers.Flatten()(image)
model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(flat))
places = np.random.default_rng(2).normal(0, 3, (14, 21, 3, 3))
weights = (np.eye(3)[::-1] * 3 + places) / 14 / 21 / 50
model.set_weights([weights.reshape(-1, 3), np.zeros(3)])
model.save(folder + "/colours.keras")
sys.argv = ["edgecnn", "convert", folder + "/colours.keras", *options]
from edgecnn.cli.app import main
main()
"""


def picture(colour: int, seed: int) -> Image.Image:
    """A picture with slopes and noise, mostly of one colour, of another shape than the model's."""
    rng = np.random.default_rng(seed)
    rows, columns = (int(side) for side in rng.integers(20, 70, 2))
    row, column = np.mgrid[:rows, :columns]
    pixels = rng.integers(0, 60, (rows, columns, 3)) + (90 * row // rows)[..., np.newaxis]
    pixels[..., 2 - colour] += 40 + 60 * column // columns
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file that was converted with that rule; its golden vectors lie beside it."""
    folder = tmp_path_factory.mktemp("own")
    for colour, name in enumerate(NAMES):
        (folder / "images" / name).mkdir(parents=True)
        for index in range(12):
            picture(colour, 100 * colour + index).save(folder / "images" / name / f"{index}.png")
    (folder / "labels.txt").write_text("\n".join(NAMES) + "\n")
    options = ["--data", folder / "images", "--labels", folder / "labels.txt"]
    options += ["--input-range", "0..255", "--variant", "onnx-fp32", "--out", folder / "build"]
    options += ["--fit", "crop", "--crop-fraction", "0.875", "--resample", "bilinear-antialias"]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", CONVERT, str(folder), *map(str, options)],
        capture_output=True, text=True, timeout=600, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (made,) = (folder / "build").glob("*-fp32.onnx")
    return made


@pytest.fixture(scope="module")
def files(model: Path) -> dict[str, bytes]:
    contract = read_container(model).contract
    assert contract is not None
    assert contract.resize == RULE
    file = ProvenFile(path=model, contract=contract, verdict={}, sha256=file_digest(model))
    folder = model.parent
    return bundle_of(
        Proven(model="colours", files=(file,), golden=folder / "golden.npz", folder=folder)
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened_browser(allowed="127.0.0.1") as (started, _):
        yield started


def test_its_app_tests_itself_and_gives_pythons_scores(
    browser: Browser, files: dict[str, bytes], model: Path
) -> None:
    golden = json.loads(files["golden.json"])["images"]
    assert {one["prepared"] is None for one in golden} == {True, False}
    pictures = {}
    for colour in range(3):
        buffer = io.BytesIO()
        picture(colour, 1000 + colour).save(buffer, "PNG")
        pictures[f"{NAMES[colour]}.png"] = buffer.getvalue()
    pictures |= sample_pictures(files)
    with opened_at(browser, files) as (page, _):
        ready(page)
        passed = f"Self-test passed: {len(golden)} of {len(golden)}"
        assert passed in page.locator("#status").inner_text()
        rows = classify(page, pictures)
        about = page.locator("#about-fit").text_content()
    assert about == "cropped to 87.5\u00a0% of their middle"
    differences = []
    with Classifier(model) as classifier:
        shape = {"height": 14, "width": 21, "channels": 3}
        for row, data in zip(rows, pictures.values(), strict=True):
            found = classifier.classify(data)
            # In all digits that the CSV file has.
            assert (row["label"], row["score"]) == (found.label, f"{found.score:.4f}")
            other = prepare(read_image(data), **shape, rule="stretch-nearest-1")
            differences.append(abs(classifier.session.scores(other).max() - found.score))
    assert [row["label"] for row in rows[:3]] == [*NAMES]
    # Control: another rule gives other scores.
    assert min(differences[:3]) > 1e-3


def test_an_app_that_resizes_otherwise_does_not_start(
    browser: Browser, files: dict[str, bytes]
) -> None:
    contract = json.loads(files["model/contract.json"])
    changed = {**contract, "resize": "centre-crop-0.875-bilinear-1"}
    unknown = {**contract, "resize": "centre-crop-0.875-lanczos-1"}
    for other, message in ((changed, "self-test failed"), (unknown, "description of the model")):
        wrong = {**files, "model/contract.json": json.dumps(other).encode()}
        with opened_at(browser, wrong) as (page, _):
            page.locator("#failure:visible").wait_for()
            assert message in page.locator("#failure").inner_text()
            assert page.locator("#choose").is_disabled()
