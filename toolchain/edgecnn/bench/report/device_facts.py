"""What a device was, in pairs of words: for its table in the page and for Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from edgecnn.bench.results import ArtifactBench, DeviceBench
from edgecnn.report.text import DASH, frequency_text

_UNKNOWN: Final = "not told"
_XNNPACK: Final = "XNNPACK"
_PARTLY: Final = "XNNPACK; builtin: "


def device_facts(device: DeviceBench) -> list[tuple[str, str]]:
    """Return names and values; what the device does not tell is said to be so.

    Args:
        device: One that could be asked; without conditions, theirs are missing.
    """
    machine, conditions = device.machine, device.conditions
    before: Mapping[str, Any] = {} if conditions is None else conditions.before
    after: Mapping[str, Any] = {} if conditions is None else conditions.after
    facts = [
        ("Board", board_of(device) or _UNKNOWN),
        ("Processor", _text(before.get("processor") or machine.get("processor"))),
        ("Cores", _text(before.get("cores") or machine.get("cores"))),
        ("Architecture", _text(machine.get("architecture"))),
        ("System", device.system or _UNKNOWN),
        ("Kernel", _text(machine.get("system"))),
        ("Python", _text(machine.get("python"))),
        ("NumPy", _text(machine.get("numpy"))),
        ("Runtimes", _names(row.runtime for row in device.rows) or _UNKNOWN),
        ("XNNPACK", _xnnpack(device.rows)),
    ]
    if conditions is not None:
        facts += [
            ("Governor", _names(before.get("governors") or ()) or _UNKNOWN),
            ("Clock", _clocks(before.get("frequencies_hz"), before.get("clock_hz"))),
            ("Temperature", _temperatures(before, conditions.during, after)),
            ("Load, 1 minute", _load(before, after)),
            ("Used by others before", _share(before.get("other_cpu_share"))),
            ("Throttled bits", _throttled(before, after)),
        ]
    return facts


def device_title(device: DeviceBench) -> str:
    """Name a device in one line: its address, and what it is where that is known."""
    machine = device.machine
    about = board_of(device) or machine.get("processor")
    return f"{device.device} ({about})" if about else device.device


def board_of(device: DeviceBench) -> str | None:
    """Return the board's name as its device tree has it; None if it has none."""
    before: Mapping[str, Any] = {} if device.conditions is None else device.conditions.before
    name = before.get("board") or device.machine.get("model")
    return str(name) if name else None


def _text(value: object) -> str:
    return _UNKNOWN if value is None or value == "" else str(value)


def _names(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values if value))


def _xnnpack(rows: Sequence[ArtifactBench]) -> str:
    """Say which files' graphs XNNPACK took, of those that ran on a runtime that has it."""
    took: dict[str, list[str]] = {}
    for row in rows:
        best = row.best
        if best is None or row.variant.startswith("onnx"):
            continue
        if best.kernels == _XNNPACK:
            share = "whole graph"
        elif best.kernels.startswith(_PARTLY):
            share = f"all but {best.kernels.removeprefix(_PARTLY)}"
        elif best.kernels == "builtin":
            share = "not used"
        else:
            share = best.kernels
        took.setdefault(share, []).append(row.variant)
    if not took:
        return DASH
    return "; ".join(f"{share}: {_names(variants)}" for share, variants in took.items())


def _clocks(cores: Sequence[Mapping[str, Any]] | None, clock: float | None) -> str:
    """Return current, least and most clock; of unlike cores each kind once."""
    kinds = dict.fromkeys(
        (one.get("current"), one.get("least"), one.get("most")) for one in cores or ()
    )
    if not kinds:
        return _UNKNOWN if clock is None else frequency_text(clock)
    found = []
    for current, least, most in kinds:
        reach = f" of {frequency_text(least)} to {frequency_text(most)}" if most else ""
        found.append(f"{frequency_text(current)}{reach}")
    return "; ".join(found)


def _temperatures(
    before: Mapping[str, Any], during: Sequence[Mapping[str, Any]], after: Mapping[str, Any]
) -> str:
    """Return the highest temperature of all zones before, at most, and after."""
    start, end = _hottest(before), _hottest(after)
    known = [one for one in (start, *map(_hottest, during), end) if one is not None]
    if not known:
        return _UNKNOWN
    parts = [(start, "before"), (max(known), "at most"), (end, "after")]
    return ", ".join(f"{value:.1f} °C {when}" for value, when in parts if value is not None)


def _hottest(state: Mapping[str, Any]) -> float | None:
    zones = state.get("temperatures_c") or {}
    return max((float(value) for value in zones.values()), default=None)


def _load(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    known = [
        f"{load:.2f} {when}"
        for load, when in ((before.get("load"), "before"), (after.get("load"), "after"))
        if load is not None
    ]
    return ", ".join(known) or _UNKNOWN


def _share(share: float | None) -> str:
    return _UNKNOWN if share is None else f"{100 * share:.0f} % of the processor"


def _throttled(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    known = [
        f"{bits:#x} {when}"
        for bits, when in ((before.get("throttled"), "before"), (after.get("throttled"), "after"))
        if bits is not None
    ]
    return ", ".join(known) or _UNKNOWN
