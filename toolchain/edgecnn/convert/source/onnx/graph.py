"""Reads an ONNX image classifier into a checked graph whose shapes and constants are all known.

Nothing in the file is trusted: numbers must fill their shapes, a tensor must exist before it is
used (so there is no cycle), files beside the model are never opened, and sizes are bounded. What
the graph computes from constants and shapes is computed here, node by node, by ONNX's own reference
implementation in numpy; so the shape arithmetic that exporters leave in a graph is gone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnx.inliner
from google.protobuf.message import DecodeError
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto

from edgecnn.errors import SourceModelError, some_of

OPSETS: Final = range(9, 24)
"""Versions of ONNX's standard operators that are read."""
MAX_NODES: Final = 20_000
"""Nodes of a graph, with those of its functions; image classifiers have up to some thousands."""
MAX_ELEMENTS: Final = 2**28
"""Elements of a tensor; VGG's largest weight has 102 million."""
MAX_RANK: Final = 8
MAX_SIDE: Final = 4096
"""Pixels of an image's side."""

_STANDARD: Final = ("", "ai.onnx")
_FLOATS: Final = frozenset({
    TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE,
})  # fmt: skip
_IMAGES: Final = _FLOATS | {TensorProto.UINT8}
_GONE: Final = frozenset({"Dropout", "Identity"})
# Operators that are computed here where all their inputs are constants.
_FOLDED: Final = frozenset({
    "Abs", "Add", "And", "Cast", "CastLike", "Ceil", "Clip", "Concat", "ConstantOfShape", "Div",
    "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather", "GatherElements", "GatherND",
    "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Log", "MatMul", "Max", "Min", "Mod", "Mul",
    "Neg", "Not", "Or", "Pad", "Pow", "Range", "Reciprocal", "ReduceMax", "ReduceMean", "ReduceMin",
    "ReduceProd", "ReduceSum", "Relu", "Reshape", "Round", "ScatterElements", "ScatterND",
    "Sigmoid", "Sign", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile",
    "Transpose", "Trilu", "Unsqueeze", "Where",
})  # fmt: skip
_CHANNELS: Final = (1, 3, 4)
_POOLS: Final = frozenset({"AveragePool", "MaxPool"})
# ONNX's own inference says nothing of these in some versions.
_SHAPE_KEPT: Final = frozenset({"GroupNormalization", "HardSwish", "Mish", "Swish"})

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Attribute = int | float | str | Array | list[int] | list[float] | list[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class OnnxNode:
    """An operator of a graph.

    Attributes:
        op: Its type in the standard domain, such as ``Conv``; another domain's has the domain and
            a dot before it.
        name: In the file; may be empty.
        inputs: Names of tensors; an input left out is an empty name.
        outputs: Names of tensors; an output left out is an empty name.
        attributes: By name. Subgraphs are left out.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, kw_only=True, eq=False)
class OnnxGraph:
    """An image classifier: one image in, the scores of one image out, every shape known.

    Attributes:
        opset: The version of the standard operators, in ``OPSETS``.
        producer: Name and version of the program that wrote the file, as it says; may be empty.
        input: The name of the image's tensor, float32.
        channels_first: The image's shape is (1, channels, height, width), otherwise (1, height,
            width, channels).
        output: The name of the scores' tensor, float32, shape (1, classes) or with further axes of
            length 1.
        nodes: In an order in which they can run. Those that the output does not need are left out.
        constants: Tensors that do not depend on the image; all their floats are float32.
        shapes: Of the input, of every constant, and of every output of a node that was inferred.
            The batch is 1.
    """

    opset: int
    producer: str
    input: str
    channels_first: bool
    output: str
    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, Array]
    shapes: Mapping[str, Shape]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the image."""
        _, *rest = self.shapes[self.input]
        if self.channels_first:
            channels, height, width = rest
        else:
            height, width, channels = rest
        return height, width, channels


