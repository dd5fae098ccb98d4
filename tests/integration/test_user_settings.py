"""A user's settings of Keras, which are for other programs, do not keep edgecnn from its work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import keras
import pytest
from keras import layers

from command import Finished, edgecnn
from convert.brightness import (
    SIDE,
    Built,
    body,
    check_refused,
    check_right,
    saved,
    set_by_hand,
    write_pictures,
)
from convert.keras2 import FOLDER

pytestmark = pytest.mark.slow  # in processes of their own

# The file, and the variables; None where the case is the other.
SETTINGS: dict[str, tuple[object, dict[str, str]]] = {
    "jax and theano": ({"backend": "theano", "floatx": "float32"}, {"KERAS_BACKEND": "jax"}),
    "torch": (None, {"KERAS_BACKEND": "torch"}),
    "numpy": (None, {"KERAS_BACKEND": "numpy"}),
    "openvino": (None, {"KERAS_BACKEND": "openvino"}),
    "nonsense": (None, {"KERAS_BACKEND": "nonsense"}),
    "empty": (None, {"KERAS_BACKEND": ""}),
    "theano": ({"backend": "theano", "image_data_format": "channels_last"}, {}),
    "cntk, and channels first": ({"backend": "cntk", "image_data_format": "channels_first"}, {}),
    "half precision": ({"backend": "tensorflow", "floatx": "float16", "epsilon": 1e-3}, {}),
    "channels first": ({"image_data_format": "channels_first"}, {}),
    "Keras 2": (None, {"TF_USE_LEGACY_KERAS": "1"}),
    "no JSON": ('{"backend": "tensor', {}),
    "a list": ([], {}),
    "an unknown precision": ({"floatx": "float8"}, {}),
}
CHEAP = "jax and theano"
MAY_STOP = {"no JSON", "a list", "an unknown precision"}  # if the file is named


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, and a model with a depthwise convolution and a batch normalization."""
    folder = write_pictures(tmp_path_factory.mktemp("settings"))
    image = layers.Input((SIDE, SIDE, 3))
    values = layers.Rescaling(1 / 127.5, offset=-1)(image)
    values = layers.DepthwiseConv2D(1, depthwise_initializer="ones", use_bias=False)(values)
    values = layers.BatchNormalization(epsilon=1e-7)(values)
    saved(set_by_hand(keras.Model(image, body(layers, values))), folder / "model.keras")
    return folder


def run(home: Path, name: str, *arguments: str | Path) -> Finished:
    file, variables = SETTINGS[name]
    if file is not None:
        (home / ".keras").mkdir(exist_ok=True)
        text = file if isinstance(file, str) else json.dumps(file)
        (home / ".keras" / "keras.json").write_text(text)
    # This process may have settled on a backend itself, which its children must not inherit.
    environment: dict[str, str | None] = {
        "HOME": str(home), "KERAS_HOME": None, "KERAS_BACKEND": None, **variables
    }  # fmt: skip
    if "TF_USE_LEGACY_KERAS" in variables:
        environment["PYTHONPATH"] = os.pathsep.join([str(FOLDER)])
    return edgecnn(*arguments, env=environment)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name == CHEAP else pytest.mark.long) for name in SETTINGS],
)
def test_a_conversion_works_or_names_the_setting(data: Path, tmp_path: Path, name: str) -> None:
    out = data / f"build-{name.replace(' ', '-')}"
    done = run(
        tmp_path, name, "convert", data / "model.keras", "--data", data / "images", "--labels",
        data / "labels.txt", "--variant", "tflite-fp32", "--out", out,
    )  # fmt: skip
    built = Built(done=done, folder=out)
    if name in MAY_STOP and done.code:
        check_refused(built, str(tmp_path / ".keras" / "keras.json"), code=2)
    else:
        check_right(built)


@pytest.mark.long
@pytest.mark.parametrize("name", ["half precision", "cntk, and channels first"])
def test_a_training_follows_no_setting_either(tmp_path: Path, name: str) -> None:
    done = run(tmp_path, name, "demo", "--out", tmp_path / "build")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("torch", "KERAS_BACKEND=torch"),
        pytest.param("theano", "theano", marks=pytest.mark.long),
        pytest.param("no JSON", "keras.json", marks=pytest.mark.long),
    ],
)
def test_doctor_says_that_there_is_such_a_setting(tmp_path: Path, name: str, said: str) -> None:
    done = run(tmp_path, name, "doctor", "--json")
    assert said in done.out + done.err, done.out + done.err
