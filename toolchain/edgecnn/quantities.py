"""Sizes in words, the same wherever a person reads them."""

from __future__ import annotations

from typing import Final

__all__ = ["size_text"]

# Decimal units, as disks and download pages count.
_LARGE: Final = ((1_000_000_000, "GB"), (1_000_000, "MB"))


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
