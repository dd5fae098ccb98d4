"""Read an ONNX file without a runtime, trusting nothing in it.

The protobuf library takes the bytes apart; what they mean is checked here: that constants fill
their shapes, that every operator's inputs exist before it runs (so that there is no cycle), and
that nothing is computed twice.

In a QDQ file the integers sit between QuantizeLinear and DequantizeLinear; their scales are found
there and given to the tensors they belong to.
"""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import replace
from typing import Final

import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from edgecnn.modelfile.macs import onnx_macs
from edgecnn.modelfile.onnx_nodes import (
    MAX_VALUES,
    Attribute,
    Node,
    constant_of,
    output_dtype,
    read_attributes,
)
from edgecnn.modelfile.onnx_quantization import find_quantization
from edgecnn.modelfile.onnx_shapes import infer_shapes
from edgecnn.modelfile.onnx_tensors import (
    MAX_ELEMENTS,
    MAX_RANK,
    check_constant,
    constant_bytes,
    constant_numbers,
    dtype_name,
    is_external,
    plain_text,
    sparse_shape,
)
from edgecnn.modelfile.runtimes import onnx_minimum
from edgecnn.modelfile.types import (
    FLOAT_DTYPES,
    DamagedGraphError,
    Graph,
    Operator,
    Quantization,
    Shape,
    Tensor,
)
from edgecnn.modelfile.weights import Weights

