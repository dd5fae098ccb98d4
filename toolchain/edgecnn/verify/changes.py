"""The changes between two verifications, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ShareChange:
    """A share of images, before and now.

    Attributes:
        before: 0..1.
        now: 0..1.
        low: Lower bound of the 95 % interval of the change, ``now - before``.
        high: Upper bound.
    """

    before: float
    now: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Change:
    """One variant.

    Attributes:
        variant: Format and precision.
        verdict_before: None where the earlier verification did not have it.
        verdict: None where the new one does not.
        bytes_before: Size of the file then.
        bytes: Size of the file now.
        same_file: Whether it is the very file.
        accuracy: None where one of the two was not judged.
        agreement: With the float model; None where one of the two was not judged.
        replaces: What the earlier verification had in its place, where a repair changed that;
            None where it has the same name in both.
        regressions: Which of ``verdict``, ``missing``, ``accuracy``, ``agreement`` got worse.
    """

    variant: str
    verdict_before: str | None
    verdict: str | None
    bytes_before: int | None
    bytes: int | None
    same_file: bool
    accuracy: ShareChange | None = None
    agreement: ShareChange | None = None
    replaces: str | None = None
    regressions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A verification against an earlier one.

    Attributes:
        source: What the earlier one is called.
        created: When that was made.
        paired: Whether artifacts could be compared with their predecessors image by image.
        same_model: Whether both were converted from the same float model.
        changes: One per variant of either.
    """

    source: str
    created: str
    paired: bool
    same_model: bool
    changes: tuple[Change, ...]

    @property
    def regressions(self) -> tuple[Change, ...]:
        """Those that got worse."""
        return tuple(one for one in self.changes if one.regressions)
