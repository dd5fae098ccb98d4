"""Limits as people write them: ``5ms``, ``1.5MB``, ``5%``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from edgecnn.errors import UsageError
from edgecnn_runner.quantities import decimal_text, percent_of

_NANOSECONDS: Final = {"ns": 1, "us": 1000, "ms": 1_000_000, "s": 1_000_000_000}
_BYTES: Final = {
    "b": 1,
    "kb": 1000,
    "mb": 1_000_000,
    "gb": 1_000_000_000,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}
_QUANTITY: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,12})?)\s*([^\W\d_]*)", re.ASCII)
_MOST_PERCENT: Final = 1000


def parse_duration(text: str, *, option: str) -> int:
    """Return a duration in nanoseconds.

    Args:
        text: A positive number with ns, us, ms or s.
        option: What was given, for an error.

    Raises:
        UsageError: If it is not a duration.

    >>> parse_duration("5ms", option="--max-latency"), parse_duration("0.8 us", option="")
    (5000000, 800)
    """
    # The sign for micro exists twice in Unicode, as itself and as a Greek letter.
    plain = text.replace("\u03bc", "u").replace("\u00b5", "u")
    expected = "a duration such as 5ms, 800us or 2s"
    return _parse(plain, _NANOSECONDS, option, expected, shown=text)


def parse_bytes(text: str, *, option: str) -> int:
    """Return a size in bytes.

    Args:
        text: A positive number with B, kB, MB or GB (decimal), or KiB, MiB or GiB (binary); large
            and small letters are the same.
        option: What was given, for an error.

    Raises:
        UsageError: If it is not a size.

    >>> parse_bytes("1.5MB", option="--max-size"), parse_bytes("64 KiB", option="")
    (1500000, 65536)
    """
    return _parse(text.lower(), _BYTES, option, "a size such as 100kB, 1.5MB or 64MiB", shown=text)


def parse_percent(text: str, *, option: str) -> float:
    """Return a percentage as a share.

    Args:
        text: A number from 0 to 1000 with a percent sign: without one, 0.05 could mean either.
        option: What was given, for an error.

    Raises:
        UsageError: If it is not a percentage.

    >>> parse_percent("5%", option="--max-regression")
    0.05
    """
    expected = f"a percentage such as 5%, from 0% to {_MOST_PERCENT}%"
    percent = percent_of(text)
    bare = percent_of(f"{text}%")
    if bare is not None and 0 <= 100 * bare <= _MOST_PERCENT:
        share = decimal_text(100 * bare)
        raise UsageError(
            f"{option} cannot be read: {text} could be {text} % or {share} %",
            observed=text,
            expected=expected,
            remedy=f"write {text}%, or {share}% if a share is meant: {expected}",
        )
    if percent is None or not 0 <= percent <= _MOST_PERCENT:
        raise _mistake(text, option, expected)
    return float(percent / 100)


def _parse(text: str, units: Mapping[str, int], option: str, expected: str, *, shown: str) -> int:
    found = _QUANTITY.fullmatch(text.strip())
    unit = None if found is None else units.get(found[2])
    value = 0 if found is None or unit is None else round(Decimal(found[1]) * unit)
    if value < 1:
        raise _mistake(shown, option, expected)
    return value


def _mistake(text: str, option: str, expected: str) -> UsageError:
    return UsageError(
        f"{option} cannot be read",
        observed=text or "nothing",
        expected=expected,
        remedy=f"write the number with its unit: {expected}",
    )
