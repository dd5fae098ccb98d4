"""What changed since an earlier bench, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgecnn.bench.statistics import Ratio

EVERYTHING = "every artifact"
"""The name of a row that stands for a whole device."""

MeasureName = Literal["latency", "p90", "memory", "size"]
Outcome = Literal["kept", "undecided", "regression", "missing", "new", "not comparable"]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure then and now.

    Attributes:
        name: ``latency`` (median) and ``p90`` in nanoseconds, ``memory`` (peak resident) and
            ``size`` (of the file) in bytes.
        before: Then.
        now: Now.
        ratio: Now over then; with an interval for times only.
        outcome: ``kept``; ``undecided`` if the estimate is beyond what is allowed and the interval
            is not; ``regression``; ``not comparable`` for a time without an interval. ``p90`` is
            for information: it is never a regression.
    """

    name: MeasureName
    before: int
    now: int
    ratio: Ratio
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class GateRow:
    """One artifact with one runtime on one device: its file, or at one number of threads.

    Attributes:
        device: The device's address now, or then if it is missing now.
        name: Variant and runtime; ``EVERYTHING`` for a row that stands for a whole device.
        threads: Number of threads; None for what does not depend on it.
        outcome: The gravest of its measures, or why it has none.
        measures: What was compared.
        reason: Why it is missing or not comparable, as a clause; empty otherwise.
        changes: What else is not as it was then, in words: file, runtime, kernels, system.
    """

    device: str
    name: str
    threads: int | None
    outcome: Outcome
    measures: tuple[Measure, ...] = ()
    reason: str = ""
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A bench compared with an earlier one.

    Attributes:
        source: What to call the earlier one, for example the path of its file.
        created: When that was, ISO 8601.
        max_regression: By how much a figure may grow, as a share.
        rows: What was compared, or why it was not.
    """

    source: str
    created: str
    max_regression: float
    rows: tuple[GateRow, ...]

    @property
    def regressions(self) -> tuple[GateRow, ...]:
        """What got worse, or is missing."""
        return tuple(row for row in self.rows if row.outcome in ("regression", "missing"))

    @property
    def incomparable(self) -> tuple[GateRow, ...]:
        """What could not be compared."""
        return tuple(row for row in self.rows if row.outcome == "not comparable")
