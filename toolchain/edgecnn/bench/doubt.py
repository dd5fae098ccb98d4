"""Judges figures by the device's state: warnings in sentences, or invalid altogether."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from edgecnn.bench.results import ArtifactBench, Conditions
from edgecnn.bench.statistics import spread, summarize
from edgecnn.errors import some_of
from edgecnn.report.text import percent_text

_OTHERS: Final = 0.10
_SPREAD: Final = 0.10
_NOW: Final[Mapping[int, str]] = {
    0: "the supply voltage was too low",
    1: "the clock was capped",
    2: "the processor was throttled",
    3: "the soft temperature limit was active",
}
"""Bits of ``vcgencmd get_throttled``; 16 more: it has happened since the start of the system.

Raspberry Pi documentation, OS, vcgencmd, get_throttled.
"""
_SINCE_START: Final = 16


def judge_conditions(
    before: Mapping[str, Any],
    during: Sequence[Mapping[str, Any]],
    after: Mapping[str, Any],
    rows: Sequence[ArtifactBench],
) -> Conditions:
    """Judge a device's state.

    Args:
        before: Its state before, as ``Conditions`` keeps it.
        during: Readings between phases.
        after: Its state afterwards.
        rows: What was measured meanwhile.

    Returns:
        The state with its warnings.
    """
    readings = [one.get("throttled") for one in (before, *during, after)]
    return Conditions(
        before=before,
        after=after,
        during=tuple(during),
        invalid=throttling_in(readings),
        warnings=(
            *_about_device(before),
            *_about_past(readings),
            *_about_figures(rows),
        ),
    )


def throttling_in(readings: Sequence[int | None]) -> str | None:
    """Say what happened between the first and the last reading that no figure survives.

    That is a bit 0 to 3 in any reading, or a bit 16 to 19 that the first did not have.

    Args:
        readings: Bits of ``vcgencmd get_throttled``, in order; None where they were not told.

    Returns:
        None if nothing did, or nothing is known.
    """
    known = [one for one in readings if one is not None]
    if not known:
        return None
    seen = [
        words
        for bit, words in _NOW.items()
        if any(one >> bit & 1 for one in known)
        or (
            any(one >> bit + _SINCE_START & 1 for one in known[1:])
            and not known[0] >> bit + _SINCE_START & 1
        )
    ]
    if not seen:
        return None
    codes = ", ".join(f"{one:#x}" for one in dict.fromkeys(known))
    return (
        f"{' and '.join(seen)} while it was measured (vcgencmd get_throttled: {codes}); use a "
        "supply that is strong enough and a heat sink or fan, and measure again"
    )


def _about_past(readings: Sequence[int | None]) -> list[str]:
    """Tell of bits that stood before: that it happened again would not show in them."""
    first = next((one for one in readings if one is not None), 0)
    past = [words for bit, words in _NOW.items() if first >> bit + _SINCE_START & 1]
    if not past:
        return []
    return [
        f"{' and '.join(past)} before, since the device was started: whether that happened again "
        "meanwhile is known for the moments of the readings only; restart it to be sure"
    ]


def _about_device(before: Mapping[str, Any]) -> list[str]:
    said = []
    governors = dict.fromkeys(before.get("governors") or ())
    others = [name for name in governors if name != "performance"]
    if others:
        said.append(
            f"the governor is {' and '.join(others)}, which changes the clock as it sees fit: "
            "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        )
    share = before.get("other_cpu_share")
    if share is not None and share > _OTHERS:
        said.append(
            f"others used {percent_text(share, 0)} of the processor before anything was measured: "
            "end what else runs there"
        )
    return said


def _about_figures(rows: Sequence[ArtifactBench]) -> list[str]:
    best = [(row, row.best) for row in rows if row.best is not None]
    wide = [
        f"{_name(row)} {percent_text(share, 0)}"
        for row, one in best
        if one is not None and (share := spread(summarize(one.samples_ns))) > _SPREAD
    ]
    unsteady = [_name(row) for row, one in best if one is not None and not one.stable]
    said = []
    if wide:
        said.append("one run in ten is more than 10 % slower than the median: " + some_of(wide))
    if unsteady:
        said.append("times never became stable in the warm-up: " + some_of(unsteady))
    return said


def _name(row: ArtifactBench) -> str:
    return f"{row.file} ({row.runtime_name})"
