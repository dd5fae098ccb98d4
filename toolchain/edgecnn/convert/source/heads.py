"""Reads what a classifier ends with, and brings its answers to one score for each class.

A network of two classes may answer with one number: a probability, behind a sigmoid, or a logit.
Then the files answer with two, in the order of the labels, by one matrix product behind the
network: of a probability p they give ``[1 - p, p]``; of a logit z ``[-z / 2, z / 2]``, whose
softmax is ``[1 - sigmoid(z), sigmoid(z)]``. A network may also give its scores in more axes than
two, all but one of them 1. What answers each label by itself is no classifier of one class, and is
refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.errors import SourceModelError, some_of

_WANTED: Final = "one output of scores (batch, classes), or one number (batch, 1) for two classes"
_REMEDY: Final = "convert an image classifier with " + _WANTED

# What a last operator is called in each library, in lower case without underscores.
_SIGMOID: Final = "sigmoid"
_SOFTMAX: Final = "softmax"
_LOG_SOFTMAX: Final = "logsoftmax"
# Behind these one number is neither a probability nor a logit.
_BOUNDED: Final = frozenset({
    "elu", "exp", "gelu", "hardsigmoid", "hardtanh", "leakyrelu", "logsigmoid", "prelu", "relu",
    "relu6", "selu", "silu", "softplus", "softsign", "swish", "tanh",
})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Head:
    """How the scores of a classifier are read.

    Attributes:
        classes: Number of classes, at least 2.
        units: Numbers that the network itself answers with: ``classes``, or 1.
        kind: ``probabilities`` or ``logits``; None if it has to be measured. Log-probabilities are
            logits: a softmax makes probabilities of them.
        name: For a manifest: ``softmax``, ``log_softmax``, ``sigmoid``, ``logit``, or empty if the
            network's end tells nothing.
    """

    classes: int
    units: int
    kind: str | None
    name: str = ""

    @property
    def matrix(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None:
        """What brings one number to two scores: a matrix (1, 2) and a bias (2,); else None."""
        if self.units > 1:
            return None
        if self.kind == "probabilities":
            return np.array([[-1, 1]], np.float32), np.array([1, 0], np.float32)
        return np.array([[-0.5, 0.5]], np.float32), np.zeros(2, np.float32)

    def scores(self, found: npt.NDArray[Any], images: int) -> npt.NDArray[np.float32]:
        """Bring a network's answers to one score for each class.

        Args:
            found: Any shape with ``units`` numbers for each image.
            images: How many images it answers.

        Returns:
            Shape (images, classes).

        Raises:
            SourceModelError: If there are more or fewer numbers.
        """
        if found.size != images * self.units:
            raise no_scores(f"output of shape {found.shape} for {images} images")
        rows = found.reshape(images, self.units).astype(np.float32)
        if self.matrix is None:
            return rows
        matrix, bias = self.matrix
        return np.asarray(rows @ matrix + bias, np.float32)

    def traced(self, call: Callable[[Any], Any], rank: int) -> Callable[[Any], Any]:
        """Return a call of TensorFlow that answers with one score for each class.

        Args:
            call: A batch of images to scores.
            rank: Axes of those scores.
        """
        if rank == 2 and self.matrix is None:
            return call
        import tensorflow as tf

        def scores(images: Any) -> Any:
            rows = call(images)
            if rank != 2:
                rows = tf.reshape(rows, (-1, self.units))
            if self.matrix is None:
                return rows
            matrix, bias = self.matrix
            return tf.nn.bias_add(tf.matmul(rows, tf.constant(matrix)), tf.constant(bias))

        return scores

    def note(self, labels: Sequence[str]) -> str | None:
        """Say what was made of a single number; None where there was nothing to do.

        Args:
            labels: The names of the classes, in output order.
        """
        if self.units > 1:
            return None
        first, second = labels
        if self.kind == "probabilities":
            return (
                f"the model answers with one probability, which was taken as that of {second!r}; "
                f"the files answer with two: what is left to 1 is {first!r}"
            )
        return (
            f"the model answers with one number without a sigmoid, which was taken as the logit of "
            f"{second!r} against {first!r}; the files answer with a score for each"
        )


def head_of(units: int, activation: str | None) -> Head:
    """Tell how scores are read, by how many there are and what makes them.

    Args:
        units: Numbers that the network answers an image with.
        activation: Name of its last activation or operator, in any library's spelling; None or
            empty if unknown.

    Returns:
        The head.

    Raises:
        SourceModelError: If each label is answered by itself, or a single number is neither a
            probability nor a logit.
    """
    name = (activation or "").lower().replace("_", "")
    if units < 1:
        raise no_scores("output of unknown size")
    if units == 1:
        if name == _SIGMOID:
            return Head(classes=2, units=1, kind="probabilities", name="sigmoid")
        if name in (_SOFTMAX, _LOG_SOFTMAX):
            raise SourceModelError(
                "the model answers every image alike: a softmax over one number is always 1",
                observed=f"one number, behind a {activation}",
                expected="a sigmoid behind one number, or a softmax over at least two",
                remedy="train it with a sigmoid, or with two outputs",
            )
        if name in _BOUNDED:
            raise SourceModelError(
                "the model answers with one number that is neither a probability nor a logit",
                observed=f"one number, behind a {activation}",
                expected="one number behind a sigmoid, or behind no activation",
                remedy="convert a classifier; this may be a model that estimates a quantity",
            )
        return Head(classes=2, units=1, kind="logits", name="logit")
    if name == _SIGMOID:
        raise multi_label()
    kinds = {_SOFTMAX: ("probabilities", "softmax"), _LOG_SOFTMAX: ("logits", "log_softmax")}
    kind, said = kinds.get(name, (None, ""))
    return Head(classes=units, units=units, kind=kind, name=said)


def units_of(shapes: Sequence[tuple[int | None, ...]]) -> int:
    """Return how many numbers a model answers an image with, by the shapes of its outputs.

    Args:
        shapes: Of each output; None where a side is open.

    Returns:
        At least 1.

    Raises:
        SourceModelError: If it has several outputs, or answers with something else than a list.
    """
    if len(shapes) != 1:
        raise no_scores(f"{len(shapes)} outputs: {some_of(shapes)}")
    (shape,) = shapes
    sides = shape[1:]
    if len(shape) == 1:
        # The batch alone, with one number each; or the scores alone, of the one image it takes.
        sides = (1,) if shape[0] is None else shape
    if not shape or None in sides:
        raise no_scores(f"output {shape}")
    known = [side for side in sides if side is not None]
    if math.prod(known) != max(known, default=1) or min(known, default=1) < 1:
        raise no_scores(f"output {shape}")
    return max(known, default=1)


def no_scores(observed: str) -> SourceModelError:
    """Return the error about answers that are no list of scores."""
    return SourceModelError(
        "the model does not answer with one score per class",
        observed=observed,
        expected=_WANTED,
        remedy=_REMEDY,
    )


def multi_label() -> SourceModelError:
    """Return the error about a sigmoid over several classes."""
    return SourceModelError(
        "the model's last activation is a sigmoid: it answers each label by itself",
        observed="sigmoid over several outputs, whose scores need not add up to 1",
        expected="a softmax, or logits, over classes of which one is right; or a sigmoid over one "
        "output, for two classes",
        remedy="convert a single-label classifier",
    )
