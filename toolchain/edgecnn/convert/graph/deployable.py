"""The function that is converted: one raw image in, the scores of one image out.

It differs from the source model in four ways, none of which changes a score beyond rounding:
the batch is 1 (a batch left open makes converters add SHAPE, STRIDED_SLICE and PACK), the input
is raw pixels 0..255 (so that nobody normalizes twice or not at all), all floats are float32
(``single_precision``), and the arithmetic of the normalization sits in the first kernel where it
can (``folding``). The source model is untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgecnn.convert.graph.constants import (
    Array,
    Frozen,
    constant_node,
    constant_value,
    frozen_graph,
    input_name,
    producer,
)
from edgecnn.convert.graph.editor import LINEAR
from edgecnn.convert.graph.folding import Folding, fold
from edgecnn.convert.reasons import reason_of
from edgecnn.convert.source.library import define_functions
from edgecnn.convert.source.loops import loops_of
from edgecnn.data.patterns import patterns
from edgecnn.errors import SourceModelError
from edgecnn_runner.contract import affine_of

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]

_PICTURES: Final = 20
_TINY: Final = float(np.finfo(np.float32).tiny)

INPUT_NAME = "image"
OUTPUT_NAME = "scores"


@dataclass(frozen=True, kw_only=True, eq=False)
class Deployable:
    """One function, shared by all variants.

    Attributes:
        function: A concrete function from ``image``, float32 (1, height, width, channels), raw
            0..255, to ``scores``, float32 (1, classes). It holds its weights as constants.
        shape: Height, width and channels.
        classes: Number of scores.
        folding: What became of the normalization.
        largest_weight: Largest magnitude among the constants that convolutions, matrix products,
            biases and recurrent layers read.
        computes: The coarsest type that the source model computes in: ``float32``, or
            ``bfloat16``, ``float16`` or ``float64``, which are float32 in the function.
        frozen: The source model as one float32 graph, before anything was folded.
        loops: Names of its loops, as the source model has them.
    """

    function: Any  # TensorFlow ships no types
    shape: tuple[int, int, int]
    classes: int
    folding: Folding
    largest_weight: float
    computes: str
    frozen: Frozen
    loops: tuple[str, ...]

    @cached_property
    def unfolded(self) -> Any:
        """The same function before anything was folded: what folding is compared with.

        It takes and gives what ``function`` does. Made when it is first asked for.
        """
        return _function(self.frozen.graph_def, self.frozen.output, self.shape)

    def clipping(self, limit: float) -> tuple[float, float]:
        """Measure what it does to the scores if constants are clipped, as float16 clips them.

        Args:
            limit: Largest magnitude that is left.

        Returns:
            The largest magnitude of a constant, and by how much scores change on generated
            pictures, as a share of the largest score; 0 if no constant is beyond the limit.
        """
        graph_def = self.function.graph.as_graph_def()
        largest = 0.0
        for node in graph_def.node:
            if node.op == "Const" and (size := _largest(constant_value(node))) > limit:
                largest = max(largest, size)
                # An infinity stays one; float16 has it, too.
                value = constant_value(node)
                clipped = np.where(np.isfinite(value), np.clip(value, -limit, limit), value)
                node.CopyFrom(constant_node(node.name, clipped.astype(value.dtype)))
        if not largest:
            return 0.0, 0.0
        pictures = patterns(_PICTURES, shape=self.shape, seed=0)
        changed = _function(graph_def, self.function.outputs[0].name, self.shape)
        scores = self.scores(pictures)
        difference = np.abs(self._answers(changed, pictures) - scores).max()
        return largest, float(difference / max(float(np.abs(scores).max()), _TINY))

    def rounded_otherwise(self, pixels: Pixels) -> Scores:
        """Compute the scores of images with each weight moved by its last bit, up or down.

        How far they are from those of ``unfolded`` says what rounding alone makes of the network:
        one that cancels large values, or whose averages are of few images, multiplies it.

        Args:
            pixels: Shape (n, height, width, channels), 0..255; uint8 or float32.

        Returns:
            float32, shape (n, classes).
        """
        graph_def = tf.compat.v1.GraphDef()
        graph_def.CopyFrom(self.frozen.graph_def)
        random = np.random.default_rng(0)
        for node in graph_def.node:
            if node.op != "Const":
                continue
            value = constant_value(node)
            if value.dtype == np.float32 and value.ndim:
                away = np.where(random.random(value.shape) < 0.5, np.inf, -np.inf)
                moved = np.nextafter(value, away.astype(np.float32))
                moved[value == 0] = 0  # a zero is exact
                node.CopyFrom(constant_node(node.name, moved))
        return self._answers(_function(graph_def, self.frozen.output, self.shape), pixels)

    def scores(self, pixels: Pixels, *, folded: bool = True) -> Scores:
        """Compute the scores of images in TensorFlow, one by one as a device does.

        Args:
            pixels: Shape (n, height, width, channels), 0..255; uint8 or float32.
            folded: False to ask ``unfolded``.

        Returns:
            float32, shape (n, classes).
        """
        return self._answers(self.function if folded else self.unfolded, pixels)

    def _answers(self, function: Any, pixels: Pixels) -> Scores:
        scores = np.empty((len(pixels), self.classes), np.float32)
        with _operators_as_they_are():
            for index, image in enumerate(pixels):
                scores[index] = function(tf.constant(image[np.newaxis], tf.float32)).numpy()[0]
        return scores


@contextmanager
def _operators_as_they_are() -> Iterator[None]:
    """Keep TensorFlow from fusing operators while functions run.

    It fuses a grouped convolution with what follows it, and then cannot compute that on a CPU
    without AVX-512.
    """
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({**before, "remapping": False})
    try:
        yield
    finally:
        restored = {**before, "remapping": before.get("remapping", True)}
        tf.config.optimizer.set_experimental_options(restored)


def in_range(images: Any, input_range: str) -> Any:
    """Bring raw pixels to the range a model was trained on.

    Args:
        images: Tensor, float32, NHWC, 0..255.
        input_range: That range, for example ``-1..1``.

    Returns:
        ``pixel * scale + offset``, per channel; the same tensor for ``0..255``.
    """
    scale, offset = (np.asarray(values, np.float32) for values in affine_of(input_range))
    if np.any(scale != 1):
        images = images * scale
    return images + offset if np.any(offset != 0) else images


def deployable_of(
    call: Callable[[Any], Any], *, shape: tuple[int, int, int], input_range: str
) -> Deployable:
    """Make the function to convert.

    Args:
        call: The source model: float32 NHWC in ``input_range`` to scores (n, classes).
        shape: Height, width and channels of one image.
        input_range: What ``call`` wants pixels brought to.

    Returns:
        The function; see ``Deployable``.

    Raises:
        SourceModelError: If a weight is not finite, or the graph does more than compute.
    """
    frozen = frozen_call(call, shape=shape, input_range=input_range)
    graph_def, output, folding = fold(frozen.graph_def, frozen.output)
    function = _function(graph_def, output, shape)
    scores_shape = function.outputs[0].shape.as_list()
    if len(scores_shape) != 2 or scores_shape[0] != 1 or not scores_shape[1]:
        raise SourceModelError(
            "the model does not answer one image with one row of scores",
            observed=f"output shape {scores_shape}",
            expected="[1, classes]",
            remedy="convert a classifier whose last layer gives one score per class",
        )
    return Deployable(
        function=function,
        shape=shape,
        classes=int(scores_shape[1]),
        folding=folding,
        largest_weight=_largest_weight(graph_def),
        computes=frozen.computes,
        frozen=frozen,
        loops=loops_of(frozen.graph_def),
    )


def _function(graph_def: Any, output: str, shape: tuple[int, int, int]) -> Any:
    """Return a frozen graph as a concrete function of one image."""
    placeholder = input_name(graph_def)
    body = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    body.node.extend(node for node in graph_def.node if node.name != placeholder)
    define_functions(body)

    def imported(image: Any) -> Any:
        scores = tf.graph_util.import_graph_def(
            body, {placeholder: image}, return_elements=[_tensor(output)], name=""
        )[0]
        if scores.shape.rank == 2 and scores.shape[0] is None:
            # The functions of a loop keep the open batch that they were traced with.
            scores = tf.reshape(scores, (1, scores.shape[1] or -1))
        return tf.identity(scores, name=OUTPUT_NAME)

    try:
        # Without autograph, which would wrap what TensorFlow says in a stack of its own.
        traced = tf.function(imported, input_signature=[_spec(shape)], autograph=False)
        return traced.get_concrete_function()
    except ValueError as error:
        raise SourceModelError(
            "the model's graph cannot be rebuilt for one image",
            observed=reason_of(error),
            expected="operators whose shapes fit a batch of one image",
            remedy="export the model again, with an input of the size that it was trained on",
        ) from error


def frozen_call(
    call: Callable[[Any], Any], *, shape: tuple[int, int, int], input_range: str
) -> Frozen:
    """Freeze a source model for one raw image, in float32, before anything is folded.

    Args:
        call: The model, called on a batch of images in its own range.
        shape: Height, width and channels of an image.
        input_range: The range of values that the model takes.

    Returns:
        The graph; see ``constants.Frozen``.

    Raises:
        SourceModelError: If TensorFlow cannot trace or freeze it.
    """
    traced = tf.function(
        lambda image: call(in_range(image, input_range)), input_signature=[_spec(shape)]
    )
    return frozen_graph(_concrete(traced))


def _spec(shape: tuple[int, int, int]) -> Any:
    return tf.TensorSpec((1, *shape), tf.float32, name=INPUT_NAME)


def _concrete(traced: Any) -> Any:
    try:
        return traced.get_concrete_function()
    except Exception as error:
        raise SourceModelError(
            "TensorFlow cannot trace the model on one image",
            observed=reason_of(error),
            expected="a model that takes a batch of one image of the data set's size",
            remedy="convert the .keras file, or export the model without its random layers",
        ) from error


# Operators whose constants are weights; a constant elsewhere may be an epsilon or a limit.
_WEIGHTED: Final = LINEAR | {
    "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "BiasAdd", "Conv2DBackpropInput", "Einsum",
    "StatelessWhile", "While",
}  # fmt: skip


def _largest_weight(graph_def: Any) -> float:
    nodes = {node.name: node for node in graph_def.node}
    read = {
        producer(tensor) for node in graph_def.node if node.op in _WEIGHTED for tensor in node.input
    }
    values = [constant_value(nodes[name]) for name in sorted(read) if nodes[name].op == "Const"]
    return max((_largest(value) for value in values), default=0.0)


def _largest(value: Array) -> float:
    """Return the largest finite magnitude of real numbers; 0 if there are none."""
    if not np.issubdtype(value.dtype, np.floating):
        return 0.0
    finite = np.abs(value[np.isfinite(value)])
    return float(finite.max()) if finite.size else 0.0


def _tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"