def read_graph(data: bytes, *, size: tuple[int, int] | None = None) -> OnnxGraph:
    """Read an ONNX model.

    Args:
        data: The file's bytes.
        size: Height and width of the images, for a model that leaves them open.

    Returns:
        The graph. Initializers that are inputs too are constants, functions of the model and
        branches that are always taken are part of the graph, the batch is 1, half precision and
        double precision are float32, and ``Constant``, ``Dropout`` and ``Identity`` are gone.

    Raises:
        SourceModelError: If it is no sound ONNX model, is too large, keeps numbers in other files,
            or is not a classifier of one image.
    """
    model = _parsed(data)
    opset = _opset_of(model)
    _check_size(model)
    for tensor in _tensors(model):
        _check_tensor(tensor)
    if model.functions:
        model = _inlined(model)
    return _Reader(model, opset, size).graph()


def to_model(graph: OnnxGraph) -> ModelProto:
    """Write a graph as an ONNX model again.

    Args:
        graph: As ``read_graph`` reads it. Its nodes are of the standard domain.

    Returns:
        A model with a batch of 1, float32 in and out.
    """
    helper = onnx.helper
    nodes = [
        helper.make_node(
            node.op,
            list(node.inputs),
            list(node.outputs),
            name=node.name or None,
            **{name: _written(value) for name, value in node.attributes.items()},
        )
        for node in graph.nodes
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, graph.shapes[name])
        for name in (graph.input, graph.output)
    ]
    used = {name for node in graph.nodes for name in node.inputs} | {graph.output}
    model: ModelProto = helper.make_model(
        helper.make_graph(
            nodes,
            "classifier",
            ends[:1],
            ends[1:],
            [
                onnx.numpy_helper.from_array(value, name)
                for name, value in graph.constants.items()
                if name in used
            ],
        ),
        opset_imports=[helper.make_opsetid("", graph.opset)],
        ir_version=8,
    )
    return model


def _written(value: Attribute) -> Any:
    return onnx.numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value


def _parsed(data: bytes) -> ModelProto:
    try:
        model: ModelProto = ModelProto.FromString(data)
    except DecodeError as error:
        raise _damaged("it is no sound protobuf message") from error
    if not model.graph.node or not model.opset_import:
        raise _damaged("a message without nodes or without a version of operators")
    return model


def _opset_of(model: ModelProto) -> int:
    versions = {entry.version for entry in model.opset_import if entry.domain in _STANDARD}
    if len(versions) == 1 and (version := versions.pop()) in OPSETS:
        return int(version)
    seen = ", ".join(f"{entry.domain or 'ai.onnx'} {entry.version}" for entry in model.opset_import)
    raise SourceModelError(
        "the ONNX model is of a version of the operators that is not read",
        observed=f"opset {seen[:200]}",
        expected=f"one of {OPSETS[0]} to {OPSETS[-1]}",
        remedy="export it again with opset 17: torch.onnx.export(..., opset_version=17), or "
        "onnx.version_converter.convert_version(model, 17)",
    )


def _check_size(model: ModelProto) -> None:
    """Refuse a model of too many nodes, before any is looked at; calls of functions are counted."""
    functions = {(function.domain, function.name): function for function in model.functions}
    counted: dict[tuple[str, str], int] = {}
    path: set[tuple[str, str]] = set()

    def count(nodes: Iterable[NodeProto]) -> int:
        total = 0
        for node in nodes:
            total += 1
            for attribute in node.attribute:
                for graph in (attribute.g, *attribute.graphs):
                    total += count(graph.node)
            key = (node.domain, node.op_type)
            if key in functions:
                total += of_function(key)
            if total > MAX_NODES:
                raise SourceModelError(
                    "the ONNX model is larger than any image classifier",
                    observed=f"more than {MAX_NODES} nodes",
                    expected=f"up to {MAX_NODES} nodes",
                    remedy="export the classifier alone, without training or loops that are "
                    "unrolled",
                )
        return total

    def of_function(key: tuple[str, str]) -> int:
        if key not in counted:
            if key in path or len(path) > 50:
                raise _damaged(f"the function {_plain(key[1])} calls itself")
            path.add(key)
            counted[key] = count(functions[key].node)
            path.discard(key)
        return counted[key]

    count(model.graph.node)


