"""Brings an ONNX network of any exporter to one form: one image, float32, constants computed.

What stays is what the network computes. The batch is 1 and the size fixed, so that the arithmetic
on shapes that exporters leave in a graph becomes constant; halves and doubles become float32;
initializers are no longer inputs; and a batch normalization goes into the convolution in front of
it, or becomes a multiplication and an addition, which integers can compute.

The constants are computed by onnxruntime's basic optimizations, which it makes in any case when it
loads a model, and which need standard operators alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from edgecnn.errors import ArtifactError, ConversionError
from edgecnn_runner.runtimes.backend_onnx import OnnxBackend
from edgecnn_runner.runtimes.telemetry import no_telemetry

_FLOATS: Final = (TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
_LINEAR: Final = frozenset({"Conv", "ConvTranspose", "Gemm"})
# It makes a product of images with several rows one of a single table: no image is told from the
# next in it any more.
_NOT_WANTED: Final = ["MatMulAddFusion"]
_TYPES: Final = {"to", "dtype"}  # attributes that name a type


def core_of(model: Any, size: tuple[int, int, int, int]) -> Any:
    """Return a network for one image, in float32, with its constants computed.

    Args:
        model: ModelProto with one image input and one output of scores; it is not changed.
        size: What shape the input is to have, in the model's own layout: (1, channels, height,
            width) or (1, height, width, channels).

    Returns:
        A ModelProto of the same opset, whose input has that shape and whose output has the shape
        (1, classes); both are float32.

    Raises:
        ConversionError: If onnxruntime cannot load the network at this size.
    """
    core = onnx.ModelProto()
    core.CopyFrom(model)
    graph = core.graph
    weights = {tensor.name for tensor in graph.initializer}
    weights |= {sparse.values.name for sparse in graph.sparse_initializer}
    ends = [end for end in graph.input if end.name not in weights]
    del graph.input[:]
    graph.input.extend(ends)
    core.ir_version = max(core.ir_version, 4)  # from which on weights need not be inputs
    _to_float32(graph)
    _set_shape(graph.input[0], size)
    graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    # The type of the input may have been bytes; shapes and types follow from what is set here.
    graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    graph.output[0].type.tensor_type.ClearField("shape")
    del graph.value_info[:]
    core = _computed(core)
    fold_normalizations(core)
    _flatten_scores(core, size)
    return core


def constants_of(graph: Any) -> dict[str, Any]:
    """Return the constants of a graph by name, as their TensorProto."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            found[node.output[0]] = node.attribute[0].t
    return found


def readers_of(graph: Any) -> dict[str, list[Any]]:
    """Return the nodes that read each tensor; for an output of the graph also None."""
    found: dict[str, list[Any]] = {}
    for node in graph.node:
        for tensor in dict.fromkeys([*node.input, *_outer_reads(node)]):
            found.setdefault(tensor, []).append(node)
    for end in graph.output:
        found.setdefault(end.name, []).append(None)
    return found


def attribute(node: Any, name: str, default: Any = None) -> Any:
    """Return an attribute of a node, or its default."""
    for entry in node.attribute:
        if entry.name == name:
            return onnx.helper.get_attribute_value(entry)
    return default


def add_constant(graph: Any, name: str, value: Any) -> str:
    """Add a float32 constant; return its name, which is made unlike all others."""
    taken = {tensor.name for tensor in graph.initializer}
    taken |= {tensor for node in graph.node for tensor in node.output}
    while name in taken:
        name += "_"
    graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
    return name


def fold_normalizations(model: Any) -> None:
    """Put each batch normalization of inference into what is in front of it, in place.

    Behind a convolution or a matrix product that nothing else reads it goes into their weights;
    elsewhere it becomes a multiplication and an addition. Sums are formed in float64 and rounded
    once.
    """
    graph = model.graph
    weights = constants_of(graph)
    makers = {tensor: node for node in graph.node for tensor in node.output}
    readers = readers_of(graph)
    ranks = _ranks(model)
    for node in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        arrays = [weights[name] for name in node.input[1:5] if name in weights]
        if len(arrays) != 4 or attribute(node, "training_mode", 0):
            continue
        gamma, beta, mean, variance = (
            numpy_helper.to_array(array).astype(np.float64) for array in arrays
        )
        scale = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        offset = beta - mean * scale
        maker = makers.get(node.input[0])
        alone = len(readers.get(node.input[0], [])) == 1
        if (
            maker is not None
            and alone
            and maker.op_type in _LINEAR
            and _fold_behind(graph, maker, scale, offset, weights)
        ):
            output = node.output[0]
            graph.node.remove(node)
            maker.output[0] = output
            makers[output] = maker
            continue
        rank = ranks.get(node.input[0], 4)
        shape = (1, len(scale), *[1] * (rank - 2))
        inner = f"{node.output[0]}/scaled"
        product = onnx.helper.make_node(
            "Mul",
            [node.input[0], add_constant(graph, f"{node.output[0]}/scale", scale.reshape(shape))],
            [inner],
        )
        total = onnx.helper.make_node(
            "Add",
            [inner, add_constant(graph, f"{node.output[0]}/offset", offset.reshape(shape))],
            [node.output[0]],
        )
        place = list(graph.node).index(node)
        graph.node.remove(node)
        graph.node.insert(place, total)
        graph.node.insert(place, product)
        for made in (product, total):
            makers[made.output[0]] = made


