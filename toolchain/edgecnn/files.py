"""Files that appear whole or not at all, their digests, and what the operating system refuses.

A file is written beside its place, flushed to the disk and renamed. A refusal becomes an error that
says what was seen, what is needed and what to do.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from edgecnn.errors import WorkspaceError
from edgecnn.log import LOG
from edgecnn_runner.files import whole_file
from edgecnn_runner.quantities import size_text

_ELSEWHERE: Final = "write elsewhere, with --out FOLDER"

# Error number to what would have been right, and what to do besides writing elsewhere.
_RULES: Final = {
    errno.ENOSPC: ("enough free space on its disk", "free some space"),
    errno.EDQUOT: ("room within your disk quota", "free some of your quota"),
    errno.EFBIG: ("a file no larger than allowed there", "raise the limit: ulimit -f unlimited"),
    errno.EROFS: ("a file system that can be written", "mount it writable"),
    errno.EACCES: ("a folder that you may write", "get the right to write there"),
    errno.EPERM: ("a folder that you may write", "get the right to write there"),
    errno.ENAMETOOLONG: ("a name and a path that the file system takes", "choose a shorter name"),
    errno.ENOLCK: ("a file system with file locks", "use a local disk"),
    errno.ENOSYS: ("a file system with file locks", "use a local disk"),
    errno.EOPNOTSUPP: ("a file system with file locks", "use a local disk"),
}


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears at ``path`` only when the block ends well.

    Args:
        path: Where the file is to be; its folder must exist.

    Yields:
        A binary file object.

    Raises:
        WorkspaceError: If the disk is full, the folder read-only or missing. What was at
            ``path`` before stays untouched then.
    """
    with wrap_os_errors(path), whole_file(path) as file:
        yield file
    LOG.info("wrote %s", path)


def write_whole(path: Path, data: bytes | str, *, option: str | None = None) -> None:
    """Write a file atomically; see ``atomic_file``. Text becomes UTF-8.

    Args:
        path: Where to.
        data: What to write.
        option: The option that named this file, which an error sends the user back to; None for a
            file in a folder that was named.
    """
    elsewhere = {} if option is None else {"elsewhere": f"name a file elsewhere: {option} FILE"}
    with wrap_os_errors(path, **elsewhere), whole_file(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)
    LOG.info("wrote %s", path)


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically, keys sorted, so that equal values give equal bytes.

    Raises:
        ValueError: If the value holds NaN or infinity, which JSON has no words for.
        WorkspaceError: If it cannot be written; what was there before stays then.
    """
    write_whole(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def file_digest(path: Path) -> str:
    """Return a file's SHA-256 in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_digest(value: object) -> str:
    """Return the SHA-256 of a JSON-ready value, the same for equal values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def wrap_os_errors(path: Path, *, elsewhere: str = _ELSEWHERE) -> Iterator[None]:
    """Turn operating-system errors on ``path`` into an error with a remedy.

    Args:
        path: What is written, or the folder that is made.
        elsewhere: How the user names another place.

    Raises:
        WorkspaceError: For any OSError of the block; it says how much space is free there.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        code = errno.errorcode.get(error.errno or 0, type(error).__name__)
        seen, wanted, first = _explain(path, error.errno or 0)
        raise WorkspaceError(
            f"cannot write {path}: {why}",
            observed="; ".join(part for part in (f"{why} ({code})", seen, _free(path)) if part),
            expected=wanted,
            remedy=f"{first}, or {elsewhere}" if first else elsewhere,
        ) from error


def _explain(path: Path, number: int) -> tuple[str, str, str]:
    """Return what stands in the way, what is needed, and the first remedy; each may be empty."""
    if number == errno.ENOENT and _current_folder_is_gone() and not path.is_absolute():
        return "the current folder was deleted", "a folder that exists", "cd to such a folder"
    if number in (errno.ENOENT, errno.ENOTDIR, errno.EEXIST):
        for place in (*reversed(path.parents), path):
            if place.is_symlink() and not _is_there(place):
                return f"{place} is a link to nothing", "a folder there", "remove that link"
            if _is_there(place) and not place.is_dir():
                return f"{place} is not a folder", "a folder there", f"move {place} away"
            if not _is_there(place) and place != path:
                return f"there is no folder {place}", "a folder that exists", f"make {path.parent}"
    if number in (errno.EISDIR, errno.ENOTEMPTY) and path.is_dir():
        return f"{path} is a folder", "a file, or nothing, there", f"move {path} away"
    wanted, first = _RULES.get(number, ("a place that can be written", "check the disk"))
    longest = max(len(os.fsencode(part)) for part in (*path.parts, ""))
    seen = f"its longest name has {longest} bytes" if number == errno.ENAMETOOLONG else ""
    return seen, wanted, first


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def _free(path: Path) -> str:
    """Say how much space is free where ``path`` is or would be; empty if that is not known."""
    for place in (path, *path.parents):
        with contextlib.suppress(OSError):
            return f"{size_text(shutil.disk_usage(place).free)} free on its disk"
    return ""


def _current_folder_is_gone() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False
