"""Scores images with the float model itself, in its own framework and precision.

These scores are the reference that every artifact is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgecnn.build.reference import check_scores, images_at_once
from edgecnn.build.verdict import Ask
from edgecnn.convert.graph.deployable import in_range
from edgecnn.convert.source.model import SourceModel
from edgecnn.errors import SourceModelError
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.quiet import captured_log
from edgecnn_runner.postprocess import softmax

Pixels = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]

_RAW: Final = "0..255"
# How far a softmax may be from a sum of 1: it is rounded in the type that the model computes in.
_SUM_TOLERANCE: Final = {"float32": 1e-3, "float64": 1e-3, "float16": 1e-2, "bfloat16": 5e-2}


class FloatScorer:
    """Scores images with a source model as it was loaded, unfolded and in batches.

    Args:
        model: The source model.
        call: ``model.call``, or ``model.float32`` for the same model under float32.
    """

    def __init__(self, model: SourceModel, call: Callable[[Any], Any] | None = None) -> None:
        self._batch, self._range = model.batch, model.input_range
        ask = model.call if call is None else call
        spec = tf.TensorSpec(
            (model.batch, model.height, model.width, model.channels), tf.float32, name="images"
        )

        def traced(answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
            if call is None and not model.call_is_traceable:
                return answer
            # Without autograph, as Keras's own ``predict`` and ``export`` do it.
            function: Callable[[Any], Any] = tf.function(
                answer, input_signature=[spec], autograph=False
            )
            return function

        # TensorFlow traces a function when it is first called, which takes seconds for a deep
        # network: one for the model's own range, and one for all the others.
        self._function = traced(lambda images: ask(in_range(images, model.input_range)))
        raw = model.input_range == _RAW
        self._of_any_range = self._function if raw else traced(lambda images: ask(images))

    def raw(
        self,
        pixels: Pixels,
        *,
        input_range: str | None = None,
        progress: Progress = NO_PROGRESS,
        title: str = "",
    ) -> Scores:
        """Return what the model answers.

        Args:
            pixels: Shape (n, height, width, channels), uint8.
            input_range: Another range that they are brought to, to see whether it fits better.
            progress: Gets one task of n steps if ``title`` is given.
            title: What the task is called.

        Returns:
            Shape (n, classes), float32: probabilities or logits, whatever the model gives.

        Raises:
            ScoreError: If any score is NaN or infinite.
        """
        shown = progress if title else NO_PROGRESS
        parts = []
        with captured_log(), _full_float32(), shown.task(title, len(pixels)) as task:
            size = self._batch or images_at_once(pixels.shape[1:])
            for start in range(0, len(pixels), size):
                images = pixels[start : start + size]
                parts.append(np.asarray(self._asked(_as_float(images), input_range), np.float32))
                task.advance(len(images))
        scores = np.concatenate(parts)
        check_scores(scores, model="the float model")
        return scores

    def _asked(self, images: Any, input_range: str | None) -> Any:
        if input_range in (None, self._range):
            return self._function(images)
        return self._of_any_range(in_range(images, str(input_range)))

    def probabilities(
        self, pixels: Pixels, kind: str, *, progress: Progress = NO_PROGRESS, title: str = ""
    ) -> Scores:
        """Return probabilities, through a softmax where the model gives logits; see ``raw``."""
        scores = self.raw(pixels, progress=progress, title=title)
        return softmax(scores) if kind == "logits" else scores


def asking(model: SourceModel, scorer: FloatScorer) -> Ask:
    """Return what asks a model for its probabilities, in any range: ``edgecnn.build.verdict.Ask``.

    Args:
        model: The source model. What its scores are is told from the first that are asked for.
        scorer: Scores images with it.
    """
    kind = model.output_kind

    def ask(pixels: Pixels, input_range: str) -> Scores:
        nonlocal kind
        raw = scorer.raw(pixels, input_range=input_range)
        kind = kind or kind_of_scores(raw, model.computes)
        return softmax(raw) if kind == "logits" else raw

    return ask


def kind_of_scores(scores: Scores, computes: str = "float32") -> str:
    """Tell from a model's answers on some images what they are.

    Args:
        scores: Shape (n, classes), finite.
        computes: The type that they were computed in; see ``SourceModel``.

    Returns:
        ``probabilities`` if all are in 0..1 and each row sums to 1, ``logits`` if not all are in
        0..1.

    Raises:
        SourceModelError: If all are in 0..1 and do not sum to 1, as a sigmoid's: a softmax over
            them would be neither the model's answer nor a probability.
    """
    sums = scores.sum(axis=1)
    if not np.all((scores >= 0) & (scores <= 1)):
        return "logits"
    if np.all(np.abs(sums - 1) <= _SUM_TOLERANCE[computes]):
        return "probabilities"
    raise SourceModelError(
        "the model answers each label by itself, as with a sigmoid at its end",
        observed=f"scores of {len(scores)} images all in 0..1, with sums of {sums.min():.3g} to "
        f"{sums.max():.3g}",
        expected="a softmax, or logits, over classes of which one is right",
        remedy="convert a single-label classifier, or the model without its last activation",
    )


def _as_float(images: Pixels) -> Any:
    return tf.constant(images, tf.float32)


@contextmanager
def _full_float32() -> Iterator[None]:
    """Keep GPUs from multiplying in TensorFloat-32, which has 10 bits of mantissa."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)
