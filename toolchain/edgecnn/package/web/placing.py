"""A bundle's folder and its single file on the disk: whole, or as they were before."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edgecnn.errors import WorkspaceError
from edgecnn.files import wrap_os_errors, write_whole
from edgecnn.package.web.contents import SUMS
from edgecnn.package.web.opened import is_web_bundle, named_files

_PREFIX: Final = ".edgecnn-web-"
_OLD_S: Final = 3600
_SHOWN: Final = 5


def refuse_no_folder(out: Path) -> None:
    """Refuse to write into what is no folder.

    Args:
        out: Where a bundle is to lie; need not exist.

    Raises:
        WorkspaceError: If it, or a folder above it, is something else.
    """
    there = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not there.is_dir():
        raise WorkspaceError(
            f"{out} is no folder, so nothing can be written into it",
            observed=f"{there} is a file",
            expected="a folder, or nothing yet",
            remedy="move it away, or write elsewhere: --out FOLDER",
        )


def refuse_other_folder(folder: Path) -> None:
    """Refuse to replace what is no web bundle, or one to which somebody added files.

    Args:
        folder: Where one is to be.

    Raises:
        WorkspaceError: If something else is there, or among a bundle's files.
    """
    if not folder.exists():
        return
    if is_web_bundle(folder):
        _refuse_added(folder)
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    raise WorkspaceError(
        f"{folder} is there already, and is no web bundle",
        observed="a folder with other files" if folder.is_dir() else "a file",
        expected="nothing there, or an earlier bundle, which is replaced",
        remedy="move it away, or write elsewhere: --out FOLDER",
    )


def _refuse_added(folder: Path) -> None:
    with wrap_os_errors(folder):
        named = named_files(folder)
        added: list[str] = []
        for place, folders, files in os.walk(folder):
            links = [one for one in folders if Path(place, one).is_symlink()]
            found = {Path(place, one).relative_to(folder).as_posix() for one in (*files, *links)}
            added += found - named
    if not added:
        return
    more = f" and {len(added) - _SHOWN} more" if len(added) > _SHOWN else ""
    raise WorkspaceError(
        f"{folder} holds files that are not of the bundle, and would be lost",
        observed=", ".join(sorted(added)[:_SHOWN]) + more,
        expected=f"the files that its {SUMS} names, and no others",
        remedy="move them away, or write elsewhere: --out FOLDER",
    )


def place_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write a bundle's folder; it appears whole, in place of an earlier one.

    Args:
        files: Name to bytes.
        folder: Where to; see ``refuse_other_folder``. Its parent must exist.

    Raises:
        WorkspaceError: If it cannot be written; what was there before is there again.
    """
    with wrap_os_errors(folder):
        for left in folder.parent.glob(f"{_PREFIX}*"):
            # A younger one may be another process's, still at work on it.
            if time.time() - left.stat().st_mtime > _OLD_S:
                shutil.rmtree(left, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder.parent))
        try:
            new, old = work / "new", work / "old"
            for name, data in files.items():
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                write_whole(new / name, data)
            if folder.exists():
                folder.rename(old)
            try:
                new.rename(folder)
            except BaseException:
                if old.exists():
                    old.rename(folder)
                raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
