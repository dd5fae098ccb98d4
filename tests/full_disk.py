"""A disk that is nearly full: a small file system in memory, and what fills it."""

from __future__ import annotations

from pathlib import Path

PAGE = 4096


def leave_free(disk: Path, size: int) -> None:
    """Fill a disk but for some bytes, with a file ``filler``."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(PAGE))
        except OSError:
            file.truncate(file.tell() // PAGE * PAGE - size)
