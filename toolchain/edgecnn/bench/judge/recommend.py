"""Which artifact to ship on a device, with which runtime and how many threads.

Candidates are the measured rows that passed verification. Of those that keep every limit, and whose
accuracy is not further below the best of them than a conversion may lose, the fastest is chosen.
Latencies count as equal unless their ratio is more than 3 % from 1 and its interval does not hold
1: noise does not decide, nor what the next bench would turn round. Among equally fast ones the
smaller file wins, then the smaller memory, then accuracy: what passed is as accurate as the float
model within the limits of its recipe, while a byte is a byte. Memory counts as equal within 3 %,
too: what a process has resident differs from start to start.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from edgecnn.bench.results import ArtifactBench, DeviceBench
from edgecnn.bench.statistics import Ratio, Resampled, ratio_of, resample, summarize

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
        name: Its variant or file name.
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


SAME_WITHIN: Final = 0.03
"""Two benches of a quiet machine agree within this share, so a smaller difference is none."""

_NO_LIMITS: Final = DeviceLimits()


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """Latencies of rows against each other; each row is resampled once for all ratios."""

    medians: Mapping[int, Resampled]

    @classmethod
    def of(cls, rows: Sequence[ArtifactBench], seed: int) -> _Comparison:
        measured = {index: row.best for index, row in enumerate(rows) if _is_measured(row)}
        return cls(
            medians={
                index: resample(best, seed=seed)
                for index, best in measured.items()
                if best is not None
            }
        )

    def __call__(self, first: int, second: int) -> Ratio:
        return ratio_of(self.medians[first], self.medians[second])


def recommend(
    device: DeviceBench, *, limits: DeviceLimits = _NO_LIMITS, max_drop: float = 0.01, seed: int = 0
) -> Recommendation:
    """Choose among a device's rows.

    Args:
        device: What was measured there.
        limits: What the choice may take at most.
        max_drop: How much lower than another's an accuracy may be and still count as equal, as a
            share: what verification allowed a conversion to lose.
        seed: Of the bootstrap.

    Returns:
        The choice, with the reasons; without one if the measurement is invalid, no row is a
        candidate or none keeps the limits.
    """
    nothing = Recommendation(device=device.device, limits=limits, max_drop=max_drop)
    if device.error is not None:
        problem = device.error.problem.rstrip(".")
        return dataclasses.replace(nothing, unusable=f"There are no figures: {problem}.")
    if device.conditions is not None and device.conditions.invalid is not None:
        why = device.conditions.invalid.rstrip(".")
        return dataclasses.replace(nothing, unusable=f"The measurement is invalid: {why}.")
    names = row_names(device.rows)
    compare = _Comparison.of(device.rows, seed)
    candidates, left_out = [], []
    for index, row in enumerate(device.rows):
        reason = _why_left_out(row)
        if reason is None:
            candidates.append(_candidate(index, row, names[index], limits))
        else:
            left_out.append(LeftOut(row=index, name=names[index], reason=reason))
    front = {one.row for one in _front(candidates, compare)}
    chosen = _choose(candidates, max_drop, compare)
    return dataclasses.replace(
        nothing,
        chosen=None if chosen is None else chosen.row,
        candidates=tuple(
            dataclasses.replace(
                one,
                on_front=one.row in front,
                against_chosen=None
                if chosen is None or one.row == chosen.row
                else compare(one.row, chosen.row),
            )
            for one in candidates
        ),
        left_out=tuple(left_out),
        slower=_slower_than_float(device.rows, names, compare),
    )


def row_names(rows: Sequence[ArtifactBench]) -> list[str]:
    """Return what to call each row of a device."""
    several = len({row.model for row in rows}) > 1
    return [
        (f"{row.model} " if several else "")
        + row.variant
        + (f" with {row.runtime_name}" if row.runtime_name is not None else "")
        for row in rows
    ]


def is_faster(ratio: Ratio) -> bool:
    """Tell whether the first of two is faster, beyond noise; see ``is_slower``."""
    return (ratio.high is None or ratio.high < 1) and ratio.value < 1 / (1 + SAME_WITHIN)


def is_slower(ratio: Ratio) -> bool:
    """Tell whether the first of two is slower, beyond noise.

    Where there were too few turns for an interval, the ratio alone decides.
    """
    return (ratio.low is None or ratio.low > 1) and ratio.value > 1 + SAME_WITHIN


def _is_measured(row: ArtifactBench) -> bool:
    return row.error is None and row.best is not None and bool(row.best.samples_ns)


def _why_left_out(row: ArtifactBench) -> str | None:
    if row.error is not None:
        return f"not measured: {row.error.problem.rstrip('.')}"
    if not _is_measured(row):
        return "not measured"
    if row.verdict is None:
        return "not verified"
    if row.verdict != "PASS":
        return _VERDICTS.get(row.verdict, f"its verification ended with {row.verdict}")
    if row.accuracy is None:
        return "its accuracy is not known"
    return None


_VERDICTS: Final[Mapping[str, str]] = {
    "FAIL": "it failed verification",
    "INCONCLUSIVE": "its verification was inconclusive",
    "ERROR": "it could not be verified",
}


def _candidate(index: int, row: ArtifactBench, name: str, limits: DeviceLimits) -> Candidate:
    best = row.best
    if best is None or row.accuracy is None:
        raise ValueError(f"{name} is no candidate")
    summary = summarize(best.samples_ns)
    taken = (
        ("latency", limits.latency_ns, summary.median_ns),
        ("memory", limits.memory_bytes, best.peak_memory_bytes),
        ("size", limits.size_bytes, row.bytes),
    )
    return Candidate(
        row=index,
        name=name,
        threads=best.threads,
        accuracy=row.accuracy,
        median_ns=summary.median_ns,
        p90_ns=summary.p90_ns,
        memory_bytes=best.peak_memory_bytes,
        size_bytes=row.bytes,
        on_front=False,
        excesses=tuple(
            Excess(limit=limit, allowed=allowed, value=value)  # type: ignore[arg-type]
            for limit, allowed, value in taken
            if allowed is not None and (value is None or value > allowed)
        ),
    )


def _front(candidates: Sequence[Candidate], compare: _Comparison) -> list[Candidate]:
    return [
        one
        for one in candidates
        if not any(_dominates(other, one, compare) for other in candidates if other is not one)
    ]


def _dominates(one: Candidate, other: Candidate, compare: _Comparison) -> bool:
    """Tell whether one is better in something and worse in nothing."""
    latency = compare(one.row, other.row)
    if is_slower(latency) or one.accuracy < other.accuracy or one.size_bytes > other.size_bytes:
        return False
    # Unknown memory might be any, so nothing is said of a pair of which one is unknown.
    if (one.memory_bytes is None) != (other.memory_bytes is None) or needs_more(one, other):
        return False
    better = one.accuracy > other.accuracy or one.size_bytes < other.size_bytes
    return better or needs_more(other, one) or is_faster(latency)


def _choose(
    candidates: Sequence[Candidate], max_drop: float, compare: _Comparison
) -> Candidate | None:
    within = [one for one in candidates if not one.excesses]
    if not within:
        return None
    most = max(one.accuracy for one in within)
    accurate = [one for one in within if not falls_short(one.accuracy, most, max_drop)]
    # Being equal within noise is not transitive, so a circle without a front cannot be ruled out.
    front = _front(accurate, compare) or accurate
    fastest = min(front, key=lambda one: (one.median_ns, one.row))
    equal = [one for one in front if not is_slower(compare(one.row, fastest.row))]
    return min(equal, key=_rank)


def needs_more(one: Candidate, other: Candidate) -> bool:
    """Tell whether one needs more memory than another; not so where one is unknown."""
    if one.memory_bytes is None or other.memory_bytes is None:
        return False
    return one.memory_bytes > other.memory_bytes * (1 + SAME_WITHIN)


def falls_short(accuracy: float, best: float, max_drop: float) -> bool:
    """Tell whether an accuracy is further below another than counts as equal."""
    # Shares of images, told apart to far less than one image.
    return best - accuracy > max_drop + 1e-9


def _rank(one: Candidate) -> tuple[float, ...]:
    memory = float("inf") if one.memory_bytes is None else one.memory_bytes
    return (one.size_bytes, memory, -one.accuracy, one.median_ns, one.row)


def _slower_than_float(
    rows: Sequence[ArtifactBench], names: Sequence[str], compare: _Comparison
) -> tuple[SlowerThanFloat, ...]:
    """Find what is slower than float32: that of its format and runtime, else the fastest."""
    measured = list(compare.medians)
    floats = [index for index in measured if _precision(rows[index]) == "fp32"]
    found = []
    for index in measured:
        row = rows[index]
        same_model = [one for one in floats if rows[one].model == row.model]
        if index in floats or not same_model:
            continue
        own = [
            one
            for one in same_model
            if (_format(rows[one]), rows[one].runtime_name) == (_format(row), row.runtime_name)
        ]
        fastest = min(same_model, key=lambda one: compare.medians[one].value_ns)
        for reference in dict.fromkeys([*own, fastest]):
            ratio = compare(index, reference)
            if is_slower(ratio):
                found.append(
                    SlowerThanFloat(name=names[index], reference=names[reference], ratio=ratio)
                )
                break
    return tuple(found)


def _format(row: ArtifactBench) -> str:
    return row.variant.partition("-")[0]


def _precision(row: ArtifactBench) -> str:
    return row.variant.partition("-")[2]
