"""Files that are safe to read whole."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

__all__ = ["describe", "regular_size"]


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
