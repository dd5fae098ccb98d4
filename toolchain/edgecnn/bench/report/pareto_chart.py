"""Geometry of the plot of latency against accuracy; where no accuracy is known, against size."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from edgecnn.bench.report.figures import RowFigures
from edgecnn.report import LogScale, Scale
from edgecnn.report.text import duration_text, percent_text, size_text

# A mark stands at a percentage of a width that is not known before the page is shown, a text has a
# size in pixels. So places are tried at several widths, and one is taken only if it is free at all
# of them.

CHARACTER_PX: Final = 7.2
"""Width that a character of 12 px is given; those of common fonts are narrower on average."""
LINE_PX: Final = 15.0
_GAP_PX: Final = 4.0

Side = Literal["start", "middle", "end"]
_Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A circle that wants a text.

    Attributes:
        x: Its middle, percent of the width.
        y: Its middle, pixels from above.
        radius: Pixels.
        texts: What may stand beside it, the best first.
    """

    x: float
    y: float
    radius: float
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Label:
    """A text beside its mark.

    Attributes:
        text: What it says.
        x: Percent of the width, that of its mark.
        dx: Pixels to the right of that.
        y: Its base line, pixels from above.
        side: Which part of the text is there, as SVG's ``text-anchor``.
    """

    text: str
    x: float
    dx: float
    y: float
    side: Side


def place_labels(
    marks: Sequence[Mark], *, widths: Sequence[float], height: float
) -> tuple[Label | None, ...]:
    """Give marks their texts, those that come first before the others.

    Args:
        marks: The most important first.
        widths: Of the drawing, pixels; no two texts meet at any of them.
        height: Of the drawing, pixels.

    Returns:
        One for each mark; None where none of its texts has room.
    """
    taken: list[tuple[Mark, Label]] = []
    found: list[Label | None] = []
    for mark in marks:
        label = _free_place(mark, marks, taken, widths, height)
        if label is not None:
            taken.append((mark, label))
        found.append(label)
    return tuple(found)


def boxes_at(label: Label, width: float) -> _Box:
    """Return what a text covers in a drawing of a width: left, top, right, bottom, pixels."""
    length = CHARACTER_PX * len(label.text)
    at = label.x / 100 * width + label.dx
    left = {"start": at, "middle": at - length / 2, "end": at - length}[label.side]
    top = label.y - 0.8 * LINE_PX
    return left, top, left + length, top + LINE_PX


def _free_place(
    mark: Mark,
    marks: Sequence[Mark],
    taken: Sequence[tuple[Mark, Label]],
    widths: Sequence[float],
    height: float,
) -> Label | None:
    for text in mark.texts:
        for label in _candidates(mark, text):
            if all(_is_free(label, mark, marks, taken, width, height) for width in widths):
                return label
    return None


def _candidates(mark: Mark, text: str) -> list[Label]:
    aside, slant = mark.radius + _GAP_PX, 0.7 * mark.radius + 2.0
    above, below = mark.y - mark.radius - _GAP_PX, mark.y + mark.radius + 0.8 * LINE_PX
    level = mark.y + 0.3 * LINE_PX
    places: list[tuple[float, float, Side]] = [
        (aside, level, "start"),
        (-aside, level, "end"),
        (0.0, above, "middle"),
        (0.0, below, "middle"),
        (slant, mark.y - slant, "start"),
        (-slant, mark.y - slant, "end"),
        (slant, mark.y + slant + 0.7 * LINE_PX, "start"),
        (-slant, mark.y + slant + 0.7 * LINE_PX, "end"),
        (mark.radius, above, "end"),
        (-mark.radius, above, "start"),
        (mark.radius, below, "end"),
        (-mark.radius, below, "start"),
    ]
    return [Label(text=text, x=mark.x, dx=dx, y=y, side=side) for dx, y, side in places]


def _is_free(
    label: Label,
    own: Mark,
    marks: Sequence[Mark],
    taken: Sequence[tuple[Mark, Label]],
    width: float,
    height: float,
) -> bool:
    box = boxes_at(label, width)
    if box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height:
        return False
    if any(_meet(box, boxes_at(other, width)) for _, other in taken):
        return False
    return not any(_meet(box, _circle_box(mark, width)) for mark in marks if mark is not own)


