"""Released models run, convert and verify as they are, without training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import edgecnn

ROOT = Path(__file__).parents[2]
RELEASED = sorted(path.parent for path in ROOT.glob("models/*/about.md"))

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("folder", RELEASED, ids=lambda path: path.name)
def test_a_released_file_runs_and_proves_itself_without_data(folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(picture)
    for file in (f"{folder.name}-int8.tflite", f"{folder.name}-int8.onnx"):
        done = edgecnn("run", folder / file, picture, "--json")
        assert done.code == 0, done.err
        command = [sys.executable, "-m", "edgecnn_runner", "selftest", str(folder / file)]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


@pytest.mark.skipif(not os.environ.get("EDGECNN_DATA"), reason="needs CIFAR-10: set EDGECNN_DATA")
@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(one, marks=[] if one.name == "wren" else pytest.mark.long, id=one.name)
        for one in RELEASED
    ],
)
def test_released_weights_convert_and_follow_on_2000_test_images(
    folder: Path, tmp_path: Path
) -> None:
    build = tmp_path / "build"
    variants = ("--variant", "tflite-int8", "--variant", "onnx-int8")
    done = edgecnn("convert", folder, "--out", build, *variants)
    assert done.code == 0, done.err
    done = edgecnn("verify", build, "--images", "2000", "--json")
    # Some limits need more than 2,000 images to be decided; none may be missed.
    assert done.code in (0, 4), done.err
    rows = done.json()["rows"]
    assert {row["variant"] for row in rows} == {"tflite-int8", "onnx-int8"}
    assert {row["verdict"] for row in rows} <= {"PASS", "INCONCLUSIVE"}
    assert all(row["metrics"]["agreement"] > 0.96 for row in rows)
