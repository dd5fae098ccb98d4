"""Every variant of small networks: operators, ends, numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
import pytest
from keras import layers

from convert.networks import activated, averaging, dense, normalized, pixels, plain, residual
from edgecnn.convert.calibration import full_range
from edgecnn.convert.graph.deployable import Deployable, deployable_of
from edgecnn.convert.payload import PayloadMaker, check_payload
from edgecnn.convert.to_onnx import CalibrationImages
from edgecnn.errors import ConversionError
from edgecnn.modelfile import Graph, read_graph
from edgecnn.quiet import captured_log
from edgecnn.recipe.load import VARIANTS

pytestmark = pytest.mark.slow  # trains or converts whole networks

TFLITE = [variant for variant in VARIANTS if variant.startswith("tflite")]


def deployed(model: Any) -> Deployable:
    return deployable_of(
        lambda images: model(images, training=False),
        shape=model.input_shape[1:],
        input_range="0..255",
    )


def maker(model: Any, *, opset: int = 17, ir_version: int = 8) -> PayloadMaker:
    deployable = deployed(model)
    calibration = pixels(30, deployable.shape, seed=7)
    return PayloadMaker(deployable, calibration, opset=opset, ir_version=ir_version)


def names(graph: Graph) -> list[str]:
    return [operator.name for operator in graph.operators]


def run_tflite(data: bytes, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    (feed,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for image in images:
        interpreter.set_tensor(feed["index"], image[None].astype(feed["dtype"]))
        interpreter.invoke()
        raw = interpreter.get_tensor(answer["index"])[0].astype(np.float32)
        scale, zero_point = answer["quantization"]
        rows.append((raw - zero_point) * scale if scale else raw)
    return np.array(rows)


def run_onnx(data: bytes, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")  # as the runner has it
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    rows = [session.run(None, {"image": image[None].astype(np.float32)})[0][0] for image in images]
    return np.array(rows)


# How far a variant's probabilities may be from the float model's on random images.
TOLERANCE = {"fp32": 1e-5, "fp16": 5e-3, "int16x8": 0.15, "int8-dynamic": 0.15, "int8": 0.15}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_answers_like_the_float_model(variant: str) -> None:
    model = plain()
    images = pixels(20, (12, 10, 3), seed=3)
    expected = model(images.astype(np.float32), training=False).numpy()
    payload = maker(model).make(variant)
    run = run_tflite if variant.startswith("tflite") else run_onnx
    difference = np.abs(run(payload.data, images) - expected).max()
    assert difference < TOLERANCE[variant.partition("-")[2]]


@pytest.mark.parametrize("variant", TFLITE)
@pytest.mark.parametrize("make", [plain, residual], ids=["plain", "residual"])
def test_tflite_files_hold_no_casts_and_quantize_at_the_ends_only(variant: str, make: Any) -> None:
    payload = maker(make()).make(variant)
    found = names(payload.graph)
    assert not {"CAST", "SHAPE", "STRIDED_SLICE", "PACK", "SUB", "MUL"} & set(found)
    inside = found[1:-1]
    if variant in ("tflite-int8", "tflite-int16x8"):
        assert found[0] == "QUANTIZE"
        assert not {"QUANTIZE", "DEQUANTIZE"} & set(inside)
        assert payload.graph.flex == ()
    else:
        assert "QUANTIZE" not in found


def test_int8_takes_raw_pixels_as_they_are() -> None:
    graph = maker(plain()).make("tflite-int8").graph
    (end,) = graph.inputs
    assert end.dtype == "uint8"
    assert end.quantization is not None
    assert end.quantization.scales == (1.0,)
    assert end.quantization.zero_points == (0,)
    assert graph.outputs[0].dtype == "uint8"


@pytest.mark.parametrize("variant", ["tflite-int8", "onnx-int8"])
def test_weights_are_quantized_per_channel(variant: str) -> None:
    graph = maker(plain()).make(variant).graph
    tensors = [t for op in graph.operators for t in op.inputs if t is not None and t.constant]
    scales = [len(t.quantization.scales) for t in tensors if t.quantization and t.dtype == "int8"]
    assert {4, 8} <= set(scales)  # the output channels of the two convolutions


@pytest.mark.parametrize("make", [plain, residual, dense, averaging, normalized])
def test_onnx_is_static_nhwc_outside_and_bare_inside(make: Any) -> None:
    model = make()
    payload = maker(model).make("onnx-fp32")
    graph = payload.graph
    assert (graph.opset, graph.ir_version) == (17, 8)
    assert graph.inputs[0].shape == (1, *model.input_shape[1:])
    assert graph.outputs[0].shape == (1, 5)
    found = names(graph)
    leftovers = {"Shape", "Gather", "Slice", "Cast", "Mul", "BatchNormalization", "Identity"}
    assert not leftovers & set(found)
    sums = {"residual": 2, "averaging": 0}  # its own, and the offset that padding keeps
    assert found.count("Add") == sums.get(make.__name__, 0)
    # NHWC to NCHW once at the input; a single channel needs no more than a reshape.
    assert found.count("Transpose") <= 1
    proto = onnx.load_from_string(payload.data)
    onnx.checker.check_model(proto, full_check=True)
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 17)]
    assert [proto.graph.input[0].name, proto.graph.output[0].name] == ["image", "scores"]


@pytest.mark.parametrize("variant", ["onnx-fp32", "onnx-fp16", "onnx-int8"])
@pytest.mark.parametrize(("opset", "ir_version"), [(13, 7), (17, 8), (18, 9)])
def test_opset_and_ir_version_are_what_was_asked_for(
    variant: str, opset: int, ir_version: int
) -> None:
    payload = maker(plain(), opset=opset, ir_version=ir_version).make(variant)
    assert (payload.graph.opset, payload.graph.ir_version) == (opset, ir_version)
    proto = onnx.load_from_string(payload.data)
    assert {entry.domain for entry in proto.opset_import} == {""}


INSIDE = {
    "relu": layers.ReLU(),
    "relu6": layers.ReLU(6.0),
    "leaky relu": layers.LeakyReLU(0.2),
    "prelu": layers.PReLU(shared_axes=[1, 2]),
    "hard swish": layers.Activation("hard_swish"),
    "swish": layers.Activation("silu"),
    "tanh": layers.Activation("tanh"),
    "average pool": layers.AveragePooling2D(2),
    "strided pool": layers.AveragePooling2D(3, strides=2, padding="same"),
    "addition": lambda hidden: layers.Add()([hidden, layers.Conv2D(8, 1)(hidden)]),
    "difference": lambda hidden: layers.Subtract()([hidden, layers.Conv2D(8, 1)(hidden)]),
    "concatenation": lambda hidden: layers.Concatenate()([hidden, layers.MaxPooling2D(1)(hidden)]),
    "gate": lambda hidden: layers.Multiply()(
        [hidden, layers.Activation("sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(hidden))]
    ),
    "upsampling": layers.UpSampling2D(),
    "padding": layers.ZeroPadding2D(),
}


@pytest.mark.parametrize("name", INSIDE)
def test_every_operator_of_onnx_int8_is_between_dequantize_and_quantize(name: str) -> None:
    model = activated(INSIDE[name])
    payload = maker(model).make("onnx-int8")
    operators = payload.graph.operators
    makers = {id(tensor): op.name for op in operators for tensor in op.outputs}
    readers: dict[int, list[str]] = {}
    for operator in operators:
        for tensor in operator.inputs:
            readers.setdefault(id(tensor), []).append(operator.name)
    inside = [op for op in operators if op.name not in ("QuantizeLinear", "DequantizeLinear")]
    assert (inside[0].name, inside[-1].name) == ("Transpose", "Softmax")
    for operator in inside[1:]:
        reals = [tensor for tensor in operator.inputs if tensor and tensor.dtype == "float32"]
        assert {makers[id(tensor)] for tensor in reals} == {"DequantizeLinear"}, operator.name
        assert readers[id(operator.outputs[0])] == ["QuantizeLinear"], operator.name
    images = pixels(20, (12, 10, 3), seed=3)
    expected = model(images.astype(np.float32), training=False).numpy()
    assert np.abs(run_onnx(payload.data, images) - expected).max() < TOLERANCE["int8"]


def test_onnx_int8_that_leaves_an_operator_in_real_numbers_is_refused() -> None:
    shared = maker(residual())
    proto = onnx.load_from_string(shared.make("onnx-int8").data)
    (pool,) = [node for node in proto.graph.node if node.op_type == "GlobalAveragePool"]
    real = next(node for node in proto.graph.node if node.output[0] == pool.input[0])
    integers = next(node for node in proto.graph.node if node.output[0] == real.input[0])
    pool.input[0] = integers.input[0]  # the activation itself, as it was before it was quantized
    graph = read_graph(proto.SerializeToString())
    with pytest.raises(ConversionError, match="GlobalAveragePool"):
        check_payload(graph, "onnx-int8", deployed(residual()))


def test_onnx_int8_with_one_scale_for_all_channels_is_refused(tmp_path: Path) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    deployable = deployed(plain())
    floats = onnx.load_from_string(maker(plain()).make("onnx-fp32").data)
    target = tmp_path / "int8.onnx"
    with captured_log():
        quantize_static(
            floats, target, CalibrationImages(pixels(8, (12, 10, 3))), quant_format=QuantFormat.QDQ,
            per_channel=False, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip
    with pytest.raises(ConversionError, match="one scale for all channels"):
        check_payload(read_graph(target), "onnx-int8", deployable)


def test_equal_models_give_equal_files() -> None:
    # Keras counts the layers of a session, so the second model's names differ from the first's.
    first, second = maker(residual()), maker(residual())
    for variant in VARIANTS:
        assert first.make(variant).data == second.make(variant).data, variant


def test_fp16_halves_the_weights() -> None:
    shared = maker(averaging())
    for kind in ("tflite", "onnx"):
        full, half = (shared.make(f"{kind}-{precision}").graph for precision in ("fp32", "fp16"))
        assert half.weight_bytes < 0.6 * full.weight_bytes


def test_weights_beyond_float16_fail_by_name() -> None:
    model = plain()
    model.layers[-1].kernel.assign(model.layers[-1].kernel * 1e6)
    with pytest.raises(ConversionError, match="65504"):
        maker(model).make("tflite-fp16")


def test_a_limit_that_nothing_comes_near_is_no_weight_beyond_float16() -> None:
    # UnitNormalization holds 1 / epsilon = 1e12, which float16 clips.
    model = activated(layers.UnitNormalization())
    images = pixels(10, (12, 10, 3), seed=3)
    expected = model(images.astype(np.float32), training=False).numpy()
    shared = maker(model)
    for variant, run in (("tflite-fp16", run_tflite), ("onnx-fp16", run_onnx)):
        difference = np.abs(run(shared.make(variant).data, images) - expected).max()
        assert difference < TOLERANCE["fp16"]


def test_a_constant_beyond_float16_that_matters_fails_by_name() -> None:
    model = activated(lambda hidden: keras.ops.relu(hidden) * 2e5)
    kernel = model.layers[-3].kernel
    kernel.assign(kernel * 1e-5)
    for variant in ("tflite-fp16", "onnx-fp16"):
        with pytest.raises(ConversionError, match=r"constant of 2e\+05, beyond 65504"):
            maker(model).make(variant)


# Operators that tf2onnx does not know, and their kin.
ACTIVATIONS = ("celu", "elu", "gelu", "hard_silu", "log_sigmoid", "mish", "selu", "softplus")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_written_in_standard_onnx(name: str) -> None:
    model = activated(layers.Activation(name))
    images = pixels(10, (12, 10, 3), seed=3)
    expected = model(images.astype(np.float32), training=False).numpy()
    payload = maker(model).make("onnx-fp32")
    assert np.abs(run_onnx(payload.data, images) - expected).max() < TOLERANCE["fp32"]
    assert payload.graph.opset == 17


def test_a_network_too_small_for_dynamic_quantization_is_not_called_int8_dynamic() -> None:
    with pytest.raises(ConversionError, match="1024"):
        maker(plain((6, 6, 1))).make("tflite-int8-dynamic")


def test_int8_with_an_operator_that_has_no_integer_kernel_fails_by_name() -> None:
    image = layers.Input((8, 8, 3))
    hidden = layers.Conv2D(4, 3, padding="same")(layers.Rescaling(1 / 255)(image))
    hidden = keras.ops.sin(hidden)
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(hidden)))
    with pytest.raises(ConversionError, match=r"SIN|Sin"):
        maker(model).make("tflite-int8")


def test_flex_operators_are_never_used() -> None:
    image = layers.Input((8, 8, 3))
    hidden = layers.Conv2D(4, 3, padding="same")(layers.Rescaling(1 / 255)(image))
    hidden = keras.ops.erfinv(keras.ops.tanh(hidden) * 0.5)
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(hidden)))
    with pytest.raises(ConversionError, match=r"(?i)erfinv"):
        maker(model).make("tflite-fp32")


def test_fixed_calibration_range_comes_from_the_images_where_they_have_it() -> None:
    images = pixels(4, (3, 3, 1))
    assert full_range(images) is images


def test_narrow_calibration_images_get_one_that_spans_all_values() -> None:
    images = pixels(4, (3, 3, 1)) // 4 + 20
    widened = full_range(images)
    np.testing.assert_array_equal(widened[:4], images)
    assert (widened[4].min(), widened[4].max()) == (0, 255)
    plain_grey = np.full((2, 4, 4, 3), 7, np.uint8)
    assert set(np.unique(full_range(plain_grey)[2])) == {0, 255}


def test_a_converted_file_is_not_left_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    shared = maker(plain())
    for variant in ("onnx-int8", "tflite-int8"):
        shared.make(variant)
    assert list(tmp_path.iterdir()) == []
