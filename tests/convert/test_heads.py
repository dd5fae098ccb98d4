"""Whatever a classifier ends with, its files answer with one right score for each class."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from command import edgecnn_here
from convert.brightness import SIDE, Built, check_refused, pictures, saved, scores_of
from convert.keras2 import FOLDER as KERAS2
from convert.keras2 import with_keras2
from convert.onnx_sources import Form, network
from edgecnn.build.reference import read_reference
from edgecnn.convert.graph.onnx_direct import direct_onnx
from edgecnn.convert.source.heads import head_of, units_of
from edgecnn.convert.source.onnx_model import OnnxSource
from edgecnn.errors import SourceModelError
from edgecnn_runner.postprocess import softmax

NAMES = ("night", "noon")


def binary_of(values: Any) -> Any:
    """Return the right probabilities of night and noon; values (n, 16, 16, 3) in -1..1."""
    dark, _, bright = np.log(scores_of(values)).T
    noon = 1 / (1 + np.exp(dark - bright))
    return np.stack([1 - noon, noon], axis=1)


@pytest.mark.parametrize(
    ("units", "activation", "classes", "kind", "name"),
    [
        (1, "sigmoid", 2, "probabilities", "sigmoid"),
        (1, "Sigmoid", 2, "probabilities", "sigmoid"),
        (1, "linear", 2, "logits", "logit"),
        (1, None, 2, "logits", "logit"),
        (1, "BiasAdd", 2, "logits", "logit"),
        (2, "softmax", 2, "probabilities", "softmax"),
        (1000, "Softmax", 1000, "probabilities", "softmax"),
        (10, "log_softmax", 10, "logits", "log_softmax"),
        (10, "LogSoftmax", 10, "logits", "log_softmax"),
        (3, "relu", 3, None, ""),
    ],
)
def test_the_end_of_a_network_says_how_its_scores_are_read(
    units: int, activation: str | None, classes: int, kind: str | None, name: str
) -> None:
    head = head_of(units, activation)
    assert (head.classes, head.units, head.kind, head.name) == (classes, units, kind, name)


@pytest.mark.parametrize(
    ("units", "activation", "said"),
    [
        (1, "softmax", "always 1"),
        (1, "tanh", "neither a probability nor a logit"),
        (1, "Relu", "neither a probability nor a logit"),
        (2, "sigmoid", "each label by itself"),
        (80, "Sigmoid", "each label by itself"),
        (0, None, "one score per class"),
    ],
)
def test_what_is_no_classifier_of_one_class_is_refused(
    units: int, activation: str | None, said: str
) -> None:
    with pytest.raises(SourceModelError, match=said):
        head_of(units, activation)


@pytest.mark.parametrize(
    ("shape", "units"),
    [
        ((None, 5), 5), ((1, 5), 5), ((None, 1), 1), ((None, 5, 1, 1), 5), ((None, 1, 1, 5), 5),
        ((None, 1, 1, 1), 1), ((5,), 5), ((None,), 1), ((1,), 1), ((None, 1000), 1000),
    ],
)  # fmt: skip
def test_scores_are_counted_in_any_shape(shape: tuple[int | None, ...], units: int) -> None:
    assert units_of([shape]) == units


@pytest.mark.parametrize(
    "shapes",
    [[(None, 5), (None, 5)], [(None, 4, 4, 5)], [(None, None)], [()], [], [(None, 5, 2)], [(1, 0)]],
)
def test_answers_that_are_no_list_are_refused(shapes: list[tuple[int | None, ...]]) -> None:
    with pytest.raises(SourceModelError, match="one score per class"):
        units_of(shapes)


@pytest.mark.parametrize("logit", [-30.0, -1.5, 0.0, 0.25, 30.0])
def test_one_number_becomes_two_that_say_the_same(logit: float) -> None:
    noon = 1 / (1 + np.exp(-logit))
    found = head_of(1, "linear").scores(np.array([logit]), 1)
    np.testing.assert_allclose(softmax(found), [[1 - noon, noon]], atol=1e-7)
    found = head_of(1, "sigmoid").scores(np.array([[noon]]), 1)
    np.testing.assert_allclose(found, [[1 - noon, noon]], atol=1e-7)
    assert found.sum() == 1


def ended(name: str) -> Any:
    """Return the classifier of brightness with another end; of night and noon where it says so."""
    model = network(Form(softmax=False))
    graph = model.graph

    def put(op: str, *constants: tuple[str, Any], **attributes: Any) -> None:
        names = [constant for constant, _ in constants]
        graph.initializer.extend(numpy_helper.from_array(value, n) for n, value in constants)
        last = graph.output[0].name
        graph.node.append(helper.make_node(op, [last, *names], [f"{last}_{op}"], **attributes))
        del graph.output[:]
        graph.output.append(
            helper.make_tensor_value_info(f"{last}_{op}", onnx.TensorProto.FLOAT, None)
        )

    difference = ("difference", np.array([[-1], [0], [1]], np.float32))
    two = ("two", np.array([[1, 0], [0, 0], [0, 1]], np.float32))
    for word in name.split():
        match word:
            case "one":
                put("MatMul", difference)
            case "pair":
                put("MatMul", two)
            case "4-axes":
                put("Reshape", ("shape", np.array([1, -1, 1, 1])))
            case "flat":
                put("Squeeze", ("axes", np.array([0])))
            case "tall":
                put("Tile", ("times", np.array([1, 2])))
                put("Reshape", ("shape", np.array([1, -1, 2])))
            case "twice":
                graph.output.append(graph.output[0])
            case _:
                put(word)
    return onnx.shape_inference.infer_shapes(model)


def loaded(name: str, folder: Path) -> OnnxSource:
    path = folder / "net.onnx"
    path.write_bytes(ended(name).SerializeToString())
    return OnnxSource.load(path)


HEADS = {
    "Softmax": ("probabilities", "softmax"),
    "LogSoftmax": ("logits", "log_softmax"),
    "Softmax 4-axes": ("probabilities", "softmax"),
    "4-axes": (None, ""),
    "flat": (None, ""),
    "one": ("logits", "logit"),
    "one flat": ("logits", "logit"),
    "one Sigmoid": ("probabilities", "sigmoid"),
    "one Sigmoid 4-axes": ("probabilities", "sigmoid"),
    "one Sigmoid flat": ("probabilities", "sigmoid"),
}


@pytest.mark.parametrize("name", HEADS)
def test_an_onnx_network_with_any_head_answers_right(name: str, tmp_path: Path) -> None:
    source = loaded(name, tmp_path)
    assert (source.head.kind, source.head.name) == HEADS[name]
    pixels = pictures(3, seed=4)[0]
    values = (pixels / 127.5 - 1).astype(np.float32)
    right = binary_of(values) if name.startswith("one") else scores_of(values)
    made = direct_onnx(
        source.core(SIDE, SIDE),
        layout="NCHW", channels=3, input_range="-1..1", opset=17, ir_version=8,
    )  # fmt: skip
    assert made.classes == source.head.classes == right.shape[1]
    for found in (source.scores(values), made.scores(pixels)):
        shown = found if source.head.kind == "probabilities" else softmax(found)
        np.testing.assert_allclose(shown, right, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Sigmoid", "each label by itself"),
        ("one Softmax", "always 1"),
        ("one Tanh", "neither a probability nor a logit"),
        ("tall", "one score per class"),
        ("twice", "more than its scores"),
    ],
)
def test_an_onnx_network_of_another_end_is_refused(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SourceModelError, match=said):
        loaded(name, tmp_path)


@pytest.mark.parametrize("classes", [2, 3, 1000])
def test_up_to_a_thousand_classes_are_taken(classes: int, tmp_path: Path) -> None:
    model = network(Form())
    (matrix,) = (t for t in model.graph.initializer if t.name == "matrix")
    (biases,) = (t for t in model.graph.initializer if t.name == "biases")
    random = np.random.default_rng(1)
    weights = random.normal(0, 4, (classes, 2)).astype(np.float32)
    matrix.CopyFrom(numpy_helper.from_array(weights, "matrix"))
    biases.CopyFrom(numpy_helper.from_array(np.zeros(classes, np.float32), "biases"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = classes
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    source = OnnxSource.load(tmp_path / "net.onnx")
    assert source.head.classes == classes
    found = source.scores((pictures(2, seed=4)[0] / 127.5 - 1).astype(np.float32))
    assert found.shape == (6, classes)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of night and noon, with a folder a class."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("heads")
    for part, each, seed in (("train", 8, 1), ("test", 20, 2)):
        for index, (pixels, label) in enumerate(zip(*pictures(each, seed), strict=True)):
            if label != 1:
                place = folder / "images" / part / NAMES[label // 2]
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(place / f"{index:03}.png")
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in NAMES))
    return folder


def converted(path: Path, data: Path, *options: str) -> Built:
    out = data / f"build-{path.name.replace('.', '-')}"
    done = edgecnn_here(
        "convert", path, "--data", data / "images", "--labels", data / "labels.txt",
        "--input-range", "-1..1", "--out", out, *options,
    )  # fmt: skip
    return Built(done=done, folder=out)


def keras_network(activation: str | None, shape: tuple[int, ...] = ()) -> Any:
    """The classifier of night and noon in Keras 3, with one unit."""
    from keras import Model, layers

    image = layers.Input((SIDE, SIDE, 3))
    halves = layers.Conv2D(2, 1, activation="relu", name="halves")(image)
    pooled = layers.GlobalAveragePooling2D()(halves)
    scores = layers.Dense(1, activation=activation, name="scores")(pooled)
    model = Model(image, layers.Reshape(shape)(scores) if shape else scores)
    kernel = np.array([[0.2, -0.2], [0.3, -0.3], [0.5, -0.5]], np.float32).reshape(1, 1, 3, 2)
    model.get_layer("halves").set_weights([kernel, np.zeros(2, np.float32)])
    model.get_layer("scores").set_weights(
        [np.array([[16], [-16]], np.float32), np.zeros(1, np.float32)]
    )
    return model


def as_keras(model: Any, folder: Path) -> Path:
    return saved(model, folder / f"{model.name}.keras")


def as_saved_model(model: Any, folder: Path) -> Path:
    return saved(model, folder / f"exported-{model.name}")


def as_keras_2(model: Any, folder: Path) -> Path:
    """Write it as a file of Keras 2, which Keras 3 cannot load."""
    np.savez(folder / "weights.npz", *model.get_weights())
    path = folder / "keras2.keras"
    program = f"""
