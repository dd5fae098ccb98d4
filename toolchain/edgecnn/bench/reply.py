"""Checks what a device answers to a bench: its form, and which values can be at all.

Nothing in it is trusted: the program that answers may be another one than was sent.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edgecnn.bench.doubt import judge_conditions
from edgecnn.bench.plan import BenchFile, Wanted
from edgecnn.bench.results import ArtifactBench, Conditions, SustainedPoint, ThreadBench
from edgecnn.devices.ask import error_of
from edgecnn.devices.facts import machine_facts
from edgecnn.devices.protocol import Message, checked_values, nonsense, other_file
from edgecnn.errors import DeviceError, RowError
from edgecnn_runner.runtimes.choice import RUNTIMES
from edgecnn_runner.timing import percentile

MOST_CORES: Final = 4096
"""More of them no device has."""
_MOST_ZONES: Final = 200
_SAYS: Final = "answers with measurements that make no sense"
LONGEST_NS: Final = 10**15
"""Eleven days; a run that is said to have taken longer was not measured."""


@dataclass(frozen=True, kw_only=True)
class _Frequencies:
    current: int | None
    least: int | None
    most: int | None


@dataclass(frozen=True, kw_only=True)
class _State:
    temperatures_c: dict[str, float] | None
    clock_hz: int | None
    throttled: int | None


@dataclass(frozen=True, kw_only=True)
class _Full(_State):
    board: str | None
    processor: str | None
    cores: int | None
    governors: list[str] | None
    frequencies_hz: list[_Frequencies] | None
    load: float | None
    other_cpu_share: float | None


@dataclass(frozen=True, kw_only=True)
class _Conditions:
    before: _Full
    during: list[_State]
    after: _Full


@dataclass(frozen=True, kw_only=True)
class ThreadsReply:
    """One file at one number of threads; its times are in a blob, ``turns`` are their numbers."""

    threads: int
    turns: list[int]
    warmup: int
    stable: bool
    kernels: str
    first_ns: int
    load_ns: int
    starts_ns: list[int]
    peak_memory_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class RowReply:
    """One file with one runtime."""

    artifact: int
    sha256: str
    runtime_name: str | None
    runtime: str | None
    by_threads: list[ThreadsReply]
    error: dict[str, Any] | None
    decode_ns: list[int]
    preprocess_ns: list[list[int]]


@dataclass(frozen=True, kw_only=True)
class BenchReply:
    """All that ``on_device.bench`` says in its last frame."""

    machine: dict[str, Any]
    conditions: _Conditions
    rows: list[RowReply]


@dataclass(frozen=True, kw_only=True)
class PointReply(_State):
    """One second of a steady load."""

    n: int
    median_ns: int
    p90_ns: int


@dataclass(frozen=True, kw_only=True)
class _Points:
    points: list[PointReply]


def read_reply(values: Mapping[str, Any], device: str) -> BenchReply:
    """Read what ``on_device.bench`` answered, but for its lists of times.

    Args:
        values: Of its last frame.
        device: What to call it in errors.

    Raises:
        DeviceError: If it makes no sense.
    """
    reply = checked_values(BenchReply, values, device, _SAYS)
    _check_conditions(reply.conditions, device)
    return reply


def read_points(values: Mapping[str, Any], device: str) -> list[PointReply]:
    """Read what ``on_device.sustain`` answered; see ``read_reply``."""
    points = checked_values(_Points, values, device, _SAYS).points
    for point in points:
        _check_state(point, device)
        if point.n < 1 or not are_times([point.median_ns, point.p90_ns]):
            raise _nonsense(device, "seconds without runs, or times that cannot be")
    return points


def are_times(values: Sequence[int]) -> bool:
    """Tell whether all are times that something can take, in nanoseconds."""
    return all(0 < time_ns <= LONGEST_NS for time_ns in values)


def _check_conditions(conditions: _Conditions, device: str) -> None:
    for state in (conditions.before, *conditions.during, conditions.after):
        _check_state(state, device)
    for full in (conditions.before, conditions.after):
        share = full.other_cpu_share
        lists = (full.governors or (), full.frequencies_hz or ())
        if any(len(values) > MOST_CORES for values in lists) or not (
            (share is None or 0 <= share <= 1) and (full.load is None or 0 <= full.load < 1e6)
        ):
            raise _nonsense(device, "a state that cannot be")


def _check_state(state: _State, device: str) -> None:
    temperatures = state.temperatures_c or {}
    clock, bits = state.clock_hz, state.throttled
    if not (
        len(temperatures) <= _MOST_ZONES
        and all(-300 < degrees < 1000 for degrees in temperatures.values())
        and (clock is None or 0 <= clock < 10**12)
        and (bits is None or 0 <= bits < 1 << 32)
    ):
        raise _nonsense(device, "temperatures, a clock or bits that cannot be")


def _nonsense(device: str, observed: str) -> DeviceError:
    return nonsense(device, _SAYS, observed)


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What a device's reply says.

    Attributes:
        machine: Its board, processor, system and Python; None for what it does not say.
        conditions: Its state, judged.
        rows: One for each artifact and runtime that it found, in the order of the artifacts.
    """

    machine: Mapping[str, Any]
    conditions: Conditions
    rows: tuple[ArtifactBench, ...]


