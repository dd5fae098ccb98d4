"""The function that is converted: one raw image in, the scores of one image out.

It differs from the source model in four ways, none of which changes a score beyond rounding:
the batch is 1 (a batch left open makes converters add SHAPE, STRIDED_SLICE and PACK), the input
is raw pixels 0..255 (so that nobody normalizes twice or not at all), all floats are float32
(``single_precision``), and the arithmetic of the normalization sits in the first kernel where it
can (``folding``). The source model is untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgecnn.convert.graph.constants import (
    Frozen,
    constant_node,
    constant_value,
    frozen_graph,
    input_name,
    producer,
)
from edgecnn.convert.graph.editor import LINEAR
from edgecnn.convert.graph.folding import Folding, fold
from edgecnn.convert.graph.sensitivity import (
    clipped,
    largest_magnitude,
    last_bits_moved,
    share_changed,
)
from edgecnn.convert.reasons import reason_of
from edgecnn.convert.source.library import define_functions
from edgecnn.convert.source.loops import loops_of
from edgecnn.errors import SourceModelError
from edgecnn_runner.contract import affine_of

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]

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
        frozen: The source model as one float32 graph, before anything was folded; None once it
            has been compared with, since it holds the weights once more.
        loops: Names of its loops, as the source model has them.
    """

    function: Any  # TensorFlow ships no types
    shape: tuple[int, int, int]
    classes: int
    folding: Folding
    largest_weight: float
    computes: str
    frozen: Frozen | None
    loops: tuple[str, ...]

    @cached_property
    def unfolded(self) -> Any:
        """The same function before anything was folded: what folding is compared with.

        It takes and gives what ``function`` does. Made when it is first asked for.
        """
        frozen = self._compared_with()
        return _function(frozen.graph_def, frozen.output, self.shape)

    def without_source(self) -> Deployable:
        """Return the same without what only a comparison with the source model needs.

        The function is made anew: TensorFlow keeps what it compiled of one that has run, and with
        that its weights three times more.
        """
        returned = self.function.outputs[0].op
        named = returned.inputs[0].op
        output = named.inputs[0].name
        graph_def = self.function.graph.as_graph_def()
        _drop(graph_def, {returned.name, named.name, input_name(graph_def)})
        return replace(
            self,
            function=_traced(graph_def, [INPUT_NAME], output, [_spec(self.shape)]),
            frozen=None,
        )

    def _compared_with(self) -> Frozen:
        if self.frozen is None:
            raise ValueError("this function was made without what it is compared with")
        return self.frozen

    def with_inputs(self, graph_def: Any, inputs: Sequence[Any]) -> Any:
        """Make a function like ``function`` of a graph that takes some of its weights as inputs.

        Args:
            graph_def: The graph of ``function``, with a placeholder for each of these weights.
            inputs: Their TensorSpecs, named as the placeholders.

        Returns:
            A concrete function of the image and these weights, in this order, to the scores.
        """
        return _function(graph_def, self.function.outputs[0].name, self.shape, inputs)

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
            if node.op == "Const" and (size := largest_magnitude(constant_value(node))) > limit:
                largest = max(largest, size)
                value = constant_value(node)
                node.CopyFrom(constant_node(node.name, clipped(value, limit).astype(value.dtype)))
        if not largest:
            return 0.0, 0.0
        changed = _function(graph_def, self.function.outputs[0].name, self.shape)
        return largest, share_changed(
            self.shape, self.scores, lambda pictures: self._answers(changed, pictures)
        )

    def rounded_otherwise(self, pixels: Pixels) -> Scores:
        """Compute the scores of images with each weight moved by its last bit, up or down.

        How far they are from those of ``unfolded`` says what rounding alone makes of the network:
        one that cancels large values, or whose averages are of few images, multiplies it.

        Args:
            pixels: Shape (n, height, width, channels), 0..255; uint8 or float32.

        Returns:
            float32, shape (n, classes).
        """
        frozen = self._compared_with()
        graph_def = tf.compat.v1.GraphDef()
        graph_def.CopyFrom(frozen.graph_def)
        random = np.random.default_rng(0)
        for node in graph_def.node:
            if node.op != "Const":
                continue
            value = constant_value(node)
            if value.dtype == np.float32 and value.ndim:
                node.CopyFrom(constant_node(node.name, last_bits_moved(value, random)))
        return self._answers(_function(graph_def, frozen.output, self.shape), pixels)

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
    """Keep TensorFlow from rewriting functions before they run.

    It fuses a grouped convolution with what follows it, and then cannot compute that on a CPU
    without AVX-512. And each rewriting copies all weights.
    """
    before = tf.config.optimizer.get_experimental_options()
    ours = {"remapping": False, "disable_meta_optimizer": True}
    tf.config.optimizer.set_experimental_options({**before, **ours})
    try:
        yield
    finally:
        usual = {name: not value for name, value in ours.items()}
        restored = {**usual, **before}
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
    call: Callable[[Any], Any],
    *,
    shape: tuple[int, int, int],
    input_range: str,
    raw: Frozen | None = None,
) -> Deployable:
    """Make the function to convert.

    Args:
        call: The source model: float32 NHWC in ``input_range`` to scores (n, classes).
        shape: Height, width and channels of one image.
        input_range: What ``call`` wants pixels brought to.
        raw: What ``frozen_call`` made of ``call`` for images of this shape that are not brought to
            any range, where that was done before; it is used up.

    Returns:
        The function; see ``Deployable``.

    Raises:
        SourceModelError: If a weight is not finite, or the graph does more than compute.
    """
    scale, offset = (np.asarray(values, np.float32) for values in affine_of(input_range))
    is_raw = bool(np.all(scale == 1) and np.all(offset == 0))
    if raw is None or (raw.bytes_only and not is_raw):
        frozen = frozen_call(call, shape=shape, input_range=input_range)
    else:
        frozen = raw if is_raw else raw.fed(scale, offset)
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


