"""The function that is converted: one raw image in, the scores of one image out.

It differs from the source model in three ways, none of which changes a score beyond rounding:
the batch is 1 (a batch left open makes converters add SHAPE, STRIDED_SLICE and PACK), the input
is raw pixels 0..255 (so that nobody normalizes twice or not at all), and the arithmetic of the
normalization sits in the first kernel where it can (``folding``). The source model is untouched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from edgecnn.convert.constants import constant_value, frozen_graph, input_name
from edgecnn.convert.folding import Folding, fold
from edgecnn.convert.keras_model import first_lines
from edgecnn.errors import SourceModelError
from edgecnn_runner.contract import affine_of

__all__ = ["INPUT_NAME", "OUTPUT_NAME", "Deployable", "deployable_of", "frozen_call", "in_range"]

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
        largest_weight: Largest magnitude among the weights.
    """

    function: Any  # TensorFlow ships no types
    shape: tuple[int, int, int]
    classes: int
    folding: Folding
    largest_weight: float


def in_range(images: Any, input_range: str) -> Any:
    """Bring raw pixels to the range a model was trained on.

    Args:
        images: Tensor, float32, NHWC, 0..255.
        input_range: See ``edgecnn_runner.contract.InputSpec``.

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
    graph_def, output, folding = fold(*frozen_call(call, shape=shape, input_range=input_range))
    placeholder = input_name(graph_def)
    body = tf.compat.v1.GraphDef(versions=graph_def.versions)
    body.node.extend(node for node in graph_def.node if node.name != placeholder)

    def imported(image: Any) -> Any:
        scores = tf.graph_util.import_graph_def(
            body, {placeholder: image}, return_elements=[_tensor(output)], name=""
        )[0]
        return tf.identity(scores, name=OUTPUT_NAME)

    function = tf.function(imported, input_signature=[_spec(shape)]).get_concrete_function()
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
        largest_weight=_largest_weight(body),
    )


def frozen_call(
    call: Callable[[Any], Any], *, shape: tuple[int, int, int], input_range: str
) -> tuple[Any, str]:
    """Freeze a source model for one raw image, before anything is folded.

    Args:
        call: See ``deployable_of``.
        shape: See ``deployable_of``.
        input_range: See ``deployable_of``.

    Returns:
        See ``constants.frozen_graph``.

    Raises:
        SourceModelError: See ``deployable_of``.
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
            observed=first_lines(error),
            expected="a model that takes a batch of one image of the data set's size",
            remedy="convert the .keras file, or export the model without its random layers",
        ) from error


def _largest_weight(graph_def: Any) -> float:
    values = [constant_value(node) for node in graph_def.node if node.op == "Const"]
    reals = [value for value in values if np.issubdtype(value.dtype, np.floating) and value.size]
    return max((float(np.abs(value[np.isfinite(value)]).max()) for value in reals), default=0.0)


def _tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"
