"""The workstation's part of the error tree; each class has its own exit code.

    EdgeError (edgecnn_runner.errors, which also holds the codes 2, 10 to 19 and 25)
    ├── ParityFailError           3  an artifact misses a limit, mostly against its float model
    ├── ParityInconclusiveError   4  too few images to tell
    ├── RecipeError              20  a recipe has mistakes
    ├── DataError                21  a data set is missing, incomplete or inconsistent
    ├── ChecksumError            22  a data file is not the one that was published
    ├── DownloadError            23  a download failed
    ├── CalibrationError         24  calibration images are empty, missing or overlap evaluation
    ├── SourceModelError         26  a model to convert cannot be loaded or is not a classifier
    ├── ConversionError          27  at least one variant could not be made
    ├── TrainingError            28  training diverged or cannot resume
    ├── WorkspaceError           29  a build folder cannot be written or is damaged
    ├── CheckError               30  doctor found something that has to be fixed
    ├── BuildInUseError          31  another process is at work in a build folder
    ├── BundleError              32  a bundle is not what was packaged
    ├── SignatureError           33  a bundle is not signed with the key that is asked for
    ├── DeviceError              34  a device cannot do what it is asked
    ├── PackageError             35  a bundle cannot be made of what is there
    ├── PrivacyClaimError        36  a bundle does not keep to what it claims
    ├── DeviceConnectionError    37  a device cannot be reached, or was lost
    ├── ParityRegressionError    38  an artifact is worse than in an earlier verification
    ├── BenchRegressionError     39  an artifact takes more than in an earlier bench
    ├── NothingFitsError         40  no artifact keeps the limits of a device
    ├── UselessModelError        41  a float model is no better than guessing
    ├── TrialError               42  a model to convert is right on more images in another way
    ├── FaithfulnessError        43  what was made of a model answers otherwise than the model
    └── OwnScoresError           44  the user's own scores are not those of the float model

0 is success, 1 a bug of ours, 130 an interrupt. A test walks this tree and fails on two classes
with one code and on a code missing from the manual.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from edgecnn_runner.errors import (
    ArtifactError,
    ContractError,
    EdgeError,
    ImageError,
    LabelsError,
    OutputError,
    PrivacyError,
    RuntimeMissingError,
    RuntimeTooOldError,
    ScoreError,
    SelfTestError,
    SourceError,
    UsageError,
)

__all__ = [
    "ArtifactError",
    "BenchRegressionError",
    "BuildInUseError",
    "BundleError",
    "CalibrationError",
    "CheckError",
    "ChecksumError",
    "ContractError",
    "ConversionError",
    "DataError",
    "DeviceConnectionError",
    "DeviceError",
    "DownloadError",
    "EdgeError",
    "FaithfulnessError",
    "ImageError",
    "LabelsError",
    "NothingFitsError",
    "OutputError",
    "OwnScoresError",
    "PackageError",
    "ParityFailError",
    "ParityInconclusiveError",
    "ParityRegressionError",
    "PrivacyClaimError",
    "PrivacyError",
    "RecipeError",
    "RuntimeMissingError",
    "RuntimeTooOldError",
    "ScoreError",
    "SelfTestError",
    "SignatureError",
    "SourceError",
    "SourceModelError",
    "TrainingError",
    "TrialError",
    "UsageError",
    "UselessModelError",
    "WorkspaceError",
]


class ParityFailError(EdgeError):
    """At least one artifact does not follow its float model within the limits, or is too poor."""

    exit_code = 3


class ParityInconclusiveError(EdgeError):
    """No artifact failed, but the evaluation images are too few to pass all of them."""

    exit_code = 4


class RecipeError(EdgeError):
    """A recipe has one or more mistakes; all are listed at once."""

    exit_code = 20


class DataError(EdgeError):
    """A data set is missing, incomplete, or does not fit the recipe."""

    exit_code = 21


class ChecksumError(EdgeError):
    """A data file is not the one that was published; it was not opened."""

    exit_code = 22


class DownloadError(EdgeError):
    """A download failed or was refused."""

    exit_code = 23


class CalibrationError(EdgeError):
    """Calibration images are empty, missing, or overlap the evaluation images."""

    exit_code = 24


class SourceModelError(EdgeError):
    """A model to convert cannot be loaded, or is not an image classifier."""

    exit_code = 26


class ConversionError(EdgeError):
    """At least one variant asked for could not be made; the others were."""

    exit_code = 27


class TrainingError(EdgeError):
    """Training diverged, or its checkpoint belongs to another recipe."""

    exit_code = 28


class ParityRegressionError(EdgeError):
    """An artifact is worse than in the earlier verification that ``--baseline`` names."""

    exit_code = 38


class BenchRegressionError(EdgeError):
    """An artifact is slower, larger or missing, compared with the bench of ``--baseline``."""

    exit_code = 39


class NothingFitsError(EdgeError):
    """On a device, nothing that passed verification keeps the limits that were asked for."""

    exit_code = 40


class UselessModelError(EdgeError):
    """A float model is no better than guessing, so that parity with it proves nothing."""

    exit_code = 41


class TrialError(EdgeError):
    """A model to convert is surely right on more images if it is fed or read in another way."""

    exit_code = 42


class OwnScoresError(EdgeError):
    """The user's own scores of the images are not those of the float model here."""

    exit_code = 44


class FaithfulnessError(EdgeError):
    """What edgecnn made of a model to convert it answers otherwise than the model itself."""

    exit_code = 43


class WorkspaceError(EdgeError):
    """A build folder cannot be written (no space, read-only), or what it holds is damaged."""

    exit_code = 29


class CheckError(EdgeError):
    """``edgecnn doctor`` found something that has to be fixed."""

    exit_code = 30


class PackageError(EdgeError):
    """A bundle cannot be made: no PASS, a runtime that cannot load it, or libraries missing."""

    exit_code = 35


class BundleError(EdgeError):
    """A bundle is not what was packaged: a file is altered, missing or too many, or it is none."""

    exit_code = 32


class PrivacyClaimError(EdgeError):
    """A bundle does not keep to its privacy claims, or they are about another one."""

    exit_code = 36


class BuildInUseError(EdgeError):
    """Another process trains, converts or verifies in a build folder; nothing was changed."""

    exit_code = 31


class SignatureError(EdgeError):
    """A bundle is not signed with the key that is asked for."""

    exit_code = 33


class DeviceError(EdgeError):
    """A device cannot do what it is asked: its processor, Python, C library, space or rights."""

    exit_code = 34


class DeviceConnectionError(EdgeError):
    """A device cannot be reached, is not the one it should be, lets nobody in, or was lost."""

    exit_code = 37


@dataclass(frozen=True, kw_only=True)
class RowError:
    """An error as values, which can be stored."""

    error: str
    exit_code: int
    problem: str
    remedy: str
    observed: str | None = None
    expected: str | None = None

    @classmethod
    def of(cls, error: EdgeError) -> RowError:
        """Keep an error."""
        return cls(**error.to_dict())

    def to_error(self) -> EdgeError:
        """Return the error, of its own class, to be raised."""
        kind = getattr(sys.modules[__name__], self.error, EdgeError)
        error: EdgeError = kind(
            self.problem, observed=self.observed, expected=self.expected, remedy=self.remedy
        )
        return error


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
