"""Small TFLite files made of parts, with LiteRT's own schema classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "int4": schema.TensorType.INT4,
}


@dataclass
class Part:
    """A tensor to be."""

    name: str
    shape: Sequence[int]
    dtype: str = "float32"
    data: NDArray[Any] | None = None
    scales: Sequence[float] = ()
    zero_points: Sequence[int] = ()
    axis: int = 0
    signature: Sequence[int] = ()
    variable: bool = False


@dataclass
class Step:
    """An operator to be; inputs and outputs are tensor names, "" for one left out."""

    name: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    version: int = 1
    options: Any = None
    custom: str = ""


@dataclass
class File:
    """A file to be; ``model`` may be changed before ``pack``."""

    parts: Sequence[Part]
    steps: Sequence[Step]
    inputs: Sequence[str]
    outputs: Sequence[str]
    metadata: dict[str, bytes] = field(default_factory=dict)

    def model(self) -> Any:
        """Return LiteRT's object form of the file."""
        model = schema.ModelT()
        model.version = 3
        model.description = "made by a test"
        model.buffers = [schema.BufferT()]
        model.operatorCodes = []
        graph = schema.SubGraphT()
        numbers = {part.name: index for index, part in enumerate(self.parts)} | {"": -1}
        graph.tensors = [_tensor(part, model.buffers) for part in self.parts]
        graph.inputs = [numbers[name] for name in self.inputs]
        graph.outputs = [numbers[name] for name in self.outputs]
        graph.operators = [_operator(step, numbers, model.operatorCodes) for step in self.steps]
        model.subgraphs = [graph]
        model.metadata = []
        for name, value in self.metadata.items():
            entry = schema.MetadataT()
            entry.name, entry.buffer = name, len(model.buffers)
            model.buffers.append(_buffer(value))
            model.metadata.append(entry)
        return model

    def data(self) -> bytes:
        """Return the file's bytes."""
        return pack(self.model())


def pack(model: Any) -> bytes:
    """Return the bytes of an object form."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _buffer(data: bytes) -> Any:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    return buffer


def _tensor(part: Part, buffers: list[Any]) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = part.name, list(part.shape), _TYPES[part.dtype]
    tensor.isVariable = part.variable
    tensor.buffer = 0
    if part.signature:
        tensor.shapeSignature = list(part.signature)
    if part.data is not None:
        tensor.buffer = len(buffers)
        buffers.append(_buffer(part.data.tobytes()))
    if part.scales:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = list(part.scales)
        tensor.quantization.zeroPoint = list(part.zero_points or [0] * len(part.scales))
        tensor.quantization.quantizedDimension = part.axis
    return tensor


def _operator(step: Step, numbers: dict[str, int], codes: list[Any]) -> Any:
    code = schema.OperatorCodeT()
    number = getattr(schema.BuiltinOperator, step.name)
    code.deprecatedBuiltinCode, code.builtinCode = min(number, 127), number
    code.version = step.version
    code.customCode = step.custom or None
    operator = schema.OperatorT()
    operator.opcodeIndex = len(codes)
    codes.append(code)
    operator.inputs = [numbers[name] for name in step.inputs]
    operator.outputs = [numbers[name] for name in step.outputs]
    if step.options is not None:
        operator.builtinOptions = step.options
        name = type(step.options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
    return operator


def options(kind: str, **values: Any) -> Any:
    """Return builtin options, for example ``options("Pool2DOptions", strideW=2)``."""
    made = getattr(schema, f"{kind}T")()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def integer_cnn() -> File:
    """A sound int8 classifier: 8 x 8 x 3 uint8 to 5 uint8 scores, weights per channel.

    4 filters of 3 x 3 (same padding), 2 x 2 pooling, dense: 8*8*4*27 + 64*5 = 7,232
    multiply-accumulates, 108 + 4 + 320 + 5 = 437 parameters.
    """
    random = np.random.default_rng(1)
    q: dict[str, Any] = {"scales": [0.02], "zero_points": [-3]}
    kernel = random.integers(-127, 128, (4, 3, 3, 3), dtype=np.int8)
    dense = random.integers(-127, 128, (5, 64), dtype=np.int8)
    parts = [
        Part("image", (1, 8, 8, 3), "uint8", scales=[1.0], zero_points=[0]),
        Part("centred", (1, 8, 8, 3), "int8", scales=[1.0], zero_points=[-128]),
        Part("kernel", (4, 3, 3, 3), "int8", kernel, scales=[0.01, 0.02, 0.03, 0.04]),
        Part("bias", (4,), "int32", np.zeros(4, np.int32), scales=[0.01, 0.02, 0.03, 0.04]),
        Part("conv", (1, 8, 8, 4), "int8", **q),
        Part("pool", (1, 4, 4, 4), "int8", **q),
        Part("sizes", (2,), "int32", np.array([1, 64], np.int32)),
        Part("flat", (1, 64), "int8", **q),
        Part("dense", (5, 64), "int8", dense, scales=[0.01]),
        Part("dense_bias", (5,), "int32", np.zeros(5, np.int32), scales=[0.0002]),
        Part("logits", (1, 5), "int8", **q),
        Part("scores", (1, 5), "int8", scales=[1 / 256], zero_points=[-128]),
        Part("answer", (1, 5), "uint8", scales=[1 / 256], zero_points=[0]),
    ]
    conv = options("Conv2DOptions", strideW=1, strideH=1, dilationWFactor=1, dilationHFactor=1)
    pool = options("Pool2DOptions", strideW=2, strideH=2, filterWidth=2, filterHeight=2)
    steps = [
        Step("QUANTIZE", ["image"], ["centred"], 1, options("QuantizeOptions")),
        Step("CONV_2D", ["centred", "kernel", "bias"], ["conv"], 3, conv),
        Step("MAX_POOL_2D", ["conv"], ["pool"], 2, pool),
        Step("RESHAPE", ["pool", "sizes"], ["flat"], 1, options("ReshapeOptions")),
        Step(
            "FULLY_CONNECTED",
            ["flat", "dense", "dense_bias"],
            ["logits"],
            4,
            options("FullyConnectedOptions"),
        ),
        Step("SOFTMAX", ["logits"], ["scores"], 2, options("SoftmaxOptions", beta=1.0)),
        Step("QUANTIZE", ["scores"], ["answer"], 1, options("QuantizeOptions")),
    ]
    return File(parts, steps, ["image"], ["answer"], {"min_runtime_version": b"1.14.0\0\0"})


def float_dense(weights: NDArray[Any] | None = None, **changes: Any) -> File:
    """One FULLY_CONNECTED from 3 to 2 numbers, float32; ``changes`` go to its weights' ``Part``."""
    weights = np.ones((2, 3), np.float32) if weights is None else weights
    kernel = Part(**{"name": "w", "shape": (2, 3), "data": weights, **changes})
    parts = [Part("x", (1, 3)), kernel, Part("y", (1, 2))]
    step = Step("FULLY_CONNECTED", ["x", "w", ""], ["y"], 1, options("FullyConnectedOptions"))
    return File(parts, [step], ["x"], ["y"])
