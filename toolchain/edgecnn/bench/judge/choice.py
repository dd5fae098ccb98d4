"""How many threads an artifact is best run with on a device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from edgecnn.bench.results import ThreadBench
from edgecnn_runner.timing import percentile

__all__ = ["choose_threads", "cost_ns"]

_WORTH: Final = 0.05
"""More threads take cores from the rest of the device, and have to be worth that."""


def choose_threads(measured: Sequence[ThreadBench]) -> int | None:
    """Choose by median and p90 together: by the root of their product.

    The median alone would choose threads whose slowest calls are much slower when a core is
    busy; the geometric mean weighs a change of both alike, in percent. More threads are chosen
    only if they better it by more than 5 %.

    Args:
        measured: One for each number of threads.

    Returns:
        The fewest threads that are no more than 5 % worse than the best; None if none was measured.
    """
    costs = {one.threads: cost_ns(one) for one in measured}
    if not costs:
        return None
    best = min(costs.values())
    return min(threads for threads, cost in costs.items() if cost <= best * (1 + _WORTH))


def cost_ns(one: ThreadBench) -> float:
    """Return the geometric mean of median and p90, nanoseconds."""
    ordered = sorted(one.samples_ns)
    return math.sqrt(percentile(ordered, 50) * percentile(ordered, 90))
