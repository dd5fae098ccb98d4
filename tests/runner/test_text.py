from __future__ import annotations

import pytest

from edgecnn_runner.classifier import Result, Score
from edgecnn_runner.cli.text import classification, duration, size


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [(950, "0.9 us"), (79_400, "79.4 us"), (12_345_678, "12.35 ms"), (2_500_000_000, "2.50 s")],
)
def test_durations_have_the_unit_a_person_would_use(nanoseconds: int, expected: str) -> None:
    assert duration(nanoseconds) == expected


@pytest.mark.parametrize(
    ("size_bytes", "expected"), [(812, "812 B"), (96_200, "96.2 kB"), (6_710_456, "6.71 MB")]
)
def test_sizes_have_the_unit_a_person_would_use(size_bytes: int, expected: str) -> None:
    assert size(size_bytes) == expected


def test_ranked_classes_are_aligned_and_drawn() -> None:
    ranked = (
        Score(label="cat", score=0.8, index=1),
        Score(label="elephant", score=0.2, index=0),
        Score(label="a", score=0.0, index=2),
    )
    result = Result(label="cat", score=0.8, index=1, ranked=ranked)
    assert classification("x.png", result).splitlines() == [
        "x.png: cat",
        "  cat        80.0%  ################",
        "  elephant   20.0%  ####",
        "  a           0.0%",
    ]
