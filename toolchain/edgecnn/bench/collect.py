"""From a device's reply to its rows; nothing in it is trusted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np

from edgecnn.bench.choice import choose_threads
from edgecnn.bench.doubt import judge_conditions
from edgecnn.bench.plan import BenchFile
from edgecnn.bench.results import ArtifactBench, Conditions, SustainedPoint, ThreadBench
from edgecnn.devices.ask import error_of
from edgecnn.devices.facts import machine_facts, plain
from edgecnn.devices.frames import Frame
from edgecnn.errors import ArtifactError, DeviceError, EdgeError
from edgecnn.row_error import RowError
from edgecnn_runner.runtimes import RUNTIMES

__all__ = ["Collected", "collect", "collect_points"]

_MOST_CORES: Final = 4096
_MOST_ZONES: Final = 200
_T = TypeVar("_T")
_LONGEST_NS: Final = 10**15
"""Eleven days; a run that is said to have taken longer was not measured."""


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What a device's reply says.

    Attributes:
        machine: See ``edgecnn.devices.facts.machine_facts``.
        conditions: Its state, judged.
        rows: One for each artifact and runtime that it found, in the order of the artifacts.
    """

    machine: Mapping[str, Any]
    conditions: Conditions
    rows: tuple[ArtifactBench, ...]


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
class _Threads:
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
class _Row:
    artifact: int
    sha256: str
    runtime_name: str | None
    runtime: str | None
    by_threads: list[_Threads]
    error: dict[str, Any] | None
    decode_ns: list[int]
    preprocess_ns: list[list[int]]


@dataclass(frozen=True, kw_only=True)
class _Reply:
    machine: dict[str, Any]
    conditions: _Conditions
    rows: list[_Row]


@dataclass(frozen=True, kw_only=True)
class _Points:
    points: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class _Point(_State):
    n: int
    median_ns: int
    p90_ns: int


def collect(
    last: Frame,
    files: Sequence[BenchFile],
    inputs: Sequence[tuple[int, int, int]],
    *,
    device: str,
) -> Collected:
    """Check and sort what ``on_device.bench`` answered.

    Args:
        last: Its last frame.
        files: What was sent, in order.
        inputs: The image sizes that were sent, in order.
        device: What to call it in errors.

    Returns:
        What it says.

    Raises:
        DeviceError: If it makes no sense.
        ArtifactError: If a file that it measured is not the one that was sent.
    """
    reply = _checked(_Reply, plain(last.values), device)
    _check_conditions(reply.conditions, device)
    if {row.artifact for row in reply.rows} != set(range(len(files))):
        raise _nonsense(device, "rows of other files than were sent, or not of all")
    if len(last.blobs) != sum(len(row.by_threads) for row in reply.rows):
        raise _nonsense(device, f"{len(last.blobs)} lists of times")
    blobs = iter(last.blobs)
    rows = [
        _row(row, files[row.artifact], inputs, blobs, device=device)
        for row in sorted(reply.rows, key=lambda one: one.artifact)
    ]
    before, during, after = (
        dataclasses.asdict(reply.conditions)[key] for key in ("before", "during", "after")
    )
    return Collected(
        machine=machine_facts(reply.machine),
        conditions=judge_conditions(before, during, after, rows),
        rows=tuple(rows),
    )


def collect_points(last: Frame, *, device: str) -> tuple[SustainedPoint, ...]:
    """Check what ``on_device.sustain`` answered.

    Raises:
        DeviceError: If it makes no sense.
    """
    points = _checked(_Points, plain(last.values), device).points
    found = []
    for values in points:
        one = _checked(_Point, values, device)
        _check_state(one, device)
        if one.n < 1 or not _are_times([one.median_ns, one.p90_ns]):
            raise _nonsense(device, "seconds without runs, or times that cannot be")
        temperatures = (one.temperatures_c or {}).values()
        found.append(
            SustainedPoint(
                n=one.n,
                median_ns=one.median_ns,
                p90_ns=one.p90_ns,
                temperature_c=max(temperatures, default=None),
                clock_hz=one.clock_hz,
                throttled=one.throttled,
            )
        )
    return tuple(found)


