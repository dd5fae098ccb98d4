"""ONNX networks are converted right, whatever exporter wrote them, and nothing else is believed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from command import edgecnn_here
from convert.brightness import (
    SIDE,
    Built,
    check_refused,
    convert,
    pictures,
    scores_of,
    write_pictures,
)
from convert.onnx_sources import Form, core, network, written
from edgecnn.convert import find_source
from edgecnn.convert.graph.onnx_direct import direct_onnx
from edgecnn.convert.source.faithfulness import compared_with_source
from edgecnn.convert.source.onnx_model import OnnxSource
from edgecnn.errors import FaithfulnessError, SourceModelError
from edgecnn_runner.contract import mean_std_range

FORMS = {
    "opset 9": Form(opset=9),
    "opset 9 with weights as inputs": Form(opset=9, as_inputs=True, unfused=True),
    "opset 13, shapes computed": Form(opset=13, folded=False, batch="n"),
    "opset 17, NHWC": Form(opset=17, nchw=False, batch="n"),
    "opset 17, padded": Form(opset=17, kernel=3, unfused=True),
    "opset 18, logits": Form(opset=18, softmax=False),
    "opset 23, open": Form(opset=23, batch="n", side="s", kernel=3),
}
IMAGENET = mean_std_range((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def right(form: Form, found: np.ndarray, values: np.ndarray, bound: float = 1e-5) -> None:
    """Assert scores to be those that numpy computes of pixels as the network takes them."""
    answers = found if form.softmax else softmax(found)
    np.testing.assert_allclose(answers, scores_of(values), rtol=0, atol=bound)


@pytest.mark.parametrize("name", FORMS)
def test_the_source_answers_as_it_should(name: str, tmp_path: Path) -> None:
    form = FORMS[name]
    source = OnnxSource.load(written(form, tmp_path / "net.onnx"))
    sides = (None, None) if form.side == "s" else (SIDE, SIDE)
    assert (source.height, source.width) == sides
    assert (source.channels, source.head.classes) == (3, 3)
    assert (source.layout, source.dtype) == ("NCHW" if form.nchw else "NHWC", "float32")
    assert source.head.name == ("softmax" if form.softmax else "")
    values = (pictures(3, seed=4)[0] / 127.5 - 1).astype(np.float32)
    right(form, source.scores(values), values)


@pytest.mark.parametrize("name", FORMS)
def test_the_network_of_raw_pixels_answers_alike(name: str) -> None:
    form = FORMS[name]
    layout = "NCHW" if form.nchw else "NHWC"
    made = direct_onnx(
        core(form), layout=layout, channels=3, input_range="-1..1", opset=17, ir_version=8
    )
    pixels = pictures(3, seed=4)[0]
    for folded in (True, False):
        right(form, made.scores(pixels, folded=folded), pixels / 127.5 - 1)
    model = onnx.load_from_string(made.data)
    assert [end.name for end in model.graph.input] == ["image"]
    assert [end.name for end in model.graph.output] == ["scores"]
    assert [entry.version for entry in model.opset_import] == [max(17, form.opset)]
    assert bool(made.notes) == (form.opset > 17)
    names = [node.op_type for node in model.graph.node]
    assert "BatchNormalization" not in names
    assert names.count("Transpose") == 1
    # A scale goes into the kernel; an offset stays an addition where the convolution pads.
    assert "Mul" not in names
    assert names.count("Add") == (form.kernel > 1)
    assert "Shape" not in names


def test_a_normalization_of_the_networks_own_is_folded_too() -> None:
    form = Form(mean=(127.5,) * 3, std=(127.5,) * 3)
    made = direct_onnx(
        core(form), layout="NCHW", channels=3, input_range="0..255", opset=17, ir_version=8
    )
    names = [node.op_type for node in onnx.load_from_string(made.data).graph.node]
    assert not {"Sub", "Div", "Mul", "Add"} & set(names)
    pixels = pictures(3, seed=4)[0]
    right(form, made.scores(pixels), pixels / 127.5 - 1)


@pytest.mark.parametrize("kernel", [1, 3])
def test_a_mean_and_deviation_per_channel_are_exact(kernel: int) -> None:
    form = Form(kernel=kernel)
    made = direct_onnx(
        core(form), layout="NCHW", channels=3, input_range=IMAGENET, opset=17, ir_version=8
    )
    pixels = pictures(3, seed=4)[0]
    values = (pixels / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    for folded in (True, False):
        right(form, made.scores(pixels, folded=folded), values)


def test_weights_beside_the_file_are_taken_and_are_part_of_its_digest(tmp_path: Path) -> None:
    path = written(Form(), tmp_path / "net.onnx", external=True)
    values = (pictures(3, seed=4)[0] / 127.5 - 1).astype(np.float32)
    right(Form(), OnnxSource.load(path).scores(values), values)
    digest = find_source(path).sha256
    weights = tmp_path / "weights.bin"
    changed = bytearray(weights.read_bytes())
    changed[0] ^= 1
    weights.write_bytes(changed)
    assert find_source(path).sha256 != digest
    weights.unlink()
    with pytest.raises(SourceModelError, match=r"weights\.bin"):
        OnnxSource.load(path)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname", "a/../../weights.bin"])
def test_weights_elsewhere_are_refused(location: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    path = written(Form(), inside / "net.onnx", external=True)
    shutil.move(inside / "weights.bin", tmp_path / "weights.bin")
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        tensor.external_data[0].value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(SourceModelError, match="no file beside it"):
        find_source(path)


def test_weights_behind_a_link_are_refused(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    path = written(Form(), inside / "net.onnx", external=True)
    shutil.move(inside / "weights.bin", tmp_path / "weights.bin")
    (inside / "weights.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(SourceModelError, match="link"):
        OnnxSource.load(path)


def test_operators_of_others_are_refused(tmp_path: Path) -> None:
    model = network(Form())
    model.graph.node[1].domain = "com.example"
    model.opset_import.add(domain="com.example", version=1)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SourceModelError, match="outside the ONNX standard"):
        OnnxSource.load(tmp_path / "net.onnx")


def test_a_batch_that_is_open_by_name_alone_is_found_out(tmp_path: Path) -> None:
    model = network(Form(batch="n"))
    flat = next(node for node in model.graph.node if node.op_type == "Flatten")
    flat.op_type = "Reshape"
    del flat.attribute[:]
    flat.input.append("rows")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 2]), "rows"))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    source = OnnxSource.load(tmp_path / "net.onnx")
    assert source.batch == 1
    values = (pictures(3, seed=4)[0] / 127.5 - 1).astype(np.float32)
    right(Form(), source.scores(values), values)


@pytest.mark.parametrize("batch", [1, "n"])
def test_greyscale_is_taken(batch: int | str, tmp_path: Path) -> None:
    model = network(Form(batch=batch))
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
    (kernel,) = (tensor for tensor in model.graph.initializer if tensor.name == "halves")
    summed = onnx.numpy_helper.to_array(kernel).sum(axis=1, keepdims=True)
    kernel.CopyFrom(onnx.numpy_helper.from_array(summed, "halves"))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    source = OnnxSource.load(tmp_path / "net.onnx")
    assert (source.layout, source.channels, source.batch) == (
        "NCHW",
        1,
        None if batch == "n" else 1,
    )
    pixels = pictures(3, seed=4)[0][..., :1]
    values = (np.repeat(pixels, 3, axis=3) / 127.5 - 1).astype(np.float32)
    right(Form(), source.scores(values[..., :1]), values)
    made = direct_onnx(
        source.core(SIDE, SIDE),
        layout="NCHW", channels=1, input_range="-1..1", opset=17, ir_version=8,
    )  # fmt: skip
    assert made.shape == (SIDE, SIDE, 1)
    right(Form(), made.scores(pixels), values)


def test_a_copy_that_answers_otherwise_is_not_used() -> None:
    pixels = pictures(3, seed=4)[0]
    made, other = (
        direct_onnx(
            core(Form(softmax=False)),
            layout="NCHW", channels=3, input_range=fed, opset=17, ir_version=8,
        )
        for fed in ("-1..1", "0..1")
    )  # fmt: skip
    own = made.scores(pixels)
    step = compared_with_source("itself", made, own, "logits", "float32", pixels)
    assert step.difference == 0
    with pytest.raises(FaithfulnessError, match="a copy"):
        compared_with_source("a copy", other, own, "logits", "float32", pixels)


def test_a_quantized_network_is_refused(tmp_path: Path) -> None:
    model = network(Form())
    scale = onnx.numpy_helper.from_array(np.array(0.1, np.float32), "scale")
    zero = onnx.numpy_helper.from_array(np.array(0, np.uint8), "zero")
    model.graph.initializer.extend([scale, zero])
    model.graph.node[0].input[0] = "back"
    for op, source, made in (("DequantizeLinear", "q", "back"), ("QuantizeLinear", "pixels", "q")):
        node = onnx.helper.make_node(op, [source, "scale", "zero"], [made])
        model.graph.node.insert(0, node)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SourceModelError, match="quantized already") as raised:
        OnnxSource.load(tmp_path / "net.onnx")
    assert "edgecnn adopt" in str(raised.value.remedy)


@pytest.mark.parametrize(
    ("form", "said"),
    [(Form(batch=4), "batches of a fixed number"), (Form(side=5000), "larger images")],
)
def test_inputs_of_another_kind_are_refused(form: Form, said: str, tmp_path: Path) -> None:
    path = written(form, tmp_path / "net.onnx")
    with pytest.raises(SourceModelError, match=said):
        OnnxSource.load(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("onnx"))


def check_build(built: Built, form: Form, variants: tuple[str, ...], bound: float = 1e-4) -> None:
    values = built.pixels() / 127.5 - 1
    np.testing.assert_allclose(built.reference(), scores_of(values), rtol=0, atol=bound)
    for variant in variants:
        found = built.scores(variant)
        right(form, found, values, 0.1 if "int8" in variant else bound)
    assert built.accuracy() == 1


@pytest.mark.slow
def test_onnx_variants_are_made_where_keras_has_no_such_operator(data: Path) -> None:
    form = Form(opset=13, strange=True, unfused=True)
    path = written(form, data / "strange.onnx")
    wanted = ("tflite-fp32", "onnx-fp32", "onnx-fp16")
    built = convert(path, data, "--input-range", "-1..1", variants=wanted)
    assert built.done.code == 27, built.done.err
    said = " ".join(built.done.err.split())
    assert "1 of 3 variants were not made" in said
    assert "Acosh" in said
    assert "Cosh" in said
    check_build(built, form, ("onnx-fp32",))


@pytest.mark.slow
def test_a_range_that_nothing_tells_is_asked_for(data: Path) -> None:
    path = written(Form(), data / "untold.onnx")
    built = convert(path, data, variants=("onnx-fp32",))
    check_refused(built, "does not say what range", "--input-mean 0.485,0.456,0.406", code=2)


@pytest.mark.slow
def test_the_whole_way_of_a_network_with_a_normalization_of_its_own(data: Path) -> None:
    form = Form(mean=(127.5,) * 3, std=(127.5,) * 3, unfused=True, kernel=3, batch="n")
    path = written(form, data / "own.onnx")
    wanted = ("tflite-fp32", "tflite-int8", "onnx-fp32", "onnx-fp16", "onnx-int8")
    built = convert(path, data, variants=wanted)
    assert built.done.code == 0, built.done.err
    check_build(built, form, ("tflite-fp32", "tflite-int8", "onnx-fp32", "onnx-int8"))
    done = edgecnn_here("verify", built.folder, "--data", data / "images", "--json")
    rows = {row["variant"]: row for row in done.json()["rows"]}
    for variant in ("onnx-fp32", "tflite-fp32"):
        assert rows[variant]["judgement"]["by_equality"], variant
        assert rows[variant]["judgement"]["verdict"] == "PASS", variant
    assert {rows[variant]["judgement"]["verdict"] for variant in wanted} <= {"PASS", "INCONCLUSIVE"}
    refused = convert(built.folder / "own-fp32.onnx", data, "--input-range", "0..255")
    check_refused(refused, "is converted already", code=26)


@pytest.mark.slow
def test_half_precision_is_taken(data: Path) -> None:
    form = Form(half=True)
    path = written(form, data / "half.onnx")
    built = convert(path, data, "--input-range", "-1..1", variants=("onnx-fp32",))
    assert built.done.code == 0, built.done.err
    check_build(built, form, ("onnx-fp32",), bound=5e-3)


def with_front(nodes: list[Any], inputs: list[Any], constants: dict[str, Any]) -> Any:
    """Return the network with operators in front, that lead to ``pixels``."""
    model = network(Form())
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    return model


def bytes_channels_last(*, resized: bool) -> Any:
    """The network with its preprocessing inside: bytes of any size or one, channels last."""
    make = onnx.helper.make_node
    nodes = [
        make("Cast", ["raw"], ["real"], to=onnx.TensorProto.FLOAT),
        make("Transpose", ["real"], ["moved"], perm=[0, 3, 1, 2]),
    ]
    if resized:
        nodes.append(make("Resize", ["moved", "", "", "sizes"], ["sized"], mode="linear"))
    nodes.append(make("Div", ["sized" if resized else "moved", "half"], ["scaled"]))
    nodes.append(make("Sub", ["scaled", "one"], ["pixels"]))
    sides: list[int | str] = ["n", "height", "width", 3] if resized else [1, SIDE, SIDE, 3]
    raw = onnx.helper.make_tensor_value_info("raw", onnx.TensorProto.UINT8, sides)
    constants = {"half": np.float32(127.5), "one": np.float32(1)}
    return with_front(
        nodes, [raw], {**constants, **({"sizes": [1, 3, SIDE, SIDE]} if resized else {})}
    )


@pytest.mark.parametrize("resized", [False, True])
def test_a_network_with_its_preprocessing_inside_is_fed_bytes(
    resized: bool, tmp_path: Path
) -> None:
    (tmp_path / "net.onnx").write_bytes(bytes_channels_last(resized=resized).SerializeToString())
    source = OnnxSource.load(tmp_path / "net.onnx")
    assert (source.layout, source.dtype) == ("NHWC", "uint8")
    assert source.height == (None if resized else SIDE)
    pixels = pictures(3, seed=4)[0]
    right(Form(), source.scores(pixels.astype(np.float32)), pixels / 127.5 - 1)
    made = direct_onnx(
        source.core(SIDE, SIDE),
        layout="NHWC", channels=3, input_range="0..255", opset=17, ir_version=8,
    )  # fmt: skip
    right(Form(), made.scores(pixels), pixels / 127.5 - 1)


def of_functions() -> Any:
    """The network with its activation in a function of the file."""
    model = network(Form())
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type, relu.domain = "Act", "local"
    opset = onnx.helper.make_opsetid("", 17)
    body = [onnx.helper.make_node("Relu", ["a"], ["b"])]
    model.functions.append(onnx.helper.make_function("local", "Act", ["a"], ["b"], body, [opset]))
    model.opset_import.append(onnx.helper.make_opsetid("local", 1))
    return model


def of_version(ir_version: int) -> Any:
    model = network(Form())
    model.ir_version = ir_version
    return model


WHOLE: dict[str, Callable[[], Any]] = {
    "functions": of_functions,
    "IR version 13": lambda: of_version(13),
    "opset 25": lambda: network(Form(opset=25)),
    "opset 7": lambda: network(Form(opset=7)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_old_and_new_files_are_taken(name: str, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(WHOLE[name]().SerializeToString())
    source = OnnxSource.load(tmp_path / "net.onnx")
    values = (pictures(3, seed=4)[0] / 127.5 - 1).astype(np.float32)
    right(Form(), source.scores(values), values)


def in_double() -> Any:
    model = network(Form())
    for tensor in model.graph.initializer:
        value = onnx.numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
    for end in (*model.graph.input, *model.graph.output):
        end.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    return model


def of_two_outputs() -> Any:
    model = network(Form())
    kind = onnx.TensorProto.FLOAT
    model.graph.output.append(onnx.helper.make_tensor_value_info("logits", kind, [1, 3]))
    return model


def of_tables() -> Any:
    """A classifier of scikit-learn's."""
    node = onnx.helper.make_node(
        "LinearClassifier", ["x"], ["label", "shares"], domain="ai.onnx.ml",
        coefficients=[1.0, 2.0, 3.0, 4.0], intercepts=[0.0, 0.0], classlabels_ints=[0, 1],
    )  # fmt: skip
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], "tables", [value("x", onnx.TensorProto.FLOAT, ["n", 2])],
        [value("label", onnx.TensorProto.INT64, ["n"]),
         value("shares", onnx.TensorProto.FLOAT, ["n", 2])],
    )  # fmt: skip
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("ai.onnx.ml", 3)]
    return onnx.helper.make_model(graph, opset_imports=opsets)


