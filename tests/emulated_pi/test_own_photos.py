"""From real photos to a classifier on a Raspberry Pi, by the commands of the README."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from command import edgecnn
from emulated_pi.bundles import put
from emulated_pi.pi import Pi
from emulated_pi.pictures import run_here
from published_weights import need_lite0

PHOTOS = Path(os.environ.get("EDGECNN_DATA", "")) / "trashnet"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.emulated_pi,
    pytest.mark.long,  # a build of 300 photos, and the network on an emulated processor
    pytest.mark.skipif(not PHOTOS.is_dir(), reason="EDGECNN_DATA has no folder trashnet"),
]

CLASSES = ("cardboard", "glass", "paper")
EACH, NEW = 100, 2


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos of each class to build on in ``photos``, and others to classify in ``new``."""
    for name in CLASSES:
        files = sorted((PHOTOS / name).iterdir())
        for folder, some in (("photos", files[:EACH]), ("new", files[-NEW:])):
            (tmp_path / folder / name).mkdir(parents=True)
            for file in some:
                shutil.copy(file, tmp_path / folder / name)
    return tmp_path


def test_photos_become_a_proven_classifier_that_answers_there_as_here(
    pi: Pi, photos: Path, record_property: Callable[[str, object], None]
) -> None:
    """``init`` chooses the network and the limits; they are decided, and by few images."""
    need_lite0()
    project = photos / "waste"
    done = edgecnn("init", project, "--data", photos / "photos")
    assert done.code == 0, done.err
    assert 'backbone = "efficientnet_lite0"' in (project / "recipe.toml").read_text()
    # Smaller pictures and fewer files than init has it: QEMU is slow.
    files = 'convert.variants=["tflite-fp32", "tflite-int8"]'
    done = edgecnn("build", project, "--set", "data.image_size=96", "--set", files, "--json")
    assert done.code == 0, done.err
    rows = {row["variant"]: row for row in done.json()["parity"]["rows"]}
    assert {row["verdict"] for row in rows.values()} == {"PASS"}

    bundles = photos / "dist"
    done = edgecnn(
        *("package", project, "--target", "pi", "--version", "1.0", "--os", pi.suite),
        *("--variant", "tflite-int8", "--out", bundles, "--json"),
    )
    assert done.code == 0, done.err
    assert done.json()["not_proven"] == {}
    (bundle,) = bundles.glob("*.tar.gz")
    folder = put(bundle, pi)
    done = pi.run(f"{folder}/install.sh")
    assert (done.code, done.err) == (0, "")
    assert "not proven" not in done.out

    new = sorted((photos / "new").rglob("*.jpg"))
    for file in new:
        shutil.copy(file, pi.home)
    names = [file.name for file in new]
    done = pi.run("edgecnn-waste", "classify", *names, "--json")
    assert (done.code, done.err) == (0, "")
    model = project / "build/waste-int8.tflite"
    here = {row["image"]: row for row in run_here("classify", model, *names, cwd=pi.home)}
    there = {row["image"]: row for row in done.json()}
    assert there.keys() == here.keys() == set(names)
    apart = 0.0
    for name in names:
        assert there[name]["label"] == here[name]["label"], name
        scores = [
            {entry["label"]: entry["score"] for entry in row[name]["ranked"]}
            for row in (there, here)
        ]
        assert scores[0].keys() == scores[1].keys()
        apart = max(apart, *(abs(score - scores[1][label]) for label, score in scores[0].items()))
    record_property(
        "measured",
        f"EfficientNet-Lite0 int8 on arm64, {len(names)} photos: scores differ from this "
        f"machine's by {apart:g} at most",
    )
    # Integer kernels of two processors may round otherwise: a score by its last step.
    assert apart <= 1 / 256
    right = [there[file.name]["label"] == file.parent.name for file in new]
    assert np.mean(right) > 0.5