def _row(
    row: _Row,
    file: BenchFile,
    inputs: Sequence[tuple[int, int, int]],
    blobs: Iterator[bytes],
    *,
    device: str,
) -> ArtifactBench:
    if row.sha256 != file.row.sha256:
        raise ArtifactError(
            f"{device} did not measure the file that was sent",
            observed=f"{file.row.file}, sha256 {row.sha256[:100]}",
            expected=f"sha256 {file.row.sha256}",
            remedy="try again; if it stays, the device's memory or disk is at fault",
        )
    if row.runtime_name is not None and (
        row.runtime_name not in RUNTIMES or RUNTIMES[row.runtime_name].model_format != file.format
    ):
        raise _nonsense(device, f"{file.row.file} ran with {row.runtime_name}")
    error = None if row.error is None else RowError.of(error_of(row.error))
    if error is None and not (row.by_threads and row.runtime and row.runtime_name):
        raise _nonsense(device, f"{file.row.file} has neither figures nor an error")
    measured = tuple(
        _threads(one, blob, device) for one, blob in zip(row.by_threads, blobs, strict=False)
    )
    preprocess: Sequence[int] = ()
    if row.preprocess_ns and file.input is not None:
        if len(row.preprocess_ns) != len(inputs):
            raise _nonsense(device, "preprocessing of other sizes than were sent")
        preprocess = row.preprocess_ns[inputs.index(file.input)]
    if not _are_times([*row.decode_ns, *preprocess]):
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


def _threads(one: _Threads, blob: bytes, device: str) -> ThreadBench:
    if len(blob) % 8 or not one.turns or min(one.turns) < 1 or 8 * sum(one.turns) != len(blob):
        raise _nonsense(device, f"{len(blob)} bytes of times in turns of {one.turns[:5]}")
    samples = np.frombuffer(blob, "<u8")
    if int(samples.max()) > _LONGEST_NS or not samples.all():
        raise _nonsense(device, "times that cannot be")
    numbers = [one.first_ns, one.load_ns, *one.starts_ns]
    memory = one.peak_memory_bytes
    if not (
        _are_times(numbers)
        and one.starts_ns
        and 1 <= one.threads <= _MOST_CORES
        and one.warmup >= 0
        and (memory is None or memory > 0)
    ):
        raise _nonsense(device, "times, threads or memory that cannot be")
    values, turns, start = samples.tolist(), [], 0
    for length in one.turns:
        turns.append(tuple(values[start : start + length]))
        start += length
    return ThreadBench(
        threads=one.threads,
        turns=tuple(turns),
        warmup=one.warmup,
        stable=one.stable,
        first_ns=one.first_ns,
        load_ns=one.load_ns,
        starts_ns=tuple(one.starts_ns),
        peak_memory_bytes=memory,
        kernels=one.kernels,
    )


def _are_times(values: Sequence[int]) -> bool:
    return all(0 < one <= _LONGEST_NS for one in values)


def _check_conditions(conditions: _Conditions, device: str) -> None:
    for state in (conditions.before, *conditions.during, conditions.after):
        _check_state(state, device)
    for full in (conditions.before, conditions.after):
        share = full.other_cpu_share
        lists = (full.governors or (), full.frequencies_hz or ())
        if any(len(one) > _MOST_CORES for one in lists) or not (
            (share is None or 0 <= share <= 1) and (full.load is None or 0 <= full.load < 1e6)
        ):
            raise _nonsense(device, "a state that cannot be")


def _check_state(state: _State, device: str) -> None:
    temperatures = state.temperatures_c or {}
    clock, bits = state.clock_hz, state.throttled
    if not (
        len(temperatures) <= _MOST_ZONES
        and all(-300 < one < 1000 for one in temperatures.values())
        and (clock is None or 0 <= clock < 10**12)
        and (bits is None or 0 <= bits < 1 << 32)
    ):
        raise _nonsense(device, "temperatures, a clock or bits that cannot be")


def _checked(kind: type[_T], values: Any, device: str) -> _T:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(values)
    except (ValidationError, RecursionError) as error:
        first = str(error).splitlines()[0]
        if isinstance(error, ValidationError):
            found = error.errors()[0]
            first = f"{'.'.join(map(str, found['loc']))}: {found['msg']}"
        raise _nonsense(device, first) from error


def _nonsense(device: str, observed: str) -> EdgeError:
    return DeviceError(
        f"{device} answers with measurements that make no sense",
        observed=observed[:300],
        expected="what our program there says",
        remedy="try again; check that the address starts a plain Python on the device",
    )