def _function(
    graph_def: Any, output: str, shape: tuple[int, int, int], inputs: Sequence[Any] = ()
) -> Any:
    """Return a frozen graph as a concrete function of one image, and of further inputs."""
    ends = [input_name(graph_def), *(spec.name for spec in inputs)]
    body = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    body.node.extend(node for node in graph_def.node if node.name not in ends)
    return _traced(body, ends, output, [_spec(shape), *inputs])


def _drop(graph_def: Any, names: set[str]) -> None:
    """Take nodes out of a graph, in place: a copy would hold all weights once more."""
    for place in reversed(range(len(graph_def.node))):
        if graph_def.node[place].name in names:
            del graph_def.node[place]


def _traced(body: Any, ends: list[str], output: str, signature: list[Any]) -> Any:
    """Return a graph without its placeholders, the ``ends``, as a concrete function of them."""
    define_functions(body)

    def imported(*tensors: Any) -> Any:
        scores = tf.graph_util.import_graph_def(
            body,
            dict(zip(ends, tensors, strict=True)),
            return_elements=[_tensor(output)],
            name="",
        )[0]
        if scores.shape.rank == 2 and scores.shape[0] is None:
            # The functions of a loop keep the open batch that they were traced with.
            scores = tf.reshape(scores, (1, scores.shape[1] or -1))
        return tf.identity(scores, name=OUTPUT_NAME)

    try:
        # Without autograph, which would wrap what TensorFlow says in a stack of its own.
        traced = tf.function(imported, input_signature=signature, autograph=False)
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
    # Without autograph, as Keras itself traces what it exports: TensorFlow would rewrite the Python
    # of every layer, which takes longer than all else.
    traced = tf.function(
        lambda image: call(in_range(image, input_range)),
        input_signature=[_spec(shape)],
        autograph=False,
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
    values = (constant_value(nodes[name]) for name in sorted(read) if nodes[name].op == "Const")
    return max((largest_magnitude(value) for value in values), default=0.0)


def _tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"
