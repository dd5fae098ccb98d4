"""What a device may answer to a bench: of which form, and with which values at all.

Nothing in it is trusted: the program that answers may be another one than was sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from edgecnn.errors import DeviceError, EdgeError

MOST_CORES: Final = 4096
"""More of them no device has."""
_MOST_ZONES: Final = 200
_T = TypeVar("_T")
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
class _Points:
    points: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class PointReply(_State):
    """One second of a steady load."""

    n: int
    median_ns: int
    p90_ns: int


def read_reply(values: Mapping[str, Any], device: str) -> BenchReply:
    """Read what ``on_device.bench`` answered, but for its lists of times.

    Args:
        values: Of its last frame.
        device: What to call it in errors.

    Raises:
        DeviceError: If it makes no sense.
    """
    reply = _checked(BenchReply, values, device)
    _check_conditions(reply.conditions, device)
    return reply


def read_points(values: Mapping[str, Any], device: str) -> list[PointReply]:
    """Read what ``on_device.sustain`` answered; see ``read_reply``."""
    points = [_checked(PointReply, one, device) for one in _checked(_Points, values, device).points]
    for one in points:
        _check_state(one, device)
        if one.n < 1 or not are_times([one.median_ns, one.p90_ns]):
            raise nonsense(device, "seconds without runs, or times that cannot be")
    return points


def are_times(values: Sequence[int]) -> bool:
    """Tell whether all are times that something can take, in nanoseconds."""
    return all(0 < one <= LONGEST_NS for one in values)


def _check_conditions(conditions: _Conditions, device: str) -> None:
    for state in (conditions.before, *conditions.during, conditions.after):
        _check_state(state, device)
    for full in (conditions.before, conditions.after):
        share = full.other_cpu_share
        lists = (full.governors or (), full.frequencies_hz or ())
        if any(len(one) > MOST_CORES for one in lists) or not (
            (share is None or 0 <= share <= 1) and (full.load is None or 0 <= full.load < 1e6)
        ):
            raise nonsense(device, "a state that cannot be")


def _check_state(state: _State, device: str) -> None:
    temperatures = state.temperatures_c or {}
    clock, bits = state.clock_hz, state.throttled
    if not (
        len(temperatures) <= _MOST_ZONES
        and all(-300 < one < 1000 for one in temperatures.values())
        and (clock is None or 0 <= clock < 10**12)
        and (bits is None or 0 <= bits < 1 << 32)
    ):
        raise nonsense(device, "temperatures, a clock or bits that cannot be")


def _checked(kind: type[_T], values: Any, device: str) -> _T:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(values)
    except (ValidationError, RecursionError) as error:
        first = str(error).splitlines()[0]
        if isinstance(error, ValidationError):
            found = error.errors()[0]
            first = f"{'.'.join(map(str, found['loc']))}: {found['msg']}"
        raise nonsense(device, first) from error


def nonsense(device: str, observed: str) -> EdgeError:
    """Return the error of a reply that cannot be true."""
    return DeviceError(
        f"{device} answers with measurements that make no sense",
        observed=observed[:300],
        expected="what our program there says",
        remedy="try again; check that the address starts a plain Python on the device",
    )