_STANDARD: Final = ("", "ai.onnx")
# Domains whose operators ONNX Runtime's own builds have.
_KNOWN_DOMAINS: Final = ("ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "ai.onnx.training")
_MAX_OPERATORS: Final = 200_000
_MAX_METADATA_TEXT: Final = 64


def read_onnx(payload: memoryview) -> Graph:
    """Read an ONNX ModelProto.

    Args:
        payload: The message, without a contract behind it.

    Returns:
        What it holds.

    Raises:
        DamagedGraphError: If it is no such message, or its structure is impossible.
    """
    try:
        model = ModelProto.FromString(bytes(payload))
    except DecodeError as error:
        raise DamagedGraphError("it is no sound protobuf message") from error
    reader = _Reader(model)
    reader.read(model.graph, {})
    inputs, outputs = reader.ends[0]
    operators = tuple(reader.operators)
    minimum = onnx_minimum(reader.opset, model.ir_version)
    producer = (plain_text(model.producer_name), plain_text(model.producer_version))
    return Graph(
        format="onnx",
        operators=operators,
        inputs=inputs,
        outputs=outputs,
        macs=sum(op.macs or 0 for op in operators),
        uncounted=tuple(dict.fromkeys(op.name for op in operators if op.macs is None)),
        parameters=reader.weights.parameters,
        weight_bytes=reader.weights.bytes,
        weight_dtypes=reader.weights.dtypes,
        nonfinite=reader.weights.nonfinite,
        external=tuple(reader.external),
        payload_bytes=len(payload),
        min_runtime=minimum,
        opset=reader.opset,
        ir_version=model.ir_version,
        custom=tuple(reader.custom),
        subgraphs=len(reader.ends),
        description=" ".join(filter(None, producer)),
        metadata={
            plain_text(entry.key): value if len(value) <= _MAX_METADATA_TEXT else ""
            for entry in model.metadata_props
            for value in [plain_text(entry.value)]
        },
    )


class _Reader:
    """Goes through the graphs of one model."""

    def __init__(self, model: ModelProto) -> None:
        self.versions = {
            plain_text(entry.domain): entry.version for entry in reversed(model.opset_import)
        }
        self.opset = next(
            (self.versions[domain] for domain in _STANDARD if domain in self.versions), None
        )
        self.functions = {
            (plain_text(function.domain), plain_text(function.name)) for function in model.functions
        }
        self.weights = Weights()
        self.operators: list[Operator] = []
        self.custom: dict[str, None] = {}
        self.external: dict[str, None] = {}
        self.ends: list[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]] = []

    def read(self, graph: GraphProto, outer: MutableMapping[str, Tensor]) -> None:
        """Read one graph; ``outer`` are the tensors of the graph around it."""
        index = len(self.ends)
        self.ends.append(((), ()))
        scope = Scope(graph, outer)
        for tensor in graph.initializer:
            self._constant(scope, plain_text(tensor.name), tensor)
        for sparse in graph.sparse_initializer:
            name = plain_text(sparse.values.name)
            scope.define(name, sparse_shape(sparse), dtype_name(sparse.values.data_type), True)
        constants = set(scope.tensors)
        names = [plain_text(value.name) for value in graph.input]
        # Before IR version 4, every constant had to be named as an input, too.
        given = [name for name in names if name not in constants]
        for name in given:
            scope.define(name, *scope.declared.get(name, (None, "unknown")), False)
        for node in graph.node:
            self._node(scope, node, index)
        results = [plain_text(value.name) for value in graph.output]
        self.ends[index] = (
            tuple(scope.tensors[name] for name in given),
            tuple(scope.find(name, "the graph's output") for name in results),
        )

    def _constant(self, scope: Scope, name: str, tensor: TensorProto) -> None:
        """Take in a constant, and count it if it is, or stands for, real numbers."""
        shape = check_constant(tensor)
        dtype = dtype_name(tensor.data_type)
        made = scope.define(name, shape, dtype, True)
        if is_external(tensor):
            self.external[name] = None
        elements = math.prod(size or 0 for size in shape)
        if elements <= MAX_VALUES and dtype in ("int32", "int64"):
            numbers = constant_numbers(tensor)
            if numbers is not None:
                scope.values[name] = tuple(int(number) for number in numbers)
        is_float = dtype in FLOAT_DTYPES
        if name not in scope.factors and (is_float or made.quantization is not None):
            self.weights.add(
                made,
                elements=elements,
                size=constant_bytes(dtype, elements),
                values=constant_numbers(tensor) if is_float else None,
                key=(len(self.ends), name),
            )

    def _node(self, scope: Scope, node: NodeProto, index: int) -> None:
        name, domain = plain_text(node.op_type), plain_text(node.domain)
        if len(self.operators) >= _MAX_OPERATORS:
            raise DamagedGraphError(f"it has more than {_MAX_OPERATORS} operators")
        inputs = [scope.find(plain_text(source), name) if source else None for source in node.input]
        self._note_custom(name, domain)
        outputs = [plain_text(output) for output in node.output]
        attributes = read_attributes(node.attribute)
        constant = constant_of(node) if name == "Constant" and domain in _STANDARD else None
        if constant is not None and len(outputs) == 1:
            self._constant(scope, outputs[0], constant)
            results: list[Tensor | None] = [scope.tensors[outputs[0]]]
        else:
            results = self._results(scope, node, name, attributes, inputs, outputs)
        self.operators.append(
            Operator(
                name=name,
                version=self.versions.get(domain) if domain not in _STANDARD else self.opset,
                domain="" if domain in _STANDARD else domain,
                inputs=tuple(inputs),
                outputs=tuple(results),
                macs=self._macs(name, domain, inputs, results, attributes),
                subgraph=index,
                label=plain_text(node.name),
            )
        )
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                self.read(body, ChainMap(scope.tensors, scope.outer))

    def _results(
        self,
        scope: Scope,
        node: NodeProto,
        name: str,
        attributes: Mapping[str, Attribute],
        inputs: list[Tensor | None],
        outputs: list[str],
    ) -> list[Tensor | None]:
        """Define an operator's outputs, as declared or as they follow from its inputs."""
        shapes = infer_shapes(
            Node(
                name=name,
                attributes=attributes,
                shapes=[None if tensor is None else tensor.shape for tensor in inputs],
                values=[scope.values.get(plain_text(source)) for source in node.input],
                outputs=len(outputs),
            )
        )
        results: list[Tensor | None] = []
        for position, (output, inferred) in enumerate(zip(outputs, shapes, strict=True)):
            if not output:
                results.append(None)
                continue
            shape, dtype = scope.declared.get(output, (None, "unknown"))
            if dtype == "unknown":
                dtype = output_dtype(name, attributes, inputs, position)
            results.append(scope.define(output, _merge(shape, inferred), dtype, False))
        return results

    def _macs(
        self,
        name: str,
        domain: str,
        inputs: list[Tensor | None],
        outputs: list[Tensor | None],
        attributes: Mapping[str, Attribute],
    ) -> int | None:
        if (domain, name) in self.functions:
            return None
        if domain not in _STANDARD and domain not in _KNOWN_DOMAINS:
            return 0
        transposed = bool(attributes.get("transA", 0))
        return onnx_macs(name, inputs, outputs, transposed=transposed)

    def _note_custom(self, name: str, domain: str) -> None:
        """Note an operator that neither ONNX nor ONNX Runtime defines."""
        if (domain, name) in self.functions or domain in _KNOWN_DOMAINS:
            return
        if domain in _STANDARD:
            opset = self.opset or 1
            newest = onnx.defs.onnx_opset_version()
            if opset > newest or onnx.defs.has(name, max(1, opset)):
                return
            self.custom[name] = None
        else:
            self.custom[f"{domain}.{name}"] = None


