from __future__ import annotations

from pathlib import Path

import edgecnn.verify
from raises import incomplete_raises


def test_every_error_tells_what_was_seen_what_was_wanted_and_what_to_do() -> None:
    assert incomplete_raises(Path(edgecnn.verify.__file__).parent) == []