import sys, numpy as np
from tf_keras import Model, layers
image = layers.Input(({SIDE}, {SIDE}, 3))
values = layers.Conv2D(2, 1, activation="relu")(image)
values = layers.GlobalAveragePooling2D()(values)
model = Model(image, layers.Dense(1, activation="sigmoid")(values))
with np.load(sys.argv[1]) as file:
    model.set_weights([file[name] for name in file.files])
model.save(sys.argv[2])
"""
    with_keras2("-c", program, folder / "weights.npz", path)
    return path


WRITERS: dict[str, Callable[[Any, Path], Path]] = {
    "keras": as_keras,
    "saved_model": as_saved_model,
    "keras2": as_keras_2,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("writer", "activation", "shape", "variants"),
    [
        ("keras", "sigmoid", (), ("tflite-int8", "onnx-int8")),
        ("keras", None, (1, 1, 1), ("tflite-int8", "onnx-int8")),
        ("saved_model", None, (), ("tflite-fp32",)),
        ("keras2", "sigmoid", (), ("tflite-fp32",)),
    ],
)
def test_one_number_is_two_classes_in_every_source(
    writer: str, activation: str | None, shape: tuple[int, ...], variants: tuple[str, ...],
    data: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.syspath_prepend(KERAS2)
    path = WRITERS[writer](keras_network(activation, shape), data)
    built = converted(path, data, *(w for one in variants for w in ("--variant", one)))
    check_binary(built, activation or "logit", variants)


def check_binary(built: Built, end: str, variants: tuple[str, ...], *, said: bool = True) -> None:
    assert built.done.code == 0, built.done.err
    assert ("answers with one" in " ".join(built.done.err.split())) == said
    manifest = json.loads((built.folder / "manifest.json").read_text())
    assert manifest["source"]["ends_with"] == end
    right = binary_of(built.pixels() / 127.5 - 1)
    np.testing.assert_allclose(built.reference(), right, rtol=0, atol=1e-4)
    assert built.accuracy() == 1
    for variant in variants:
        bound = 0.1 if "int8" in variant else 1e-4
        np.testing.assert_allclose(built.scores(variant), right, rtol=0, atol=bound)


ENDS = {"one Sigmoid": "sigmoid", "one": "logit", "pair LogSoftmax": "log_softmax"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDS)
def test_integer_variants_of_an_onnx_source_answer_right(name: str, data: Path) -> None:
    path = data / f"{name.replace(' ', '-')}.onnx"
    path.write_bytes(ended(name).SerializeToString())
    variants = ("tflite-int8", "onnx-int8")
    built = converted(path, data, *(word for one in variants for word in ("--variant", one)))
    check_binary(built, ENDS[name], variants, said=name.startswith("one"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one Sigmoid", "one"])
def test_a_file_of_one_number_made_elsewhere_is_adopted(name: str, data: Path) -> None:
    path = data / f"adopted-{name.replace(' ', '-')}.onnx"
    path.write_bytes(ended(name).SerializeToString())
    out = data / f"adopted-{name.replace(' ', '-')}"
    done = edgecnn_here(
        "adopt", path, "--reference", path, "--data", data / "images",
        "--labels", data / "labels.txt", "--input-range", "-1..1", "--out", out, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    done = edgecnn_here("verify", out, "--json")
    (row,) = done.json()["rows"]
    assert row["judgement"]["verdict"] == "PASS", done.out
    assert row["judgement"]["by_equality"]
    right = binary_of(Built(done=done, folder=out).pixels() / 127.5 - 1)
    np.testing.assert_allclose(read_reference(out / "reference.npz").scores, right, atol=1e-5)


@pytest.mark.slow
def test_labels_that_name_one_class_are_told_that_there_are_two(data: Path) -> None:
    path = as_keras(keras_network("sigmoid"), data)
    (data / "one.txt").write_text("noon\n")
    out = data / "build-one"
    done = edgecnn_here(
        "convert", path, "--data", data / "images", "--labels", data / "one.txt",
        "--input-range", "-1..1", "--out", out,
    )  # fmt: skip
    check_refused(Built(done=done, folder=out), "two names", code=25)