def _merge(declared: Shape | None, inferred: Shape | None) -> Shape | None:
    """Prefer what the file states; fill sizes it leaves open."""
    if declared is None or inferred is None or len(declared) != len(inferred):
        return inferred if declared is None else declared
    return tuple(
        mine if mine is not None else theirs
        for mine, theirs in zip(declared, inferred, strict=True)
    )


class Scope:
    """The tensors of one graph.

    Args:
        graph: The graph.
        outer: Tensors of the graph around it, which its operators may read.
    """

    def __init__(self, graph: GraphProto, outer: MutableMapping[str, Tensor]) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.values: dict[str, tuple[int, ...]] = {}
        self.declared = _declared((*graph.value_info, *graph.input, *graph.output))
        self.quantization, self.factors = find_quantization(graph)
        self.outer = outer

    def define(self, name: str, shape: Shape | None, dtype: str, constant: bool) -> Tensor:
        """Make a tensor.

        Raises:
            DamagedGraphError: If there is one of that name in this graph.
        """
        if name in self.tensors:
            raise DamagedGraphError(f"tensor {name!r} is computed twice")
        quantization = _fitting(self.quantization.get(name), shape)
        self.tensors[name] = Tensor(
            name=name, shape=shape, dtype=dtype, quantization=quantization, constant=constant
        )
        return self.tensors[name]

    def find(self, name: str, reader: str) -> Tensor:
        """Return a tensor that must exist by now."""
        found = self.tensors.get(name) or self.outer.get(name)
        if found is None:
            raise DamagedGraphError(f"{reader} reads {name!r}, which nothing has computed yet")
        return found


def _declared(values: Iterable[ValueInfoProto]) -> dict[str, tuple[Shape | None, str]]:
    """Return the shape and type that a graph states for its tensors."""
    found: dict[str, tuple[Shape | None, str]] = {}
    for value in values:
        kind = value.type.tensor_type
        shape: Shape | None = None
        if kind.HasField("shape"):
            sizes = [
                size.dim_value if size.HasField("dim_value") and size.dim_value >= 0 else None
                for size in kind.shape.dim
            ]
            if len(sizes) > MAX_RANK or any((size or 0) > MAX_ELEMENTS for size in sizes):
                raise DamagedGraphError(f"tensor {plain_text(value.name)!r} has an absurd shape")
            shape = tuple(sizes)
        found[plain_text(value.name)] = (shape, dtype_name(kind.elem_type))
    return found


def _fitting(quantization: Quantization | None, shape: Shape | None) -> Quantization | None:
    """Return a quantization with its axis counted from the front, if it fits the shape."""
    if quantization is None or quantization.axis is None or shape is None:
        return quantization
    axis, channels = quantization.axis, len(quantization.scales)
    if not -len(shape) <= axis < len(shape) or shape[axis] not in (None, channels):
        raise DamagedGraphError(f"{channels} scales on dimension {axis} of the shape {shape}")
    return replace(quantization, axis=axis % len(shape))
