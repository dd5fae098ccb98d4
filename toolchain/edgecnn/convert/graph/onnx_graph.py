"""Small, exact edits of an ONNX graph that the converter leaves to others.

None changes what the model computes: names of the ends, the opset imports, and the transpose in
front of a flatten, which is the same as reordering the rows of the matrix behind it.

A loop's body is a graph inside a node, and reads tensors of the graphs around it by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from onnx import numpy_helper

from edgecnn.convert.graph import in_order
from edgecnn.convert.graph.kernels import Kernels

_NCHW_TO_NHWC: Final = [0, 2, 3, 1]
_WEIGHTED: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def tidy(
    model: Any,
    *,
    input_name: str,
    output_name: str,
    ir_version: int,
    kernels: Kernels | None = None,
) -> None:
    """Bring a model made by tf2onnx to its final form, in place.

    Args:
        model: ModelProto with one input and one output.
        input_name: New name of the input.
        output_name: New name of the output.
        ir_version: IR version to state. The model uses nothing beyond version 7.
        kernels: Holds the numbers of the kernels that the model has marks of; None for none.
    """
    _join_biases(model.graph)
    _absorb_flatten_transpose(model, Kernels() if kernels is None else kernels)
    _drop_unused_weights(model.graph)
    _order_copies(model.graph)
    _rename(model.graph, input_name, output_name)
    used = {node.domain for node in model.graph.node}
    imports = [(entry.domain, entry.version) for entry in model.opset_import]
    del model.opset_import[:]
    for domain, version in imports:
        if domain in used | {""}:
            model.opset_import.add(domain=domain, version=version)
    model.ir_version = ir_version
    model.graph.name = "classifier"
    model.producer_name, model.producer_version = "edgecnn", ""
    model.graph.doc_string = model.doc_string = ""


def sort_nodes(graph: Any) -> None:
    """Put every node behind those it reads, in place; otherwise the order stays."""
    made = {tensor for node in graph.node for tensor in node.output}
    known: set[str] = set()
    # What is not made here comes from outside: an input, a weight, a graph around this one.
    waiting = [(node, made.intersection(_reads(node))) for node in graph.node]
    ordered: list[Any] = []
    while waiting:
        place = next((i for i, (_, needs) in enumerate(waiting) if needs <= known), None)
        if place is None:
            raise ValueError("the graph's nodes read one another in a circle")
        first, _ = waiting.pop(place)
        ordered.append(first)
        known.update(first.output)
    del graph.node[:]
    graph.node.extend(ordered)
    for node in graph.node:
        for inner in _bodies(node):
            sort_nodes(inner)


def _bodies(node: Any) -> Iterator[Any]:
    """Yield the graphs inside a node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _reads(node: Any) -> Iterator[str]:
    """Yield the names of the tensors that a node reads, also in the graphs inside it.

    Among them are tensors that such a graph makes itself; no two tensors have the same name.
    """
    yield from node.input
    for graph in _bodies(node):
        for inner in graph.node:
            yield from _reads(inner)
        yield from (output.name for output in graph.output)


def _join_biases(graph: Any) -> None:
    """Give each convolution one bias.

    tf2onnx appends an addition behind a convolution to its inputs, also where it has a bias
    already: a fourth input, which no convolution of ONNX has.
    """
    weights = {weight.name: weight for weight in graph.initializer}
    for node in graph.node:
        biases = list(node.input[2:])
        if node.op_type != "Conv" or len(biases) < 2 or not all(b in weights for b in biases):
            continue
        parts = [numpy_helper.to_array(weights[name]).astype(np.float64) for name in biases]
        joined = f"{biases[0]}/joined"
        while joined in weights:
            joined += "_"
        total = np.sum(parts, axis=0).astype(np.float32)
        weights[joined] = numpy_helper.from_array(total, joined)
        graph.initializer.append(weights[joined])
        del node.input[2:]
        node.input.append(joined)