def _circle_box(mark: Mark, width: float) -> _Box:
    x = mark.x / 100 * width
    return x - mark.radius, mark.y - mark.radius, x + mark.radius, mark.y + mark.radius


def _meet(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


HEIGHT_PX: Final = 320
"""Of the plot without its axes."""
_WIDE_PX: Final = (600.0, 700.0, 820.0, 960.0, 1060.0)
_NARROW_PX: Final = (230.0, 280.0, 340.0, 420.0, 520.0, 640.0)
"""Widths of the plot on screens up to 46rem, and beyond; see ``bench.css``."""
_LARGEST_PX: Final = 15.0
_SMALLEST_PX: Final = 4.0
_LEAST_POINTS: Final = 0.004
"""Least extent of the axis of accuracy: less than that is no difference to look at."""
_MOST_NAMES: Final = 40


@dataclass(frozen=True, kw_only=True)
class ParetoMark:
    """One row in the plot.

    Attributes:
        row: What it is of.
        x: Its median latency, percent of the width.
        y: Its accuracy or size, pixels from above.
        radius: Pixels; the area is proportional to the file's size.
        kind: ``chosen``, ``front``, ``behind`` or ``unproven``; the last is what is not PASS.
        off: Whether its accuracy is below the axis; it stands at its end then.
        title: Its figures, for the pointer and for screen readers.
    """

    row: RowFigures
    x: float
    y: float
    radius: float
    kind: str
    off: bool
    title: str


@dataclass(frozen=True, kw_only=True)
class ParetoChart:
    """The plot of one device.

    Attributes:
        of_accuracy: Whether its height is accuracy, or else the size of the file.
        marks: The largest first, so that none hides another.
        front: Corners of the line that no PASS is better than in both: percent of the width and
            pixels from above.
        names: Names or numbers beside marks, on wide screens.
        numbers: Numbers beside marks, on narrow ones.
        x_ticks: Place and text.
        y_ticks: Place, pixels from above, and text.
        unknown: Rows that are not in the plot since their accuracy is not known.
    """

    of_accuracy: bool
    marks: tuple[ParetoMark, ...]
    front: tuple[tuple[float, float], ...]
    names: tuple[Label, ...]
    numbers: tuple[Label, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    unknown: tuple[RowFigures, ...]

    @property
    def edge(self) -> str:
        """The corners of the front as SVG's polyline has them."""
        return " ".join(f"{x},{y}" for x, y in self.front)

    @property
    def numbered(self) -> bool:
        """Whether a number stands for a name on wide screens, too."""
        return any(label.text.isdecimal() for label in self.names)


def pareto_chart(
    rows: Sequence[RowFigures], *, front: Collection[int] = (), chosen: int | None = None
) -> ParetoChart | None:
    """Place rows in a plot.

    Args:
        rows: Those without figures are left out.
        front: Indices on the device of the rows that no other is better than in everything.
        chosen: Index on the device of the row that is recommended, if any.

    Returns:
        The plot; None with fewer than two rows to show.
    """
    timed = [one for one in rows if one.figures is not None]
    accurate = [one for one in timed if one.row.accuracy is not None]
    of_accuracy = bool(accurate)
    shown = accurate or timed
    if len(shown) < 2:
        return None
    x = LogScale.around([_median(one) for one in shown], margin=0.06)
    y = _accuracy_axis(shown) if of_accuracy else _size_axis(shown)
    largest = max(1, *(one.row.bytes for one in shown))
    marks = [
        ParetoMark(
            row=one,
            x=x.place(_median(one)),
            y=_height(y, _value(one, of_accuracy=of_accuracy), up=of_accuracy),
            radius=_radius(one.row.bytes, largest),
            kind=_kind(one, front, chosen),
            off=of_accuracy and _value(one, of_accuracy=True) < y.low,
            title=_title(one),
        )
        for one in shown
    ]
    numbers = [str(one.number) for one in shown]
    both = [
        (f"{mark.row.label} ({percent_text(mark.row.row.accuracy, 1)})", number)
        if mark.off
        else (mark.row.label, number)
        for mark, number in zip(marks, numbers, strict=True)
    ]
    return ParetoChart(
        of_accuracy=of_accuracy,
        marks=tuple(sorted(marks, key=lambda mark: -mark.radius)),
        front=_front(marks),
        names=_labels(marks, both, _WIDE_PX),
        numbers=_labels(marks, [(one,) for one in numbers], _NARROW_PX),
        x_ticks=tuple((x.place(one), duration_text(one)) for one in x.ticks(5)),
        y_ticks=tuple(
            (
                _height(y, one, up=of_accuracy),
                percent_text(one, _digits(y)) if of_accuracy else size_text(round(one)),
            )
            for one in y.ticks(5)
        ),
        unknown=tuple(one for one in timed if of_accuracy and one.row.accuracy is None),
    )


def _median(one: RowFigures) -> float:
    return float(max(1, one.measured.times.median_ns))


def _value(one: RowFigures, *, of_accuracy: bool) -> float:
    return float(one.row.accuracy or 0.0) if of_accuracy else float(max(1, one.row.bytes))


def _accuracy_axis(shown: Sequence[RowFigures]) -> Scale:
    """Return an axis of all that passed; of the others those that do not squeeze them."""
    proven = [one.row.accuracy or 0.0 for one in shown if one.row.verdict == "PASS"]
    others = [one.row.accuracy or 0.0 for one in shown if one.row.verdict != "PASS"]
    low, high = min(proven or others), max(proven or others)
    reach = max(high - low, _LEAST_POINTS)
    if proven:
        low = min([low, *(one for one in others if one > low - 2 * reach)])
        high = max([high, *others])
    half = max(high - low, _LEAST_POINTS) * 0.58
    middle = (low + high) / 2
    return Scale(low=middle - half, high=middle + half)


def _size_axis(shown: Sequence[RowFigures]) -> LogScale:
    return LogScale.around([float(max(1, one.row.bytes)) for one in shown], margin=0.08)


def _digits(scale: Scale | LogScale) -> int:
    return 0 if scale.high - scale.low > 0.05 else 1 if scale.high - scale.low > 0.01 else 2


def _height(scale: Scale | LogScale, value: float, *, up: bool) -> float:
    """Return pixels from above; what is better is higher."""
    share = scale.place(value) / 100
    return round(HEIGHT_PX * (1 - share if up else share), 1)


def _radius(size: int, largest: int) -> float:
    return round(max(_SMALLEST_PX, _LARGEST_PX * math.sqrt(size / largest)), 1)


def _kind(one: RowFigures, front: Collection[int], chosen: int | None) -> str:
    if one.index == chosen:
        return "chosen"
    if one.row.verdict != "PASS":
        return "unproven"
    return "front" if one.index in front else "behind"


def _title(one: RowFigures) -> str:
    row, median = one.row, one.measured.times.median_ns
    parts = [f"{one.label}: median {duration_text(median)}"]
    if row.accuracy is not None:
        parts.append(f"accuracy {percent_text(row.accuracy)}")
    return ", ".join([*parts, size_text(row.bytes), row.verdict or "not verified"])


def _front(marks: Sequence[ParetoMark]) -> tuple[tuple[float, float], ...]:
    """Return the corners of a staircase: what no PASS is both faster and better than."""
    corners: list[tuple[float, float]] = []
    proven = [mark for mark in marks if mark.row.row.verdict == "PASS"]
    best = math.inf
    for mark in sorted(proven, key=lambda one: (one.x, one.y)):
        if mark.y < best:
            if corners:
                corners.append((mark.x, best))
            corners.append((mark.x, mark.y))
            best = mark.y
    return tuple(corners)


def _labels(
    marks: Sequence[ParetoMark],
    texts: Sequence[tuple[str, ...]],
    widths: Sequence[float],
) -> tuple[Label, ...]:
    """Place texts, those of what is recommended and of the front first."""
    rank = {"chosen": 0, "front": 1, "behind": 2, "unproven": 3}
    order = sorted(range(len(marks)), key=lambda index: (rank[marks[index].kind], marks[index].x))
    wanting = [
        Mark(
            x=marks[index].x,
            y=marks[index].y,
            radius=marks[index].radius,
            texts=tuple(text for text in texts[index] if len(text) <= _MOST_NAMES),
        )
        for index in order
    ]
    placed = place_labels(wanting, widths=widths, height=HEIGHT_PX)
    return tuple(label for label in placed if label is not None)
