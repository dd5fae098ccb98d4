"""The results under each corruption, as data: counts, intervals, outcomes.

A condition is one kind of corruption at one severity. The float model itself is not asked, since
it needs the framework that it was trained with; one of its float32 files stands in for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.verify.corruptions.images import KIND_TITLES, Kind
from edgecnn.verify.gate.judgement import Outcome, Paired
from edgecnn.verify.groups import share_with_interval
from edgecnn.verify.statistics.intervals import tango_interval

_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class CorruptedImages:
    """The images that were corrupted, the same under every condition.

    Attributes:
        images: How many; the artifacts were run on each of them under each condition.
        seed: Seed of their choice and of what was drawn at random.
        images_sha256: Digest of them before they were corrupted, in order.
        example: Position among the evaluation images of one that a page can show.
        example_id: Its name.
        version: Of the corruptions' own rules.
    """

    images: int
    seed: int
    images_sha256: str
    example: int
    example_id: str
    version: int


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """The float32 file that answered for the float model, and how well it follows it.

    Attributes:
        variant: Format and precision.
        file: File name.
        sha256: Its digest.
        runtime: What ran it, with version; always on the workstation.
        images: Clean images that both were compared on.
        disagreements: Those on which their decisions differ.
        max_score_change: Largest absolute difference of a score, 0..1.
    """

    variant: str
    file: str
    sha256: str
    runtime: str
    images: int
    disagreements: int
    max_score_change: float


@dataclass(frozen=True, kw_only=True)
class Condition:
    """How an artifact does under one corruption, against the float model.

    Attributes:
        kind: Which corruption.
        severity: 1, 2 or 3.
        paired: The images, and which only one of the models gets right.
        reference_right: Images that the float model gets right.
        disagreements: Images on which the two decide differently.
        low: Lower bound of Tango's interval of the drop at ``level``.
        high: Upper bound.
        level: Confidence of the interval.
        p: One-sided p that the drop is not beyond the limit; None without a limit.
        outcome: Against the limit; None without one.
    """

    kind: Kind
    severity: int
    paired: Paired
    reference_right: int
    disagreements: int
    low: float
    high: float
    level: float
    p: float | None = None
    outcome: Outcome | None = None

    @property
    def name(self) -> str:
        """The condition in words, such as ``low light, severity 2``."""
        return f"{KIND_TITLES[self.kind]}, severity {self.severity}"

    @property
    def right(self) -> int:
        """Images that the artifact gets right."""
        return self.reference_right - self.paired.lost + self.paired.gained

    def shares(self) -> dict[str, Any]:
        """Return what is derived of the counts, JSON-ready: shares 0..1 with 95 % intervals."""
        n = self.paired.images
        return {
            "reference_accuracy": share_with_interval(self.reference_right, n),
            "accuracy": share_with_interval(self.right, n),
            "agreement": share_with_interval(n - self.disagreements, n),
            "drop": self.paired.drop,
        }


@dataclass(frozen=True, kw_only=True)
class CorruptionResults:
    """One artifact under every condition.

    Attributes:
        stand_in: What answered for the float model.
        conditions: By kind, then by severity.
    """

    stand_in: StandIn
    conditions: tuple[Condition, ...]

    @property
    def worst(self) -> Condition:
        """The condition that costs most accuracy: missed ones first, then undecided ones."""
        order = ("missed", "undecided", "met", None)
        return min(
            self.conditions,
            key=lambda one: (order.index(one.outcome), -one.paired.drop, -one.high),
        )

    def to_dict(self, values: dict[str, Any]) -> dict[str, Any]:
        """Add the derived shares to this object's plain values."""
        for entry, one in zip(values["conditions"], self.conditions, strict=True):
            entry |= one.shares()
        return values


def count_condition(
    kind: Kind,
    severity: int,
    labels: npt.NDArray[np.int64],
    reference: npt.NDArray[np.intp],
    artifact: npt.NDArray[np.intp],
) -> Condition:
    """Count right and wrong answers under one condition.

    Args:
        kind: Which corruption.
        severity: 1, 2 or 3.
        labels: True classes, shape (n,), n at least 1.
        reference: The float model's decisions, same shape.
        artifact: The artifact's, same shape.
    """
    was_right, is_right = reference == labels, artifact == labels
    paired = Paired(
        images=len(labels),
        lost=int(np.count_nonzero(was_right & ~is_right)),
        gained=int(np.count_nonzero(~was_right & is_right)),
    )
    interval = tango_interval(paired.lost, paired.gained, paired.images, _LEVEL)
    return Condition(
        kind=kind,
        severity=severity,
        paired=paired,
        reference_right=int(np.count_nonzero(was_right)),
        disagreements=int(np.count_nonzero(reference != artifact)),
        low=interval.low,
        high=interval.high,
        level=_LEVEL,
    )
