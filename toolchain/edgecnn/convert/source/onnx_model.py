"""An ONNX network as something to convert: what it is fed, what it answers, and its own answers.

ONNX Runtime on the source file itself gives the reference, as it is the framework of such a file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx

from edgecnn.convert.graph.onnx_core import add_constant, core_of, readers_of
from edgecnn.convert.graph.onnx_start import start_of
from edgecnn.convert.source.heads import Head, head_of, no_scores, units_of
from edgecnn.convert.source.normalization import Normalization
from edgecnn.convert.source.onnx_file import read_model
from edgecnn.errors import (
    ArtifactError,
    ConversionError,
    EdgeError,
    SourceModelError,
    some_of,
)
from edgecnn.files import wrap_os_errors
from edgecnn_runner.runtimes.backend_onnx import OnnxBackend
from edgecnn_runner.runtimes.probe import ENDS_THE_PROGRAM, TAKES_TOO_LONG, probe

Images = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]

_TYPES: Final = {1: "float32", 2: "uint8", 10: "float16", 11: "float64", 16: "bfloat16"}
_ANY_SIDE: Final = 224
_LARGEST_SIDE: Final = 4096
_WANTED: Final = (
    "one image input, float32, float16 or uint8, (batch, channels, height, width) or (batch, "
    "height, width, channels) with 1 or 3 channels, and one output of scores (batch, classes)"
)
# Of two rows of one batch against single images: beyond it, images of a batch are mixed.
_ALIKE: Final = 1e-2
_PASSING: Final = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze"})


@dataclass(kw_only=True, eq=False)
class OnnxSource:
    """An ONNX network that is loaded.

    Attributes:
        path: Its file.
        proto: The whole ModelProto; see ``onnx_file.read_model``.
        layout: Of its input: ``NCHW`` or ``NHWC``.
        height: None if it takes any.
        width: None if it takes any.
        channels: 1 or 3.
        dtype: Of its input.
        computes: The coarsest type of its weights.
        batch: 1 if it takes one image at a time; None for any number.
        head: How its scores are read: by their number, and the operator that they come from.
        normalization: The arithmetic at its start; None if there is none.
    """

    path: Path
    proto: Any  # onnx's classes are made when it is imported
    layout: str
    height: int | None
    width: int | None
    channels: int
    dtype: str
    computes: str
    batch: int | None = 1
    normalization: Normalization | None = None
    head: Head = field(init=False)
    _run: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] = field(init=False)
    _core: tuple[tuple[int, int], Any] | None = None

    @classmethod
    def load(cls, path: Path) -> OnnxSource:
        """Load a file.

        Raises:
            SourceModelError: If it cannot be read, is no float classifier of one image, or ONNX
                Runtime cannot run it.
        """
        proto = read_model(path)
        source = _described(path, proto)
        source._try_elsewhere()
        try:
            threads = os.cpu_count() or 1
            backend = OnnxBackend(proto.SerializeToString(), threads=threads, min_runtime={})
        except ArtifactError as error:
            raise _not_run(path, error, source.computes) from error
        source._run = backend.run
        units = source._try_out()
        size = (source.height or _ANY_SIDE, source.width or _ANY_SIDE)
        core = source._bare_core(*size)
        start = start_of(core.graph, source.layout, source.channels)
        changes = np.any(start.scale != 1) or np.any(start.offset != 0)
        if changes and np.all(np.isfinite(start.scale) & (start.scale != 0)):
            source.normalization = Normalization(scale=start.scale, offset=start.offset)
        source.head = head_of(units, _last_operator(core.graph))
        source._core = size, _with_head(core, source.head)
        return source

    def core(self, height: int, width: int) -> Any:
        """Return the network for one image of a size, with one score for each class.

        See ``onnx_core.core_of``.

        Raises:
            SourceModelError: If it cannot be loaded for that size.
        """
        if self._core is None or self._core[0] != (height, width):
            self._core = ((height, width), _with_head(self._bare_core(height, width), self.head))
        return self._core[1]

    def _bare_core(self, height: int, width: int) -> Any:
        try:
            return core_of(self.proto, self._shape(1, height, width))
        except ConversionError as error:
            raise SourceModelError(
                f"{self.path}: {error.problem}",
                observed=error.observed, expected=error.expected, remedy=error.remedy,
            ) from error  # fmt: skip

    def scores(self, images: Images) -> Scores:
        """Return what ONNX Runtime answers.

        Args:
            images: Shape (n, height, width, channels), in the model's own range.

        Returns:
            Shape (n, classes).

        Raises:
            SourceModelError: If it fails on them.
        """
        step = 1 if self.batch is not None else max(len(images), 1)
        parts = [images[start : start + step] for start in range(0, len(images), step)]
        return np.concatenate([self.head.scores(self._answers(part), len(part)) for part in parts])

    def _answers(self, images: Images) -> npt.NDArray[Any]:
        fed = images if self.layout == "NHWC" else images.transpose(0, 3, 1, 2)
        if self.dtype == "uint8":
            fed = np.clip(np.rint(fed), 0, 255)
        try:
            return self._run(np.ascontiguousarray(fed, np.dtype(self.dtype)))
        except ArtifactError as error:
            raise _not_run(self.path, error, self.computes) from error

    def _shape(self, batch: int, height: int, width: int) -> tuple[int, int, int, int]:
        if self.layout == "NCHW":
            return batch, self.channels, height, width
        return batch, height, width, self.channels

    def _try_elsewhere(self) -> None:
        """Run one image in another process, under limits, before this process loads the network.

        A damaged or hostile network may end the process that runs it, or take all of its memory.
        """
        model = type(self.proto)()
        model.CopyFrom(self.proto)
        constants = {tensor.name for tensor in model.graph.initializer}
        end = next(end for end in model.graph.input if end.name not in constants)
        sides = self._shape(1, self.height or _ANY_SIDE, self.width or _ANY_SIDE)
        for side, size in zip(end.type.tensor_type.shape.dim, sides, strict=True):
            side.dim_value = size
        data = model.SerializeToString(deterministic=True)
        with tempfile.TemporaryDirectory(prefix="edgecnn-") as folder:
            copy = Path(folder) / "source.onnx"
            with wrap_os_errors(copy):
                copy.write_bytes(data)
            try:
                probe(copy, data, "onnxruntime")
            except EdgeError as error:
                # Of anything else this process says more.
                if ENDS_THE_PROGRAM in error.problem or TAKES_TOO_LONG in error.problem:
                    raise SourceModelError(
                        f"{self.path}{error.problem.removeprefix(str(copy))}",
                        observed=error.observed,
                        expected="an answer to one image, within a minute and 4 GB of memory",
                        remedy="convert a network that you trust, or export it again",
                    ) from error

    def _try_out(self) -> int:
        """Find out how many numbers it answers with, and whether images may come in batches.

        An exporter may write an open batch, and have reshaped by a batch of one all the same.

        Returns:
            How many numbers it answers an image with.
        """
        shape = (self.height or _ANY_SIDE, self.width or _ANY_SIDE, self.channels)
        images = np.random.default_rng(0).random((2, *shape), np.float32)
        singles = [self._answers(image[np.newaxis]) for image in images]
        sides = singles[0].shape
        # The scores may come without an axis for the batch.
        units = units_of([sides if len(sides) == 1 else (None, *sides[1:])])
        if any(one.size != units for one in singles):
            raise no_scores(f"outputs of the shapes {some_of([one.shape for one in singles])}")
        if self.batch is not None:
            return units
        single = np.stack([one.reshape(units) for one in singles]).astype(np.float32)
        try:
            both = self._answers(images)
        except SourceModelError:
            self.batch = 1
            return units
        size = max(float(np.abs(single).max()), float(np.finfo(np.float32).tiny))
        alike = both.size == single.size and both.shape[:1] == (2,)
        # Also NaN.
        if not alike or not np.abs(both.reshape(single.shape) - single).max() <= _ALIKE * size:
            self.batch = 1
        return units


def _described(path: Path, proto: Any) -> OnnxSource:
    """Read a model's ends.

    Raises:
        SourceModelError: If it does not take one image, or has several outputs.
    """
    graph = proto.graph
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {sparse.values.name for sparse in graph.sparse_initializer}
    ends = [end for end in graph.input if end.name not in constants]
    found = [(_type_of(end), _sides_of(end)) for end in ends]
    observed = some_of(f"{kind} {_written(sides)}" for kind, sides in found) or "no input"
    if len(graph.output) != 1:
        raise _several(path, graph, [end.name for end in ends])
    layout = None
    if len(found) == 1 and len(found[0][1]) == 4 and found[0][0] in _TYPES.values():
        layout = _layout(found[0][1], graph, ends[0].name)
    if layout is None:
        raise SourceModelError(
            f"{path} does not take one image",
            observed=f"input {observed}",
            expected=_WANTED,
            remedy="convert an image classifier; export it with an input of fixed channels",
        )
    dtype, (batch, *rest) = found[0]
    channels, height, width = rest if layout == "NCHW" else (rest[2], rest[0], rest[1])
    if batch not in (None, 1):
        raise SourceModelError(
            f"{path} takes images in batches of a fixed number",
            observed=f"input {observed}",
            expected="a batch of any size, or of 1",
            remedy="export it again with one image: torch.onnx.export(net, torch.zeros(1, ...), "
            "...)",
        )
    if max(height or 0, width or 0) > _LARGEST_SIDE:
        raise SourceModelError(
            f"{path} takes larger images than any classifier",
            observed=f"input {observed}",
            expected=f"sides of at most {_LARGEST_SIDE} pixels",
            remedy="convert an image classifier",
        )
    return OnnxSource(
        path=path,
        proto=proto,
        layout=layout,
        height=height,
        width=width,
        channels=channels or 3,
        dtype=dtype,
        computes=_computes(graph),
        batch=batch,
    )


def _several(path: Path, graph: Any, inputs: list[str]) -> SourceModelError:
    """Return the error about a network with several outputs, or none."""
    outputs = [end.name for end in graph.output]
    new = path.with_stem(f"{path.stem}_scores").name
    cut = f"onnx.utils.extract_model({str(path)!r}, {new!r}, {inputs!r}, [OUTPUT])"
    return SourceModelError(
        f"{path} answers with more than its scores",
        observed=f"{len(outputs)} outputs: "
        + some_of(f"{end.name} {_written(_sides_of(end))}" for end in graph.output),
        expected="one output of scores (batch, classes)",
        remedy="export it again in inference, torch.onnx.export(net.eval(), ...), which leaves the "
        f"auxiliary scores of Inception and GoogLeNet out; or keep the scores alone, in Python: "
        f"{cut}",
    )


def _layout(sides: tuple[int | None, ...], graph: Any, name: str) -> str | None:
    """Tell where the channels are; None if neither place can be."""
    first, last = sides[1] in (1, 3), sides[3] in (1, 3)
    if first != last:
        return "NCHW" if first else "NHWC"
    if not first and None not in (sides[1], sides[3]):
        return None
    # Both may be, or it is open: a network that takes channels last begins by moving them.
    readers = [node for node in readers_of(graph).get(name, []) if node is not None]
    while len(readers) == 1 and readers[0].op_type in ("Cast", "Identity", "Sub", "Div", "Mul"):
        readers = [node for node in readers_of(graph).get(readers[0].output[0], []) if node]
    moved = any(
        node.op_type == "Transpose"
        and [list(a.ints) for a in node.attribute if a.name == "perm"] == [[0, 3, 1, 2]]
        for node in readers
    )
    side = sides[3] if moved else sides[1]
    if side not in (1, 3, None) or (side is None and not _reads_colours(graph)):
        return None
    return "NHWC" if moved else "NCHW"


def _reads_colours(graph: Any) -> bool:
    """Tell whether the first convolution takes three channels, where the input leaves them open."""
    dims = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    first = next((node for node in graph.node if node.op_type == "Conv"), None)
    return first is not None and dims.get(first.input[1], (0, 0))[1:2] == (3,)


def _type_of(end: Any) -> str:
    return _TYPES.get(end.type.tensor_type.elem_type, "of another type")


def _sides_of(end: Any) -> tuple[int | None, ...]:
    return tuple(
        side.dim_value if side.HasField("dim_value") and side.dim_value > 0 else None
        for side in end.type.tensor_type.shape.dim
    )


def _written(sides: tuple[int | None, ...]) -> str:
    return f"({', '.join('?' if side is None else str(side) for side in sides)})"


def _computes(graph: Any) -> str:
    kinds = {tensor.data_type for tensor in graph.initializer}
    return next((_TYPES[kind] for kind in (16, 10, 11) if kind in kinds), "float32")


def _with_head(core: Any, head: Head) -> Any:
    """Put behind a network what makes two scores of its one, in place; return it."""
    if head.matrix is not None:
        graph, end = core.graph, core.graph.output[0]
        matrix, bias = (
            add_constant(graph, f"{end.name}/{name}", value)
            for name, value in zip(("matrix", "bias"), head.matrix, strict=True)
        )
        name = f"{end.name}/two"
        graph.node.append(onnx.helper.make_node("Gemm", [end.name, matrix, bias], [name]))
        made = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, head.classes])
        end.CopyFrom(made)
    return core


def _last_operator(graph: Any) -> str:
    """Return the operator behind which nothing but the shape of the scores changes."""
    makers = {tensor: node for node in graph.node for tensor in node.output}
    node = makers.get(graph.output[0].name)
    while node is not None and node.op_type in _PASSING:
        node = makers.get(node.input[0])
    return "" if node is None else str(node.op_type)


def _not_run(path: Path, error: ArtifactError, computes: str) -> SourceModelError:
    if computes in ("float64", "bfloat16"):
        return SourceModelError(
            f"ONNX Runtime cannot run {path}, which computes in {computes}",
            observed=str(error.observed or error.problem),
            expected="a network in float32 or float16",
            remedy="export it in float32; in PyTorch: torch.onnx.export(net.float().eval(), ...)",
        )
    return SourceModelError(
        f"ONNX Runtime cannot run {path}",
        observed=str(error.observed or error.problem),
        expected="a network that ONNX Runtime answers an image with",
        remedy="export the network again: torch.onnx.export(...), or as its framework does; a "
        "newer onnxruntime may know its operators: pip install --upgrade onnxruntime",
    )
