"""Files that are safe to read whole."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

__all__ = ["regular_size"]


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