def _absorb_flatten_transpose(model: Any, kernels: Kernels) -> None:
    """Turn Transpose(NCHW to NHWC), Reshape, Gemm into Reshape, Gemm with reordered rows."""
    graph = model.graph
    weights = {weight.name: weight for weight in graph.initializer}
    shapes = _shapes(model)
    added: dict[str, tuple[int, ...]] = {}
    for transpose in [node for node in graph.node if node.op_type == "Transpose"]:
        permutation = onnx.helper.get_node_attr_value(transpose, "perm")
        reshape = _only_reader(graph, transpose.output[0])
        if list(permutation) != _NCHW_TO_NHWC or reshape is None or reshape.op_type != "Reshape":
            continue
        product = _only_reader(graph, reshape.output[0])
        before = shapes.get(transpose.input[0])
        if product is None or product.op_type not in ("Gemm", "MatMul") or before is None:
            continue
        weight = weights.get(product.input[1])
        _, channels, height, width = before
        flags = {attribute.name: attribute.i for attribute in product.attribute}
        if (
            weight is None
            or product.input[0] != reshape.output[0]
            or flags.get("transA")
            or flags.get("transB")
            or weight.dims[0] != channels * height * width
        ):
            continue
        rows = kernels.value(weight).reshape(height, width, channels, -1)
        reordered = rows.transpose(2, 0, 1, 3).reshape(weight.dims[0], -1)
        # A weight that several products read is reordered once for each shape of picture.
        name = f"{weight.name}/nchw"
        if before[1:] != added.setdefault(name, before[1:]):
            name = f"{name}-{channels}x{height}x{width}"
        if name not in {tensor.name for tensor in graph.initializer}:
            if kernels.is_marked(weight):
                kernels.mark(graph, name, reordered)
            else:
                reordered = np.ascontiguousarray(reordered)
                graph.initializer.append(numpy_helper.from_array(reordered, name))
        product.input[1] = name
        reshape.input[0] = transpose.input[0]
        graph.node.remove(transpose)


def unshare_weights(graph: Any) -> None:
    """Give each operator weights of its own, in place; for layers that are called several times.

    ONNX Runtime (1.32) does not load quantized weights that two operators read, where it is asked
    for exact int8 kernels on x86, as the runner asks: "Attempt to replace the existing tensor".
    """
    weights = {tensor.name: tensor for tensor in graph.initializer}
    taken: set[str] = set()
    for node in graph.node:
        for place, name in enumerate(node.input):
            if node.op_type not in _WEIGHTED or name not in weights:
                continue
            if name in taken:
                copy = onnx.TensorProto()
                copy.CopyFrom(weights[name])
                copy.name = f"{name}/{node.output[0]}"
                graph.initializer.append(copy)
                node.input[place] = copy.name
            taken.add(name)


def layer_norm_scales(graph: Any) -> dict[str, list[Any]]:
    """Return copies of the scales and offsets of layer normalizations, by the node's name.

    Args:
        graph: A ``GraphProto`` before quantization.
    """
    initializers = {one.name: one for one in graph.initializer}
    found: dict[str, list[Any]] = {}
    for node in graph.node:
        if node.op_type == "LayerNormalization":
            for name in node.input[1:]:
                if name in initializers:
                    copy = onnx.TensorProto()
                    copy.CopyFrom(initializers[name])
                    found.setdefault(node.name, []).append(copy)
    return found


def restore_layer_norms(graph: Any, scales: Mapping[str, Sequence[Any]]) -> None:
    """Give layer normalizations of a quantized graph their own scales and offsets again, in place.

    ONNX Runtime has no int8 kernel for them and computes them in float32 anyway; and where their
    scale is int8, it cannot load the file when it is asked for exact sums
    (``session.x64quantprecision``: "Attempt to replace the existing tensor", version 1.32).

    Args:
        graph: A ``GraphProto`` in QDQ form.
        scales: As ``layer_norm_scales`` gave them.
    """
    before = {name for node in graph.node for name in _reads(node)}
    for node in graph.node:
        for index, tensor in enumerate(scales.get(node.name, ()), 1):
            tensor.name = f"{node.name}/{('scale', 'offset')[index - 1]}"
            graph.initializer.append(tensor)
            node.input[index] = tensor.name
    read = {name for node in graph.node for name in _reads(node)}
    unread = before - read
    kept = [node for node in graph.node if not unread.issuperset(node.output)]
    del graph.node[:]
    graph.node.extend(kept)
    _drop_unused_weights(graph)


