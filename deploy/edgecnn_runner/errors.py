"""The root of edgecnn's error tree, and the errors a device can meet.

The tree starts here, not in the toolchain, because the toolchain may import the runner and never
the other way round. Each class has its own exit code; ``edgecnn.errors`` adds the workstation's.
What both sides can meet is here, so that it has one class and one code wherever it happens.

    EdgeError
    ├── UsageError                2  the command line asks for something that cannot be
    ├── ArtifactError            10  a model file is missing, damaged or not a classifier
    ├── ContractError            11  the contract inside a file is absent, damaged or unknown
    ├── ImageError               12  an image cannot be read or is too large
    ├── RuntimeMissingError      13  the runtime for a file is not installed or cannot start
    ├── RuntimeTooOldError       14  the installed runtime cannot load this file
    ├── ScoreError               15  the model answers with NaN or scores of a wrong shape
    ├── SelfTestError            16  golden vectors are not reproduced
    ├── OutputError              17  a result cannot be written: no space, or read-only
    ├── PrivacyError             18  something tried what the runner never does
    ├── SourceError              19  a camera, a video or a folder gives no images
    └── LabelsError              25  labels do not fit the model or the data
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Any, ClassVar, Final

__all__ = [
    "ArtifactError",
    "ContractError",
    "EdgeError",
    "ImageError",
    "LabelsError",
    "OutputError",
    "PrivacyError",
    "RuntimeMissingError",
    "RuntimeTooOldError",
    "ScoreError",
    "SelfTestError",
    "SourceError",
    "UsageError",
    "some_of",
]


class EdgeError(Exception):
    """An expected failure: what was seen, what was wanted, and what to do about it.

    Args:
        problem: One sentence that says what is wrong, with the file or key concerned.
        observed: The value found, where there is one.
        expected: The value or range that would have been right.
        remedy: A command or an edit the reader can make.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        problem: str,
        *,
        remedy: str,
        observed: object | None = None,
        expected: object | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.observed = observed
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the problem, the two values where known, and the remedy, a line each.

        Names in them may be from a file, and hold what a terminal would obey: such characters are
        shown as ``?``.
        """
        lines = [self.problem]
        if self.observed is not None:
            lines.append(f"  observed: {self.observed}")
        if self.expected is not None:
            lines.append(f"  expected: {self.expected}")
        lines.append(f"  remedy:   {self.remedy}")
        text = "\n".join(lines)
        return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON-ready values, for ``--json`` output."""
        return {
            "error": type(self).__name__,
            "exit_code": self.exit_code,
            "problem": self.problem,
            "observed": None if self.observed is None else str(self.observed),
            "expected": None if self.expected is None else str(self.expected),
            "remedy": self.remedy,
        }


class UsageError(EdgeError):
    """The command line, or a call, asks for something that cannot be."""

    exit_code = 2


class ArtifactError(EdgeError):
    """A model file is missing, empty, damaged, of the wrong type, or not a classifier."""

    exit_code = 10


class ContractError(EdgeError):
    """The contract inside a model file is absent, damaged, or of an unknown version."""

    exit_code = 11


class ImageError(EdgeError):
    """An image file cannot be read, or is too large to be read safely."""

    exit_code = 12


class RuntimeMissingError(EdgeError):
    """The runtime a model file needs is not installed, or cannot start in this environment."""

    exit_code = 13


class RuntimeTooOldError(EdgeError):
    """The runtime is installed, but cannot load this file."""

    exit_code = 14


class ScoreError(EdgeError):
    """A model answered with NaN, infinity, or scores of an unexpected shape."""

    exit_code = 15


class SelfTestError(EdgeError):
    """A device does not reproduce the golden vectors."""

    exit_code = 16


class OutputError(EdgeError):
    """A result cannot be written: no space, no permission, or a read-only file system."""

    exit_code = 17


class PrivacyError(EdgeError):
    """Something tried to open a network connection or to write elsewhere, and was refused."""

    exit_code = 18


class SourceError(EdgeError):
    """A camera, a video or a folder of images cannot be opened, or gives nothing any more."""

    exit_code = 19


class LabelsError(EdgeError):
    """The labels given are unreadable, or do not fit the model's outputs or the data's classes."""

    exit_code = 25


# A remedy is read on a device, which has the runner alone, and on the workstation: whatever takes
# the toolchain says so.

CONVERT_AGAIN: Final = "convert the model again on the workstation: edgecnn convert SOURCE"
COPY_AGAIN: Final = f"copy the file again from where it was made, or {CONVERT_AGAIN}"

_READING: Final = {
    errno.EACCES: "let this user read it: chmod a+r for the file, chmod a+x for its folders",
    errno.EPERM: "let this user read it: chmod a+r for the file, chmod a+x for its folders",
    errno.EISDIR: "check the path: name a file in that folder",
    errno.EINVAL: "check the path: name a file, not a device or a pipe",
    errno.EIO: "the disk or the card may be failing: copy the file again, to another one",
}


def remedy_for_reading(error: BaseException) -> str:
    """Return what to do about a file that cannot be read.

    Args:
        error: What opening or reading it raised.
    """
    number = error.errno if isinstance(error, OSError) else None
    return _READING.get(number or 0, "check the path")


def some_of(names: Iterable[object], limit: int = 3, *, joint: str = ", ") -> str:
    """Return names for an error: the first few, and how many more there are.

    Args:
        names: Of files, images, classes; or whole clauses.
        limit: How many are told.
        joint: What stands between them.

    >>> some_of(["a.png", "b.png", "c.png", "d.png", "e.png"])
    'a.png, b.png, c.png and 2 more'
    """
    texts = [str(name) for name in names]
    more = len(texts) - limit
    shown = joint.join(texts[:limit])
    if more <= 0:
        return shown
    return f"{shown}{' ' if joint == ', ' else joint}and {more:,} more"
