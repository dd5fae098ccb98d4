"""Limits as people write them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from edgecnn.cli.bench import parse_bytes, parse_duration, parse_percent
from edgecnn.errors import UsageError


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("5ms", 5_000_000),
        ("800us", 800_000),
        ("800 \u00b5s", 800_000),
        ("800\u03bcs", 800_000),
        ("2s", 2_000_000_000),
        ("750ns", 750),
        (" 0.1 ms ", 100_000),
    ],
)
def test_durations(text: str, ns: int) -> None:
    assert parse_duration(text, option="--max-latency") == ns


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("100kB", 100_000),
        ("100KB", 100_000),
        ("1.5MB", 1_500_000),
        ("64 KiB", 65_536),
        ("2GiB", 2 << 30),
        ("812b", 812),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text, option="--max-size") == size


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0%", 0), ("2.5 %", 0.025)])
def test_percentages(text: str, share: float) -> None:
    assert parse_percent(text, option="--max-regression") == share


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *(
            (parse_duration, text)
            for text in ("", "5", "ms", "-5ms", "0ms", "5 min", "5Ms", "1e3ms")
        ),
        *((parse_duration, text) for text in ("0.1ns", "nan", "\u0665ms", "5,5ms", "9" * 40 + "s")),
        *((parse_bytes, text) for text in ("", "100", "kB", "0kB", "-1MB", "1.5 TBit", "5ms")),
        *((parse_percent, text) for text in ("", "5", "0.05", "-5%", "%", "2000%", "nan%")),
    ],
)
def test_what_cannot_be_read_is_named_with_an_example(
    parse: Callable[..., object], text: str
) -> None:
    with pytest.raises(UsageError, match=re.escape("--some-limit cannot be read")) as caught:
        parse(text, option="--some-limit")
    assert caught.value.observed == (text or "nothing")
    assert "such as" in caught.value.remedy


def test_a_number_alone_shows_both_readings() -> None:
    with pytest.raises(UsageError, match=r"0\.05 could be 0\.05 % or 5 %") as caught:
        parse_percent("0.05", option="--max-regression")
    assert "write 0.05%, or 5% if a share is meant" in caught.value.remedy
    with pytest.raises(UsageError, match=r"could be 5 % or 500 %"):
        parse_percent("5", option="--max-regression")
