"""The errors of an installation; their numbers are those of the workstation's commands."""

from __future__ import annotations

from typing import ClassVar


class InstallError(Exception):
    """An expected failure: what was seen, what was wanted, and what to do about it.

    Args:
        problem: One sentence.
        observed: The value found.
        expected: The value that would have been right.
        remedy: What the reader can do.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, *, observed: object, expected: object, remedy: str) -> None:
        super().__init__(problem)
        self.problem, self.observed = problem, str(observed)
        self.expected, self.remedy = str(expected), remedy

    def __str__(self) -> str:
        """Return the four parts, a line each."""
        return (
            f"{self.problem}\n  observed: {self.observed}\n  expected: {self.expected}\n"
            f"  remedy:   {self.remedy}"
        )

    def to_dict(self) -> dict[str, object]:
        """Return JSON-ready values."""
        return {
            "error": type(self).__name__,
            "exit_code": self.exit_code,
            "problem": self.problem,
            "observed": self.observed,
            "expected": self.expected,
            "remedy": self.remedy,
        }


class UsageError(InstallError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class SelfTestError(InstallError):
    """This device does not reproduce the golden vectors."""

    exit_code = 16


class BundleError(InstallError):
    """The bundle is not what was packaged: a file is altered, missing or too many."""

    exit_code = 32


class SignatureError(InstallError):
    """The bundle is not signed with the pinned key."""

    exit_code = 33


class DeviceError(InstallError):
    """This device cannot take the bundle: architecture, Python, libc, space or rights."""

    exit_code = 34
