"""Wheels unpacked into one folder, as pip would with ``--target``, without running anything.

A wheel is a ZIP (PEP 427) whose root goes on ``sys.path``; so does what it holds in
``NAME.data/purelib`` and ``platlib``. Scripts and headers stay behind: a device has no
use for them.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from edgecnn.errors import PackageError
from edgecnn.files import wrap_os_errors

_LARGEST: Final = 1 << 30
"""Bytes that a wheel may unpack to; the largest known has a tenth of it."""

_KEPT: Final = ("purelib", "platlib")


def unpack_wheel(wheel: Path, folder: Path) -> None:
    """Unpack a wheel whose digest was checked.

    Args:
        wheel: The file.
        folder: Where to; files of others in it stay.

    Raises:
        PackageError: If it is damaged, leads out of the folder, or is unreasonably large.
        WorkspaceError: If the folder cannot be written.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > _LARGEST:
                raise _bad(wheel, "more than 1 GiB unpacked")
            for entry in entries:
                name = _place(wheel, entry)
                if name is None:
                    continue
                target = folder / name
                data = archive.read(entry)
                with wrap_os_errors(target):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if target.exists() and target.read_bytes() != data:
                        raise _bad(wheel, f"{name} is another one's file, too")
                    target.write_bytes(data)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise _bad(wheel, f"{type(error).__name__}: {error}") from error


def _place(wheel: Path, entry: zipfile.ZipInfo) -> str | None:
    """Return where an entry goes; None if it is left behind."""
    path = PurePosixPath(entry.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in entry.filename:
        raise _bad(wheel, f"{entry.filename!a} leads out of it")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise _bad(wheel, f"{entry.filename!a} is a link")
    if path.suffix == ".pyc":
        return None
    if path.parts[0].endswith(".data"):
        return "/".join(path.parts[2:]) if path.parts[1] in _KEPT else None
    return str(path)


def _bad(wheel: Path, observed: str) -> PackageError:
    return PackageError(
        f"{wheel} cannot be unpacked",
        observed=observed,
        expected="a wheel as pip installs it",
        remedy="remove it and fetch it again",
    )
