"""Holds the pixels of many images: in memory while they are few, else in a file of its own.

50,000 photos of 224 x 224 pixels are 7.5 GB. An array that is larger than ``IN_MEMORY`` is a
temporary file that is mapped into memory: to numpy it is an array like any other, and the system
reads the pages that are used and forgets them again when memory runs short. The file has no name,
so that it is gone when the process ends, however it ends.

Whoever makes an array as large as a data set takes it from here, and goes through such an array in
parts, of ``AT_ONCE`` bytes.
"""

from __future__ import annotations

import errno
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError
from edgecnn_runner.quantities import size_text

Pixels = npt.NDArray[np.uint8]

IN_MEMORY: Final = 256 * 2**20
"""Bytes of an array that are held in memory: 1,783 photos of 224 x 224 pixels, or all of CIFAR-10.
"""
AT_ONCE: Final = 16 * 2**20
"""Bytes that are worked on at a time."""


def room_for(count: int, shape: Sequence[int]) -> Pixels:
    """Return an array for images.

    Args:
        count: How many.
        shape: Height, width and channels of one.

    Returns:
        uint8, shape (count, height, width, channels); what it holds is not defined.

    Raises:
        DataError: If there is no room for it, neither in memory nor in the folder of temporary
            files.
    """
    whole = (count, *shape)
    size = math.prod(whole)
    if size <= IN_MEMORY:
        try:
            return np.empty(whole, np.uint8)
        except MemoryError as error:
            raise _too_large(size, count, "memory") from error
    folder = _folder()
    try:
        with tempfile.TemporaryFile(prefix="edgecnn-", dir=folder) as file:
            _reserve(file, size)
            mapped = np.memmap(file, np.uint8, "r+", shape=whole)
    except (OSError, ValueError, OverflowError) as error:
        raise _too_large(size, count, f"temporary files in {folder}") from error
    return np.asarray(mapped)  # a plain array; it keeps the mapping


def is_mapped(pixels: Pixels) -> bool:
    """Tell whether pixels, or those that they are a part of, are in a file."""
    base: object = pixels
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


def gathered(pixels: Pixels, places: npt.NDArray[np.int64]) -> Pixels:
    """Return a copy of some images, in the order asked for.

    Args:
        pixels: Shape (n, height, width, channels).
        places: Which, 0..n-1, shape (m,).

    Returns:
        Shape (m, height, width, channels).

    Raises:
        DataError: If there is no room for it.
    """
    found = room_for(len(places), pixels.shape[1:])
    for part in parts_of(found):
        found[part] = pixels[places[part]]
    return found


def joined(first: Pixels, second: Pixels) -> Pixels:
    """Return a copy of images and then others, of the same shape.

    Raises:
        DataError: If there is no room for it.
    """
    found = room_for(len(first) + len(second), first.shape[1:])
    for begin, pixels in ((0, first), (len(first), second)):
        for part in parts_of(pixels):
            found[begin + part.start : begin + part.stop] = pixels[part]
    return found


def parts_of(pixels: Pixels) -> Iterator[slice]:
    """Yield the places of images that are worked on at a time, in order; at least one each."""
    step = max(1, AT_ONCE // max(1, math.prod(pixels.shape[1:])))
    for begin in range(0, len(pixels), step):
        yield slice(begin, min(len(pixels), begin + step))


def _folder() -> Path:
    """Return where large temporary files go: ``TMPDIR``, else where they are on a disk.

    Many systems keep ``/tmp`` in memory, but ``/var/tmp`` never.
    """
    on_disk = Path("/var/tmp")  # noqa: S108 - the file in it has no name
    chosen = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    if not chosen and on_disk.is_dir() and os.access(on_disk, os.W_OK | os.X_OK):
        return on_disk
    return Path(tempfile.gettempdir())


def _reserve(file: IO[bytes], size: int) -> None:
    """Take room on the disk: a page of a mapped file that finds none would end the process.

    Raises:
        OSError: If there is not enough.
    """
    allocate = getattr(os, "posix_fallocate", None)
    if allocate is not None:  # not on macOS and Windows
        try:
            allocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise  # those two: a file system, or a C library, without it
        else:
            return
    disk = os.statvfs(file.fileno()) if hasattr(os, "statvfs") else None
    if disk is not None and disk.f_bavail * disk.f_frsize < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    file.truncate(size)


def _too_large(size: int, count: int, where: str) -> DataError:
    return DataError(
        "there is no room for the images at this size",
        observed=f"{size_text(size)} for {count:,} images, more than there is for {where}",
        expected="room for a byte a value, in memory for few images, else in a temporary file",
        remedy="set TMPDIR to a folder on a disk with more room, use fewer images, or set a "
        "smaller data.image_size in the recipe",
    )