def _inlined(model: ModelProto) -> ModelProto:
    try:
        inlined: ModelProto = onnx.inliner.inline_local_functions(model)
        return inlined
    except (RuntimeError, ValueError) as error:
        raise _damaged(f"its functions do not fit: {_plain(str(error))}") from error


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    def of_nodes(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
        for node in nodes:
            yield from of_attributes(node.attribute)

    def of_attributes(attributes: Iterable[AttributeProto]) -> Iterator[TensorProto]:
        for attribute in attributes:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for graph in (attribute.g, *attribute.graphs):
                yield from of_graph(graph)

    def of_graph(graph: GraphProto) -> Iterator[TensorProto]:
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values
            yield sparse.indices
        yield from of_nodes(graph.node)

    def of_function(function: FunctionProto) -> Iterator[TensorProto]:
        yield from of_nodes(function.node)
        yield from of_attributes(function.attribute_proto)

    yield from of_graph(model.graph)
    for function in model.functions:
        yield from of_function(function)


def _check_tensor(tensor: TensorProto) -> None:
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        raise SourceModelError(
            "the ONNX model keeps its weights in other files",
            observed=f"the tensor {_plain(tensor.name)} lies in an external file",
            expected="one file that holds everything",
            remedy="write it as one file: python -c 'import onnx; "
            'onnx.save_model(onnx.load("model.onnx"), "whole.onnx", save_as_external_data=False)\'',
        )
    _check_shape(tuple(tensor.dims), tensor.name)


def _check_shape(shape: Sequence[int], name: str) -> None:
    if len(shape) > MAX_RANK or any(side < 0 for side in shape) or math.prod(shape) > MAX_ELEMENTS:
        raise SourceModelError(
            "a tensor of the ONNX model has an impossible shape",
            observed=f"{_plain(name)}: {str(tuple(shape))[:100]}",
            expected=f"up to {MAX_RANK} axes and {MAX_ELEMENTS} elements",
            remedy="export the model again; the file is damaged, or no classifier of one image",
        )


def _plain(text: str) -> str:
    """Return a name or message of a file so that it can be shown: one line, short."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text[:400]).split())
    return shown[:120] or "(without a name)"


def _damaged(observed: str) -> SourceModelError:
    return SourceModelError(
        "the file is no ONNX model that can be read",
        observed=observed,
        expected="a sound ONNX model",
        remedy="check it: python -c 'import onnx; onnx.checker.check_model(\"model.onnx\")', and "
        "export the model again",
    )


class _Reader:
    """Walks a graph once and knows of each tensor its value or its shape.

    Args:
        model: Without functions.
        opset: Of the standard domain.
        size: Height and width where the model leaves them open.
    """

    def __init__(self, model: ModelProto, opset: int, size: tuple[int, int] | None) -> None:
        self._model = model
        self._opset = opset
        self._size = size
        self._constants: dict[str, Array] = {}
        self._types: dict[str, tuple[int, Shape]] = {}
        self._same: dict[str, str] = {}
        self._nodes: list[OnnxNode] = []

    def graph(self) -> OnnxGraph:
        """Read the graph; see ``read_graph``."""
        proto = self._model.graph
        if proto.sparse_initializer:
            raise _damaged("a sparse initializer")
        for tensor in proto.initializer:
            self._keep(tensor.name, _array(tensor))
        image, channels_first = self._input(proto)
        self._walk(proto)
        output = self._output(proto)
        nodes = self._needed(output)
        if not any(image in node.inputs for node in nodes):
            raise _no_classifier(f"the output {_plain(output)} does not depend on the image")
        return OnnxGraph(
            opset=self._opset,
            producer=_producer(self._model),
            input=image,
            channels_first=channels_first,
            output=output,
            nodes=nodes,
            constants=self._constants,
            shapes={name: shape for name, (_, shape) in self._types.items()},
        )

    def _keep(self, name: str, value: Array) -> None:
        if not name or name in self._types or name in self._same:
            raise _damaged(f"the tensor {_plain(name)} is made twice")
        if value.dtype.kind == "f" or value.dtype.name in ("bfloat16", "float16"):
            with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite
                value = value.astype(np.float32)
        self._constants[name] = value
        self._types[name] = (onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)

    def _input(self, proto: GraphProto) -> tuple[str, bool]:
        inputs = [value for value in proto.input if value.name not in self._constants]
        if len(inputs) != 1:
            names = some_of([_plain(value.name) for value in inputs])
            raise _no_classifier(f"{len(inputs)} inputs" + (f": {names}" if inputs else ""))
        (value,) = inputs
        kind = value.type.tensor_type
        dims: list[int | None] = [
            side.dim_value if side.HasField("dim_value") and side.dim_value > 0 else None
            for side in kind.shape.dim
        ]
        if not value.name or len(dims) != 4 or kind.elem_type not in _IMAGES:
            raise _no_classifier(
                f"the input {_plain(value.name)} of shape "
                f"({', '.join('open' if side is None else str(side) for side in dims)}) and type "
                f"{_type_name(kind.elem_type)}"
            )
        first = self._is_channels_first(dims, proto, value.name)
        _, *rest = dims
        channels = rest.pop(0 if first else 2)
        height, width = rest
        if self._size is not None:
            height, width = height or self._size[0], width or self._size[1]
        if height is None or width is None or channels is None:
            raise SourceModelError(
                "the ONNX model leaves the size of its images open",
                observed=f"height {height or 'open'}, width {width or 'open'}, channels "
                f"{channels or 'open'}",
                expected="all three fixed; the batch alone may be open",
                remedy="export it with a fixed size (dynamic_axes names the batch alone), or fix "
                "it: python -m onnxruntime.tools.make_dynamic_shape_fixed --input_name "
                f"{_plain(value.name)} --input_shape 1,3,224,224 model.onnx fixed.onnx",
            )
        if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE and 0 < channels <= 16):
            raise _no_classifier(f"images of {height} x {width} pixels in {channels} channels")
        shape = (1, channels, height, width) if first else (1, height, width, channels)
        self._types[value.name] = (TensorProto.FLOAT, shape)
        return value.name, first

    def _is_channels_first(self, dims: Sequence[int | None], proto: GraphProto, name: str) -> bool:
        first, last = dims[1] in _CHANNELS, dims[3] in _CHANNELS
        if first != last:
            return first
        # Both or neither could be channels: a graph of images with channels last turns them first.
        return not any(
            node.op_type == "Transpose"
            and name in node.input
            and any(list(a.ints) == [0, 3, 1, 2] for a in node.attribute if a.name == "perm")
            for node in proto.node
        )

    def _walk(self, proto: GraphProto) -> None:
        for node in proto.node:
            inputs = [self._same.get(name, name) for name in node.input]
            for name in inputs:
                if name and name not in self._types:
                    raise _damaged(
                        f"the operator {_title(node)} uses {_plain(name)} before anything makes it"
                    )
            for name in node.output:
                if name and (name in self._types or name in self._same):
                    raise _damaged(f"the tensor {_plain(name)} is made twice")
            self._add(node, inputs)

    def _add(self, node: NodeProto, inputs: list[str]) -> None:
        standard = node.domain in _STANDARD
        op = node.op_type
        if standard and op == "Constant":
            self._keep(_only_output(node), _constant(node))
            return
        if standard and op == "If":
            self._take_branch(node, inputs)
            return
        if standard and op in _GONE:
            self._check_inference(node, inputs)
            self._same[node.output[0]] = _first(node, inputs)
            return
        fixed = NodeProto()
        fixed.CopyFrom(node)
        del fixed.input[:]
        fixed.input.extend(inputs)
        if standard and op in ("Cast", "CastLike"):
            first = _first(node, inputs)
            _cast_to_float32(fixed)
            kind = self._types[first][0]
            wanted = self._cast_type(fixed, inputs)
            if wanted == kind:
                self._same[_only_output(node)] = first
                return
        if standard and op in ("Shape", "Size"):
            self._fold_shape(fixed, inputs)
            return
        types = self._inferred(fixed, inputs) if standard else None
        given = [name for name in inputs if name]
        if standard and op in _FOLDED and all(name in self._constants for name in given):
            self._fold(fixed, given, types)
            return
        if standard and op == "BatchNormalization":
            self._check_inference(node, inputs)
        attributes = {
            a.name: _value(a) for a in fixed.attribute if a.type not in _GRAPHS and a.name
        }
        self._nodes.append(
            OnnxNode(
                op=op if standard else f"{node.domain}.{op}",
                name=node.name,
                inputs=tuple(inputs),
                outputs=tuple(node.output),
                attributes=attributes,
            )
        )
        for name in node.output:
            if name:
                # An operator that is not known may still be one that the output does not need.
                self._types[name] = (types or {}).get(name, (TensorProto.UNDEFINED, ()))

    def _cast_type(self, node: NodeProto, inputs: list[str]) -> int:
        if node.op_type == "CastLike":
            return self._types[inputs[1]][0] if len(inputs) > 1 else 0
        return next((int(a.i) for a in node.attribute if a.name == "to"), 0)

    def _check_inference(self, node: NodeProto, inputs: list[str]) -> None:
        """Refuse what is exported for training: there its answers are random, or the batch's."""
        training = any(a.name == "training_mode" and a.i for a in node.attribute)
        if node.op_type == "Dropout" and len(inputs) > 2 and inputs[2]:
            mode = self._constants.get(inputs[2])
            training = mode is None or bool(np.any(mode))
        if training:
            raise SourceModelError(
                "the ONNX model was exported for training",
                observed=f"the operator {_title(node)} is in training mode",
                expected="a model exported for inference",
                remedy="call model.eval() and export again: torch.onnx.export(model.eval(), ...)",
            )

    def _take_branch(self, node: NodeProto, inputs: list[str]) -> None:
        """Make the branch of an ``If`` whose condition is known a part of the graph."""
        condition = self._constants.get(_first(node, inputs))
        wanted = "then_branch" if condition is not None and np.all(condition) else "else_branch"
        branch = next((a.g for a in node.attribute if a.name == wanted), None)
        if condition is None or branch is None or len(branch.output) != len(node.output):
            raise SourceModelError(
                "the ONNX model decides at run time what it computes",
                observed=f"the operator {_title(node)} with a condition that depends on the image",
                expected="the same operators for every image",
                remedy="export it with fixed shapes and without branches",
            )
        for tensor in branch.initializer:
            self._keep(tensor.name, _array(tensor))
        self._walk(branch)
        for value, name in zip(branch.output, node.output, strict=True):
            source = self._same.get(value.name, value.name)
            if source not in self._types:
                raise _damaged(f"the branch's output {_plain(value.name)} is made by nothing")
            self._same[name] = source

    def _fold_shape(self, node: NodeProto, inputs: list[str]) -> None:
        shape = self._types[_first(node, inputs)][1]
        if node.op_type == "Size":
            self._keep(_only_output(node), np.array(math.prod(shape), np.int64))
            return
        numbers = {a.name: int(a.i) for a in node.attribute}
        part = shape[numbers.get("start", 0) : numbers.get("end", len(shape))]
        self._keep(_only_output(node), np.array(part, np.int64))

    def _inferred(self, node: NodeProto, inputs: list[str]) -> dict[str, tuple[int, Shape]] | None:
        """Return types and shapes of a node's outputs; None if its operator is not known."""
        try:
            schema = onnx.defs.get_schema(node.op_type, self._opset, "")
        except onnx.defs.SchemaError:
            return None
        if schema.deprecated:
            return None
        types = {}
        values = {}
        for name in inputs:
            if not name:
                continue
            kind, shape = self._types[name]
            if kind == TensorProto.UNDEFINED:
                return None
            types[name] = onnx.helper.make_tensor_type_proto(kind, shape)
            value = self._constants.get(name)
            if value is not None and value.size <= 4096:
                values[name] = onnx.numpy_helper.from_array(value, name)
        try:
            found = onnx.shape_inference.infer_node_outputs(
                schema,
                node,
                types,
                values,
                opset_imports=[onnx.helper.make_opsetid("", self._opset)],
                ir_version=10,
            )
        except (
            onnx.shape_inference.InferenceError,
            onnx.checker.ValidationError,
            RuntimeError,
            ValueError,
        ) as error:
            raise _damaged(
                f"the operator {_title(node)} does not fit its inputs: {_plain(str(error))}"
            ) from error
        result = {}
        for name, proto in found.items():
            tensor = proto.tensor_type
            sides = [side.dim_value for side in tensor.shape.dim if side.HasField("dim_value")]
            if tensor.HasField("shape") and len(sides) == len(tensor.shape.dim):
                _check_shape(sides, name)
                result[name] = (tensor.elem_type, tuple(sides))
        first = node.output[0] if node.output else ""
        if first not in result and node.op_type in _SHAPE_KEPT and inputs:
            result[first] = self._types[inputs[0]]
        if first in result and node.op_type in _POOLS:
            kind, shape = result[first]
            result[first] = (kind, self._without_late_windows(node, inputs[0], shape))
        return result

    def _without_late_windows(self, node: NodeProto, name: str, shape: Shape) -> Shape:
        """Leave out windows of ``ceil_mode`` that begin behind the image, as all runtimes do."""
        numbers = {a.name: list(a.ints) for a in node.attribute}
        if not any(a.name == "ceil_mode" and a.i for a in node.attribute):
            return shape
        sides = self._types[name][1]
        axes = len(shape) - 2
        strides = numbers.get("strides", [1] * axes)
        pads = numbers.get("pads", [0] * (2 * axes))
        if len(sides) != len(shape) or len(strides) != axes or len(pads) != 2 * axes:
            raise _damaged(f"the operator {_title(node)} does not fit its input")
        kept = [
            steps - ((steps - 1) * stride >= side + pad)
            for steps, stride, side, pad in zip(
                shape[2:], strides, sides[2:], pads[:axes], strict=True
            )
        ]
        return (*shape[:2], *kept)

    def _fold(
        self, node: NodeProto, given: list[str], types: dict[str, tuple[int, Shape]] | None
    ) -> None:
        """Compute a node whose inputs are all constants."""
        outputs = [name for name in node.output if name]
        if node.op_type not in _NEVER_LARGER and any(name not in (types or {}) for name in outputs):
            raise _damaged(f"the shape of what {_title(node)} makes is not known")
        try:
            values = _computed(node, {name: self._constants[name] for name in given}, self._opset)
        except Exception as error:  # the reference implementation raises what it likes
            raise _damaged(
                f"the operator {_title(node)} cannot be computed: {_plain(str(error))}"
            ) from error
        for name, value in zip(node.output, values, strict=True):
            if name:
                array = np.asarray(value)
                _check_shape(array.shape, name)
                self._keep(name, array)

    def _output(self, proto: GraphProto) -> str:
        scores = []
        for value in proto.output:
            name = self._same.get(value.name, value.name)
            if name not in self._types:
                raise _damaged(f"the output {_plain(value.name)} is made by nothing")
            kind, shape = self._types[name]
            unknown = kind == TensorProto.UNDEFINED
            if unknown or (
                kind in _FLOATS and shape[:1] == (1,) and math.prod(shape) == max(shape)
            ):
                scores.append((name, unknown))
        known = [name for name, unknown in scores if not unknown]
        chosen = known or [name for name, _ in scores]
        if len(set(chosen)) != 1:
            listed = some_of([
                f"{_plain(value.name)} "
                f"{self._types[self._same.get(value.name, value.name)][1]}"
                for value in proto.output
            ])  # fmt: skip
            raise _no_classifier(f"{len(proto.output)} outputs: {listed}")
        if chosen[0] in self._constants:
            raise _no_classifier(f"the output {_plain(chosen[0])} does not depend on the image")
        return str(chosen[0])

    def _needed(self, output: str) -> tuple[OnnxNode, ...]:
        wanted = {output}
        kept = []
        for node in reversed(self._nodes):
            if wanted.intersection(node.outputs):
                wanted.update(node.inputs)
                kept.append(node)
        return tuple(reversed(kept))


_GRAPHS: Final = frozenset({AttributeProto.GRAPH, AttributeProto.GRAPHS})
# Operators whose output is at most as large as what its inputs hold together.
_NEVER_LARGER: Final = frozenset({"Reshape", "Slice", "Squeeze", "Unsqueeze", "Flatten", "Split"})


def _no_classifier(observed: str) -> SourceModelError:
    return SourceModelError(
        "the ONNX model is no classifier of one image",
        observed=observed,
        expected="one image (batch, channels, height, width) or (batch, height, width, channels) "
        "in, and scores (batch, classes) out",
        remedy="export the classifier alone, with one input and one output",
    )


def _title(node: NodeProto) -> str:
    name = f" ({_plain(node.name)})" if node.name else ""
    return f"{_plain(node.op_type)}{name}"


def _type_name(kind: int) -> str:
    names = {number: name for name, number in TensorProto.DataType.items()}
    return str(names.get(kind, "unknown")).lower()


def _producer(model: ModelProto) -> str:
    words = f"{model.producer_name} {model.producer_version}".strip()
    return _plain(words) if words else ""


def _first(node: NodeProto, inputs: list[str]) -> str:
    if not inputs or not inputs[0] or not node.output or not node.output[0]:
        raise _damaged(f"the operator {_title(node)} has no input or no output")
    return inputs[0]


def _only_output(node: NodeProto) -> str:
    if len(node.output) != 1:
        raise _damaged(f"the operator {_title(node)} has {len(node.output)} outputs")
    return str(node.output[0])


def _array(tensor: TensorProto) -> Array:
    try:
        value = np.asarray(onnx.numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError, onnx.checker.ValidationError) as error:
        raise _damaged(
            f"the numbers of the tensor {_plain(tensor.name)} do not fill its shape"
        ) from error
    if value.dtype.kind not in "fiub" and value.dtype.name != "bfloat16":
        raise _damaged(
            f"the tensor {_plain(tensor.name)} is of the type {_type_name(tensor.data_type)}"
        )
    return value


def _constant(node: NodeProto) -> Array:
    if len(node.attribute) != 1:
        raise _damaged(f"the operator {_title(node)} has {len(node.attribute)} values")
    (attribute,) = node.attribute
    match attribute.name:
        case "value":
            return _array(attribute.t)
        case "value_float":
            return np.array(attribute.f, np.float32)
        case "value_floats":
            return np.array(attribute.floats, np.float32)
        case "value_int":
            return np.array(attribute.i, np.int64)
        case "value_ints":
            return np.array(attribute.ints, np.int64)
    raise _damaged(f"the operator {_title(node)} holds {_plain(attribute.name)}")


def _cast_to_float32(node: NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.name == "to" and attribute.i in _FLOATS:
            attribute.i = TensorProto.FLOAT


def _value(attribute: AttributeProto) -> Attribute:
    value: Any = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, TensorProto):
        return _array(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (int, float)):
        return value
    items = list(value)
    return [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in items]


def _computed(node: NodeProto, values: Mapping[str, Array], opset: int) -> Sequence[Any]:
    from onnx.reference import ReferenceEvaluator

    helper = onnx.helper
    bare = helper.make_graph(
        [node],
        "node",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in values.items()
        ],
        [helper.make_tensor_value_info(name, 0, None) for name in node.output if name],
    )
    model = helper.make_model(bare, opset_imports=[helper.make_opsetid("", opset)])
    results = ReferenceEvaluator(model).run(None, dict(values))
    found = iter(results)
    return [next(found) if name else None for name in node.output]
