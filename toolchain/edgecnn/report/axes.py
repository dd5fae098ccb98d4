"""Axes of drawings: where a value stands, in percent of a drawing's width or height.

Templates draw inline SVG with percent coordinates, so that it fits any screen without scripts.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_STEPS: Final = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7))
"""Ticks of one decade, from few to many."""
_FEW_TICKS: Final = 3


class _Axis(ABC):
    """A line from 0 to 100 percent."""

    @abstractmethod
    def place(self, value: float) -> float:
        """Return a value's position from the left, 0..100."""

    def height(self, value: float) -> float:
        """Return a value's position from above, 0..100, where more is higher."""
        return round(100 - self.place(value), 2)


@dataclass(frozen=True, kw_only=True)
class Scale(_Axis):
    """A linear axis.

    Attributes:
        low: Value at the left end.
        high: Value at the right end.
    """

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return a value's position, 0..100; values off the axis stand at its ends."""
        share = (value - self.low) / max(self.high - self.low, 1e-9)
        return round(100 * min(1.0, max(0.0, share)), 2)

    def ticks(self, about: int = 4) -> tuple[float, ...]:
        """Return round values on the axis, ascending.

        Args:
            about: How many are wanted; there may be some more or fewer.

        >>> Scale(low=0.62, high=0.79).ticks()
        (0.65, 0.7, 0.75)
        """
        width = self.high - self.low
        if width <= 0:
            return (self.low,)
        power = 10.0 ** math.floor(math.log10(width / about))
        step = min((power * one for one in (1, 2, 5, 10)), key=lambda s: abs(width / s - about))
        digits = max(0, -math.floor(math.log10(step))) + 1
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return tuple(round(index * step, digits) for index in range(first, last + 1))


@dataclass(frozen=True, kw_only=True)
class LogScale(_Axis):
    """A logarithmic axis.

    Attributes:
        low: Value at the left end; positive.
        high: Value at the right end; above ``low``.
    """

    low: float
    high: float

    @classmethod
    def around(cls, values: Iterable[float], *, margin: float = 0.04) -> LogScale:
        """Return an axis that shows all values, with room at its ends so that marks are whole.

        Args:
            values: Positive; at least one.
            margin: Room at each end, as a share of the axis.
        """
        logs = [math.log(value) for value in values]
        low, high = min(logs), max(logs)
        # All but equal times stand in the middle instead of being pulled apart.
        width = max(high - low, math.log(1.25))
        middle = (low + high) / 2
        half = width * (0.5 + margin)
        return cls(low=math.exp(middle - half), high=math.exp(middle + half))

    def place(self, value: float) -> float:
        """Return a value's position, 0..100; values off the axis stand at its ends."""
        if value <= self.low:
            return 0.0
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(100 * min(1.0, share), 2)

    def ticks(self, most: int = 6) -> tuple[float, ...]:
        """Return round values on the axis, ascending.

        Args:
            most: No more than this many.

        >>> LogScale(low=80, high=2300).ticks()
        (100, 300, 1000)
        >>> LogScale(low=101, high=118).ticks()
        (105.0, 110.0, 115.0)
        """
        found: list[tuple[float, ...]] = []
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for steps in _STEPS:
            values = [
                step * (10**power if power >= 0 else 10.0**power)
                for power in range(first, last + 1)
                for step in steps
            ]
            found.append(tuple(value for value in values if self.low <= value <= self.high))
        fitting = [ticks for ticks in found if _FEW_TICKS <= len(ticks) <= most]
        if fitting:
            return fitting[0]
        if len(found[0]) > most:
            return found[0][:: -(-len(found[0]) // most)]
        # Less than a decade: round values of a linear axis.
        return Scale(low=self.low, high=self.high).ticks(most - 2)