def _fold_behind(graph: Any, node: Any, scale: Any, offset: Any, weights: dict[str, Any]) -> bool:
    """Put a scale and an offset behind a linear node into its weights; tell whether that went."""
    kernel = weights.get(node.input[1])
    bias = weights.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if kernel is None or (len(node.input) > 2 and node.input[2] and bias is None):
        return False
    values = numpy_helper.to_array(kernel).astype(np.float64)
    biases = 0.0 if bias is None else numpy_helper.to_array(bias).astype(np.float64)
    if node.op_type == "Conv":
        values = values * scale.reshape(-1, *[1] * (values.ndim - 1))
    elif node.op_type == "ConvTranspose":
        if attribute(node, "group", 1) != 1:
            return False
        values = values * scale.reshape(1, -1, *[1] * (values.ndim - 2))
    else:
        if attribute(node, "beta", 1.0) != 1.0 or np.ndim(biases) > 1:
            return False
        values = values * (scale[:, None] if attribute(node, "transB", 0) else scale)
    name = node.output[0]
    node.input[1] = add_constant(graph, f"{name}/kernel", values)
    added = add_constant(graph, f"{name}/bias", biases * scale + offset)
    if len(node.input) > 2:
        node.input[2] = added
    else:
        node.input.append(added)
    weights.update({tensor.name: tensor for tensor in graph.initializer[-2:]})
    return True


def _ranks(model: Any) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model)
    values = (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
    return {v.name: len(v.type.tensor_type.shape.dim) for v in values}


def _computed(model: Any) -> Any:
    """Let onnxruntime compute what is constant; return the model as it writes it."""
    no_telemetry()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as folder:
        target = Path(folder) / "core.onnx"
        options.optimized_model_filepath = str(target)
        try:
            onnxruntime.InferenceSession(
                model.SerializeToString(),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=_NOT_WANTED,
            )
            found = onnx.load(target)
        except Exception as error:
            from edgecnn.convert.reasons import reason_of

            raise ConversionError(
                "onnxruntime cannot load the network for one image of this size",
                observed=reason_of(error),
                expected="a network that takes one image of the size that it was exported for",
                remedy="export the network again, with a batch of 1 and the size of its training",
            ) from error
    if any(node.domain not in ("", "ai.onnx") for node in found.graph.node):
        return model  # an optimization with an operator of its own; the constants can wait
    kept = [(entry.domain, entry.version) for entry in model.opset_import]
    del found.opset_import[:]
    for domain, version in kept:
        if domain in ("", "ai.onnx"):
            found.opset_import.add(domain="", version=version)
    found.ir_version = model.ir_version
    del found.metadata_props[:]
    return found


def _flatten_scores(model: Any, size: tuple[int, ...]) -> None:
    """Give the output the shape (1, classes), also where it has more axes, or fewer.

    The network is run once, since not every operator tells the shape that it gives.
    """
    graph = model.graph
    end = graph.output[0]
    try:
        backend = OnnxBackend(model.SerializeToString(), threads=1, min_runtime={})
        found = backend.run(np.zeros(size, np.float32)).shape
    except ArtifactError as error:
        raise ConversionError(
            error.problem, observed=error.observed, expected=error.expected, remedy=error.remedy
        ) from error
    if len(found) != 2:
        name = f"{end.name}/rows"
        # All axes are one row's: the batch is 1, or has no axis.
        graph.node.append(onnx.helper.make_node("Flatten", [end.name], [name], axis=0))
        end.name = name
    _set_shape(end, (1, int(np.prod(found))))


def _set_shape(end: Any, shape: tuple[int, ...]) -> None:
    end.type.tensor_type.ClearField("shape")
    for side in shape:
        end.type.tensor_type.shape.dim.add().dim_value = side


def _to_float32(graph: Any) -> None:
    """Let a graph, and those in it, compute in float32 instead of halves and doubles, in place."""
    for tensor in _tensors(graph):
        if tensor.data_type in _FLOATS:
            value = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float32), tensor.name))
    for inner in _graphs(graph):
        for end in (*inner.input, *inner.output, *inner.value_info):
            if end.type.tensor_type.elem_type in _FLOATS:
                end.type.tensor_type.elem_type = TensorProto.FLOAT
        for node in inner.node:
            for entry in node.attribute:
                if entry.name in _TYPES and entry.i in _FLOATS:
                    entry.i = TensorProto.FLOAT


def _graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for entry in node.attribute:
            for body in (*([entry.g] if entry.HasField("g") else []), *entry.graphs):
                yield from _graphs(body)


def _tensors(graph: Any) -> Iterator[Any]:
    for inner in _graphs(graph):
        yield from inner.initializer
        for node in inner.node:
            for entry in node.attribute:
                if entry.HasField("t"):
                    yield entry.t
                yield from entry.tensors


def _outer_reads(node: Any) -> Iterator[str]:
    """Yield the tensors that the graphs inside a node read, their own among them."""
    for entry in node.attribute:
        for body in (*([entry.g] if entry.HasField("g") else []), *entry.graphs):
            for inner in _graphs(body):
                for reader in inner.node:
                    yield from reader.input
                yield from (end.name for end in inner.output)
