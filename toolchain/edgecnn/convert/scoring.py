"""The float model's own answers, in float32 TensorFlow: what every artifact is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgecnn.convert.deployable import in_range
from edgecnn.convert.source_model import SourceModel
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.quiet import captured_log
from edgecnn.reference import check_scores
from edgecnn_runner.postprocess import softmax

__all__ = ["Scorer", "kind_of_scores"]

Pixels = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]

_BATCH: Final = 250
_BATCH_BYTES: Final = 64 * 2**20
_SUM_TOLERANCE: Final = 1e-3


class Scorer:
    """Scores images with a source model as it was loaded, unfolded and in batches.

    Args:
        model: The source model.
    """

    def __init__(self, model: SourceModel) -> None:
        self._batch = model.batch
        spec = tf.TensorSpec(
            (model.batch, model.height, model.width, model.channels), tf.float32, name="images"
        )
        self._function = tf.function(
            lambda images: model.call(in_range(images, model.input_range)), input_signature=[spec]
        )

    def raw(self, pixels: Pixels, *, progress: Progress = NO_PROGRESS, title: str = "") -> Scores:
        """Return what the model answers.

        Args:
            pixels: Shape (n, height, width, channels), uint8.
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
            size = self._batch or _batch_of(pixels)
            for start in range(0, len(pixels), size):
                images = pixels[start : start + size]
                parts.append(np.asarray(self._function(_as_float(images)), np.float32))
                task.advance(len(images))
        scores = np.concatenate(parts)
        check_scores(scores, model="the float model")
        return scores

    def probabilities(
        self, pixels: Pixels, kind: str, *, progress: Progress = NO_PROGRESS, title: str = ""
    ) -> Scores:
        """Return probabilities, through a softmax where the model gives logits; see ``raw``."""
        scores = self.raw(pixels, progress=progress, title=title)
        return softmax(scores) if kind == "logits" else scores


def kind_of_scores(scores: Scores) -> str:
    """Tell from a model's answers on some images what they are.

    Args:
        scores: Shape (n, classes), finite.

    Returns:
        ``probabilities`` if all are in 0..1 and each row sums to 1, else ``logits``.
    """
    in_unit = bool(np.all((scores >= 0) & (scores <= 1)))
    sums_to_one = bool(np.all(np.abs(scores.sum(axis=1) - 1) <= _SUM_TOLERANCE))
    return "probabilities" if in_unit and sums_to_one else "logits"


def _batch_of(pixels: Pixels) -> int:
    """Return how many images to score at once: fewer of large ones."""
    return min(_BATCH, max(1, _BATCH_BYTES // (4 * int(np.prod(pixels.shape[1:])))))


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
