"""A folder as a ``.tar.gz`` that is the same byte for byte whenever its files are the same."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import time
from pathlib import Path
from typing import Final

from edgecnn.errors import UsageError
from edgecnn.files import atomic_file

_LEVEL: Final = 9


def source_date() -> int:
    """Return the time that files of a bundle get: ``SOURCE_DATE_EPOCH``, else now; in seconds.

    See https://reproducible-builds.org/specs/source-date-epoch/.

    Raises:
        UsageError: If ``SOURCE_DATE_EPOCH`` is set and no number of seconds.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if text is None:
        return int(time.time())
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 33):
        raise UsageError(
            "SOURCE_DATE_EPOCH is no time",
            observed=text,
            expected="seconds since 1970, for example 1700000000",
            remedy="unset SOURCE_DATE_EPOCH, or set it: export SOURCE_DATE_EPOCH=$(git log -1 "
            "--format=%ct)",
        )
    return int(text)


def write_archive(folder: Path, path: Path, *, name: str, date: int) -> None:
    """Write a folder's files as a gzipped tar; owners, times and order say nothing of this machine.

    Args:
        folder: What goes in.
        path: The file to write; it appears whole or not at all.
        name: The archive's one top-level folder.
        date: What its files get as their time, in seconds since 1970.

    Raises:
        WorkspaceError: If it cannot be written.
    """
    with (
        atomic_file(path) as file,
        gzip.GzipFile("", "wb", _LEVEL, file, mtime=date) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for place in [folder, *sorted(folder.rglob("*"))]:
            inside = place.relative_to(folder).as_posix()
            entry = tarfile.TarInfo(name if inside == "." else f"{name}/{inside}")
            entry.mtime = date
            if place.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
                continue
            data = place.read_bytes()
            entry.size = len(data)
            entry.mode = 0o755 if place.stat().st_mode & 0o100 else 0o644
            archive.addfile(entry, io.BytesIO(data))
