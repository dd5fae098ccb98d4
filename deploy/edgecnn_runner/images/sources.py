"""Sources of a stream of images: one interface, and the sources that need no camera.

``camera_v4l2`` and ``camera_picamera2`` hold those that do.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from edgecnn_runner.errors import SourceError
from edgecnn_runner.files import describe

if TYPE_CHECKING:
    import numpy.typing as npt

_NOT_YET: Final = (".part", ".tmp", ".swp", ".crdownload")
"""What programs call files that they are still writing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One image of a stream.

    Attributes:
        name: The file's path, or ``frame 12``.
        image: A path, or RGB bytes of shape (height, width, 3), uint8.
    """

    name: str
    image: Path | npt.NDArray[np.uint8]


class FrameSource(Protocol):
    """A stream of images."""

    name: str
    """What it is, for people."""

    @property
    def live(self) -> bool:
        """Whether it goes on for as long as it is asked, and an interval means waiting."""

    def read(self) -> Frame | None:
        """Return the next image; None if there is none: for good, or if live, for now.

        Raises:
            ImageError: If this one cannot be had. The next one may be asked for.
            SourceError: If the source gives nothing any more.
        """

    def close(self) -> None:
        """Give back what it holds."""


class ImageFolder:
    """The image files of a folder, once, in the order of their names.

    Hidden files and folders are left out; what is no image is found when it is read.

    Args:
        folder: Where they lie.

    Raises:
        SourceError: If the folder cannot be read.
    """

    live: Final = False

    def __init__(self, folder: Path) -> None:
        self.name = f"the images in {folder}"
        self._paths: Iterator[Path] = iter(sorted(entry.path for entry in _files(folder)))

    def read(self) -> Frame | None:
        """Return the next file; None after the last."""
        path = next(self._paths, None)
        return None if path is None else Frame(name=str(path), image=path)

    def close(self) -> None:
        """Hold nothing back."""


class Watched:
    """A folder into which others put images; each is given once, when it is complete.

    A file counts as complete when two looks at the folder find it alike in size and time, or when
    it was renamed into the folder, which looks the same. A file that is written over counts as a
    new one. Those that are there at the beginning are given, too.

    Args:
        folder: Which.
        except_for: A file in it that is none of them: the results.

    Raises:
        SourceError: If the folder cannot be read; also later, if it goes away.
    """

    live: Final = True

    def __init__(self, folder: Path, *, except_for: Path | None = None) -> None:
        self.name = f"images put into {folder}"
        self._folder = folder
        self._other = None if except_for is None else os.path.realpath(except_for)
        self._before: dict[Path, tuple[int, int]] = {}
        self._given: dict[Path, tuple[int, int]] = {}
        self._waiting: list[Path] = []
        _files(folder)

    def read(self) -> Frame | None:
        """Return the next complete file; None if there is none at the moment."""
        if not self._waiting:
            self._look()
        while self._waiting:
            path = self._waiting.pop()
            if path.exists():  # somebody may have taken it away
                return Frame(name=str(path), image=path)
        return None

    def _look(self) -> None:
        now = {
            entry.path: entry.state
            for entry in _files(self._folder)
            if self._other is None or os.path.realpath(entry.path) != self._other
        }
        # What is gone is forgotten, so that this does not grow for as long as the service runs.
        self._given = {path: state for path, state in self._given.items() if path in now}
        complete = [
            path
            for path, state in now.items()
            if self._before.get(path) == state and self._given.get(path) != state
        ]
        self._before = now
        self._given.update({path: now[path] for path in complete})
        # Oldest first; popped from the end.
        self._waiting = sorted(complete, key=lambda path: (now[path][0], path), reverse=True)

    def close(self) -> None:
        """Hold nothing back."""


@dataclass(frozen=True)
class _Entry:
    path: Path
    state: tuple[int, int]


def _files(folder: Path) -> list[_Entry]:
    """Return the regular files in a folder, with their time and size."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.endswith(_NOT_YET):
                    continue
                try:
                    status = entry.stat()
                except OSError:
                    continue  # gone since, or a link to nothing
                if stat.S_ISREG(status.st_mode):
                    found.append(_Entry(folder / entry.name, (status.st_mtime_ns, status.st_size)))
    except OSError as error:
        raise folder_error(folder, error) from error
    return found


def folder_error(folder: Path, error: OSError) -> SourceError:
    """Return the error for a folder of images that cannot be read."""
    return SourceError(
        f"cannot read the folder {folder}: {error.strerror or error}",
        observed=describe(folder),
        expected="a folder of images that can be read",
        remedy="make the folder, or name another one",
    )
