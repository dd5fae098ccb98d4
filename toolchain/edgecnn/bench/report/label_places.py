"""Where texts beside marks go, so that they cover neither each other nor other marks.

A mark stands at a percentage of a width that is not known before the page is shown, a text has a
size in pixels. So places are tried at several widths, and one is taken only if it is free at all
of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

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
