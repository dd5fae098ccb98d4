"""Files as TensorFlow, tf2onnx and ONNX Runtime make them, against what runtimes say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgecnn.modelfile import check_integer, loads, read_graph
from edgecnn.modelfile.precision import find_precision

pytestmark = pytest.mark.slow

# A network with every operator that multiplies: 8*12*12*27 + 16*144*9 + 16*144*36 + 16*144*16
# + 6*9*16*144 + 6*5.
_MACS = 31_104 + 20_736 + 82_944 + 36_864 + 124_416 + 30

_CONVERT = """
import sys
import keras, numpy as np, tensorflow as tf, tf2onnx
folder = sys.argv[1]
keras.utils.set_random_seed(1)
layers = keras.layers

def network(grouped):
    x = image = keras.Input(batch_shape=(1, 24, 24, 3))
    x = layers.ReLU(6)(layers.Conv2D(8, 3, strides=2, padding="same")(x))
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    x = layers.Conv2D(16, 3, groups=4 if grouped else 1, padding="same")(x)
    x = layers.Add()([x, layers.Conv2D(16, 1)(x)])
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same")(x)
    x = layers.Dense(5)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Softmax()(x))

model = network(True)
random = np.random.default_rng(2)  # zero biases would be shared, or left out
model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
ops = tf.lite.OpsSet
for kind in ("fp32", "fp16", "int8-dynamic", "int8", "int16x8"):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind != "fp32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    if kind in ("int8", "int16x8"):
        images = np.random.default_rng(3).uniform(0, 255, (8, 1, 24, 24, 3)).astype("float32")
        converter.representative_dataset = lambda: ([image] for image in images)
        converter.target_spec.supported_ops = [
            ops.TFLITE_BUILTINS_INT8 if kind == "int8"
            else ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    if kind == "int8":
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    open(f"{folder}/{kind}.tflite", "wb").write(converter.convert())
model = network(False)
signature = [tf.TensorSpec((1, 24, 24, 3), tf.float32, name="x")]
function = tf.function(lambda x: model(x, training=False), input_signature=signature)
made, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=17)
open(f"{folder}/fp32.onnx", "wb").write(made.SerializeToString())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convert in a process of its own: TensorFlow's warnings and imports stay there."""
    made = tmp_path_factory.mktemp("converted")
    result = subprocess.run(
        [sys.executable, "-c", _CONVERT, str(made)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return made


def interpreter_for(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter


@pytest.mark.parametrize("kind", ["fp32", "fp16", "int8-dynamic", "int8", "int16x8"])
def test_tflite_files_are_read_as_the_interpreter_reads_them(folder: Path, kind: str) -> None:
    graph = read_graph(folder / f"{kind}.tflite")
    interpreter = interpreter_for(folder / f"{kind}.tflite")
    names = [detail["op_name"] for detail in interpreter._get_ops_details()]
    assert [op.name for op in graph.operators] == names
    theirs = {detail["name"]: detail for detail in interpreter.get_tensor_details()}
    compared = 0
    for operator in graph.operators:
        for tensor in (*operator.inputs, *operator.outputs):
            if tensor is None:
                continue
            detail = theirs[tensor.name]
            assert tensor.shape == tuple(detail["shape"])
            assert tensor.dtype == np.dtype(detail["dtype"]).name
            quantization = detail["quantization_parameters"]
            if tensor.quantization is not None:
                assert tensor.quantization.scales == tuple(quantization["scales"])
                assert tensor.quantization.zero_points == tuple(quantization["zero_points"])
            else:
                assert len(quantization["scales"]) == 0
            compared += 1
    assert compared > 20


@pytest.mark.parametrize("kind", ["fp32", "fp16", "int8-dynamic", "int8", "int16x8"])
def test_every_tflite_precision_has_the_same_macs_and_parameters(folder: Path, kind: str) -> None:
    graph = read_graph(folder / f"{kind}.tflite")
    assert (graph.macs, graph.uncounted) == (_MACS, ())
    assert graph.parameters == (216 + 8) + (144 + 16) + (576 + 16) + (256 + 16) + (864 + 6) + 35


@pytest.mark.parametrize(
    ("kind", "integer"),
    [("fp32", False), ("fp16", False), ("int8-dynamic", False), ("int8", True), ("int16x8", True)],
)
def test_only_integer_files_compute_with_integers(folder: Path, kind: str, integer: bool) -> None:
    graph = read_graph(folder / f"{kind}.tflite")
    assert (check_integer(graph) == []) is integer
    if kind != "int8-dynamic":  # the converter leaves weights under 1024 elements as they are
        assert find_precision(graph).name == kind


@pytest.mark.parametrize("kind", ["fp32", "fp16", "int8-dynamic", "int8"])
def test_the_minimum_is_what_the_converter_wrote(folder: Path, kind: str) -> None:
    graph = read_graph(folder / f"{kind}.tflite")
    stated = graph.metadata["min_runtime_version"]
    assert dict(graph.min_runtime) == {"tflite": stated}
    assert loads(graph, "tensorflow", stated) is None


def test_onnx_files_are_counted_like_tflite_ones(folder: Path) -> None:
    graph = read_graph(folder / "fp32.onnx")
    # Here the third convolution has one group instead of four.
    assert graph.macs == _MACS + 3 * 82_944
    assert (graph.custom, graph.uncounted) == ((), ())


def test_shapes_of_onnx_files_are_those_of_onnx_itself(folder: Path) -> None:
    made = onnx.load(folder / "fp32.onnx")
    del made.graph.value_info[:]
    graph = read_graph(made.SerializeToString())
    inferred = onnx.shape_inference.infer_shapes(made).graph
    theirs = {
        value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
        for value in (*inferred.value_info, *inferred.output)
    }
    mine = {
        tensor.name: tensor.shape
        for operator in graph.operators
        for tensor in operator.outputs
        if tensor is not None
    }
    assert mine.keys() == theirs.keys()
    assert mine == theirs


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_quantized_onnx_files_keep_their_counts(folder: Path, tmp_path: Path, form: str) -> None:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Images(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            random = np.random.default_rng(4)
            shape = (1, 24, 24, 3)
            self.left = [{"x": random.uniform(0, 255, shape).astype("f4")} for _ in range(3)]

        def get_next(self) -> dict[str, Any] | None:
            return self.left.pop() if self.left else None

    quantize_static(
        folder / "fp32.onnx",
        tmp_path / "int8.onnx",
        Images(),
        quant_format=QuantFormat[form],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    graph = read_graph(tmp_path / "int8.onnx")
    assert graph.uncounted == ()
    real = read_graph(folder / "fp32.onnx")
    assert graph.macs == real.macs
    assert graph.weight_dtypes["int8"] > 0.5 * real.parameters
    precision = find_precision(graph)
    assert precision.per_channel
    # ONNX Runtime does not quantize transposed convolutions in the operator form.
    assert precision.name == ("int8" if form == "QDQ" else "int8-mixed")
