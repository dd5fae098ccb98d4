"""The runner in three lines of somebody's own program.

from edgecnn_runner import Classifier
classifier = Classifier("model.tflite")
print(classifier.classify("photo.jpg").label)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgecnn_runner.contract import Contract
from edgecnn_runner.errors import ImageError
from edgecnn_runner.images.preprocess import prepare_for
from edgecnn_runner.postprocess import decide, rank
from edgecnn_runner.session import Session

if TYPE_CHECKING:
    import numpy.typing as npt

UNKNOWN: Final = "unknown"
"""The label of an image whose best score is below ``reject_below``."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One class and its probability."""

    label: str
    score: float
    index: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a classifier says about one image.

    Attributes:
        label: The best class's, or ``unknown`` if it was rejected.
        score: The best class's probability, also if it was rejected.
        index: The best class's index; None if it was rejected.
        ranked: The best classes, best first.
    """

    label: str
    score: float
    index: int | None
    ranked: tuple[Score, ...]

    @property
    def rejected(self) -> bool:
        """Whether the best score was below the limit."""
        return self.index is None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {**asdict(self), "ranked": [asdict(score) for score in self.ranked]}


class Classifier:
    """A model file that classifies images of any size. Not for several threads at once.

    While it loads a TFLite file, in a process of one thread, lines that begin with ``INFO: `` are
    kept from standard error (file descriptor 2): TFLite announces its delegate there. In a process
    of several threads the descriptor is left alone.

    Args:
        path: A ``.tflite`` or ``.onnx`` file.
        labels: Class names in output order; only for a file that edgecnn did not make.
        input_range: A key of ``contract.INPUT_RANGES``, or what ``contract.mean_std_range`` makes
            of a mean and a deviation; likewise.
        threads: At least 1.
        runtime: ``litert``, ``tflite-runtime``, ``onnxruntime``; None for the best installed.
        output_kind: ``probabilities`` or ``logits``; only for a file that edgecnn did not make,
            and whose answers do not tell.
        layout: ``NHWC`` or ``NCHW``; only for a file that edgecnn did not make, and whose input's
            shape does not tell.
        resize: How images were brought to its size in training: what ``contract.resize_name``
            makes of a fit and a filter; only for a file that edgecnn did not make. None is the
            project's own rule, a centre crop and a box average.

    Attributes:
        session: The loaded model.

    Raises:
        EdgeError: As ``Session.open`` and ``foreign.foreign_contract``.
    """

    def __init__(
        self,
        path: str | Path,
        labels: Sequence[str] | None = None,
        input_range: str | None = None,
        threads: int = 1,
        runtime: str | None = None,
        output_kind: str | None = None,
        layout: str | None = None,
        resize: str | None = None,
    ) -> None:
        if (labels, input_range, output_kind, layout, resize) == (None,) * 5:
            self.session = Session.open(path, threads=threads, runtime=runtime)
        else:
            from edgecnn_runner.foreign import open_foreign

            self.session = open_foreign(
                path,
                labels=labels,
                input_range=input_range,
                output_kind=output_kind,
                layout=layout,
                resize=resize,
                threads=threads,
                runtime=runtime,
            )

    @property
    def contract(self) -> Contract:
        """How the file is fed and read; its labels, for one."""
        return self.session.contract

    def classify(
        self,
        image: str | Path | bytes | npt.NDArray[np.uint8],
        top: int = 5,
        reject_below: float = 0.0,
    ) -> Result:
        """Classify one image.

        Args:
            image: A path, the bytes of an image file, or an array: (height, width, 3) RGB,
                (height, width) or (height, width, 1) greyscale, uint8, of any size.
            top: How many classes to rank.
            reject_below: The label is ``unknown`` if the best probability is below this.

        Returns:
            The label, its score, and the ranking.

        Raises:
            ImageError: If the image cannot be read or is not 8 bits a channel.
            ScoreError: If the model answers with NaN or infinity.
        """
        labels = self.contract.labels
        scores = self.session.scores(prepare_for(self.contract, _as_rgb(image)))
        best = decide(scores, reject_below)
        ranked = tuple(
            Score(label=labels[index], score=float(scores[index]), index=int(index))
            for index in rank(scores, max(1, top))
        )
        return Result(
            label=UNKNOWN if best is None else labels[best],
            score=ranked[0].score,
            index=best,
            ranked=ranked[:top],
        )

    def close(self) -> None:
        """Free the model."""
        self.session.close()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _as_rgb(image: str | Path | bytes | npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if not isinstance(image, np.ndarray):
        # Imported here: who classifies arrays, from a camera for one, needs no Pillow.
        from edgecnn_runner.images.decode import read_image

        return read_image(image)
    if image.dtype != np.uint8:
        raise ImageError(
            "an image array must hold bytes",
            observed=str(image.dtype),
            expected="uint8, 0 to 255",
            remedy="scale it to 0..255 and convert it: (image * 255).round().astype('uint8')",
        )
    if image.ndim == 2:
        image = image[:, :, np.newaxis]
    if image.ndim == 3 and image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    return image
