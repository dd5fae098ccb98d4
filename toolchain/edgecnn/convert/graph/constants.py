"""Turn a traced function into a small graph of its own: weights inlined, constants computed.

What a training framework leaves in a graph (reads of variables, identities, the arithmetic of a
batch normalization's four vectors, shapes of tensors whose shape is known) has one value for
every image. It is computed here, once, so that both converters start from the same clean graph.

Loops and branches (``While``, ``If``) stay one operator each, whose bodies are functions in the
graph's library: both converters know them in that form and in no other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

# The one way TensorFlow offers to inline variables; its own TFLite converter calls the same.
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from edgecnn.convert.reasons import reason_of
from edgecnn.convert.source.library import define_functions, named_by_content
from edgecnn.convert.source.loops import CALLING, check_rounds
from edgecnn.convert.source.one_image import for_one_image
from edgecnn.convert.source.side_effects import FUNCTIONS, VARIABLES, refuse_side_effects
from edgecnn.convert.source.single_precision import in_float32
from edgecnn.errors import SourceModelError

Array = npt.NDArray[Any]

_HOLD_BYTES: Final = {
    kind.as_datatype_enum
    for kind in (tf.uint8, tf.int16, tf.int32, tf.int64, tf.float16, tf.float32)
}
_SHAPE_OPS: Final = {"Shape", "ShapeN", "Size", "Rank"}
# Attributes of calls and functions that keep them from being inlined.
_NOT_INLINED: Final = ("_XlaMustCompile", "_noinline")
_PASS_THROUGH: Final = {"Identity", "StopGradient", "PreventGradient", "Snapshot"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Frozen:
    """A graph of its own.

    Attributes:
        graph_def: A GraphDef, in float32, in which every node depends on the image, calls a
            function, holds a list for a loop, or is a constant. Control inputs and pass-through
            nodes are gone outside the functions of its library.
        output: The name of the tensor that is its output.
        computes: The coarsest type that it computed in before, one of
            ``single_precision.COMPUTES``.
        bytes_only: Whether casts of the image are gone, which is right for whole numbers alone.
    """

    graph_def: Any
    output: str
    computes: str
    bytes_only: bool = False

    def fed(self, scale: Array, offset: Array) -> Frozen:
        """Return the graph of the same model with arithmetic in front of it.

        Args:
            scale: What the image is multiplied by, float32, shape () or (channels,).
            offset: What is added then, likewise.

        Returns:
            As ``frozen_graph`` makes it of the model behind ``image * scale + offset``, where not
            ``bytes_only``. It is this graph, changed: this object is of no more use.
        """
        graph_def, image = self.graph_def, input_name(self.graph_def)
        last = image
        for operator, name, value, nothing in (
            ("Mul", "in_range/scaled", scale, 1),
            ("AddV2", "in_range/moved", offset, 0),
        ):
            if np.all(value == nothing):
                continue
            graph_def.node.append(constant_node(f"{name}/by", value))
            node = graph_def.node.add(name=name, op=operator, input=[last, f"{name}/by"])
            node.attr["T"].type = tf.float32.as_datatype_enum
            last = name
        for node in graph_def.node:
            if not node.name.startswith("in_range/"):
                for place, tensor in enumerate(node.input):
                    if tensor == image:
                        node.input[place] = last
        output = last if self.output == image else self.output
        return replace(self, graph_def=graph_def, output=output)


def frozen_graph(traced: Any) -> Frozen:
    """Freeze a traced function of one image and compute all that does not depend on the image.

    Args:
        traced: A concrete function (``tf.function(...).get_concrete_function``) of one float32
            tensor of fixed shape, with one output.

    Returns:
        The graph.

    Raises:
        SourceModelError: If the graph holds operators that do more than compute, a variable
            that is no constant, a constant that is NaN or infinite, or a loop that may not end.
    """
    # Twice: inlining may drop what the source model, which is scored, still runs.
    refuse_side_effects(traced.graph.as_graph_def(), allowed=VARIABLES)
    graph = _inlined(traced)
    graph_def = graph.as_graph_def()
    refuse_side_effects(graph_def, allowed=FUNCTIONS)
    output = _short(graph.outputs[0].name)
    del graph  # each of these holds all weights
    # Before constants are computed: a weight that half precision rounds stays as it was saved.
    graph_def, computes = in_float32(graph_def)
    operations = _operations(for_one_image(named_by_content(graph_def)))
    result = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    del graph_def
    dynamic = _depends_on_the_image(operations)
    frontier = sorted(
        {
            tensor.name
            for op in operations
            if op.name in dynamic
            for tensor in op.inputs
            if tensor.op.name not in dynamic
        }
    )
    values = _evaluate(operations, dynamic, frontier)
    for name, value in values.items():
        _check_finite(name, value)
    for op in operations:
        if op.name in dynamic:
            node = result.node.add()
            node.CopyFrom(op.node_def)
            del node.input[:]
            node.input.extend(
                _constant_name(tensor.name) if tensor.name in values else _short(tensor.name)
                for tensor in op.inputs
            )
    del operations
    for name in list(values):
        result.node.append(constant_node(_constant_name(name), values.pop(name)))
    result, output, bytes_only = _without_pass_through(result, output)
    check_rounds(result)
    return Frozen(
        graph_def=named_by_content(result),
        output=output,
        computes=computes,
        bytes_only=bytes_only,
    )


def _operations(graph_def: Any) -> Any:
    """Return a graph's operators, each behind those it reads, with the shapes TensorFlow infers."""
    graph = tf.Graph()
    try:
        with graph.as_default():
            tf.graph_util.import_graph_def(graph_def, name="")
    except ValueError as error:
        raise SourceModelError(
            "the model cannot be brought to float32",
            observed=reason_of(error),
            expected="operators that take float32",
            remedy="build the model under the policy float32 and export it again",
        ) from error
    return graph.get_operations()


