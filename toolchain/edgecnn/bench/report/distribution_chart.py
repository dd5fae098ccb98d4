"""Geometry of the latency distributions: where runs stand, in percent; see ``pages.scale``.

Raw times would make a page of many megabytes. What is drawn of them is a histogram, five
percentiles and both ends; all of them are in ``bench.json``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from edgecnn.bench.report.figures import RowFigures
from edgecnn.report import LogScale
from edgecnn.report.text import duration_text
from edgecnn_runner.timing import percentile

BINS: Final = 64
_FURTHEST: Final = 1.5
"""End of the axis of shapes, in medians: a rare slow run must not squeeze all shapes."""
_SLOWEST: Final = 2.0
"""End of the axis of times, in the largest p99; what was slower is told in words."""
_NARROWEST: Final = 1.05
_SHAPE_TICKS: Final = (0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.3, 1.5)
_TICK_ROOM: Final = 24.0
"""Percent of the width between two ticks with their texts."""


@dataclass(frozen=True, kw_only=True)
class DistributionStrip:
    """One row's counted runs at its chosen number of threads.

    Attributes:
        row: What ran.
        n: How many runs.
        low: The fastest run on the axis of times, percent.
        p10: 10 % of the runs do not exceed it.
        median: Half of them do not.
        p90: 90 % of them do not.
        p99: 99 % of them do not.
        high: The slowest run, or the end of the axis.
        off: Whether the slowest run is beyond the axis of times.
        shape: Path of the histogram in a square of 100, times over their median along it.
        shape_marks: Median, p90 and p99 on the axis of shapes; None for one beyond it.
        beyond: How many runs are slower than the axis of shapes shows.
        slowest_ns: The slowest run.
    """

    row: RowFigures
    n: int
    low: float
    p10: float
    median: float
    p90: float
    p99: float
    high: float
    off: bool
    shape: str
    shape_marks: tuple[float | None, ...]
    beyond: int
    slowest_ns: int


@dataclass(frozen=True, kw_only=True)
class DistributionChart:
    """All rows of one device.

    Attributes:
        strips: In the order given.
        tick_texts: Place and text, on the logarithmic axis of times.
        shape_ticks: Place and text, a multiple of the median, on the logarithmic axis of shapes.
    """

    strips: tuple[DistributionStrip, ...]
    tick_texts: tuple[tuple[float, str], ...]
    shape_ticks: tuple[tuple[float, str], ...]


def distribution_chart(rows: Sequence[RowFigures]) -> DistributionChart | None:
    """Place the runs of rows on common axes.

    Args:
        rows: Those without runs are left out.

    Returns:
        The chart; None if no row has runs.
    """
    timed = [
        (one, sorted(one.row.best.samples_ns))
        for one in rows
        if one.figures is not None and one.row.best is not None
    ]
    if not timed:
        return None
    # Of a hundred thousand runs one may wait for another program for a thousand times its time.
    most = _SLOWEST * max(one.measured.times.p99_ns for one, _ in timed)
    scale = LogScale.around(
        [max(1.0, min(end, most)) for _, run in timed for end in (run[0], run[-1])]
    )
    medians = [max(1, one.measured.times.median_ns) for one, _ in timed]
    pairs = [(run, median) for (_, run), median in zip(timed, medians, strict=True)]
    shapes = LogScale.around(
        [
            min(max(run[0], 1) / median for run, median in pairs),
            min(_FURTHEST, max(percentile(run, 99) / median for run, median in pairs)),
            _NARROWEST,
            1 / _NARROWEST,
        ],
        margin=0.02,
    )
    return DistributionChart(
        strips=tuple(
            _strip(one, run, median, scale, shapes)
            for (one, run), median in zip(timed, medians, strict=True)
        ),
        tick_texts=tuple((scale.place(one), duration_text(one)) for one in scale.ticks(5)),
        shape_ticks=_shape_ticks(shapes),
    )


def _strip(
    row: RowFigures, run: list[int], median: int, scale: LogScale, shapes: LogScale
) -> DistributionStrip:
    relative = np.asarray(run, np.float64) / median
    beyond = int((relative > shapes.high).sum())
    return DistributionStrip(
        row=row,
        n=len(run),
        low=scale.place(run[0]),
        p10=scale.place(percentile(run, 10)),
        median=scale.place(median),
        p90=scale.place(percentile(run, 90)),
        p99=scale.place(percentile(run, 99)),
        high=scale.place(run[-1]),
        off=run[-1] > scale.high,
        shape=_outline(relative, shapes),
        shape_marks=tuple(
            shapes.place(one / median) if one / median <= shapes.high else None
            for one in (median, percentile(run, 90), percentile(run, 99))
        ),
        beyond=beyond,
        slowest_ns=run[-1],
    )


def _outline(relative: np.ndarray[tuple[int], np.dtype[np.float64]], shapes: LogScale) -> str:
    """Return the outline of a histogram as SVG's path data; the highest bin is 100 high.

    Its bins are of equal width on the logarithmic axis. Runs beyond the axis are not in it, and
    are told in words.
    """
    edges = np.geomspace(shapes.low, shapes.high, BINS + 1)
    counts = np.histogram(relative, edges)[0]
    top = max(1, int(counts.max()))
    width = 100 / BINS
    parts = ["M0 100"]
    height = 0.0
    for index, count in enumerate(counts):
        new = 100 * int(count) / top
        if new != height:
            parts.append(f"H{index * width:.2f}V{100 - new:.1f}")
            height = new
    return "".join([*parts, "H100V100Z"])


def _shape_ticks(shapes: LogScale) -> tuple[tuple[float, str], ...]:
    """Return round multiples of the median that leave each other room; the median is one."""
    chosen = [(shapes.place(1.0), 1.0)]
    inside = [one for one in _SHAPE_TICKS if shapes.low <= one <= shapes.high]
    for value in sorted(inside, key=lambda one: -abs(one - 1)):
        place = shapes.place(value)
        if all(abs(place - other) >= _TICK_ROOM for other, _ in chosen):
            chosen.append((place, value))
    return tuple((place, f"{value:g}\u00d7") for place, value in sorted(chosen))
