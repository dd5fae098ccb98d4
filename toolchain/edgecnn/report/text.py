"""Numbers as people read them, at the terminal, in pages, in Markdown and in errors.

The rules that a device needs too are the runner's; nothing else in the toolchain formats
bytes, shares, points, p values, durations, ratios or rates. What is not known is a dash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from edgecnn.errors import some_of
from edgecnn_runner import quantities
from edgecnn_runner.quantities import MINUS, decimal_text, number_text, plural_text

__all__ = [
    "DASH", "FILTERS", "MINUS", "TimeUnit", "count_text", "dataset_text", "decibel_text",
    "decimal_text", "duration_text", "frequency_text", "interval_text", "level_text", "macs_text",
    "names_text", "number_text", "p_text", "percent_text", "plural_text", "points_text",
    "rate_text", "size_text", "time_unit", "times_text",
]  # fmt: skip

DASH: Final = "\u2013"
_UNITS: Final = (("ns", 1), ("\u00b5s", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000))


def size_text(size_bytes: int | None) -> str:
    """Return a size with its unit: ``96.2 kB``."""
    return DASH if size_bytes is None else quantities.size_text(size_bytes)


def duration_text(ns: float | None) -> str:
    """Return a duration, in nanoseconds, to three digits and with its unit: ``88.0 µs``."""
    return DASH if ns is None else quantities.duration_text(ns)


def about_time_text(seconds: float) -> str:
    """Return an estimated time as people say it: ``20 seconds``, ``3 minutes``."""
    if seconds <= 90:
        return f"{max(5, 5 * round(seconds / 5))} seconds"
    return f"{round(seconds / 60)} minutes"


def percent_text(share: float | None, digits: int = 2) -> str:
    """Return a share, 0..1, as percent: ``97.51 %``."""
    return DASH if share is None else quantities.percent_text(share, digits)


def points_text(share: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """Return a share in percent or percentage points, without unit: ``0.26``, ``+0.26``."""
    return DASH if share is None else number_text(100 * share, digits, sign=sign)


def interval_text(low: float, high: float, digits: int = 2) -> str:
    """Return an interval of shares in percent or points, without unit: ``0.06 to 1.12``."""
    return f"{points_text(low, digits)} to {points_text(high, digits)}"


def level_text(level: float) -> str:
    """Return the level of an interval: ``95 %``, ``99.38 %``; never 100 %, which none has.

    >>> level_text(0.99995)
    '99.995 %'
    """
    texts = (f"{100 * level:.{digits}g}" for digits in range(4, 16))
    return f"{next((text for text in texts if text != '100'), '100')} %"


def p_text(p: float) -> str:
    """Return a p value to two digits; those below 0.0001 are not told apart."""
    return "below 0.0001" if p < 1e-4 else f"{p:.2g}"


def count_text(count: int | None) -> str:
    """Return a count: ``10,000``."""
    return DASH if count is None else f"{count:,}"


def dataset_text(name: str) -> str:
    """Return what to call a data set in a sentence; one's own photos have no name."""
    return "a photo folder" if name == "folder" else name


def names_text(names: Sequence[str], most: int = 20) -> str:
    """Return names in a row; of many, the first ones and how many more there are.

    >>> names_text(["a", "b", "c", "d"], 2)
    'a, b and 2 more'
    """
    return some_of(names, most)


def times_text(factor: float) -> str:
    """Return a factor to three digits, but two decimals at most: ``0.98``, ``3.12``, ``31.2``."""
    return quantities.three_digits(factor)


def decibel_text(ratio_db: float) -> str:
    """Return a signal-to-noise ratio with its unit.

    >>> decibel_text(-0.04)
    '0.0 dB'
    """
    return f"{number_text(ratio_db, 1)} dB"


def frequency_text(hertz: float | None) -> str:
    """Return a clock in MHz: ``1,800 MHz``."""
    return DASH if hertz is None else f"{hertz / 1e6:,.0f} MHz"


def rate_text(macs_per_s: float | None) -> str:
    """Return multiply-accumulates per second in GMAC/s, without the unit."""
    return DASH if macs_per_s is None else _small_too(macs_per_s / 1e9)


def macs_text(count: int) -> str:
    """Return a count of multiply-accumulates in the unit a person would use.

    >>> [macs_text(count) for count in (640, 442_368, 999_960, 2_359_296)]
    ['640', '442.4 k', '1.00 M', '2.36 M']
    """
    if count < 1000:
        return str(count)
    return f"{count / 1e3:.1f} k" if count < 999_950 else f"{count / 1e6:.2f} M"


@dataclass(frozen=True, kw_only=True)
class TimeUnit:
    """A unit that several times are given in, so that they compare.

    Attributes:
        name: Its symbol.
        nanoseconds: How many it has.
    """

    name: str
    nanoseconds: int

    def number(self, time_ns: float | None) -> str:
        """Return a time in this unit, to three digits, without its symbol."""
        return DASH if time_ns is None else _small_too(time_ns / self.nanoseconds)


def time_unit(times_ns: Sequence[float]) -> TimeUnit:
    """Return the unit that suits several times: the largest in which the least is at least 1.

    >>> time_unit([88_000, 4_300_000]).name, time_unit([1_200_000, 90_000_000]).name
    ('µs', 'ms')
    """
    least = min((one for one in times_ns if one > 0), default=1_000_000)
    name, size = next(unit for unit in reversed(_UNITS) if least >= unit[1] or unit[1] == 1)
    return TimeUnit(name=name, nanoseconds=size)


def _small_too(value: float) -> str:
    return quantities.three_digits(value) if value >= 0.9995 else f"{value:.3g}"


FILTERS: Final[Mapping[str, Callable[..., str]]] = {
    "dataset": dataset_text,
    "decibels": decibel_text,
    "digits": number_text,
    "duration": duration_text,
    "integer": count_text,
    "level": level_text,
    "names": names_text,
    "p_value": p_text,
    "percent": percent_text,
    "plural": plural_text,
    "points": points_text,
    "rate": rate_text,
    "size": size_text,
    "times": times_text,
}
"""Filters of all templates."""
