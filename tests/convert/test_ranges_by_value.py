"""What range of values a model wants is told by the numbers in it, not by its layers' names."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
import pytest
from keras import layers
from onnx import TensorProto, helper, numpy_helper

from command import edgecnn_here
from convert.brightness import (
    SIDE,
    body,
    check_refused,
    check_right,
    convert,
    saved,
    set_by_hand,
    write_pictures,
)

pytestmark = pytest.mark.slow  # converts whole networks

Front = Callable[[Any], Any]
MEANS, DEVIATIONS = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def model_with(front: Front, *, scale: Any = 1.0, offset: Any = 0.0, swapped: bool = False) -> Any:
    """Return the classifier behind ``front``, whose values are brought to -1..1 by a convolution.

    Args:
        front: What the model does to its input first.
        scale: What the convolution multiplies each channel by, one number or three.
        offset: What it adds.
        swapped: Whether it exchanges red and blue again.
    """
    image = layers.Input((SIDE, SIDE, 3))
    values = layers.Conv2D(3, 1, name="undo")(front(image))
    model = set_by_hand(keras.Model(image, body(layers, values)))
    kernel = np.diag(np.broadcast_to(np.asarray(scale, np.float64), 3))
    model.get_layer("undo").set_weights(
        [
            (kernel[::-1] if swapped else kernel)[None, None].astype(np.float32),
            np.broadcast_to(np.asarray(offset, np.float32), 3),
        ]
    )
    return model


def batch_normalization(mean: Any, variance: Any) -> Front:
    """A BatchNormalization in front, with these averages."""
    layer = layers.BatchNormalization(epsilon=1e-7, center=False, scale=False)

    def front(image: Any) -> Any:
        values = layer(image)
        layer.set_weights([np.broadcast_to(one, 3) for one in (mean, variance)])
        return values

    return front


def normalization(mean: Any, variance: Any, **given: Any) -> Any:
    return layers.Normalization(mean=mean, variance=variance, **given)


def adapted(scale: float) -> Any:
    """A Normalization adapted to noise of 0..scale, and the convolution that undoes it."""
    layer = layers.Normalization()
    values = np.random.default_rng(3).uniform(0, scale, (64, SIDE, SIDE, 3)).astype(np.float32)
    layer.adapt(values)
    mean, deviation = (np.ravel(one) for one in (layer.mean, np.sqrt(layer.variance)))
    return model_with(layer, scale=deviation * 2 / scale, offset=mean * 2 / scale - 1)


def nested(front: Front) -> Any:
    inner = keras.Sequential([layers.Input((SIDE, SIDE, 3)), front])
    return model_with(inner)


# What wants 0..255 takes it without being told.
WANTS_BYTES: dict[str, Callable[[], Any]] = {
    "Rescaling(1/127.5, -1)": lambda: model_with(layers.Rescaling(1 / 127.5, offset=-1)),
    "Rescaling(1/128, -1)": lambda: model_with(
        layers.Rescaling(1 / 128, offset=-1), scale=128 / 127.5, offset=128 / 127.5 - 1
    ),
    "two Rescalings": lambda: model_with(
        lambda image: layers.Rescaling(2, offset=-1)(layers.Rescaling(1 / 255)(image))
    ),
    "Normalization": lambda: model_with(normalization(127.5, 127.5**2)),
    "Normalization, inverted": lambda: model_with(
        normalization(-1.0, 127.5**-2, axis=None, invert=True)
    ),
    "adapted to bytes": lambda: adapted(255),
    "BatchNormalization": lambda: model_with(batch_normalization(127.5, 127.5**2)),
    "arithmetic": lambda: model_with(lambda image: (image - 127.5) / 127.5),
    "preprocess_input of tf": lambda: model_with(keras.applications.mobilenet_v2.preprocess_input),
    "preprocess_input of torch": lambda: model_with(
        keras.applications.densenet.preprocess_input, scale=2 * DEVIATIONS, offset=2 * MEANS - 1
    ),
    "preprocess_input of caffe": lambda: model_with(
        keras.applications.resnet.preprocess_input,
        scale=1 / 127.5,
        offset=np.array([123.68, 116.779, 103.939]) / 127.5 - 1,
        swapped=True,
    ),
    "nested": lambda: nested(layers.Rescaling(1 / 127.5, offset=-1)),
}  # fmt: skip

# What wants 0..1 asks, or knows it; fed anything else it would be wrong.
WANTS_UNIT: dict[str, Callable[[], Any]] = {
    "Rescaling(2, -1)": lambda: model_with(layers.Rescaling(2, offset=-1)),
    "Normalization of 0..1": lambda: model_with(normalization(0.5, 0.25)),
    "ImageNet's Normalization": lambda: model_with(
        normalization(MEANS, DEVIATIONS**2), scale=2 * DEVIATIONS, offset=2 * MEANS - 1
    ),
    "adapted to 0..1": lambda: adapted(1),
    "BatchNormalization of 0..1": lambda: model_with(batch_normalization(0.5, 0.25)),
    "x * 2 - 1": lambda: model_with(lambda image: image * 2.0 - 1.0),
    "(x - 0.5) / 0.5": lambda: model_with(lambda image: (image - 0.5) / 0.5),
    "nested, of 0..1": lambda: nested(layers.Rescaling(2, offset=-1)),
}

WANTS_SIGNED: dict[str, Callable[[], Any]] = {
    "nothing in front": lambda: model_with(lambda image: image),
    "Normalization near 0": lambda: model_with(
        normalization(0.02, 0.9), scale=0.9**0.5, offset=0.02
    ),
    "BatchNormalization near 0": lambda: model_with(
        batch_normalization(-0.03, 0.3), scale=0.3**0.5, offset=-0.03
    ),
    "Rescaling to 0..1": lambda: model_with(layers.Rescaling(0.5, offset=0.5), scale=2, offset=-1),
}

# Keras 3 saves these in .h5 files, but loads no such file.
OF_OPERATORS = {
    "arithmetic", "preprocess_input of tf", "preprocess_input of torch",
    "preprocess_input of caffe", "x * 2 - 1", "(x - 0.5) / 0.5",
}  # fmt: skip
FORMATS = ("model.keras", "model.h5", "exported")
# One model of each kind in each format; the others in one of them, the rest in `make test-long`.
CHEAP = {
    ("Rescaling(1/128, -1)", "model.keras"), ("BatchNormalization", "model.h5"),
    ("preprocess_input of torch", "exported"), ("Normalization, inverted", "model.keras"),
    ("adapted to bytes", "exported"), ("Rescaling(2, -1)", "model.keras"),
    ("Normalization of 0..1", "model.h5"), ("x * 2 - 1", "exported"),
    ("Normalization near 0", "model.keras"),
}  # fmt: skip


def in_formats(kind: dict[str, Callable[[], Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("name", "path"),
        [
            pytest.param(name, path, marks=[] if (name, path) in CHEAP else pytest.mark.long)
            for name in kind
            for path in FORMATS
            if path != "model.h5" or name not in OF_OPERATORS
        ],
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pictures(tmp_path)


@in_formats(WANTS_BYTES)
def test_what_normalizes_raw_pixels_gets_them(data: Path, name: str, path: str) -> None:
    model = saved(WANTS_BYTES[name](), data / path)
    check_right(convert(model, data))
    check_refused(convert(model, data, "--input-range", "0..1"), "0..1", code=2)


@in_formats(WANTS_UNIT)
def test_what_wants_0_to_1_is_never_fed_anything_else(data: Path, name: str, path: str) -> None:
    model = saved(WANTS_UNIT[name](), data / path)
    check_right(convert(model, data, "--input-range", "0..1"))
    check_refused(convert(model, data, "--input-range", "0..255"), "0..255", code=2)
    untold = convert(model, data)
    if untold.done.code:
        check_refused(untold, "--input-range", code=2)
    else:
        check_right(untold)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(OF_OPERATORS))
def test_what_keras_does_not_load_again_is_refused(data: Path, name: str) -> None:
    model = saved({**WANTS_BYTES, **WANTS_UNIT}[name](), data / "model.h5")
    check_refused(convert(model, data, "--input-range", "0..1"), "Keras", code=26)


@in_formats(WANTS_SIGNED)
def test_what_wants_minus_1_to_1_is_asked_for_it(data: Path, name: str, path: str) -> None:
    model = saved(WANTS_SIGNED[name](), data / path)
    check_right(convert(model, data, "--input-range", "-1..1"))
    untold = convert(model, data)
    if untold.done.code or name != "Rescaling to 0..1":  # that one's numbers tell
        check_refused(untold, "--input-range", code=2)
    else:
        check_right(untold)


def test_a_reference_that_wants_0_to_1_is_fed_0_to_1(data: Path) -> None:
    right = convert(
        saved(model_with(layers.Rescaling(1 / 127.5, offset=-1)), data / "bytes.keras"), data
    )
    check_right(right)
    file = right.folder / "bytes-fp32.tflite"
    reference = saved(model_with(layers.Rescaling(2, offset=-1)), data / "unit.keras")
    # A file as others make it: without edgecnn's contract.
    plain = data / "plain.tflite"
    with zipfile.ZipFile(file) as container:
        start = min(entry.header_offset for entry in container.infolist())
    plain.write_bytes(file.read_bytes()[:start])
    told = (
        "verify", "--artifact", plain, "--data", data / "images", "--labels", data / "labels.txt",
        "--reference", reference, "--max-drop", "20", "--min-agreement", "80",
        "--max-class-drop", "60",
    )  # fmt: skip
    done = edgecnn_here(
        *told, "--input-range", "0..255", "--reference-range", "0..1", "--out", data / "o", "--json"
    )
    assert done.code == 0, done.err
    (row,) = done.json()["rows"]
    assert (row["verdict"], row["metrics"]["reference"]["accuracy"]) == ("PASS", 1)
    assert row["metrics"]["agreement"] == 1
    wrong = edgecnn_here(
        *told, "--input-range", "0..255", "--reference-range", "0..255", "--out", data / "w"
    )
    assert wrong.code == 2, wrong.err
    assert "0..255" in wrong.err


# As torchvision's transforms of CIFAR-10 and of MNIST have them.
TORCH: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "CIFAR-10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "MNIST": ((0.1307,), (0.3081,)),
}


def said(name: str) -> tuple[str, ...]:
    mean, deviation = (",".join(map(str, numbers)) for numbers in TORCH[name])
    return ("--input-mean", mean, "--input-std", deviation)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("CIFAR-10", "model.keras"),
        *(
            pytest.param(name, path, marks=pytest.mark.long)
            for name, path in (("MNIST", "model.h5"), ("CIFAR-10", "exported"))
        ),
    ],
)
def test_a_mean_and_a_deviation_can_be_said(data: Path, name: str, path: str) -> None:
    mean, deviation = (np.asarray(numbers) for numbers in TORCH[name])
    model = model_with(lambda image: image, scale=2 * deviation, offset=2 * mean - 1)
    check_right(convert(saved(model, data / path), data, *said(name)))


@pytest.mark.parametrize("name", TORCH)
def test_a_file_of_pytorch_is_fed_with_its_mean_and_deviation(data: Path, name: str) -> None:
    mean, deviation = (np.broadcast_to(np.asarray(numbers), 3) for numbers in TORCH[name])
    (data / "torch.onnx").write_bytes(onnx_of_torch(2 * deviation, 2 * mean - 1))
    reference = saved(model_with(layers.Rescaling(1 / 127.5, offset=-1)), data / "reference.keras")
    told = (
        "verify", "--artifact", data / "torch.onnx", "--reference", reference, "--json",
        "--data", data / "images", "--labels", data / "labels.txt", "--max-drop", "20",
        "--min-agreement", "80", "--max-class-drop", "60",
    )  # fmt: skip
    done = edgecnn_here(*told, *said(name), "--out", data / "right")
    assert done.code == 0, done.out + done.err
    (row,) = done.json()["rows"]
    assert (row["verdict"], row["metrics"]["agreement"]) == ("PASS", 1)
    assert row["metrics"]["mean_score_change"] < 1e-4


def onnx_of_torch(scale: npt.NDArray[Any], offset: npt.NDArray[Any]) -> bytes:
    """Return the classifier as PyTorch's exporter lays it out: NCHW, and no normalization inside.

    Args:
        scale: What its first convolution multiplies each channel by, to get -1..1.
        offset: What it adds.
    """
    model = model_with(lambda image: image, scale=scale, offset=offset)
    weights: dict[str, npt.NDArray[Any]] = {}
    for layer in ("undo", "halves"):
        kernel, bias = model.get_layer(layer).get_weights()
        weights |= {f"{layer}.weight": kernel.transpose(3, 2, 0, 1), f"{layer}.bias": bias}
    weights["fc.weight"], weights["fc.bias"] = model.get_layer("scores").get_weights()
    nodes = [
        helper.make_node("Conv", ["input", "undo.weight", "undo.bias"], ["a"]),
        helper.make_node("Conv", ["a", "halves.weight", "halves.bias"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "fc.weight", "fc.bias"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "main_graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.ascontiguousarray(w), name) for name, w in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    data: bytes = made.SerializeToString()
    return data
