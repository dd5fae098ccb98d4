"""Geometry of the steady load: latency, temperature and clock over time, in percent."""

from __future__ import annotations

import statistics as plain
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from edgecnn.bench.results import Sustained, SustainedPoint
from edgecnn.report import Scale
from edgecnn.report.text import time_unit

_MOST_POINTS: Final = 400
_THROTTLED_NOW: Final = 0xF
"""Bits 0 to 3 of ``vcgencmd get_throttled``: what is the case at this moment."""
_ROOM: Final = 0.08


@dataclass(frozen=True, kw_only=True)
class SustainedPanel:
    """One quantity over time.

    Attributes:
        name: What it is.
        unit: Its unit.
        lines: For each of its lines, pieces without gaps: points as SVG's polyline has them, in a
            square of 100.
        ticks: Height, percent from above, and text.
        first: Text of its value at the beginning: the median of the first tenth.
        last: Likewise of the last tenth.
    """

    name: str
    unit: str
    lines: tuple[tuple[str, ...], ...]
    ticks: tuple[tuple[float, str], ...]
    first: str
    last: str

    @property
    def curves(self) -> list[tuple[str, str]]:
        """Kind and points of each piece, those of the quantity itself last."""
        kinds = ("whole", *["half"] * len(self.lines))
        pairs = reversed(list(zip(kinds, self.lines, strict=False)))
        return [(kind, points) for kind, line in pairs for points in line]


@dataclass(frozen=True, kw_only=True)
class SustainedChart:
    """The plot of one device.

    Attributes:
        seconds: How long it lasted.
        panels: Latency always; temperature and clock where the device tells them.
        ticks: Place, percent of the width, and text, on the axis of time.
        throttled: Start and width, percent, of the times in which a bit of throttling or
            under-voltage was set.
        slower: Median of the last tenth over that of the first tenth.
    """

    seconds: int
    panels: tuple[SustainedPanel, ...]
    ticks: tuple[tuple[float, str], ...]
    throttled: tuple[tuple[float, float], ...]
    slower: float


def sustained_chart(sustained: Sustained | None) -> SustainedChart | None:
    """Place a steady load in a plot.

    Args:
        sustained: With one point for each second; more than 400 are thinned out, each point then
            the median of its neighbours.

    Returns:
        The plot; None without at least two points.
    """
    if sustained is None or len(sustained.points) < 2:
        return None
    points = sustained.points
    seconds = len(points)
    unit = time_unit([point.median_ns for point in points])
    number = unit.number
    medians = [float(point.median_ns) for point in points]
    panels = [
        _panel("Latency", unit.name, number, medians, [float(point.p90_ns) for point in points]),
        _panel("Temperature", "°C", lambda one: f"{one:.1f}", _some(points, "temperature_c")),
        _panel("Clock", "MHz", lambda one: f"{one / 1e6:,.0f}", _some(points, "clock_hz")),
    ]
    first, last = _ends(medians)
    time = Scale(low=0, high=seconds)
    return SustainedChart(
        seconds=seconds,
        panels=tuple(panel for panel in panels if panel is not None),
        ticks=tuple((time.place(one), f"{one:g} s") for one in time.ticks(5)),
        throttled=_throttled(points),
        slower=last / max(1.0, first),
    )


def _some(points: Sequence[SustainedPoint], name: str) -> list[float | None]:
    values = [getattr(point, name) for point in points]
    return [None if value is None else float(value) for value in values]


def _panel(
    name: str, unit: str, text: Callable[[float], str], *series: Sequence[float | None]
) -> SustainedPanel | None:
    """Return a panel whose first series is the quantity itself; None if nothing is known of it."""
    thinned = [_thin(one) for one in series]
    known = [value for one in thinned for _, value in one if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    # What is all but constant is drawn as such: its axis has at least 2 % of its value.
    margin = max((high - low) * _ROOM, abs(high) * 0.01)
    scale = Scale(low=low - margin, high=high + margin)
    itself = [value for value in series[0] if value is not None]
    first, last = _ends(itself)
    ticks = scale.ticks(3)
    whole = all(text(one).endswith(".0") for one in ticks)

    def tick(value: float) -> str:
        return text(value).removesuffix(".0") if whole else text(value)

    return SustainedPanel(
        name=name,
        unit=unit,
        lines=tuple(_pieces(one, scale) for one in thinned),
        ticks=tuple((scale.height(one), tick(one)) for one in ticks),
        first=text(first),
        last=text(last),
    )


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Return the medians of the first and of the last tenth."""
    tenth = max(1, len(values) // 10)
    return plain.median(values[:tenth]), plain.median(values[-tenth:])


def _thin(values: Sequence[float | None]) -> list[tuple[float, float | None]]:
    """Return places, percent, and values: of neighbours their median where there are too many."""
    size = -(-len(values) // _MOST_POINTS)
    found: list[tuple[float, float | None]] = []
    for start in range(0, len(values), size):
        group = values[start : start + size]
        known = [value for value in group if value is not None]
        place = round(100 * (start + len(group) / 2) / len(values), 2)
        found.append((place, plain.median(known) if known else None))
    return found


def _pieces(values: Sequence[tuple[float, float | None]], scale: Scale) -> tuple[str, ...]:
    """Return a line in pieces: it is broken where a value is not known."""
    pieces: list[list[str]] = [[]]
    for place, value in values:
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{place},{scale.height(value):.2f}")
    # A point alone would not be seen: it becomes a line of two equal points, with round ends.
    return tuple(" ".join(one if len(one) > 1 else one * 2) for one in pieces if one)


def _throttled(points: Sequence[SustainedPoint]) -> tuple[tuple[float, float], ...]:
    spans: list[tuple[int, int]] = []
    for index, point in enumerate(points):
        if (point.throttled or 0) & _THROTTLED_NOW:
            if spans and spans[-1][1] == index:
                spans[-1] = (spans[-1][0], index + 1)
            else:
                spans.append((index, index + 1))
    whole = len(points)
    return tuple(
        (round(100 * start / whole, 2), round(100 * (end - start) / whole, 2))
        for start, end in spans
    )
