"""Every typed error outside the stages says what was seen, what was wanted, and what to do."""

from __future__ import annotations

from pathlib import Path

import edgecnn
from raises import incomplete_raises

TOOLCHAIN = Path(edgecnn.__file__).parent
# Each has a test of its own beside its tests.
ELSEWHERE = {"convert", "modelfile", "verify", "cli"}


def test_every_error_says_observed_expected_and_remedy() -> None:
    places = [
        place
        for place in sorted(TOOLCHAIN.iterdir())
        if place.name not in ELSEWHERE
        and (place.suffix == ".py" or (place.is_dir() and any(place.glob("*.py"))))
    ]
    assert {"data", "train", "build", "commands", "files.py"} <= {place.name for place in places}
    assert not [line for place in places for line in incomplete_raises(place)]
