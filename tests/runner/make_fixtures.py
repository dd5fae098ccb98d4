"""Makes the model files in ``fixtures/``; tests read them and never run this.

    .venv/bin/python tests/runner/make_fixtures.py

Needs TensorFlow, onnx and onnxruntime. Two tiny networks with random weights, scaled so that
their answers are decided: ``grey``, 8 x 8 x 1 to 10 classes, and ``rgb``, 12 x 16 x 3 to 4
classes. The ``.npz`` beside each file holds images and the scores that TensorFlow's own float
model gives, which is what the runner's scores are compared with.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from edgecnn_runner.contract import Contract, InputSpec, OutputSpec
from edgecnn_runner.formats.container import append_contract

FIXTURES = Path(__file__).parent / "fixtures"
RNG = np.random.default_rng(20240501)
Array = npt.NDArray[Any]


class Net:
    """Two convolutions, an average pool, a dense layer; weights as arrays, NHWC and HWIO."""

    def __init__(self, height: int, width: int, channels: int, classes: int) -> None:
        self.shape, self.classes = (height, width, channels), classes
        self.conv1 = RNG.normal(0, 1.2 / np.sqrt(9 * channels), (3, 3, channels, 4)).astype("f4")
        self.conv2 = RNG.normal(0, 1.4 / np.sqrt(36), (3, 3, 4, 6)).astype("f4")
        self.dense = RNG.normal(0, 9.0, (6 * ((height // 2) * (width // 2)), classes)).astype("f4")
        self.dense /= np.sqrt(len(self.dense))

    def keras(
        self,
        end: str | None = "softmax",
        scale: float = 1 / 255,
        offset: float = 0.0,
        *,
        nan: bool = False,
    ) -> Any:
        layers = tf.keras.layers
        image = layers.Input(batch_shape=(1, *self.shape))
        x = layers.Rescaling(scale, offset)(image) if (scale, offset) != (1, 0) else image
        x = layers.Conv2D(4, 3, padding="same", activation="relu", name="c1")(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Conv2D(6, 3, padding="same", activation="relu", name="c2")(x)
        x = layers.Flatten()(x)
        x = layers.Dense(self.classes, name="d")(x)
        if end is not None:
            x = layers.Softmax()(x) if end == "softmax" else layers.Activation(end)(x)
        model = tf.keras.Model(image, x)
        model.get_layer("c1").set_weights([self.conv1, np.zeros(4, "f4")])
        model.get_layer("c2").set_weights([self.conv2, np.zeros(6, "f4")])
        dense = self.dense * np.nan if nan else self.dense
        model.get_layer("d").set_weights([dense, np.zeros(self.classes, "f4")])
        return model

    def images(self, count: int) -> Array:
        coarse = RNG.integers(0, 256, (count, 4, 4, self.shape[2])).astype(np.float64)
        rows = np.arange(self.shape[0]) * 4 // self.shape[0]
        columns = np.arange(self.shape[1]) * 4 // self.shape[1]
        smooth = coarse[:, rows][:, :, columns]
        noisy = smooth + RNG.normal(0, 12, smooth.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)


def tflite(
    model: Any, images: Array | None = None, ends: Any = None, dynamic: bool = False
) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if images is not None or dynamic:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if images is not None:
            converter.representative_dataset = lambda: (
                [image[None].astype("f4")] for image in images
            )
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = ends
        result: bytes = converter.convert()
    return result


def onnx_model(net: Net, layout: str = "NHWC", scale: float = 1 / 255, offset: float = 0.0) -> Any:
    """The same network by hand: ONNX convolutions are NCHW, so NHWC takes two transposes."""
    height, width, channels = net.shape
    weights = {
        "w1": net.conv1.transpose(3, 2, 0, 1),
        "w2": net.conv2.transpose(3, 2, 0, 1),
        "wd": net.dense,
        "scale": np.array(scale, "f4"),
        "offset": np.array(offset, "f4"),
        "flat": np.array([1, -1], np.int64),
    }
    nhwc = layout == "NHWC"
    nodes = [
        helper.make_node("Mul", ["image", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["shifted"]),
        helper.make_node("Transpose", ["shifted"], ["nchw"], perm=[0, 3, 1, 2] if nhwc else None),
        helper.make_node("Conv", ["nchw" if nhwc else "shifted", "w1"], ["a"], pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["c", "w2"], ["e"], pads=[1] * 4),
        helper.make_node("Relu", ["e"], ["f"]),
        helper.make_node("Transpose", ["f"], ["g"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["g", "flat"], ["h"]),
        helper.make_node("MatMul", ["h", "wd"], ["i"]),
        helper.make_node("Softmax", ["i"], ["scores"], axis=-1),
    ]
    if not nhwc:
        del nodes[2]
    shape = [1, height, width, channels] if nhwc else [1, channels, height, width]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, net.classes])],
        [numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


class Reader(CalibrationDataReader):  # type: ignore[misc]  # untyped
    def __init__(self, images: Array) -> None:
        self.rows: Iterator[dict[str, Array]] = iter(
            [{"image": image[None].astype("f4")} for image in images]
        )

    def get_next(self) -> dict[str, Array] | None:
        return next(self.rows, None)


def onnx_int8(model: Any, images: Array) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "a.onnx", Path(folder) / "b.onnx"
        onnx.save(model, source)
        quantize_static(
            source,
            target,
            Reader(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return target.read_bytes()


def ends(payload: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=payload)
    found = []
    for details in (interpreter.get_input_details()[0], interpreter.get_output_details()[0]):
        scale, zero_point = details["quantization"]
        found.append(
            {
                "dtype": np.dtype(details["dtype"]).name,
                "scale": float(scale) or 1.0,
                "zero_point": int(zero_point),
            }
        )
    return found[0], found[1]


def write(
    name: str,
    payload: bytes,
    net: Net,
    variant: str,
    *,
    kind: str = "probabilities",
    contract: bool = True,
    min_runtime: dict[str, str] | None = None,
) -> None:
    model_format = variant.partition("-")[0]
    if contract:
        fed, given = ends(payload) if model_format == "tflite" else ({}, {})
        height, width, channels = net.shape
        written = Contract(
            model=name.partition("-")[0],
            variant=variant,
            labels=labels(net),
            input=InputSpec(height=height, width=width, channels=channels, **fed),
            output=OutputSpec(kind=kind, **given),
            payload_sha256=hashlib.sha256(payload).hexdigest(),
            source_sha256="0" * 64,
            min_runtime=min_runtime or {},
            created_by={"make_fixtures": "1"},
        )
        payload = append_contract(payload, written, model_format=model_format)
    (FIXTURES / f"{name}.{model_format}").write_bytes(payload)
    print(f"{name}.{model_format}", len(payload))


def labels(net: Net) -> tuple[str, ...]:
    return tuple(f"class {index}" for index in range(net.classes))


def scores_of(model: Any) -> Callable[[Array], Array]:
    return lambda images: np.concatenate(
        [model(image[None].astype("f4"), training=False).numpy() for image in images]
    )


def main() -> None:
    FIXTURES.mkdir(exist_ok=True)
    grey, rgb = Net(8, 8, 1, 10), Net(12, 16, 3, 4)
    for name, net in (("grey", grey), ("rgb", rgb)):
        images, train = net.images(24), net.images(60)
        model = net.keras()
        float_scores = scores_of(model)(images)
        np.savez_compressed(FIXTURES / f"{name}.npz", images=images, scores=float_scores)
        write(f"{name}-fp32", tflite(model), net, "tflite-fp32")
        write(f"{name}-int8", tflite(model, train, tf.uint8), net, "tflite-int8")
        write(f"{name}-fp32", onnx_model(net).SerializeToString(), net, "onnx-fp32")
        write(f"{name}-int8", onnx_int8(onnx_model(net), train), net, "onnx-int8")
    train = rgb.images(60)
    dynamic = tflite(rgb.keras(), dynamic=True)
    needs = {"tflite-runtime": "2.17.0"}
    write("rgb-int8-dynamic", dynamic, rgb, "tflite-int8-dynamic", min_runtime=needs)
    logits = rgb.keras(end=None)
    write("rgb-logits", tflite(logits), rgb, "tflite-fp32", kind="logits")
    write("rgb-logits-int8", tflite(logits, train, tf.uint8), rgb, "tflite-int8", kind="logits")
    write("rgb-nan", tflite(rgb.keras(nan=True)), rgb, "tflite-fp32")
    # Made elsewhere: int8 ends, another range, NCHW, and no contract.
    write("foreign-int8", tflite(rgb.keras(), train, tf.int8), rgb, "tflite-int8", contract=False)
    signed = rgb.keras(scale=0.5, offset=0.5)
    write("foreign-signed", tflite(signed), rgb, "tflite-fp32", contract=False)
    nchw = onnx_model(rgb, "NCHW", scale=1.0).SerializeToString()
    write("foreign-nchw", nchw, rgb, "onnx-fp32", contract=False)
    write("foreign-logits", tflite(logits), rgb, "tflite-fp32", contract=False)
    sigmoid = rgb.keras(end="sigmoid")
    write("sigmoid", tflite(sigmoid), rgb, "tflite-fp32", contract=False)
    write("sigmoid-int8", tflite(sigmoid, train, tf.int8), rgb, "tflite-int8", contract=False)
    write("either-layout", either_layout().SerializeToString(), rgb, "onnx-fp32", contract=False)
    # To be refused.
    for name, padding in (("open-size", "same"), ("open-size-unpadded", "valid")):
        write(name, tflite(open_size(padding)), rgb, "tflite-fp32", contract=False)
    write("two-outputs", tflite(two_outputs()), rgb, "tflite-fp32", contract=False)
    newer = onnx_model(rgb)
    newer.opset_import[0].version = 99
    write("too-new", newer.SerializeToString(), rgb, "onnx-fp32", min_runtime={"onnxruntime": "9"})
    for name, nested in (("external", False), ("external-nested", True)):
        write(name, external(nested).SerializeToString(), rgb, "onnx-fp32", contract=False)


def either_layout() -> Any:
    """A classifier of an input (1, 3, 5, 3): its shape does not say where the channels are.

    Score k is the sum of what lies at k on the second axis, so both readings are told apart.
    """
    nodes = [
        helper.make_node("ReduceSum", ["image", "axes"], ["logits"], keepdims=0),
        helper.make_node("Softmax", ["logits"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 5, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(np.array([2, 3], np.int64), "axes")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def two_outputs() -> Any:
    image = tf.keras.layers.Input(batch_shape=(1, 4, 4, 3))
    return tf.keras.Model(image, [image * 2.0, image + 1.0])


def open_size(padding: str) -> Any:
    """A classifier of images of any size; without padding, of any but a single pixel."""
    layers = tf.keras.layers
    image = layers.Input((None, None, 3))
    x = layers.Conv2D(2, 3, padding=padding, activation="relu", kernel_initializer="ones")(image)
    x = layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(image, layers.Dense(4, "softmax", kernel_initializer="ones")(x))


def external(nested: bool) -> Any:
    """A 2 x 2 x 3 classifier whose weights are the first 192 bytes of ``weights.bin``.

    They are an initializer, or a Constant in the branches of an If.
    """
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[12, 4])
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", "192")):
        weights.external_data.add(key=key, value=value)
    stored, before = [weights], []
    if nested:
        shape = helper.make_tensor_value_info("inner", TensorProto.FLOAT, [12, 4])
        constant = helper.make_node("Constant", [], ["inner"], value=weights)
        branch = helper.make_graph([constant], "branch", [], [shape])
        stored = [numpy_helper.from_array(np.array(True), "yes")]
        before = [helper.make_node("If", ["yes"], ["w"], then_branch=branch, else_branch=branch)]
    graph = helper.make_graph(
        [
            *before,
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["scores"]),
        ],
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 2, 2, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 4])],
        stored,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


if __name__ == "__main__":
    main()
