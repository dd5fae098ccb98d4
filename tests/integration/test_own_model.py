"""One's own images and one's own model, as the manual promises it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import edgecnn
from edgecnn.commands.init import demo_recipe
from edgecnn.data import load_dataset

pytestmark = pytest.mark.slow

NAMES = ("drei", "eins", "zwei")  # sorted as folders are; the model below learns 1, 2, 3
DIGITS = {"eins": 1, "zwei": 2, "drei": 3}
MODEL_ORDER = ("eins", "zwei", "drei")

TRAIN = """
import sys
import keras, numpy as np
from sklearn.datasets import load_digits

keras.utils.set_random_seed(1)  # one start in some is a network that answers always alike
digits = load_digits()
chosen = np.isin(digits.target, (1, 2, 3))
pixels = np.round(digits.images[chosen] * 255 / 16) / 255
images = np.repeat(np.repeat(pixels, 3, axis=1), 3, axis=2)[..., None].repeat(3, axis=-1)
labels = digits.target[chosen] - 1
model = keras.Sequential([
    keras.Input((24, 24, 3)),
    keras.layers.Conv2D(8, 3, strides=3, padding="valid", activation="relu"),
    keras.layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
    keras.layers.Flatten(),
    keras.layers.Dense(3),
])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(images.astype("float32"), labels, epochs=30, verbose=0)
folder = sys.argv[1]
model.save(folder + "/own.keras")
model.save(folder + "/own.h5")
model.export(folder + "/own_saved_model", verbose=False)
# Always the same answer.
model.layers[-1].set_weights([np.zeros_like(model.layers[-1].kernel), np.array([0.0, 0.0, 1.0])])
model.save(folder + "/always.keras")
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images/<class>/ in several formats, labels.txt, and a model that gives logits.

    The model wants pixels in 0..1 and numbers its classes in another order than the folders.
    """
    folder = tmp_path_factory.mktemp("own")
    dataset = load_dataset(demo_recipe().data)
    pixels = np.concatenate([dataset.train.pixels, dataset.validation.pixels, dataset.test.pixels])
    labels = np.concatenate([dataset.train.labels, dataset.validation.labels, dataset.test.labels])
    formats = ("png", "bmp", "gif", "tiff")
    for name, digit in DIGITS.items():
        (folder / "images" / name).mkdir(parents=True)
        for index, image in enumerate(pixels[labels == digit]):
            big = Image.fromarray(image[:, :, 0]).resize((24, 24), Image.Resampling.NEAREST)
            file = f"{index}.{formats[index % len(formats)]}"
            big.convert(("RGB", "L")[index % 2]).save(folder / "images" / name / file)
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in MODEL_ORDER))
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", TRAIN, str(folder)], check=True, env=environment)
    return folder


@pytest.mark.parametrize(
    "source",
    [
        "own.keras",
        pytest.param("own.h5", marks=pytest.mark.long),
        pytest.param("own_saved_model", marks=pytest.mark.long),
    ],
)
def test_a_model_made_elsewhere_is_converted_proven_and_run(
    own: Path, tmp_path: Path, source: str
) -> None:
    out = tmp_path / "out"
    options = ("--data", own / "images", "--labels", own / "labels.txt", "--input-range", "0..1")
    done = edgecnn("convert", own / source, *options, "--out", out)
    assert done.code == 0, done.err
    # 110 evaluation images cannot decide on one point; these limits are what they can.
    limits = ("--max-drop", "6", "--min-agreement", "90", "--max-class-drop", "20")
    done = edgecnn("verify", out, *limits, "--json")
    assert done.code == 0, done.err
    rows = done.json()["rows"]
    assert len(rows) == 6
    for row in rows:
        assert row["metrics"]["reference"]["accuracy"] > 0.95
        assert row["metrics"]["agreement"] > 0.97
    image = next((own / "images" / "zwei").glob("*.png"))
    artifact = next(out.glob("*-int8.tflite"))
    (result,) = edgecnn("run", artifact, image, "--json").json()["images"]
    assert result["label"] == "zwei"
    # Logits are turned into probabilities.
    assert sum(entry["score"] for entry in result["ranked"]) == pytest.approx(1, abs=0.02)


@pytest.mark.long  # takes minutes
def test_a_model_that_guesses_is_converted_and_told(own: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = (
        "--data", own / "images", "--labels", own / "labels.txt", "--input-range", "0..1",
        "--out", out, "--variant", "tflite-fp32",
    )  # fmt: skip
    done = edgecnn("convert", own / "always.keras", *options, "--json")
    assert done.code == 41, done.err
    assert "input range" in done.err
    assert done.json()["float_model"]["outcome"] == "guessing"
    assert (out / "always-fp32.tflite").is_file()  # the files stay
    assert edgecnn("verify", out).code == 41
    # Said in the command line it is allowed, for the verification of that build, too.
    done = edgecnn("convert", own / "always.keras", *options, "--min-accuracy", "0%")
    assert done.code == 0, done.err
    assert "no better than guessing" in done.err
    assert edgecnn("verify", out, "--max-drop", "6", "--max-class-drop", "20").code == 0
    # And with what it has to reach, its files fail.
    done = edgecnn("convert", own / "always.keras", *options, "--min-accuracy", "80%")
    assert done.code == 0, done.err
    assert "below the 80 %" in done.err
    assert edgecnn("verify", out, "--max-drop", "6", "--max-class-drop", "20").code == 3


def test_a_model_without_a_stated_range_is_refused(own: Path, tmp_path: Path) -> None:
    done = edgecnn(
        "convert", own / "own.keras", "--data", own / "images",
        "--labels", own / "labels.txt", "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.code == 2
    assert "--input-range" in done.err


def test_a_foreign_file_runs_with_labels_and_a_range_and_not_without(
    own: Path, tmp_path: Path
) -> None:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(own / "own_saved_model"))
    foreign = tmp_path / "foreign.tflite"
    foreign.write_bytes(converter.convert())
    image = next((own / "images" / "drei").glob("*.png"))
    assert edgecnn("run", foreign, image).code == 11
    options = ("--labels", own / "labels.txt", "--input-range", "0..1", "--json")
    done = edgecnn("run", foreign, image, *options)
    assert done.code == 0, done.err
    assert done.json()["images"][0]["label"] == "drei"
    assert edgecnn("inspect", foreign).code == 0


def test_own_images_with_a_recipe_from_init(own: Path, tmp_path: Path) -> None:
    project = tmp_path / "numbers"
    assert edgecnn("init", project).code == 0
    (project / "images").rmdir()
    (project / "images").symlink_to(own / "images")
    done = edgecnn(
        "build", project, "--set", "model.architecture=tiny_cnn", "--set", "data.image_size=24",
        "--set", "train.epochs=15", "--set", "calibration.images=90",
        "--set", "limits.max_drop=6", "--set", "limits.min_agreement=90",
        "--set", "limits.max_class_drop=20",
    )  # fmt: skip
    assert done.code == 0, done.err
    image = next((own / "images" / "eins").glob("*.gif"))
    done = edgecnn("run", project / "build" / "numbers-int8.onnx", image, "--json")
    (result,) = done.json()["images"]
    assert result["label"] == "eins"
