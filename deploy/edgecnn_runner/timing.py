"""Measures how long one image takes here, in raw nanoseconds and in figures made of them.

What is timed is what a program pays: from an image of the model's size to class and score.
Statistics are of the calls after the warm-up; the very first call, which is slower, is told
separately, and so is loading.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn_runner.session import Session

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Latency of one session.

    Attributes:
        samples_ns: One time for each call after the warm-up, in the order of the calls.
        warmup: Calls before, not counted.
        first_ns: The first call of all.
        load_ns: Reading, checking and loading the file.
    """

    samples_ns: tuple[int, ...]
    warmup: int
    first_ns: int
    load_ns: int

    def summary(self) -> dict[str, int]:
        """Return n, and min, median, p90, p99 and mad (median absolute deviation) in ns."""
        ordered = sorted(self.samples_ns)
        median = percentile(ordered, 50)
        return {
            "n": len(ordered),
            "min_ns": ordered[0],
            "median_ns": median,
            "p90_ns": percentile(ordered, 90),
            "p99_ns": percentile(ordered, 99),
            "mad_ns": percentile(sorted(abs(sample - median) for sample in ordered), 50),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values: the summary, and the raw samples."""
        return {
            **self.summary(),
            "warmup": self.warmup,
            "first_ns": self.first_ns,
            "load_ns": self.load_ns,
            "samples_ns": list(self.samples_ns),
        }


def measure(
    session: Session,
    image: npt.NDArray[np.uint8],
    *,
    warmup: int = 50,
    runs: int = 1000,
) -> Timing:
    """Classify one image again and again.

    Args:
        session: A freshly opened session, if ``first_ns`` is to mean the first inference.
        image: Shape (height, width, channels) of the model, uint8.
        warmup: Calls that are made first and not counted, at least 1.
        runs: Calls that are counted, at least 1.

    Returns:
        The times.

    Raises:
        ImageError: If the image has another shape or type.
        ScoreError: If the model answers with NaN or infinity.
        ValueError: If ``warmup`` or ``runs`` is below 1.
    """
    if warmup < 1 or runs < 1:
        raise ValueError(f"warmup {warmup} and runs {runs} must be at least 1")
    clock, classify = time.perf_counter_ns, session.classify
    started = clock()
    classify(image)
    first_ns = clock() - started
    for _ in range(warmup - 1):
        classify(image)
    samples = []
    for _ in range(runs):
        started = clock()
        classify(image)
        samples.append(clock() - started)
    return Timing(
        samples_ns=tuple(samples), warmup=warmup, first_ns=first_ns, load_ns=session.load_ns
    )


def percentile(ordered: Sequence[int], percent: int) -> int:
    """Return the nearest-rank percentile: the smallest sample that ``percent`` % do not exceed.

    Args:
        ordered: Sorted, not empty.
        percent: 1 to 100.

    >>> percentile([1, 2, 3, 4], 50), percentile([1, 2, 3, 4], 90)
    (2, 4)
    """
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
