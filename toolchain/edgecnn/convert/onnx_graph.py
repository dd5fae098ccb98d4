"""Small, exact edits of an ONNX graph that the converter leaves to others.

None changes what the model computes: names of the ends, the opset imports, and the transpose in
front of a flatten, which is the same as reordering the rows of the matrix behind it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
from onnx import numpy_helper

__all__ = ["sort_nodes", "tidy"]

_NCHW_TO_NHWC: Final = [0, 2, 3, 1]


def tidy(model: Any, *, input_name: str, output_name: str, ir_version: int) -> None:
    """Bring a model made by tf2onnx to its final form, in place.

    Args:
        model: ModelProto with one input and one output.
        input_name: New name of the input.
        output_name: New name of the output.
        ir_version: IR version to state. The model uses nothing beyond version 7.
    """
    _absorb_flatten_transpose(model)
    _drop_unused_weights(model.graph)
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
    known = {value.name for value in (*graph.input, *graph.initializer)} | {""}
    waiting = list(graph.node)
    ordered: list[Any] = []
    while waiting:
        ready = [node for node in waiting if known.issuperset(node.input)]
        if not ready:
            raise ValueError("the graph's nodes read one another in a circle")
        first = ready[0]
        waiting.remove(first)
        ordered.append(first)
        known.update(first.output)
    del graph.node[:]
    graph.node.extend(ordered)


def _absorb_flatten_transpose(model: Any) -> None:
    """Turn Transpose(NCHW to NHWC), Reshape, Gemm into Reshape, Gemm with reordered rows."""
    graph = model.graph
    weights = {weight.name: weight for weight in graph.initializer}
    shapes = _shapes(model)
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
        rows = numpy_helper.to_array(weight).reshape(height, width, channels, -1)
        reordered = rows.transpose(2, 0, 1, 3).reshape(weight.dims[0], -1)
        name = f"{weight.name}/nchw"
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(reordered), name))
        product.input[1] = name
        reshape.input[0] = transpose.input[0]
        graph.node.remove(transpose)


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
    readers = [node for node in graph.node if tensor in node.input]
    is_output = any(output.name == tensor for output in graph.output)
    return readers[0] if len(readers) == 1 and not is_output else None


def _drop_unused_weights(graph: Any) -> None:
    used = {tensor for node in graph.node for tensor in node.input}
    kept = [weight for weight in graph.initializer if weight.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _rename(graph: Any, input_name: str, output_name: str) -> None:
    """Name everything by operator and position, so that equal models give equal files.

    tf2onnx counts up over a process and walks sets, so its names and orders vary from run to run.
    """
    nodes = _in_order(graph)
    names = {graph.input[0].name: input_name, "": ""}
    counts: dict[str, int] = {}
    for node in nodes:
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
        node.name = f"{node.op_type}_{counts[node.op_type]}"
        for index, tensor in enumerate(node.input):
            names.setdefault(tensor, f"{node.name}/{_role(node, index)}")
        for index, tensor in enumerate(node.output):
            names.setdefault(tensor, node.name if index == 0 else f"{node.name}:{index}")
    names[graph.output[0].name] = output_name
    for node in nodes:
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
    """Return the nodes as a walk from the output meets them: the same order for equal graphs."""
    makers = {tensor: node for node in graph.node for tensor in node.output}
    ordered: dict[int, Any] = {}
    todo = [(makers[graph.output[0].name], False)]
    while todo:
        node, inputs_done = todo.pop()
        if id(node) in ordered:
            continue
        if inputs_done:
            ordered[id(node)] = node
            continue
        todo.append((node, True))
        todo.extend((makers[t], False) for t in reversed(node.input) if t in makers)
    return list(ordered.values())


def _role(node: Any, index: int) -> str:
    if node.op_type in ("Conv", "Gemm", "MatMul"):
        return ("data", "weight", "bias")[index]
    return f"constant_{index}"
