"""A network of 1,000 classes with one test image each, from ``convert`` to a bundle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from command import check_document, edgecnn

pytestmark = pytest.mark.slow

CLASSES = 1000
SIDE = 16
NAMES = [
    (
        f"a name that somebody copied out of a catalogue {i:04d}",
        f"Größe {i:04d}",
        f"日本語 {i:04d}",
    )[i % 3]
    for i in range(CLASSES)
]

# The head answers with the class whose picture is nearest: right on most, and not on all.
MODEL = """
import sys, keras, numpy as np
keras.utils.set_random_seed(1)
pictures = np.load(sys.argv[1])
inputs = keras.Input((16, 16, 3))
x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
x = keras.layers.Conv2D(12, 1, activation="relu")(x)
features = keras.layers.Flatten()(keras.layers.AveragePooling2D(4)(x))
means = np.asarray(keras.Model(inputs, features)(pictures))
model = keras.Model(inputs, keras.layers.Dense(len(pictures), activation="softmax")(features))
sharp = 12.0
model.layers[-1].set_weights([sharp * means.T, -sharp / 2 * (means**2).sum(axis=1)])
model.save(sys.argv[2])
"""


def _enlarged(corners: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return corners.repeat(SIDE // 4, axis=0).repeat(SIDE // 4, axis=1)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thousand")
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 256, (CLASSES, 4, 4, 3))
    for split, copies in (("train", 3), ("test", 1)):
        for name, own in zip(NAMES, corners, strict=True):
            place = folder / "data" / split / name
            place.mkdir(parents=True)
            for number in range(copies):
                noisy = np.clip(own + rng.normal(0, 110, own.shape), 0, 255).astype(np.uint8)
                Image.fromarray(_enlarged(noisy)).save(place / f"{number}.bmp")
    (folder / "labels.txt").write_text("\n".join(NAMES) + "\n", encoding="utf-8")
    np.save(folder / "pictures.npy", np.stack([_enlarged(own) for own in corners]).astype("f4"))
    subprocess.run(
        [sys.executable, "-c", MODEL, folder / "pictures.npy", folder / "many.keras"],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
    )
    made = edgecnn(
        "convert", folder / "many.keras", "--data", folder / "data", "--labels",
        folder / "labels.txt", "--out", folder / "build", "--variant", "tflite-int8", "--variant",
        "onnx-int8", "--as-is",
    )  # fmt: skip
    assert made.code == 0, made.err
    return folder / "build"


@pytest.fixture(scope="module")
def verified(build: Path) -> Path:
    # 1,000 images can decide the loss of accuracy within 3 points, and the classes in any case.
    limits = ("--max-drop", "3", "--save-limits")
    done = edgecnn("verify", build, "--data", build.parent / "data", *limits)
    assert done.code == 0, done.out
    said = " ".join(done.out.split())
    assert "With 1 image a class, no loss of a single class can be shown" in said
    assert "Top 5: the right class is among its five best on" in said
    assert "2 files run and judged in" in said
    assert max(map(len, done.out.splitlines()[:12])) <= 80
    return build


def test_files_follow_the_float_model_and_that_can_be_decided(verified: Path) -> None:
    found = json.loads((verified / "parity.json").read_text())
    check_document(("verify",), found)
    for row in found["rows"]:
        assert row["verdict"] == "PASS"
        top5, metrics = row["metrics"]["top5"], row["metrics"]
        assert 0.3 < metrics["artifact"]["accuracy"] < 1
        assert 1000 * metrics["artifact"]["accuracy"] <= top5["right"] < 1000
        assert 1000 * metrics["agreement"] < top5["kept"] <= 1000
        many = row["judgement"]["many_classes"]
        assert (many["present"], many["images"], many["shown_from"]) == (1000, 1, None)
    assert (verified / "report.html").stat().st_size < 1_500_000


def test_answers_and_evaluations_are_of_a_thousand_classes(verified: Path) -> None:
    picture = verified.parent / "data/test" / NAMES[7] / "0.bmp"
    answers = edgecnn("run", verified, picture, "--json").json()["images"]
    assert len(answers[0]["ranked"]) == 5
    done = edgecnn("evaluate", verified / "many-int8.onnx", verified.parent / "data", "--json")
    found = done.json()
    assert found["accuracy"]["share"] < found["top5"]["share"] <= 1
    assert len(found["classes"]) == 1000


def test_a_bundle_for_browsers_tests_itself_by_few_bytes(verified: Path) -> None:
    out = verified.parent / "web"
    done = edgecnn(
        "package", verified, "--target", "web", "--out", out, "--skip-privacy-checks", "--json"
    )
    assert done.code == 0, done.err
    (bundle,) = [path for path in out.iterdir() if path.is_dir()]
    golden = json.loads((bundle / "golden.json").read_text())
    scored = [image for image in golden["images"] if image["scores"] is not None]
    assert {len(image["scores"]) for image in scored} == {1000}
    # More than the pictures, but no burden: a quarter of a megabyte.
    assert (bundle / "golden.json").stat().st_size < 400_000
    card = (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert len(card) < 10_000
    assert "the 20 lowest of 1,000 classes" in card
    assert "980 more" in card
    assert "top 5" in card