def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Return the known fixed shapes by tensor name."""
    inferred = onnx.shape_inference.infer_shapes(model)
    found = {}
    for value in (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output):
        dims = value.type.tensor_type.shape.dim
        if all(dim.HasField("dim_value") for dim in dims):
            found[value.name] = tuple(dim.dim_value for dim in dims)
    return found


def _only_reader(graph: Any, tensor: str) -> Any | None:
    readers = [node for node in graph.node if tensor in _reads(node)]
    is_output = any(output.name == tensor for output in graph.output)
    return readers[0] if len(readers) == 1 and not is_output else None


def _drop_unused_weights(graph: Any) -> None:
    used = {tensor for node in graph.node for tensor in _reads(node)}
    kept = [weight for weight in graph.initializer if weight.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _order_copies(graph: Any) -> None:
    """Let the first of several equal outputs be the value itself, and the others its copies.

    A loop that returns one value twice needs an ``Identity`` for one of the two. tf2onnx walks a
    set to choose which, so it varies from run to run.
    """
    for node in graph.node:
        for inner in _bodies(node):
            _order_copies(inner)
    places = {output.name: place for place, output in enumerate(graph.output)}
    for node in graph.node:
        if node.op_type != "Identity":
            continue
        value, copy = places.get(node.input[0]), places.get(node.output[0])
        if value is not None and copy is not None and copy < value:
            graph.output[copy].name, graph.output[value].name = node.input[0], node.output[0]
            places[node.input[0]], places[node.output[0]] = copy, value


def _rename(graph: Any, input_name: str, output_name: str) -> None:
    """Name everything by operator and position, so that equal models give equal files.

    tf2onnx counts up over a process and walks sets, so its names and orders vary from run to run.
    """
    _rename_in(graph, {graph.input[0].name: input_name, "": ""}, {}, output_name)


def _rename_in(
    graph: Any, outside: Mapping[str, str], counts: dict[str, int], output_name: str | None = None
) -> None:
    """Rename a graph and those inside it.

    Args:
        graph: A model's graph, or the body of a loop or branch.
        outside: Old name to new for tensors of the graphs around it, and for its inputs.
        counts: How many nodes of each operator have a name.
        output_name: The name of its one output; None to name it as any tensor.
    """
    nodes = _in_order(graph)
    names = dict(outside)
    for node in nodes:
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
        node.name = f"{node.op_type}_{counts[node.op_type]}"
        # An empty domain is written by some of tf2onnx's steps and left out by others.
        node.domain = str(node.domain)
        for index, tensor in enumerate(node.input):
            names.setdefault(tensor, f"{node.name}/{_role(node, index)}")
        for index, tensor in enumerate(node.output):
            names.setdefault(tensor, node.name if index == 0 else f"{node.name}:{index}")
    # What only bodies read, or nothing but an output.
    for index, weight in enumerate(graph.initializer):
        names.setdefault(weight.name, f"{graph.name or 'graph'}/weight_{index}")
    if output_name is not None:
        names[graph.output[0].name] = output_name
    for node in nodes:
        for number, body in enumerate(_bodies(node)):
            body.name, body.doc_string = f"{node.name}/body_{number}", ""
            ends = {end.name: f"{body.name}/in_{index}" for index, end in enumerate(body.input)}
            _rename_in(body, {**names, **ends}, counts)
        node.input[:] = [names[tensor] for tensor in node.input]
        node.output[:] = [names[tensor] for tensor in node.output]
    for named in (*graph.initializer, *graph.input, *graph.output):
        named.name = names[named.name]
    weights = sorted(graph.initializer, key=lambda weight: str(weight.name))
    for field, content in ((graph.node, nodes), (graph.initializer, weights)):
        copied = list(content)
        del field[:]
        field.extend(copied)
    del graph.value_info[:]  # shapes follow from the operators


def _in_order(graph: Any) -> list[Any]:
    """Return the nodes as a walk from the outputs meets them: the same order for equal graphs."""
    nodes = {str(index): node for index, node in enumerate(graph.node)}
    makers = {tensor: key for key, node in nodes.items() for tensor in node.output}
    ordered = in_order(
        (makers[output.name] for output in graph.output if output.name in makers),
        lambda key: (makers[tensor] for tensor in _reads(nodes[key]) if tensor in makers),
    )
    return [nodes[key] for key in ordered]


def _role(node: Any, index: int) -> str:
    if node.op_type in ("Conv", "Gemm", "MatMul"):
        return ("data", "weight", "bias")[index]
    return f"constant_{index}"
