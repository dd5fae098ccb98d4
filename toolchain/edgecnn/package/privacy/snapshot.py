"""A file system before and after: what was made, changed or removed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["Snapshot", "differences", "take_snapshot"]

Snapshot = Mapping[str, tuple[int, ...]]
"""Path to type and mode, size, time of the last change of content, and inode."""


def take_snapshot(*folders: Path, without: tuple[Path, ...] = ()) -> Snapshot:
    """Look at everything in some folders.

    Args:
        folders: Where.
        without: Folders and files to leave out, as ``/proc`` and what is not the program's doing.
    """
    left_out = {os.fspath(path) for path in without}
    return {path: state for folder in folders for path, state in _walk(os.fspath(folder), left_out)}


def _walk(folder: str, left_out: set[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.path in left_out:
                continue
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                # Its time says that an entry came or went, which the entries say by themselves.
                yield entry.path, (status.st_mode,)
                yield from _walk(entry.path, left_out)
            else:
                yield (
                    entry.path,
                    (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino),
                )


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the paths that were made, changed or removed, in order."""
    return sorted(
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )
