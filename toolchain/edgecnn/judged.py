"""A verdict on a candidate, and what can judge one: how convert is told what verify thinks.

Stages do not import each other. Who calls both hands convert a ``Judge`` that is verify's gate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CandidateVerdict", "Judge"]


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
Judge = Callable[[Scores, Scores, npt.NDArray[np.integer[Any]]], CandidateVerdict]
"""Takes the float model's probabilities and a candidate's, shape (n, classes), and n labels."""
