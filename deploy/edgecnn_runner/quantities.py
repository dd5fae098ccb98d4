"""Writes quantities for people: one rule for each kind, on a device as on the workstation.

The toolchain's ``report/text.py`` has these rules too, and those that only reports need.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

# Decimal units, as disks and download pages count.
_LARGE: Final = ((1_000_000_000, "GB"), (1_000_000, "MB"))
_TIMES: Final = ((1_000_000_000, "s"), (1_000_000, "ms"), (1000, "\u00b5s"))
MINUS: Final = "\u2212"
"""What stands before a negative number; screen readers say it, which they do not of a hyphen."""

_PERCENT: Final = re.compile(r"(-?[0-9]{1,15}(?:\.[0-9]{1,12})?)\s*%", re.ASCII)


def size_text(size_bytes: int) -> str:
    """Return a size in the unit a person would use.

    >>> [size_text(size) for size in (812, 96_240, 6_710_000, 170_498_071_000)]
    ['812 B', '96.2 kB', '6.71 MB', '170.50 GB']
    """
    if size_bytes < 1000:
        return f"{size_bytes} B"
    for unit, name in _LARGE:
        # What rounds up to the next unit is written in it: 999,999 bytes are 1.00 MB.
        if round(size_bytes / unit, 3) >= 1:
            return f"{size_bytes / unit:.2f} {name}"
    return f"{size_bytes / 1000:.1f} kB"


def duration_text(ns: float) -> str:
    """Return a duration to three digits, in the unit a person would use.

    >>> [duration_text(ns) for ns in (812, 88_040, 999_700, 5_200_000, 1_304_000_000)]
    ['812 ns', '88.0 \u00b5s', '1.00 ms', '5.20 ms', '1.30 s']
    """
    for unit, name in _TIMES:
        # What rounds up to the next unit is written in it.
        if ns >= 0.9995 * unit:
            return f"{three_digits(ns / unit)} {name}"
    return f"{ns:.0f} ns"


def three_digits(value: float) -> str:
    """Return a number that is not negative to three digits, but two decimals at most.

    >>> [three_digits(value) for value in (0.984, 3.12, 31.24, 312.4, 30_100)]
    ['0.98', '3.12', '31.2', '312', '30,100']
    """
    return f"{value:,.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def number_text(value: float, digits: int, *, sign: bool = False) -> str:
    """Return a number with so many decimals, and without a sign where that leaves zero.

    Args:
        value: The number.
        digits: Decimals.
        sign: Whether there is a plus before what is more than zero.

    >>> [number_text(value, 1) for value in (-0.06, -0.04, 0.0, 12.34)]
    ['\u22120.1', '0.0', '0.0', '12.3']
    """
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return (MINUS if value < 0 else "+" if sign else "") + text


def plural_text(count: int, noun: str) -> str:
    """Return a count with its noun, which gets an s unless there is just one.

    >>> [plural_text(count, "image") for count in (0, 1, 10_000)]
    ['0 images', '1 image', '10,000 images']
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def decimal_text(number: Decimal) -> str:
    """Return a number without an exponent, and without zeros that say nothing.

    >>> [decimal_text(Decimal(text)) for text in ("95.00", "0.5", "1E+2", "100")]
    ['95', '0.5', '100', '100']
    """
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent_text(share: float, digits: int = 2) -> str:
    """Return a share as percent.

    >>> percent_text(0.9751)
    '97.51 %'
    """
    return f"{number_text(100 * share, digits)} %"


def percent_of(text: str) -> Decimal | None:
    """Read a number with a percent sign; None for any other text.

    >>> percent_of("2.5 %"), percent_of("95%"), percent_of("95")
    (Decimal('2.5'), Decimal('95'), None)
    """
    found = _PERCENT.fullmatch(text.strip())
    return None if found is None else Decimal(found[1])