def detector() -> Any:
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Conv", ["x", "w"], ["y"]),
            onnx.helper.make_node("Reshape", ["y", "shape"], ["boxes"]),
        ],
        "detector",
        [value("x", onnx.TensorProto.FLOAT, [1, 3, 16, 16])],
        [value("boxes", onnx.TensorProto.FLOAT, [1, 5, 256])],
        [
            onnx.numpy_helper.from_array(np.ones((5, 3, 1, 1), np.float32), "w"),
            onnx.numpy_helper.from_array(np.array([1, 5, -1]), "shape"),
        ],
    )
    opsets = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)


def with_nan() -> Any:
    model = network(Form())
    (kernel,) = (tensor for tensor in model.graph.initializer if tensor.name == "halves")
    value = onnx.numpy_helper.to_array(kernel).copy()
    value[0, 0] = np.nan
    kernel.CopyFrom(onnx.numpy_helper.from_array(value, "halves"))
    return model


def of_chance() -> Any:
    model = network(Form())
    make = onnx.helper.make_node
    model.graph.node.append(make("RandomNormalLike", ["answer"], ["noise"]))
    model.graph.node.append(make("Add", ["answer", "noise"], ["noisy"]))
    model.graph.output[0].name = "noisy"
    return model


def in_training() -> Any:
    model = network(Form(unfused=True))
    norm = next(node for node in model.graph.node if node.op_type == "BatchNormalization")
    norm.attribute.append(onnx.helper.make_attribute("training_mode", 1))
    norm.output.extend(["mean_of_batch", "variance_of_batch"])
    return model