def collect(
    last: Message,
    files: Sequence[BenchFile],
    inputs: Sequence[Wanted],
    *,
    device: str,
) -> Collected:
    """Check and sort what ``on_device.bench`` answered.

    Args:
        last: Its last frame.
        files: What was sent, in order.
        inputs: What images were to be brought to, as it was sent, in order.
        device: What to call it in errors.

    Returns:
        What it says.

    Raises:
        DeviceError: If it makes no sense.
        ArtifactError: If a file that it measured is not the one that was sent.
    """
    reply = read_reply(last.values, device)
    if {row.artifact for row in reply.rows} != set(range(len(files))):
        raise _nonsense(device, "rows of other files than were sent, or not of all")
    if len(last.blobs) != sum(len(row.by_threads) for row in reply.rows):
        raise _nonsense(device, f"{len(last.blobs)} lists of times")
    blobs = iter(last.blobs)
    rows = [
        _row(row, files[row.artifact], inputs, blobs, device=device)
        for row in sorted(reply.rows, key=lambda row: row.artifact)
    ]
    before, during, after = (
        dataclasses.asdict(reply.conditions)[key] for key in ("before", "during", "after")
    )
    return Collected(
        machine=machine_facts(reply.machine),
        conditions=judge_conditions(before, during, after, rows),
        rows=tuple(rows),
    )


def collect_points(last: Message, *, device: str) -> tuple[SustainedPoint, ...]:
    """Check what ``on_device.sustain`` answered.

    Raises:
        DeviceError: If it makes no sense.
    """
    return tuple(
        SustainedPoint(
            n=point.n,
            median_ns=point.median_ns,
            p90_ns=point.p90_ns,
            temperature_c=max((point.temperatures_c or {}).values(), default=None),
            clock_hz=point.clock_hz,
            throttled=point.throttled,
        )
        for point in read_points(last.values, device)
    )


def _row(
    row: RowReply,
    file: BenchFile,
    inputs: Sequence[Wanted],
    blobs: Iterator[bytes],
    *,
    device: str,
) -> ArtifactBench:
    if row.sha256 != file.sent_sha256:
        asked = file.row
        raise other_file(device, "measure", asked.file, observed=row.sha256, expected=asked.sha256)
    if row.runtime_name is not None and (
        row.runtime_name not in RUNTIMES or RUNTIMES[row.runtime_name].model_format != file.format
    ):
        raise _nonsense(device, f"{file.row.file} ran with {row.runtime_name}")
    error = None if row.error is None else RowError.of(error_of(row.error))
    if error is None and not (row.by_threads and row.runtime and row.runtime_name):
        raise _nonsense(device, f"{file.row.file} has neither figures nor an error")
    measured = tuple(
        _threads(threads, blob, device)
        for threads, blob in zip(row.by_threads, blobs, strict=False)
    )
    preprocess: Sequence[int] = ()
    if row.preprocess_ns and file.input is not None:
        if len(row.preprocess_ns) != len(inputs):
            raise _nonsense(device, "preprocessing of other sizes than were sent")
        preprocess = row.preprocess_ns[inputs.index(file.input)]
    if not are_times([*row.decode_ns, *preprocess]):
        raise _nonsense(device, "times of images that cannot be")
    return dataclasses.replace(
        file.row,
        runtime=row.runtime,
        runtime_name=row.runtime_name,
        decode_ns=tuple(row.decode_ns),
        preprocess_ns=tuple(preprocess),
        by_threads=measured,
        # Figures at some numbers of threads do not make up for an error at another.
        chosen=choose_threads(measured) if error is None else None,
        error=error,
    )


def _threads(reply: ThreadsReply, blob: bytes, device: str) -> ThreadBench:
    if (
        len(blob) % 8
        or not reply.turns
        or min(reply.turns) < 1
        or 8 * sum(reply.turns) != len(blob)
    ):
        raise _nonsense(device, f"{len(blob)} bytes of times in turns of {reply.turns[:5]}")
    samples = np.frombuffer(blob, "<u8")
    if int(samples.max()) > LONGEST_NS or not samples.all():
        raise _nonsense(device, "times that cannot be")
    numbers = [reply.first_ns, reply.load_ns, *reply.starts_ns]
    memory = reply.peak_memory_bytes
    if not (
        are_times(numbers)
        and reply.starts_ns
        and 1 <= reply.threads <= MOST_CORES
        and reply.warmup >= 0
        and (memory is None or memory > 0)
    ):
        raise _nonsense(device, "times, threads or memory that cannot be")
    values, turns, start = samples.tolist(), [], 0
    for length in reply.turns:
        turns.append(tuple(values[start : start + length]))
        start += length
    return ThreadBench(
        threads=reply.threads,
        turns=tuple(turns),
        warmup=reply.warmup,
        stable=reply.stable,
        first_ns=reply.first_ns,
        load_ns=reply.load_ns,
        starts_ns=tuple(reply.starts_ns),
        peak_memory_bytes=memory,
        kernels=reply.kernels,
    )


_WORTH: Final = 0.05
"""More threads take cores from the rest of the device, and have to be worth that."""


def choose_threads(measured: Sequence[ThreadBench]) -> int | None:
    """Choose by median and p90 together: by the root of their product.

    The median alone would choose threads whose slowest calls are much slower when a core is
    busy; the geometric mean weighs a change of both alike, in percent. More threads are chosen
    only if they better it by more than 5 %.

    Args:
        measured: One for each number of threads.

    Returns:
        The fewest threads that are no more than 5 % worse than the best; None if none was measured.
    """
    costs = {bench.threads: cost_ns(bench) for bench in measured}
    if not costs:
        return None
    best = min(costs.values())
    return min(threads for threads, cost in costs.items() if cost <= best * (1 + _WORTH))


def cost_ns(bench: ThreadBench) -> float:
    """Return the geometric mean of median and p90, nanoseconds."""
    ordered = sorted(bench.samples_ns)
    return math.sqrt(percentile(ordered, 50) * percentile(ordered, 90))
