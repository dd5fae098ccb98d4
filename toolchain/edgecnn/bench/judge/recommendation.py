"""What to ship on a device, as data: the choice, what else there was, and why it lost."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from edgecnn.bench.statistics import Ratio

LimitName = Literal["latency", "memory", "size"]


@dataclass(frozen=True, kw_only=True)
class DeviceLimits:
    """What an artifact may take at most; None where there is no limit. A limit itself is allowed.

    Attributes:
        latency_ns: Median time of one inference.
        memory_bytes: Peak resident memory of the process.
        size_bytes: Size of the file.
    """

    latency_ns: int | None = None
    memory_bytes: int | None = None
    size_bytes: int | None = None

    @property
    def any(self) -> bool:
        """Whether there is a limit."""
        return any(value is not None for value in dataclasses.astuple(self))


@dataclass(frozen=True, kw_only=True)
class Excess:
    """A limit that a candidate does not keep.

    Attributes:
        limit: Which.
        allowed: Nanoseconds or bytes.
        value: What the candidate takes; None where that is not known.
    """

    limit: LimitName
    allowed: int
    value: int | None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An artifact with a runtime, verified and measured, at its best number of threads.

    Attributes:
        row: Its index in the device's rows.
        name: Variant and runtime, for example ``tflite-int8 with litert``; with the model before
            them where the device has rows of several.
        threads: Number of threads.
        accuracy: Share of test images that it gets right, 0..1.
        median_ns: Latency.
        p90_ns: 90 % of runs do not exceed it.
        memory_bytes: Peak resident memory; None where unknown.
        size_bytes: Of the file.
        on_front: Whether no other candidate is better in something and worse in nothing.
        excesses: The limits that it does not keep.
        against_chosen: Its median over that of the choice; None for the choice itself, or if
            nothing was chosen.
    """

    row: int
    name: str
    threads: int
    accuracy: float
    median_ns: int
    p90_ns: int
    memory_bytes: int | None
    size_bytes: int
    on_front: bool
    excesses: tuple[Excess, ...] = ()
    against_chosen: Ratio | None = None


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A row that is no candidate.

    Attributes:
        row: Its index in the device's rows.
        name: See ``Candidate``.
        reason: Why, as a clause: ``not verified``.
    """

    row: int
    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class SlowerThanFloat:
    """A smaller precision that does not pay.

    Attributes:
        name: The slower one.
        reference: The float32 one.
        ratio: Median of the first over that of the second.
    """

    name: str
    reference: str
    ratio: Ratio


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The choice for one device.

    Attributes:
        device: Its address.
        limits: What was allowed.
        max_drop: Accuracies that are no further apart than this share count as equal.
        chosen: ``row`` of the choice; None if there is none.
        candidates: All candidates, in the order of the rows.
        left_out: All other rows.
        slower: What is slower than float32 here, whether a candidate or not.
        unusable: Why nothing is recommended whatever the rows say, as a sentence; None otherwise.
    """

    device: str
    limits: DeviceLimits
    max_drop: float
    chosen: int | None = None
    candidates: tuple[Candidate, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    slower: tuple[SlowerThanFloat, ...] = ()
    unusable: str | None = None

    @property
    def choice(self) -> Candidate | None:
        """What to ship; None if nothing is recommended."""
        return next((one for one in self.candidates if one.row == self.chosen), None)

    @property
    def front(self) -> tuple[Candidate, ...]:
        """The Pareto front of accuracy, latency, memory and size, limits aside; fastest first."""
        front = [one for one in self.candidates if one.on_front]
        return tuple(sorted(front, key=lambda one: (one.median_ns, one.row)))
