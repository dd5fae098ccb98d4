"""Trials of files that a repair makes: the images that decide, and the judgement on them.

They are validation images, and never a test image.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.verdict import CandidateVerdict, Judge
from edgecnn.convert.files import reason_of
from edgecnn.convert.payload import Payload
from edgecnn.convert.repair.candidates import RepairCandidate
from edgecnn.convert.repair.record import TriedFile
from edgecnn.data import Dataset, Images
from edgecnn.data.split import digest_per_image, seeded_order
from edgecnn.errors import EdgeError
from edgecnn_runner.runtimes.quiet import without_native_chatter
from edgecnn_runner.session import Session

_FEWEST, _MOST = 500, 5_000
_MACS: Final = 250e9
"""Multiply-accumulates of all the images together: some seconds for a file, of which a repair may
run eighty. A number, and no time: the same repair has to give the same files everywhere."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """Images to choose between candidates by.

    Attributes:
        split: ``validation``, or ``training`` where no validation image can be used.
        images: The images with their labels.
        digests: SHA-256 of each image's pixels.
    """

    split: str
    images: Images
    digests: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Return JSON-ready values that prove which images they were."""
        return {
            "split": self.split,
            "count": len(self.images),
            "image_sha256": list(self.digests),
        }


def choose_selection(
    dataset: Dataset, *, calibrated: Collection[str], macs: int, seed: int = 0
) -> Selection | None:
    """Choose the images.

    Args:
        dataset: Images whose pixels occur among its test images are left out.
        calibrated: Digests of calibration images, which are left out of training images.
        macs: Multiply-accumulates of one image. Of small networks up to 5,000 images are used, of
            large ones fewer, down to 500.
        seed: Of the choice, where there are more.

    Returns:
        The validation images; if all of them occur in the test, the training images that do not
        calibrate; None if there are none of these either.
    """
    most = int(min(_MOST, max(_FEWEST, _MACS // max(macs, 1))))
    test = set(digest_per_image(dataset.test.pixels))
    for split, images, unwanted in (
        ("validation", dataset.validation, test),
        ("training", dataset.train, test | set(calibrated)),
    ):
        digests = digest_per_image(images.pixels)
        order = seeded_order(images.ids, seed=seed, purpose="repair")
        chosen = sorted([index for index in order if digests[index] not in unwanted][:most])
        if chosen:
            return Selection(
                split=split,
                images=images.take(chosen),
                digests=tuple(digests[index] for index in chosen),
            )
    return None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A file that was made, or not, and what the gate says of it.

    Attributes:
        what: How it was made, in words.
        candidate: The way it was made; None for the first file.
        payload: The model in it; None for the first file, and where none was made.
        judged: What the gate says; None where it could not be made or run.
        distance: Mean absolute difference of its scores from the float model's, 0..1; infinite
            where it could not be made or run.
        failure: Why it could not.
    """

    what: str
    candidate: RepairCandidate | None = None
    payload: Payload | None = None
    judged: CandidateVerdict | None = None
    distance: float = math.inf
    failure: str = ""

    @property
    def holds(self) -> bool:
        """Whether it may be shipped."""
        return self.judged is not None and self.judged.holds

    @property
    def tried(self) -> TriedFile:
        """The same for a record."""
        result = self.failure if self.judged is None else self.judged.text
        return TriedFile(what=self.what, result=result, holds=self.holds)


class Tribunal:
    """Judges files on the images that decide.

    Args:
        selection: The images.
        reference: The float model's probabilities of them, shape (n, classes).
        noisy: Its probabilities of them with one grey level of noise, same shape.
        judge: The gate.
    """

    def __init__(
        self,
        selection: Selection,
        reference: npt.NDArray[np.floating[Any]],
        noisy: npt.NDArray[np.floating[Any]],
        judge: Judge,
    ) -> None:
        self.selection = selection
        self._reference, self._noisy, self._judge = reference, noisy, judge

    def judged(self, attempt: Attempt, path: Path) -> Attempt:
        """Run a file and return its attempt with a judgement, or with the reason for none."""
        images = self.selection.images
        try:
            with without_native_chatter():
                session = Session.open(path)
            with session:
                scores = session.predict(images.pixels)
            judged = self._judge(self._reference, self._noisy, scores, images.labels)
        except EdgeError as error:
            return dataclasses.replace(attempt, failure=reason_of(error))
        distance = float(np.abs(scores.astype(np.float64) - self._reference).mean())
        return dataclasses.replace(attempt, judged=judged, distance=distance)
