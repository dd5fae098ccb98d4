"""Quantities in words, the same wherever a person reads them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

# Decimal units, as disks and download pages count.
_LARGE: Final = ((1_000_000_000, "GB"), (1_000_000, "MB"))

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


def number_text(value: float, digits: int, *, plus: str = "", minus: str = "-") -> str:
    """Return a number with so many decimals, and without a sign where that leaves zero.

    Args:
        value: The number.
        digits: Decimals.
        plus: What stands before what is more than zero.
        minus: What stands before what is less than zero.

    >>> [number_text(value, 1) for value in (-0.06, -0.04, 0.0, 12.34)]
    ['-0.1', '0.0', '0.0', '12.3']
    """
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return (minus if value < 0 else plus) + text


def decibel_text(ratio_db: float) -> str:
    """Return a signal-to-noise ratio with its unit.

    >>> decibel_text(-0.04)
    '0.0 dB'
    """
    return f"{number_text(ratio_db, 1)} dB"


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
