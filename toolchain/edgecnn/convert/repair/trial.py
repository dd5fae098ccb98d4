"""Trials of files that a repair makes: the images that decide, and the judgement on them.

The model has not seen them, or they would show nothing wrong: they are the validation images of a
training here, or what its user says is new to a model made elsewhere. None is a test image.
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

from edgecnn.build.verdict import CandidateVerdict, Judge, Unseen
from edgecnn.convert.files import reason_of
from edgecnn.convert.payload import Payload
from edgecnn.convert.repair.candidates import RepairCandidate
from edgecnn.convert.repair.record import TriedFile
from edgecnn.data import Dataset
from edgecnn.data.split import digest_per_image, seeded_order
from edgecnn.data.unlabelled import UnlabelledPictures
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
        split: ``validation``, ``unlabelled``, or ``training`` where the model has seen no image
            of the data set and no validation image can be used.
        pixels: Shape (n, height, width, channels), uint8.
        labels: Shape (n,); None of pictures without labels, on which agreement alone is judged.
        ids: What each is called.
        digests: SHA-256 of each image's pixels.
        folder: Where pictures without labels were; None of the data set's own.
    """

    split: str
    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64] | None
    ids: tuple[str, ...]
    digests: tuple[str, ...]
    folder: str | None = None

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.ids)

    def record(self) -> dict[str, Any]:
        """Return JSON-ready values that prove which images they were."""
        return {
            "split": self.split,
            "count": len(self),
            **({} if self.folder is None else {"folder": self.folder}),
            "image_sha256": list(self.digests),
        }


def choose_selection(
    dataset: Dataset,
    *,
    calibrated: Collection[str],
    macs: int,
    seed: int = 0,
    unseen: Unseen | None = None,
) -> Selection | None:
    """Choose the images.

    Args:
        dataset: Images whose pixels occur among its test images are left out.
        calibrated: Digests of calibration images, which are left out of training images.
        macs: Multiply-accumulates of one image. Of small networks up to 5,000 images are used, of
            large ones fewer, down to 500.
        seed: Of the choice, where there are more.
        unseen: What the model has not seen, as its user says; None for a model that was trained
            here, which has not seen its validation images.

    Returns:
        The pictures without labels, where there are some; else the validation images. If all of
        these occur in the test, the training images that do not calibrate, where the model has
        seen none of them. None if nothing is left that it has not seen.
    """
    most = int(min(_MOST, max(_FEWEST, _MACS // max(macs, 1))))
    if unseen is not None and unseen.pictures is not None:
        return _of_pictures(unseen.pictures, dataset, most, seed)
    test = set(digest_per_image(dataset.test.pixels))
    splits = [("validation", dataset.validation, test)]
    if unseen is not None:
        splits.append(("training", dataset.train, test | set(calibrated)))
    for split, images, unwanted in splits:
        digests = digest_per_image(images.pixels)
        order = seeded_order(images.ids, seed=seed, purpose="repair")
        chosen = sorted([index for index in order if digests[index] not in unwanted][:most])
        if chosen:
            return Selection(
                split=split,
                pixels=images.pixels[chosen],
                labels=images.labels[chosen],
                ids=tuple(images.ids[index] for index in chosen),
                digests=tuple(digests[index] for index in chosen),
            )
    return None


def _of_pictures(
    pictures: UnlabelledPictures, dataset: Dataset, most: int, seed: int
) -> Selection | None:
    """Choose pictures without labels: one of each group of copies, no copy of a test image."""
    taken = set(dataset.test.ids)
    chosen: list[int] = []
    for index in seeded_order(pictures.ids, seed=seed, purpose="repair"):
        if pictures.groups[index] not in taken and len(chosen) < most:
            taken.add(pictures.groups[index])
            chosen.append(index)
    chosen.sort()
    if not chosen:
        return None
    pixels = pictures.pixels[chosen]
    return Selection(
        split="unlabelled",
        pixels=pixels,
        labels=None,
        ids=tuple(pictures.ids[index] for index in chosen),
        digests=tuple(digest_per_image(pixels)),
        folder=str(pictures.folder),
    )


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
        selection = self.selection
        try:
            with without_native_chatter():
                session = Session.open(path)
            with session:
                scores = session.predict(selection.pixels)
            judged = self._judge(self._reference, self._noisy, scores, selection.labels)
        except EdgeError as error:
            return dataclasses.replace(attempt, failure=reason_of(error))
        distance = float(np.abs(scores.astype(np.float64) - self._reference).mean())
        return dataclasses.replace(attempt, judged=judged, distance=distance)
