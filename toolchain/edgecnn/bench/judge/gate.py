"""Did anything become slower, larger or hungrier since an earlier bench?

Latency (the median, at each number of threads) is a regression if the 95 % interval of its ratio,
now over then, lies wholly beyond what is allowed: a slowdown that noise explains does not fail a
build, and one that is allowed does not either. The two benches are resampled independently. Peak
memory and file size have no interval: they are regressions if they grow by more than is allowed.
The 90th percentile is shown and never fails: how much a tail differs from bench to bench is not in
the interval of one bench.

What was measured then and is not now is a regression. What cannot be compared, such as another
machine, is said to be so, and is no pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from edgecnn.bench.judge.recommend import row_names
from edgecnn.bench.results import (
    ArtifactBench,
    BenchReport,
    DeviceBench,
    Settings,
    ThreadBench,
)
from edgecnn.bench.statistics import LEAST_TURNS, MEDIAN, P90, Ratio, ratio
from edgecnn_runner.timing import percentile

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


DEFAULT_MAX_REGRESSION: Final = 0.05

# What makes a machine another one. The system and Python may change: what that costs is asked.
_IDENTITY: Final = {
    "model": "board",
    "processor": "processor",
    "architecture": "architecture",
    "cores": "number of cores",
}
_SOFTWARE: Final = {"system": "kernel", "python": "Python", "numpy": "numpy"}

_GRAVITY: Final[tuple[Outcome, ...]] = ("kept", "undecided", "not comparable", "regression")

_RowKey = tuple[str, str, str | None]


def compare_benches(
    now: BenchReport,
    before: BenchReport,
    *,
    source: str,
    max_regression: float = DEFAULT_MAX_REGRESSION,
) -> Gate:
    """Compare a bench with an earlier one.

    Devices belong together that have the same address; of the others, those that are the only one
    of their kind of machine in both.

    Args:
        now: What is judged.
        before: What it is judged by.
        source: What to call the earlier one.
        max_regression: By how much a figure may grow, as a share, 0 or more.

    Returns:
        A row for each artifact and each of its numbers of threads that is in either.
    """
    rows: list[GateRow] = []
    for device, earlier in _pairs(now.devices, before.devices):
        if earlier is None and device is not None:
            rows.append(_whole(device, "new", ""))
        elif device is None and earlier is not None:
            rows.append(_whole(earlier, "missing", "the device was measured then, and not now"))
        elif device is not None and earlier is not None:
            rows += _device_rows(device, earlier, now.settings, max_regression)
    return Gate(
        source=source, created=before.created, max_regression=max_regression, rows=tuple(rows)
    )


def _pairs(
    now: Sequence[DeviceBench], before: Sequence[DeviceBench]
) -> Iterator[tuple[DeviceBench | None, DeviceBench | None]]:
    earlier = {device.device: device for device in before}
    here = {device.device for device in now}
    new = [device for device in now if device.device not in earlier]
    gone = [device for device in before if device.device not in here]
    for device in now:
        match = earlier.get(device.device)
        if match is None and device.machine:
            same = [one for one in gone if _identity(one) == _identity(device)]
            alike = [one for one in new if _identity(one) == _identity(device)]
            if len(same) == len(alike) == 1:
                match = same[0]
                gone.remove(match)
        yield device, match
    for device in gone:
        yield None, device


def _identity(device: DeviceBench) -> tuple[Any, ...]:
    return tuple(device.machine.get(key) for key in _IDENTITY)


def _whole(device: DeviceBench, outcome: Outcome, reason: str) -> GateRow:
    return GateRow(
        device=device.device, name=EVERYTHING, threads=None, outcome=outcome, reason=reason
    )


def _device_rows(
    device: DeviceBench, earlier: DeviceBench, settings: Settings, max_regression: float
) -> list[GateRow]:
    if device.error is not None:
        return [_whole(device, "missing", device.error.problem.rstrip("."))]
    if (reason := _why_incomparable(device, earlier)) is not None:
        return [_whole(device, "not comparable", reason)]
    now, before = _by_key(device), _by_key(earlier)
    names = dict(zip(before, row_names(list(before.values())), strict=True))
    names |= dict(zip(now, row_names(list(now.values())), strict=True))
    software = _changes(earlier.machine, device.machine, _SOFTWARE)
    rows: list[GateRow] = []
    for key in [*now, *(key for key in before if key not in now)]:
        compared = _Compared(device.device, names[key], max_regression, software)
        asked, why = _asked(settings, device), _why_missing(device, key)
        rows += compared.rows(now.get(key), before.get(key), asked, why)
    return rows


def _why_incomparable(device: DeviceBench, earlier: DeviceBench) -> str | None:
    if earlier.error is not None:
        return f"it has no figures in the baseline: {earlier.error.problem.rstrip('.')}"
    if different := _changes(earlier.machine, device.machine, _IDENTITY):
        return f"another machine: {'; '.join(different)}"
    for one, when in ((earlier, "the baseline"), (device, "this bench")):
        if one.conditions is not None and one.conditions.invalid is not None:
            return f"{when} is invalid: {one.conditions.invalid.rstrip('.')}"
    return None


def _changes(
    before: Mapping[str, Any], now: Mapping[str, Any], names: Mapping[str, str]
) -> tuple[str, ...]:
    return tuple(
        f"{name} {_or_unknown(before.get(key))} before, now {_or_unknown(now.get(key))}"
        for key, name in names.items()
        if before.get(key) != now.get(key)
    )


def _or_unknown(value: Any) -> str:
    return "unknown" if value is None else str(value)


def _by_key(device: DeviceBench) -> dict[_RowKey, ArtifactBench]:
    """Return the rows that were measured, by what makes them the same artifact."""
    return {
        (row.model, row.variant, row.runtime_name): row
        for row in device.rows
        if row.error is None and any(one.samples_ns for one in row.by_threads)
    }


def _why_missing(device: DeviceBench, key: _RowKey) -> str:
    for row in device.rows:
        same = (row.model, row.variant) == key[:2] and row.runtime_name in (None, key[2])
        if same and row.error is not None:
            return row.error.problem.rstrip(".")
    return "measured then, and not now"


def _asked(settings: Settings, device: DeviceBench) -> set[int]:
    cores = int(device.machine.get("cores") or 0)
    return {cores if threads == 0 else threads for threads in settings.threads}


class _Compared:
    """How the rows of one artifact are made."""

    def __init__(
        self, device: str, name: str, max_regression: float, software: tuple[str, ...]
    ) -> None:
        self._device = device
        self._name = name
        self._max_regression = max_regression
        self._software = software

    def rows(
        self, now: ArtifactBench | None, before: ArtifactBench | None, asked: set[int], why: str
    ) -> list[GateRow]:
        """Compare one artifact with itself, at each number of threads.

        Args:
            now: Its row now; None if it was not measured.
            before: Its row then.
            asked: Numbers of threads that were to be measured now.
            why: What to say if it was not.
        """
        if before is None:
            return [self._row(None, outcome="new")]
        if now is None:
            return [self._row(None, outcome="missing", reason=why)]
        rows = [
            self._row(
                None,
                self._exact("size", before.bytes, now.bytes),
                changes=(
                    *(() if now.sha256 == before.sha256 else ("another file",)),
                    *_changes({"": before.runtime}, {"": now.runtime}, {"": "runtime"}),
                    *self._software,
                ),
            )
        ]
        earlier = {one.threads: one for one in before.by_threads if one.samples_ns}
        present = {one.threads: one for one in now.by_threads if one.samples_ns}
        for threads in sorted(earlier.keys() | present.keys()):
            if threads not in earlier:
                rows.append(self._row(threads, outcome="new"))
            elif threads in present:
                rows.append(self._times(earlier[threads], present[threads]))
            elif threads in asked:
                reason = "measured then, and not now"
                rows.append(self._row(threads, outcome="missing", reason=reason))
        if not earlier.keys() & present.keys():
            reason = "no number of threads was measured in both"
            rows.append(self._row(None, outcome="not comparable", reason=reason))
        return rows

    def _times(self, before: ThreadBench, now: ThreadBench) -> GateRow:
        measures = [
            self._time("latency", before, now, MEDIAN),
            self._time("p90", before, now, P90),
        ]
        if before.peak_memory_bytes is not None and now.peak_memory_bytes is not None:
            measures.append(self._exact("memory", before.peak_memory_bytes, now.peak_memory_bytes))
        unclear = any(one.outcome == "not comparable" for one in measures)
        return self._row(
            now.threads,
            *measures,
            reason=f"fewer than {LEAST_TURNS} turns, too few for an interval" if unclear else "",
            changes=_changes({"": before.kernels}, {"": now.kernels}, {"": "kernels"}),
        )

    def _time(
        self, name: MeasureName, before: ThreadBench, now: ThreadBench, percent: int
    ) -> Measure:
        found = ratio(now, before, percent=percent, interleaved=False)
        allowed = 1 + self._max_regression
        outcome: Outcome = "kept"
        if name == "latency":
            if found.low is None:
                outcome = "not comparable"
            elif found.low > allowed:
                outcome = "regression"
            elif found.value > allowed:
                outcome = "undecided"
        return Measure(
            name=name,
            before=percentile(sorted(before.samples_ns), percent),
            now=percentile(sorted(now.samples_ns), percent),
            ratio=found,
            outcome=outcome,
        )

    def _exact(self, name: MeasureName, before: int, now: int) -> Measure:
        value = now / max(1, before)
        return Measure(
            name=name,
            before=before,
            now=now,
            ratio=Ratio(value=value, low=None, high=None),
            outcome="regression" if value > 1 + self._max_regression else "kept",
        )

    def _row(
        self,
        threads: int | None,
        *measures: Measure,
        outcome: Outcome | None = None,
        reason: str = "",
        changes: tuple[str, ...] = (),
    ) -> GateRow:
        return GateRow(
            device=self._device,
            name=self._name,
            threads=threads,
            outcome=_gravest(measures) if outcome is None else outcome,
            measures=measures,
            reason=reason,
            changes=changes,
        )


def _gravest(measures: Sequence[Measure]) -> Outcome:
    found = {one.outcome for one in measures}
    return next(outcome for outcome in reversed(_GRAVITY) if outcome in found)
