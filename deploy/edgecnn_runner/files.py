"""Files read only where they have an end, and written whole."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from edgecnn_runner.errors import OutputError


def regular_size(path: Path) -> int:
    """Return a regular file's size in bytes, and refuse what may have no end.

    Reading a device, a pipe or a socket may never come to an end, or never begin.

    Args:
        path: What is about to be opened.

    Raises:
        OSError: If there is nothing at ``path``, or no regular file.
        ValueError: If ``path`` holds a null character.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return status.st_size


def describe(path: Path) -> str:
    """Return what is at a path, for an error about it: nothing, a folder, a file and its mode.

    Args:
        path: What could not be read.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        there = next((folder for folder in path.absolute().parents if folder.exists()), Path("/"))
        return f"nothing there; the last folder on the way that exists is {there}"
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    mode = stat.filemode(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return f"a folder, {mode}"
    if not stat.S_ISREG(status.st_mode):
        return f"a device, a pipe or a socket, {mode}"
    owner = f"{status.st_uid}:{status.st_gid}"
    return f"{status.st_size} bytes, {mode} of {owner}, read by {os.geteuid()}:{os.getegid()}"


PART_SUFFIX: Final = ".part"
"""What a file that is still being written ends in."""

_REMEDIES: Final = {
    errno.ENOSPC: "free some space, or name a file elsewhere",
    errno.EDQUOT: "free some of your quota, or name a file elsewhere",
    errno.EROFS: "the file system is read-only; name a file elsewhere",
    errno.EACCES: "you may not write there; name a file elsewhere",
    errno.EPERM: "you may not write there; name a file elsewhere",
    errno.ENOENT: "make the folder first, or name a file elsewhere",
}


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears at ``path`` only when the block ends well.

    It is written beside its place, flushed to the disk, and renamed.

    Args:
        path: Where the file is to be; its folder must exist.

    Yields:
        A binary file object.

    Raises:
        OSError: If it cannot be written. What was at ``path`` before stays untouched then.
    """
    path = Path(os.path.realpath(path))  # a link's target is what is written
    if path.exists() and not path.is_file() and not path.is_dir():
        # A device or a pipe, such as /dev/stdout, is written to; nothing takes its place.
        with path.open("wb") as special:
            yield special
        return
    descriptor, temporary = tempfile.mkstemp(
        prefix=_part_prefix(path), suffix=PART_SUFFIX, dir=path.parent
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; results are as readable as the umask says.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _part_prefix(path: Path) -> str:
    # Cut, so that a long name stays within what a file system takes.
    return f".{path.name[:100]}."


def is_part_of(given: str, target: str) -> bool:
    """Tell whether a path is that of a file which is still being written for another.

    Args:
        given: An absolute path.
        target: The absolute path, without links, of the file that it would become.
    """
    part, whole = Path(given), Path(target)
    return (
        part.name.startswith(_part_prefix(whole))
        and part.name.endswith(PART_SUFFIX)
        and os.path.realpath(part.parent) == str(whole.parent)
    )


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing as ``whole_file`` does, with a remedy where that fails.

    Args:
        path: Where the file is to be; its folder must exist.

    Yields:
        A binary file object.

    Raises:
        OutputError: If it cannot be written. What was at ``path`` before stays untouched then.
    """
    try:
        with whole_file(path) as file:
            yield file
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}",
            observed=describe(path.parent),
            expected="a folder that takes a new file",
            remedy=_REMEDIES.get(error.errno or 0, "check the path and the disk"),
        ) from error
