"""A float model that answers for files which were not converted here.

It is loaded and asked as a model to convert is, and nothing is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgecnn.build.keras_settings import start_keras
from edgecnn.build.tools import tool_versions
from edgecnn.convert.source.paths import Source
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.quiet import captured_log
from edgecnn_runner.input_options import check_channels
from edgecnn_runner.postprocess import softmax

if TYPE_CHECKING:
    from edgecnn.convert.scoring import FloatScorer
    from edgecnn.convert.source.model import SourceModel


class ReferenceModel:
    """A Keras model or a SavedModel in float32 TensorFlow, as something to compare with.

    Args:
        source: The model; without an ``input_range``, ``otherwise`` is used.
        otherwise: The range for a model that is not known to normalize its input itself, where
            the source names none.

    Attributes:
        input_range: What pixels are brought to, see ``contract.InputSpec``.
        normalizes: Whether the model normalizes raw pixels itself, as its graph says.
        size: Height, width (None where it takes any) and channels.
        classes: Number of scores.
        output_kind: ``probabilities`` or ``logits``; None before the first scores, where only
            those tell.
        runtime: What computes the scores, with its version.

    Raises:
        SourceModelError: If it cannot be loaded, or is no image classifier.
        UsageError: If the source names a range that the model's own arithmetic contradicts, or the
            range is one of colours and the model takes greyscale.
    """

    def __init__(self, source: Source, *, otherwise: str) -> None:
        with captured_log():
            start_keras()
            from edgecnn.convert.source.model import load_source

            model = load_source(source, otherwise=otherwise)
        check_channels(source.path, model.input_range, model.channels)
        self.normalizes = model.normalizes
        self._model: SourceModel = model
        self._scorer: FloatScorer | None = None
        self.input_range = model.input_range
        self.size = (model.height, model.width, model.channels)
        self.classes = model.classes
        self.output_kind = model.output_kind
        framework = "tensorflow" if model.onnx is None else "onnxruntime"
        self.runtime = f"{framework} {tool_versions(framework)[framework]}"
        if model.keras_2 is not None:
            self.runtime += f", tf_keras {model.keras_2}"

    def scores(
        self,
        pixels: npt.NDArray[np.uint8],
        *,
        input_range: str | None = None,
        progress: Progress = NO_PROGRESS,
    ) -> npt.NDArray[np.float32]:
        """Return the probabilities of images.

        Args:
            pixels: Shape (n, height, width, channels), uint8, of the model's size.
            input_range: Another range than the model's, to see whether it fits better.
            progress: Shows images.

        Returns:
            float32, shape (n, classes).

        Raises:
            ScoreError: If any score is NaN or infinite.
            SourceModelError: If the scores are neither probabilities nor logits.
        """
        with captured_log():
            from edgecnn.convert.scoring import FloatScorer, kind_of_scores

            if self._scorer is None:
                # Kept: TensorFlow takes longer to make one than to score some images.
                self._scorer = FloatScorer(self._model)
            title = "reference" if input_range is None else ""
            raw = self._scorer.raw(pixels, input_range=input_range, progress=progress, title=title)
            if self.output_kind is None:
                self.output_kind = kind_of_scores(raw, self._model.computes)
        return softmax(raw) if self.output_kind == "logits" else raw
