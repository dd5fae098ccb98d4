"""An ONNX network brought to what edgecnn's files are, by edits of its own graph alone.

The source's operators stay as its exporter wrote them. In front comes what brings raw pixels
(1, height, width, channels) to what the network takes: one transpose, where it computes channels
first, and the normalization, the network's own included. Its scale goes into the first kernel, and
its offset into the first bias where the convolution pads nothing; see ``folding`` for why padding
keeps it an addition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from edgecnn.convert.graph.deployable import INPUT_NAME, OUTPUT_NAME
from edgecnn.convert.graph.onnx_core import (
    add_constant,
    attribute,
    constants_of,
    fold_normalizations,
    readers_of,
)
from edgecnn.convert.graph.onnx_graph import tidy
from edgecnn.convert.graph.onnx_start import FROM_NHWC, start_of
from edgecnn.convert.graph.sensitivity import (
    clipped,
    largest_magnitude,
    last_bits_moved,
    share_changed,
)
from edgecnn.convert.reasons import reason_of
from edgecnn.convert.to_onnx import checked_onnx
from edgecnn.errors import ConversionError
from edgecnn_runner.contract import affine_of
from edgecnn_runner.runtimes.backend_onnx import OnnxBackend

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]

_WEIGHTED: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True, kw_only=True, eq=False)
class DirectOnnx:
    """A network as float32 ONNX, which the ONNX variants are made of.

    Attributes:
        data: A checked ModelProto from ``image``, float32 (1, height, width, channels), raw 0..255,
            to ``scores``, float32 (1, classes).
        plain: The same with nothing folded: what folding is compared with.
        shape: Height, width and channels.
        classes: Number of scores.
        notes: What a user should know of how it was made.
        loops: Names of its loops.
    """

    data: bytes
    plain: bytes
    shape: tuple[int, int, int]
    classes: int
    notes: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()

    @cached_property
    def largest_weight(self) -> float:
        """Largest magnitude among the constants that convolutions and matrix products read."""
        graph = onnx.load_from_string(self.data).graph
        read = {name for node in graph.node if node.op_type in _WEIGHTED for name in node.input}
        found = constants_of(graph)
        values = [numpy_helper.to_array(found[name]) for name in sorted(read & found.keys())]
        return max((largest_magnitude(value) for value in values), default=0.0)

    def clipping(self, limit: float) -> tuple[float, float]:
        """Measure what it does to the scores if constants are clipped, as float16 clips them.

        Args:
            limit: Largest magnitude that is left.

        Returns:
            The largest magnitude of a constant, and by how much scores change on generated
            pictures, as a share of the largest score; 0 if no constant is beyond the limit.
        """
        model = onnx.load_from_string(self.data)
        largest = max(
            (largest_magnitude(v) for v in map(numpy_helper.to_array, _floats(model))), default=0
        )
        if largest <= limit:
            return 0.0, 0.0
        _change(model, lambda value: clipped(value, limit))
        changed = model.SerializeToString()
        return largest, share_changed(
            self.shape, self.scores, lambda pictures: _answers(changed, pictures)
        )

    def rounded_otherwise(self, pixels: Pixels) -> Scores:
        """Compute scores with each weight moved by its last bit; see ``Deployable``.

        Args:
            pixels: Shape (n, height, width, channels), 0..255.

        Returns:
            float32, shape (n, classes).
        """
        random = np.random.default_rng(0)
        model = onnx.load_from_string(self.plain)
        _change(model, lambda value: last_bits_moved(value, random))
        return _answers(model.SerializeToString(), pixels)

    def scores(self, pixels: Pixels, *, folded: bool = True) -> Scores:
        """Compute the scores of images in onnxruntime, one by one as a device does.

        Args:
            pixels: Shape (n, height, width, channels), 0..255.
            folded: False to ask ``plain``.

        Returns:
            float32, shape (n, classes).
        """
        return _answers(self.data if folded else self.plain, pixels)


def direct_onnx(
    core: Any, *, layout: str, channels: int, input_range: str, opset: int, ir_version: int
) -> DirectOnnx:
    """Bring a network to what edgecnn's ONNX files are.

    Args:
        core: As ``onnx_core.core_of`` makes it; it is not changed.
        layout: Of its input: ``NCHW`` or ``NHWC``.
        channels: 1 or 3.
        input_range: What it wants pixels brought to.
        opset: Of the standard operators; a network of a later one keeps its own.
        ir_version: Of the file format; raised where the opset needs a later one.

    Returns:
        The network.

    Raises:
        ConversionError: If its operators cannot be said in ``opset``, or onnx refuses the result.
    """
    model, notes = _of_opset(core, opset)
    fold_normalizations(model)
    ir_version = max(ir_version, onnx.helper.find_min_ir_version_for(model.opset_import))
    try:
        forms = []
        for fold in (True, False):
            form = onnx.ModelProto()
            form.CopyFrom(model)
            _put_in_front(form.graph, layout, channels, input_range, fold=fold)
            tidy(form, input_name=INPUT_NAME, output_name=OUTPUT_NAME, ir_version=ir_version)
            forms.append(checked_onnx(form))
    except ConversionError:
        raise
    except Exception as error:
        raise ConversionError(
            "the ONNX network cannot be brought to raw pixels of one image",
            observed=reason_of(error),
            expected="operators as the ONNX standard has them",
            remedy="export the network again, with a batch of 1 and the size of its training",
        ) from error
    _, *sides = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    height, width = sides[1:] if layout == "NCHW" else sides[:2]
    shape = (height, width, channels)
    one = _answers(forms[1], np.zeros((1, *shape), np.float32))
    loops = tuple(node.op_type for node in model.graph.node if node.op_type in ("Loop", "Scan"))
    return DirectOnnx(
        data=forms[0],
        plain=forms[1],
        shape=shape,
        classes=one.shape[1],
        notes=notes,
        loops=loops,
    )


def _of_opset(core: Any, opset: int) -> tuple[Any, tuple[str, ...]]:
    own = next(entry.version for entry in core.opset_import if not entry.domain)
    if own >= opset:
        model = onnx.ModelProto()
        model.CopyFrom(core)
        if own == opset:
            return model, ()
        note = (
            f"the ONNX files keep the source's opset {own}, where {opset} was asked for: "
            "operators are not taken back to earlier versions"
        )
        return model, (note,)
    try:
        return onnx.version_converter.convert_version(core, opset), ()
    except Exception as error:
        raise ConversionError(
            f"the network's operators of opset {own} cannot be said in opset {opset}",
            observed=reason_of(error),
            expected=f"operators that onnx's version converter brings to opset {opset}",
            remedy=f"export the network again with opset_version={opset}",
        ) from error


def _put_in_front(graph: Any, layout: str, channels: int, input_range: str, *, fold: bool) -> None:
    """Put in front of a graph what brings raw pixels to its input, in place."""
    start = start_of(graph, layout, channels)
    scale, offset = (np.broadcast_to(part, channels) for part in affine_of(input_range))
    gone = start.nodes if fold else []
    end = start.end if fold else graph.input[0].name
    order = start.permutation if fold else FROM_NHWC[layout]
    if fold:
        scale, offset = scale * start.scale, offset * start.scale + start.offset
    image = f"{graph.input[0].name}/raw"
    for node in gone:
        graph.node.remove(node)
    if fold and np.all(scale != 0):
        scale, offset = _fold_in_front(graph, end, order.index(3), scale, offset)
    made, name = [], image
    if order != (0, 1, 2, 3):
        made.append(onnx.helper.make_node("Transpose", [name], [f"{image}/order"], perm=order))
        name = f"{image}/order"
    shape = [1, 1, 1, 1]
    shape[order.index(3)] = channels
    for operator, values, neutral in (("Mul", scale, 1), ("Add", offset, 0)):
        if np.any(values != neutral):
            constant = add_constant(graph, f"{image}/{operator}/by", np.reshape(values, shape))
            made.append(onnx.helper.make_node(operator, [name, constant], [f"{image}/{operator}"]))
            name = f"{image}/{operator}"
    if name == image:
        made.append(onnx.helper.make_node("Identity", [name], [end]))
    else:
        made[-1].output[0] = end
    for place, node in enumerate(made):
        graph.node.insert(place, node)
    sides = [side.dim_value for side in graph.input[0].type.tensor_type.shape.dim]
    dims = dict(zip(FROM_NHWC[layout], sides, strict=True))
    graph.input[0].CopyFrom(
        onnx.helper.make_tensor_value_info(
            image, onnx.TensorProto.FLOAT, [dims[axis] for axis in range(4)]
        )
    )


def _fold_in_front(graph: Any, end: str, axis: int, scale: Any, offset: Any) -> tuple[Any, Any]:
    """Put scale and offset into the convolution that alone reads a tensor.

    Returns:
        What is left of them in front of it.
    """
    weights = constants_of(graph)
    readers = readers_of(graph).get(end, [])
    node = readers[0] if len(readers) == 1 else None
    if node is None or node.op_type != "Conv" or axis != 1 or node.input[0] != end:
        return scale, offset
    kernel = weights.get(node.input[1])
    has_bias = len(node.input) > 2 and bool(node.input[2])
    bias = weights.get(node.input[2]) if has_bias else None
    if kernel is None or (has_bias and bias is None):
        return scale, offset
    values = numpy_helper.to_array(kernel).astype(np.float64)
    group = attribute(node, "group", 1)
    outputs, each = values.shape[:2]
    # Which channel of the image each number of the kernel is multiplied with.
    source = (np.arange(outputs) // (outputs // group))[:, None] * each + np.arange(each)
    factors = scale[source]
    spread = (...,) + (None,) * (values.ndim - 2)
    scaled = values * factors[spread]
    pads = any(attribute(node, "pads", [])) or attribute(node, "auto_pad", b"NOTSET") not in (
        b"NOTSET", b"VALID",
    )  # fmt: skip
    name = node.output[0]
    if np.any(scale != 1):
        node.input[1] = add_constant(graph, f"{name}/kernel", scaled)
    if not np.any(offset != 0):
        return np.ones_like(scale), offset
    if pads:
        return np.ones_like(scale), offset / scale
    moved = (values * offset[source][spread]).reshape(outputs, -1).sum(axis=1)
    total = moved + (0.0 if bias is None else numpy_helper.to_array(bias).astype(np.float64))
    del node.input[2:]
    node.input.append(add_constant(graph, f"{name}/bias", total))
    return np.ones_like(scale), np.zeros_like(offset)


def _floats(model: Any) -> list[Any]:
    return [
        tensor
        for tensor in constants_of(model.graph).values()
        if tensor.data_type == onnx.TensorProto.FLOAT
    ]


def _change(model: Any, change: Callable[[Any], Any]) -> None:
    for tensor in _floats(model):
        value = numpy_helper.to_array(tensor)
        changed = np.asarray(change(value), np.float32)
        tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))


def _answers(data: bytes, pixels: Pixels) -> Scores:
    backend = OnnxBackend(data, threads=1, min_runtime={})
    rows = [backend.run(image[np.newaxis].astype(np.float32)) for image in pixels]
    return np.concatenate(rows).astype(np.float32, copy=False)
