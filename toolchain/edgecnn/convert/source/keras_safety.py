"""Finds what Keras would run or read besides a model's own layers, before it sees the file.

A configuration is data, but Keras 2 looks up by name what it holds. It imports modules, calls
functions of TensorFlow with constants of the file while it loads it (``TFOpLambda`` may name
``io.write_file``), copies raw operators into the graph, and has layers that read other files. So
only names that are known to compute, and nothing else, are let through. ``Lambda`` layers, which
hold code, are refused here, too. And an HDF5 file may say of its arrays that they lie in another
file, which whoever opens it then reads.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from edgecnn.convert.reasons import reason_of
from edgecnn.errors import SourceModelError, some_of
from edgecnn.files import wrap_os_errors

_NOT_LAYERS_THAT_COMPUTE: Final = frozenset({
    "ClassMethod", "DenseFeatures", "DeviceWrapper", "HashedCrossing", "Hashing", "InstanceMethod",
    "InstanceProperty", "IntegerLookup", "Lambda", "LinearModel", "SequenceFeatures",
    "StringLookup", "TFSMLayer", "TextVectorization", "WideDeepModel", "__lambda__",
})  # fmt: skip
"""Classes that hold code, read files, or call methods by name; none is in an image classifier."""
_CLASS: Final = re.compile(r"(?:[\w ]+>)*_{0,2}[A-Za-z][A-Za-z0-9_]*")
_OLD_CLASS: Final = re.compile(r"[\w .>/-]*")
_MODULES: Final = re.compile(
    r"(?:tf_)?keras(?:\.src)?(?:\.(?:activations|constraints|dtensor|engine|initializers|layers"
    r"|losses|metrics|mixed_precision|models|optimizers|regularizers)(?:\.[a-z0-9_]+)*)?"
    r"|tensorflow_model_optimization(?:\.[a-z0-9_]+)*"
    r"|builtins"
)
"""Modules whose classes Keras 2 and quantization-aware training save. Importing others runs
them."""
_FUNCTION_MODULES: Final = re.compile(
    r"builtins|(?:tf_)?keras(?:\.src)?\.(?:activations|constraints|initializers|losses|metrics"
    r"|regularizers)"
)
_FUNCTIONS: Final = frozenset({
    "abs", "acos", "add", "add_n", "argmax", "argmin", "asin", "atan", "atan2", "batch_to_space",
    "bitcast", "boolean_mask", "broadcast_to", "cast", "clip_by_norm", "clip_by_value", "complex",
    "concat", "convert_to_tensor", "cos", "cosh", "cumsum", "depth_to_space", "divide", "einsum",
    "ensure_shape", "equal", "exp", "expand_dims", "eye", "fill", "floor", "gather", "gather_nd",
    "greater", "greater_equal", "identity", "less", "less_equal", "linspace", "logical_and",
    "logical_not", "logical_or", "matmul", "maximum", "meshgrid", "minimum", "multiply", "negative",
    "norm", "not_equal", "one_hot", "ones", "ones_like", "pad", "pow", "range", "rank",
    "realdiv", "reduce_all", "reduce_any", "reduce_logsumexp", "reduce_max", "reduce_mean",
    "reduce_min", "reduce_prod", "reduce_sum", "repeat", "reshape", "reverse", "roll", "round",
    "saturate_cast", "scalar_mul", "shape", "sigmoid", "sign", "sin", "sinh", "size", "slice",
    "sort", "space_to_batch", "space_to_depth", "split", "sqrt", "square", "squeeze", "stack",
    "strided_slice", "subtract", "tan", "tanh", "tensordot", "tile", "to_float", "transpose",
    "truediv", "unstack", "where", "zeros", "zeros_like",
})  # fmt: skip
"""Functions of TensorFlow that compute and nothing else. ``image.``, ``linalg.``, ``math.`` and
``nn.`` hold such alone."""
_NAMESPACES: Final = re.compile(
    r"__operators__\.[a-z_]+|(?:image|linalg|math|nn)\.[a-z][a-z0-9_]*"
    r"|keras\.activations\.(?:elu|exponential|gelu|hard_sigmoid|linear|mish|relu|selu|sigmoid"
    r"|softmax|softplus|softsign|swish|tanh)"
    r"|keras\.backend\.(?:abs|batch_flatten|batch_normalization|bias_add|cast|clip|concatenate"
    r"|conv2d|depthwise_conv2d|dot|elu|exp|expand_dims|flatten|hard_sigmoid|l2_normalize|log|max"
    r"|maximum|mean|min|minimum|permute_dimensions|pool2d|pow|relu|repeat|repeat_elements|reshape"
    r"|resize_images|round|separable_conv2d|shape|sigmoid|sign|softmax|softplus|softsign"
    r"|spatial_2d_padding|sqrt|square|squeeze|stack|std|sum|tanh|tile|transpose|var|zeros_like"
    r"|ones_like)"
)
_OPERATIONS: Final = frozenset({
    "Abs", "Add", "AddN", "AddV2", "AvgPool", "BiasAdd", "BroadcastTo", "Cast", "ConcatV2",
    "Conv2D", "DepthToSpace", "DepthwiseConv2dNative", "Elu", "Exp", "ExpandDims", "Fill", "Floor",
    "GatherV2", "Greater", "GreaterEqual", "Identity", "LeakyRelu", "Less", "LessEqual", "Log",
    "LogSoftmax", "MatMul", "Max", "MaxPool", "Maximum", "Mean", "Min", "Minimum", "MirrorPad",
    "Mul", "Neg", "Pack", "Pad", "PadV2", "Pow", "Prod", "RealDiv", "Relu", "Relu6", "Reshape",
    "ResizeBilinear", "ResizeNearestNeighbor", "ReverseV2", "Round", "Rsqrt", "SelectV2", "Selu",
    "Shape", "Sigmoid", "Sign", "Slice", "Softmax", "Softplus", "Softsign", "SpaceToDepth",
    "Split", "SplitV", "Sqrt", "Square", "SquaredDifference", "Squeeze", "StridedSlice", "Sub",
    "Sum", "Tanh", "Tile", "Transpose", "Unpack",
})  # fmt: skip
"""Operators that Keras of TensorFlow 2.0 to 2.3 saved as they are."""


def more_than_data(config: Any) -> str | None:
    """Return what Keras 2 would run or read besides a model's own layers; None if there is nothing.

    Args:
        config: As the file holds it.

    Returns:
        What it is, to be put behind "Keras 2 would run".
    """
    if isinstance(config, Mapping) and "compile_config" in config:
        # Of the model as a whole: that is how it was trained, and it is not loaded.
        config = {key: value for key, value in config.items() if key != "compile_config"}
    return _found(config)


def _found(config: Any) -> str | None:
    if isinstance(config, (list, tuple)):
        return next(filter(None, map(_found, config)), None)
    if not isinstance(config, Mapping):
        return None
    if "class_name" in config:
        refused = _refused(config)
        if refused is not None:
            return refused
    return next(filter(None, map(_found, config.values())), None)


def _refused(config: Mapping[str, Any]) -> str | None:
    """Return what one object of a configuration would run, by its own keys."""
    name, module, inner = (config.get(key) for key in ("class_name", "module", "config"))
    registered = config.get("registered_name")
    if name == "function":
        known = module is None or (isinstance(module, str) and _FUNCTION_MODULES.fullmatch(module))
        return None if known else f"the function {inner} of the module {module}"
    # Keras 2 looks for both names; what follows ">" is the class.
    names = [str(given) for given in (name, registered, config.get("spec_name")) if given]
    for given in names:
        if given.rpartition(">")[2].rpartition(".")[2] in _NOT_LAYERS_THAT_COMPUTE:
            return f"a layer of the class {given}"
        if not (_CLASS if module else _OLD_CLASS).fullmatch(given):
            return f"what is called {given}"
        # Classes begin with a capital; functions of these modules load files, too.
        if module and not given.rpartition(">")[2].strip("_")[:1].isupper() and given not in (
            "__tensor__", "__numpy__", "__bytes__",
        ):  # fmt: skip
            return f"the function {given} of the module {module}"
    if module is not None and not (isinstance(module, str) and _MODULES.fullmatch(module)):
        return f"{name} of the module {module}"
    kinds = {given.rpartition(">")[2] for given in names}
    return _function(kinds, inner)


def _function(kinds: set[str], inner: Any) -> str | None:
    """Return the function or operator that a layer made of one calls, if it may do more."""
    if kinds & {"TFOpLambda", "SlicingOpLambda"}:
        function = inner.get("function") if isinstance(inner, Mapping) else None
        plain = str(function).removeprefix("compat.v1.")
        if plain not in _FUNCTIONS and not _NAMESPACES.fullmatch(plain):
            return f"the function {function}"
    if "TensorFlowOpLayer" in kinds:
        operation = _operation(inner.get("node_def") if isinstance(inner, Mapping) else None)
        if operation not in _OPERATIONS:
            return f"the operator {operation}"
    return None


def _operation(node: Any) -> str | None:
    """Return the operator of a node as Keras 2 reads it; None if it cannot."""
    from google.protobuf import json_format, message
    from tensorflow.core.framework import node_def_pb2

    try:
        if isinstance(node, Mapping):
            read = json_format.ParseDict(node, node_def_pb2.NodeDef())
        else:
            read = node_def_pb2.NodeDef.FromString(str(node).encode())
    except (json_format.ParseError, message.DecodeError, ValueError):
        return None
    return str(read.op)


def check_self_contained(path: Path) -> None:
    """Refuse a file of Keras whose arrays lie in other files.

    Links and "external" or "virtual" datasets of HDF5 take any path there is; what is read becomes
    weights, and they would go into every file that is made of the model.

    Args:
        path: An HDF5 file, or a ``.keras`` archive, which holds one.

    Raises:
        SourceModelError: If there are such, or it cannot be told.
        WorkspaceError: If the temporary folder cannot be written.
    """
    try:
        with path.open("rb") as file:
            archived = file.read(4) == b"PK\x03\x04"  # as it is told which Keras loads
        if not archived:
            found = _elsewhere(path)
        else:
            with zipfile.ZipFile(path) as archive:
                inside = [one for one in archive.infolist() if one.filename.endswith(".h5")]
                found = next(
                    filter(None, (_elsewhere_inside(archive, one) for one in inside)), None
                )
    except (OSError, KeyError, RuntimeError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise SourceModelError(
            f"{path} is damaged: its weights cannot be listed ({reason_of(error)})",
            observed=f"{type(error).__name__} while reading it",
            expected="an HDF5 file with weights, as Keras writes it",
            remedy="copy or save the file again",
        ) from error
    if found is not None:
        raise SourceModelError(
            f"{path} has weights that lie in other files",
            observed=found,
            expected="all weights in the file itself, as Keras writes it",
            remedy="do not trust this file; if it is your own, save the model again with Keras",
        )


def _elsewhere_inside(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str | None:
    if member.compress_type == zipfile.ZIP_STORED:
        with archive.open(member) as file:
            return _elsewhere(file)
    with (
        wrap_os_errors(Path(tempfile.gettempdir())),
        tempfile.TemporaryDirectory(prefix="edgecnn-") as folder,
    ):
        # Going back in a compressed file means to decompress it from its beginning.
        return _elsewhere(Path(archive.extract(member, folder)))


def _elsewhere(file: Path | IO[bytes]) -> str | None:
    """Return the first array of an HDF5 file that lies in another one, and where; None if none."""
    import h5py  # it comes with Keras

    with h5py.File(file, "r") as opened:
        groups, seen = [opened["/"]], set()
        while groups:
            group = groups.pop()
            for name in group:
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    return f"{group.name.rstrip('/')}/{name} is in {link.filename}"
                if isinstance(link, h5py.SoftLink):
                    continue  # what it points to in this file is seen by itself
                item = group[name]
                if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
                    files = [str(part[0]) for part in item.external or ()]
                    files += (
                        [part.file_name for part in item.virtual_sources()] if not files else []
                    )
                    return f"{item.name} is in {some_of(files)}"
                where = h5py.h5o.get_info(item.id).addr
                if isinstance(item, h5py.Group) and where not in seen:
                    seen.add(where)
                    groups.append(item)
    return None