def with_dropout() -> Any:
    model = network(Form())
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "training"))
    dropout = onnx.helper.make_node("Dropout", ["pixels", "", "training"], ["dropped"])
    model.graph.node.insert(0, dropout)
    model.graph.node[1].input[0] = "dropped"
    return model


def cut() -> Any:
    model = network(Form())
    del model.graph.node[-1]
    return model


OTHERS = {
    "double": (in_double, "computes in float64", "net.float()"),
    "two outputs": (of_two_outputs, "more than its scores", "extract_model"),
    "tables": (of_tables, "no network of images", "image classifier"),
    "detector": (detector, "one score per class", "image classifier"),
    "NaN": (with_nan, "not numbers: halves", "learning rate"),
    "chance": (of_chance, "network in training", "net.eval()"),
    "training": (in_training, "network in training", "net.eval()"),
    "dropout": (with_dropout, "network in training", "net.eval()"),
    "cut": (cut, "nothing has computed", "copy the file again"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_float_classifier_is_refused_by_name(name: str, tmp_path: Path) -> None:
    made, said, remedy = OTHERS[name]
    (tmp_path / "net.onnx").write_bytes(made().SerializeToString())
    with pytest.raises(SourceModelError, match=said) as raised:
        OnnxSource.load(tmp_path / "net.onnx")
    assert remedy in str(raised.value.remedy)


def test_errors_show_no_escape_sequences_of_a_file(tmp_path: Path) -> None:
    model = network(Form())
    for node in model.graph.node[:2]:
        node.name = "n\x1b]0;owned\x07\x1b[31m"
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SourceModelError) as raised:
        OnnxSource.load(tmp_path / "net.onnx")
    assert "owned" in str(raised.value)
    assert str(raised.value).replace("\n", "").isprintable()


@pytest.mark.slow
@pytest.mark.long
def test_damaged_files_are_typed_errors_or_taken(tmp_path: Path) -> None:
    # In a process of its own, which a crash of native code would end.
    program = Path(__file__).with_name("damaged_onnx.py")
    environment = {**os.environ, "PYTHONPATH": str(program.parents[1])}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", program, tmp_path, "0", "150"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WRONG" not in done.stdout, done.stdout
    taken = int(done.stdout.split()[-1])
    assert 0 < taken < 100


@pytest.mark.slow
def test_a_wrong_range_of_an_onnx_source_is_found(data: Path) -> None:
    path = written(Form(), data / "misfed.onnx")
    built = convert(path, data, "--input-range", "0..1", variants=("onnx-fp32",))
    assert built.done.code == 41, built.done.err  # no better than guessing, as it is
    said = " ".join(built.done.err.split())
    assert "with --input-range -1..1 it would be right on 100.0 %" in said


@pytest.mark.slow
def test_a_failure_while_scoring_is_a_typed_error(tmp_path: Path) -> None:
    from edgecnn.convert.scoring import FloatScorer
    from edgecnn.convert.source.model import load_source

    # It says that it takes any size, and pools over 224 pixels.
    model = network(Form(batch="n", side="s"))
    pool = next(node for node in model.graph.node if node.op_type == "GlobalAveragePool")
    pool.op_type = "AveragePool"
    pool.attribute.append(onnx.helper.make_attribute("kernel_shape", [224, 224]))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    loaded = load_source(find_source(tmp_path / "net.onnx", input_range="-1..1"))
    with pytest.raises(SourceModelError, match="ONNX Runtime cannot run"):
        FloatScorer(loaded).raw(pictures(1, seed=4)[0])
