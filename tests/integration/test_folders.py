"""Folders of images as people publish them, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import edgecnn

pytestmark = pytest.mark.slow

LEVELS = {"bright": 210, "dark": 40, "mid": 125}
RECIPE = """
[model]
name = "levels"
architecture = "tiny_cnn"
[data]
name = "folder"
path = "images"
image_size = 8
[train]
epochs = 1
"""


def pictures(folder: Path, each: int, seed: int) -> None:
    """Write dark, mid and bright pictures of noise, a folder for each."""
    rng = np.random.default_rng(seed)
    for name, level in LEVELS.items():
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = np.clip(rng.normal(level, 12, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def test_a_folder_with_validation_images_and_litter_is_trained_on(project: Path) -> None:
    images = project / "images" / "Levels v2"
    pictures(images / "Train", 6, seed=0)
    pictures(images / "Val", 3, seed=1)
    (images / "README.roboflow.txt").write_text("how to cite")
    (images / "Train" / "dark" / "0.json").write_text("{}")
    (images / "Train" / "mid" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    twice = (images / "Val" / "mid" / "0.png").read_bytes()
    (images / "Train" / "bright" / "twice.png").write_bytes(twice)
    done = edgecnn("train", project)
    assert done.code == 0, done.err
    assert "Val is the test set, since there is no other" in done.err
    assert "Levels v2/Train/dark/0.json" in done.err
    assert "Levels v2/Train/mid/torn.jpg (is damaged" in done.err
    assert "Levels v2/Train/bright/twice.png = Levels v2/Val/mid/0.png" in done.err
    warned, began = (done.err.index(text) for text in ("warning: fewer than 10", "training in"))
    assert warned < began
    build = project / "build"
    assert (build / "labels.txt").read_text().split() == [*LEVELS]
    record = json.loads((build / "splits.json").read_text())
    assert record["splits"]["test"]["count"] == 8
    assert record["splits"]["train"]["count"] + record["splits"]["validation"]["count"] == 18
    assert [row["id"] for row in record["skipped"]] == [
        "Levels v2/Train/dark/0.json", "Levels v2/Train/mid/torn.jpg",
    ]  # fmt: skip
    assert len(record["conflicting"]) == 1
    assert any("Val is the test set" in note for note in record["notes"])
    # Once more, the pictures in two classes being refused: nothing is trained anew for it.
    done = edgecnn("train", project, "--set", "data.conflicting=error")
    assert done.code == 21
    assert "twice.png = " in done.err


def test_folders_of_the_same_classes_train_nothing(project: Path) -> None:
    pictures(project / "images" / "camera 1", 4, seed=0)
    pictures(project / "images" / "camera 2", 4, seed=1)
    done = edgecnn("train", project, "--json")
    assert done.code == 21
    assert "cannot be classes" in done.json()["problem"]
    assert not (project / "build").exists()