def _inlined(traced: Any) -> Any:
    """Return the graph with variables made constants and functions inlined."""
    try:
        function = convert_variables_to_constants_v2(traced, lower_control_flow=False)
        while (unmarked := _without_marks(function)) is not None:
            function = convert_variables_to_constants_v2(unmarked, lower_control_flow=False)
    except Exception as error:
        raise SourceModelError(
            "the model's variables cannot be made constants",
            observed=reason_of(error),
            expected="a model that only reads its variables while it classifies",
            remedy="convert the .keras file, or export the model without its random layers",
        ) from error
    return function.graph


def _without_marks(function: Any) -> Any:
    """Return a function whose calls can be inlined; None if they all have been.

    Keras wraps a grouped convolution in a function that is marked for XLA, since TensorFlow alone
    does not compute it on every device; such a call is never inlined. A converter has no use for
    the mark.
    """
    graph_def = function.graph.as_graph_def()
    functions = graph_def.library.function
    calls = (node for nodes in (graph_def.node, *(f.node_def for f in functions)) for node in nodes)
    marks = [
        (holder, name)
        for holder in (*calls, *functions)
        for name in _NOT_INLINED
        if name in holder.attr
    ]
    if not marks:
        return None
    for holder, name in marks:
        del holder.attr[name]
    define_functions(named_by_content(graph_def))
    (image,), (scores,) = function.inputs, function.outputs
    body = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    body.node.extend(node for node in graph_def.node if node.name != image.op.name)

    def imported(tensor: Any) -> Any:
        return tf.graph_util.import_graph_def(
            body, {image.op.name: tensor}, return_elements=[scores.name], name=""
        )[0]

    spec = tf.TensorSpec(image.shape, image.dtype, name=image.op.name)
    return tf.function(imported, input_signature=[spec], autograph=False).get_concrete_function()


def input_name(graph_def: Any) -> str:
    """Return the name of the graph's one placeholder."""
    return str(next(node.name for node in graph_def.node if node.op == "Placeholder"))


def producer(tensor: str) -> str:
    """Return the node that makes a tensor: ``a`` for ``a``, ``a:0`` and ``a:1``."""
    return tensor.partition(":")[0]


def constant_node(name: str, value: Array) -> Any:
    """Return a Const node."""
    node = tf.compat.v1.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return node


def constant_value(node: Any) -> Array:
    """Return the value of a Const node."""
    value: Array = tf.make_ndarray(node.attr["value"].tensor)
    return value


def _short(tensor: str) -> str:
    """Return a tensor's name as node inputs write it: ``a`` for ``a:0``."""
    return tensor.removesuffix(":0")


def _constant_name(tensor: str) -> str:
    """Return the node for a tensor's value: ``a`` for ``a:0``, ``a/output_1`` for ``a:1``."""
    name, _, index = tensor.partition(":")
    return name if index in ("", "0") else f"{name}/output_{index}"


def _depends_on_the_image(operations: Any) -> set[str]:
    dynamic: set[str] = set()
    for op in operations:
        known_shape = op.type in _SHAPE_OPS and all(
            tensor.shape.is_fully_defined() for tensor in op.inputs
        )
        fed = any(tensor.op.name in dynamic for tensor in op.inputs) and not known_shape
        # A loop's lists have no value that a constant could hold, and no loop runs here.
        kept = op.type in CALLING or any(tensor.dtype == tf.variant for tensor in op.outputs)
        if op.type == "Placeholder" or fed or kept:
            dynamic.add(op.name)
    return dynamic


