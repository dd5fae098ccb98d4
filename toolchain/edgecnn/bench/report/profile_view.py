"""A profile in words and short figures, the same for the terminal and for the HTML report."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.bench.results import BenchReport, OperatorTime, Profile
from edgecnn.report.text import (
    duration_text,
    macs_text,
    percent_text,
    plural_text,
    rate_text,
)


@dataclass(frozen=True, kw_only=True)
class ProfileLine:
    """One operator.

    Attributes:
        name: The beginning of its name.
        type: What it is.
        time: Median of one inference; a dash where it is not known.
        share: Its part of the time, or, where that is not known, of the multiply-accumulates;
            0..1, None if that is not known either.
        share_text: The same in percent.
        bar: The same as percent of the largest share of the profile, 0..100.
        macs: Multiply-accumulates.
        rate: GMAC/s; empty for an operator without any.
    """

    name: str
    type: str
    time: str
    share: float | None
    share_text: str
    bar: float
    macs: str
    rate: str


@dataclass(frozen=True, kw_only=True)
class ProfileView:
    """One profile.

    Attributes:
        device: Where it was taken.
        file: Of what.
        timed: Whether shares are of time; else they are of multiply-accumulates.
        notes: What to know about it, in sentences.
        lines: One for each operator, in order of execution.
    """

    device: str
    file: str
    timed: bool
    notes: tuple[str, ...]
    lines: tuple[ProfileLine, ...]


def profile_views(report: BenchReport) -> list[ProfileView]:
    """Return the views of all profiles of a report, in its order."""
    return [
        profile_view(row.profile, device=device.device, file=row.file)
        for device in report.devices
        for row in device.rows
        if row.profile is not None
    ]


def profile_view(profile: Profile, *, device: str, file: str) -> ProfileView:
    """Put one profile into words.

    Args:
        profile: What was found.
        device: Its address.
        file: Name of the artifact.
    """
    timed = profile.profiled_ns is not None
    largest = max((_share(one, timed=timed) or 0 for one in profile.operators), default=0)
    return ProfileView(
        device=device,
        file=file,
        timed=timed,
        notes=_notes(profile),
        lines=tuple(_line(one, largest, timed=timed) for one in profile.operators),
    )


def _notes(profile: Profile) -> tuple[str, ...]:
    notes = []
    if profile.runtime is not None and profile.plain_ns is not None:
        notes.append(
            f"By {profile.runtime} (kernels: {profile.kernels}), "
            f"{plural_text(profile.threads or 0, 'thread')}: "
            f"{duration_text(profile.plain_ns)} an inference, median."
        )
    if profile.profiled_ns is not None:
        notes.append(
            f"With the profiler on it takes {duration_text(profile.profiled_ns)}; the profiler's "
            "clock counts whole microseconds. So short operators look longer than they are. "
            f"Medians of {profile.runs} runs; operators as the runtime has fused them."
        )
    if profile.lacks is not None:
        notes.append(f"{profile.lacks[:1].upper()}{profile.lacks[1:]}.")
    return tuple(notes)


def _share(one: OperatorTime, *, timed: bool) -> float | None:
    return one.share if timed else one.mac_share


def _line(one: OperatorTime, largest: float, *, timed: bool) -> ProfileLine:
    share = _share(one, timed=timed)
    rate = ""
    if one.macs and one.median_ns:
        rate = rate_text(1e9 * one.macs / one.median_ns)
    # TFLite names a fused operator by all it was made of.
    name = one.name.partition(";")[0]
    return ProfileLine(
        name=name,
        type=f"{one.type} x{one.count}" if one.count > 1 else one.type,
        time=duration_text(one.median_ns),
        share=share,
        share_text=percent_text(share, 1),
        bar=round(100 * share / largest, 2) if share else 0.0,
        macs="unknown" if one.macs is None else macs_text(one.macs) if one.macs else "",
        rate=rate,
    )
