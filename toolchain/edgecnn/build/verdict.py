"""The interface by which convert asks for a judgement: ``Judge`` and ``Examiner``.

Stages do not import each other. Who calls both hands convert a ``Judge`` that is verify's gate, and
an ``Examiner`` that tries the float model before anything is made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from edgecnn.data import Dataset
    from edgecnn.data.unlabelled import UnlabelledPictures


@dataclass(frozen=True, kw_only=True)
class CandidateVerdict:
    """What the gate says of a candidate on images that are not the test images.

    Attributes:
        verdict: ``PASS``, ``FAIL`` or ``INCONCLUSIVE``.
        misses: It is beyond a limit: FAIL, or an observed value beyond a limit where the images
            are too few for more than that.
        holds: It may be shipped: PASS; or, where the images are too few for any file to PASS,
            every observed value within its limit.
        text: The observed values, in words.
    """

    verdict: str
    misses: bool
    holds: bool
    text: str


Scores = npt.NDArray[np.floating[Any]]
Judge = Callable[[Scores, Scores, Scores, npt.NDArray[np.integer[Any]] | None], CandidateVerdict]
"""Takes the float model's probabilities, those of the same images with one grey level of noise,
and a candidate's, each of shape (n, classes), and n labels; None where nobody knows them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Unseen:
    """What a model made elsewhere has not seen, as its user says; a repair judges by it.

    Attributes:
        pictures: Pictures without labels; None where it has seen none of the data set's images.
    """

    pictures: UnlabelledPictures | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what a manifest records of it, so that it need not be said again."""
        if self.pictures is None:
            return {"data": True}
        return {"folder": str(self.pictures.folder.resolve())}


Pixels = npt.NDArray[np.uint8]
Ask = Callable[[Pixels, str], npt.NDArray[np.float32]]
"""Takes images and an input range; returns a model's probabilities of images brought to it."""
Again = Callable[[Sequence[str], Sequence[str]], Mapping[str, Pixels]]
"""Takes ids of images and names of resize rules; returns the images for each rule."""


@dataclass(frozen=True, kw_only=True)
class ExaminedModel:
    """A float model that is about to be converted.

    Attributes:
        ask: Asks it, as its own framework runs it.
        input_range: The range that it is fed.
        normalizes: Whether its own values say that it normalizes raw pixels.
        dataset: The images, labels in the order of its outputs.
    """

    ask: Ask
    input_range: str
    normalizes: bool
    dataset: Dataset


Examiner = Callable[[ExaminedModel], Mapping[str, Any]]
"""Looks at a float model before anything is made of it; what it raises stops the conversion.
Returns what the manifest is to say of it."""