def _evaluate(operations: Any, dynamic: set[str], tensors: list[str]) -> dict[str, Array]:
    """Compute the constant part of a graph, which calls no functions, at some of its tensors."""
    by_name = {op.name: op for op in operations}
    values: dict[str, Array] = {}
    for name in tensors:
        op = by_name[producer(name)]
        while op.type in _PASS_THROUGH:
            op = op.inputs[0].op
        if op.type == "Const":  # nearly all weights; TensorFlow would hold several copies of them
            values[name] = constant_value(op.node_def)
    computed = [name for name in tensors if name not in values]
    if computed:
        part = _part(operations, dynamic, {by_name[producer(name)] for name in computed})

        def run() -> Any:
            return tf.graph_util.import_graph_def(part, return_elements=computed, name="")

        outputs = tf.compat.v1.wrap_function(run, [])()
        values |= {n: np.asarray(value) for n, value in zip(computed, outputs, strict=True)}
    return {name: values[name] for name in tensors}


def _part(operations: Any, dynamic: set[str], wanted: set[Any]) -> Any:
    """Return as a GraphDef what some constant operators need, in the order of the graph."""
    needed: set[str] = set()
    todo = list(wanted)
    while todo:
        op = todo.pop()
        if op.name in dynamic or op.name in needed:
            continue
        needed.add(op.name)
        if not _has_known_shape(op):
            todo += [tensor.op for tensor in op.inputs]
    part = tf.compat.v1.GraphDef()
    for op in operations:
        if op.name not in needed or not op.outputs:
            continue
        node = part.node.add()
        if _has_known_shape(op):
            node.CopyFrom(constant_node(op.name, _shape_value(op)))
            continue
        node.CopyFrom(op.node_def)
        del node.input[:]
        node.input.extend(_short(tensor.name) for tensor in op.inputs)
    return part


def _has_known_shape(op: Any) -> bool:
    """Tell whether a constant operator asks for the shape of one tensor."""
    return op.type in _SHAPE_OPS and len(op.inputs) == 1


def _shape_value(op: Any) -> Array:
    shape = op.inputs[0].shape.as_list()
    kind = op.outputs[0].dtype.as_numpy_dtype
    if op.type == "Shape":
        return np.asarray(shape, dtype=kind)
    return np.asarray(len(shape) if op.type == "Rank" else int(np.prod(shape)), dtype=kind)


def _check_finite(name: str, value: Array) -> None:
    # -inf is a legal constant (the padding of a maximum); NaN and +inf never are.
    if np.issubdtype(value.dtype, np.floating) and (
        np.isnan(value).any() or np.isposinf(value).any()
    ):
        raise SourceModelError(
            f"a weight of the model is not a number: {producer(name)}",
            observed="NaN or infinity",
            expected="finite weights",
            remedy="train again with a lower learning rate, or take an earlier checkpoint",
        )


def _cast_image(nodes: Any, node: Any) -> str | None:
    """Return the image, for a cast to float32 of nothing but casts of it; else None.

    A model whose input is bytes gets them from the image of whole numbers 0..255, which every
    one of these types holds; the casts change nothing and would keep integer files from being
    integer throughout.
    """
    if node.op != "Cast" or node.attr["DstT"].type != tf.float32.as_datatype_enum:
        return None
    while node.op == "Cast" and node.attr["DstT"].type in _HOLD_BYTES:
        node = nodes[producer(node.input[0])]
    return str(node.name) if node.op == "Placeholder" else None


def _without_pass_through(graph_def: Any, output: str) -> tuple[Any, str, bool]:
    """Drop identities, and whatever the output does not need; tell if casts of the image went."""
    nodes = {node.name: node for node in graph_def.node}
    bytes_only = False

    def source_of(tensor: str) -> str:
        nonlocal bytes_only
        while True:
            node = nodes[producer(tensor)]
            if (image := _cast_image(nodes, node)) is not None:
                bytes_only = True
                return image
            same_type = node.op == "Cast" and node.attr["SrcT"].type == node.attr["DstT"].type
            if not (node.op in _PASS_THROUGH or same_type):
                return tensor
            tensor = node.input[0]

    output = source_of(output)
    needed: set[str] = set()
    todo = [producer(output)]
    while todo:
        node = nodes[todo.pop()]
        if node.name in needed:
            continue
        needed.add(node.name)
        resolved = [source_of(tensor) for tensor in node.input]
        del node.input[:]
        node.input.extend(resolved)
        todo.extend(producer(tensor) for tensor in resolved)
    kept = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    kept.node.extend(node for node in graph_def.node if node.name in needed)
    return kept, output, bytes_only
