"""One file that a repair tries: made, run on the images that decide, and judged."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.build.verdict import CandidateVerdict, Judge
from edgecnn.convert.files import reason_of
from edgecnn.convert.payload import Payload
from edgecnn.convert.repair.candidates import RepairCandidate
from edgecnn.convert.repair.record import TriedFile
from edgecnn.convert.repair.selection import Selection
from edgecnn.errors import EdgeError
from edgecnn_runner.runtimes.quiet import without_native_chatter
from edgecnn_runner.session import Session


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
        judge: The gate.
    """

    def __init__(
        self, selection: Selection, reference: npt.NDArray[np.floating[Any]], judge: Judge
    ) -> None:
        self.selection = selection
        self._reference, self._judge = reference, judge

    def judged(self, attempt: Attempt, path: Path) -> Attempt:
        """Run a file and return its attempt with a judgement, or with the reason for none."""
        images = self.selection.images
        try:
            with without_native_chatter():
                session = Session.open(path)
            with session:
                scores = session.predict(images.pixels)
            judged = self._judge(self._reference, scores, images.labels)
        except EdgeError as error:
            return dataclasses.replace(attempt, failure=reason_of(error))
        distance = float(np.abs(scores.astype(np.float64) - self._reference).mean())
        return dataclasses.replace(attempt, judged=judged, distance=distance)
