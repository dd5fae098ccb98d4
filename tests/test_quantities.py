from __future__ import annotations

import pytest

from edgecnn.quantities import size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (949, "949 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (96_240, "96.2 kB"),
        (994_000, "994.0 kB"),
        (999_999, "1.00 MB"),
        (6_710_000, "6.71 MB"),
        (999_999_999, "1.00 GB"),
        (85_400_000_000, "85.40 GB"),
    ],
)
def test_a_size_is_told_in_the_unit_a_person_would_use(size: int, text: str) -> None:
    assert size_text(size) == text
