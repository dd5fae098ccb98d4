"""Measurements in words, the same at the terminal, in pages and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edgecnn.bench.judge.gate import EVERYTHING, Gate, GateRow, Measure, MeasureName
from edgecnn.bench.judge.recommend import (
    Candidate,
    DeviceLimits,
    Excess,
    LimitName,
    Recommendation,
    falls_short,
    is_faster,
    is_slower,
    needs_more,
)
from edgecnn.bench.statistics import LEAST_TURNS, Ratio
from edgecnn.report.text import (
    duration_text,
    percent_text,
    plural_text,
    points_text,
    size_text,
    times_text,
)

_LIMIT_NAMES: Final[dict[LimitName, str]] = {
    "latency": "latency",
    "memory": "peak memory",
    "size": "size",
}


def ratio_text(ratio: Ratio) -> str:
    """Return a ratio with its interval: ``3.12 times (95 % interval 3.05 to 3.18)``."""
    return f"{times_text(ratio.value)} times ({_interval(ratio)})"


def limits_text(limits: DeviceLimits) -> str:
    """Say what is allowed: ``latency 5.00 ms, size 100.0 kB``; empty without limits."""
    allowed: tuple[tuple[LimitName, int | None], ...] = (
        ("latency", limits.latency_ns),
        ("memory", limits.memory_bytes),
        ("size", limits.size_bytes),
    )
    return ", ".join(
        f"{_LIMIT_NAMES[name]} {_value_text(name, value)}"
        for name, value in allowed
        if value is not None
    )


def headline(recommendation: Recommendation) -> str:
    """Say what to ship, or why nothing is recommended."""
    if recommendation.unusable is not None:
        return f"Nothing is recommended. {recommendation.unusable}"
    if not recommendation.candidates:
        return (
            "Nothing is recommended: there is no artifact that was measured here and passed "
            "verification."
        )
    choice = recommendation.choice
    if choice is None:
        return (
            f"Nothing keeps the limits ({limits_text(recommendation.limits)}): "
            f"{_excluded(recommendation.candidates)}."
        )
    memory = "" if choice.memory_bytes is None else f", {size_text(choice.memory_bytes)} of memory"
    return (
        f"Ship {choice.name}, {plural_text(choice.threads, 'thread')}: "
        f"{duration_text(choice.median_ns)}, {percent_text(choice.accuracy)} of test images right, "
        f"a file of {size_text(choice.size_bytes)}{memory}."
    )


def front_sentence(recommendation: Recommendation) -> str | None:
    """Name the Pareto front, the fastest first; None without candidates."""
    front = recommendation.front
    if not front:
        return None
    return f"Pareto front of accuracy, latency, memory and size: {_list(front)}."


def loss_sentence(recommendation: Recommendation, candidate: Candidate) -> str:
    """Say why a candidate is not the choice.

    Args:
        recommendation: Of the device.
        candidate: One of its candidates, but not the choice.
    """
    if candidate.excesses:
        return _sentence("; ".join(_excess_clause(one) for one in candidate.excesses))
    choice, ratio = recommendation.choice, candidate.against_chosen
    if choice is None or ratio is None:
        raise ValueError(f"{candidate.name} did not lose")
    within = [one for one in recommendation.candidates if not one.excesses]
    best = max(within, key=lambda one: one.accuracy)
    if falls_short(candidate.accuracy, best.accuracy, recommendation.max_drop):
        return (
            f"Its accuracy, {percent_text(candidate.accuracy)}, is "
            f"{points_text(best.accuracy - candidate.accuracy)} points below that of {best.name}; "
            f"only up to {points_text(recommendation.max_drop)} count as equal."
        )
    worse, better = _worse(candidate, choice), _worse(choice, candidate, turned=True)
    if is_slower(ratio):
        clause = f"it takes {_times(ratio)} as long as {choice.name} ({_interval(ratio)})"
        clause += "".join(f", and {one}" for one in worse)
    else:
        how = "faster than" if is_faster(ratio) else "as fast as"
        noise = "" if is_faster(ratio) else " within noise"
        clause = f"it is {how} {choice.name}{noise} ({_times(ratio)} its time, {_interval(ratio)})"
        clause += _but(worse)
    if better:
        clause += f"; {' and '.join(better)}"
    return _sentence(clause)


def warning_sentences(recommendation: Recommendation) -> tuple[str, ...]:
    """Say what to know besides: what is slower than float32, a tail above the limit."""
    found = [
        f"{one.name} is slower than float32 on this device: it takes {_times(one.ratio)} as long "
        f"as {one.reference} ({_interval(one.ratio)})."
        for one in recommendation.slower
    ]
    choice, limit = recommendation.choice, recommendation.limits.latency_ns
    if choice is not None and limit is not None and choice.p90_ns > limit:
        found.append(
            f"One in ten runs of {choice.name} takes {duration_text(choice.p90_ns)} or longer; the "
            f"limit of {duration_text(limit)} is kept by its median."
        )
    ratios = [one.against_chosen for one in recommendation.candidates]
    if any(ratio is not None and ratio.low is None for ratio in ratios):
        found.append(
            f"Some were measured in fewer than {LEAST_TURNS} turns, too few for an interval; "
            "differences between them may be noise."
        )
    return tuple(found)


def _list(candidates: Sequence[Candidate]) -> str:
    return ", ".join(one.name for one in candidates)


def _times(ratio: Ratio) -> str:
    return f"{times_text(ratio.value)} times"


def _interval(ratio: Ratio) -> str:
    if ratio.low is None or ratio.high is None:
        return "too few turns for an interval"
    return f"95 % interval {times_text(ratio.low)} to {times_text(ratio.high)}"


def _sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."


def _value_text(limit: LimitName, value: int) -> str:
    return duration_text(value) if limit == "latency" else size_text(value)


def _excess_clause(excess: Excess) -> str:
    name, allowed = _LIMIT_NAMES[excess.limit], _value_text(excess.limit, excess.allowed)
    if excess.value is None:
        return f"its {name} is not known, and the limit is {allowed}"
    return f"its {name}, {_value_text(excess.limit, excess.value)}, is above the limit of {allowed}"


def _excluded(candidates: Sequence[Candidate]) -> str:
    """Say how many candidates each limit excludes."""
    counts: dict[LimitName, int] = {}
    for one in candidates:
        for excess in one.excesses:
            counts[excess.limit] = counts.get(excess.limit, 0) + 1
    parts = [
        f"{_LIMIT_NAMES[limit]} excludes {'all' if count == len(candidates) else count}"
        for limit, count in counts.items()
    ]
    return f"of {len(candidates)} candidates, " + ", ".join(parts)


def _worse(one: Candidate, other: Candidate, *, turned: bool = False) -> list[str]:
    """Say in what one is worse than another, latency aside; turned, in what the other is better."""
    found = []
    if one.size_bytes > other.size_bytes:
        sizes = size_text(one.size_bytes), size_text(other.size_bytes)
        found.append(
            f"it is smaller ({sizes[1]} against {sizes[0]})"
            if turned
            else f"is larger ({sizes[0]} against {sizes[1]})"
        )
    if one.memory_bytes is not None and other.memory_bytes is not None and needs_more(one, other):
        sizes = size_text(one.memory_bytes), size_text(other.memory_bytes)
        found.append(
            f"it needs less memory ({sizes[1]} against {sizes[0]})"
            if turned
            else f"needs more memory ({sizes[0]} against {sizes[1]})"
        )
    if one.accuracy < other.accuracy:
        difference = points_text(other.accuracy - one.accuracy)
        found.append(
            f"it is {difference} points more accurate"
            if turned
            else f"is {difference} points less accurate"
        )
    return found


def _but(worse: Sequence[str]) -> str:
    if not worse:
        return ", but another one is better in something and worse in nothing"
    return f", but {' and '.join(worse)}"


_NAMES: Final[dict[MeasureName, str]] = {
    "latency": "latency",
    "p90": "90th percentile",
    "memory": "peak memory",
    "size": "size",
}


def gate_headline(gate: Gate) -> str:
    """Say in one sentence whether anything got worse."""
    if gate.regressions:
        names = ", ".join(dict.fromkeys(row_title(row, threads=False) for row in gate.regressions))
        return f"Worse than in {gate.source}: {names}."
    if gate.incomparable:
        names = ", ".join(dict.fromkeys(row_title(row, threads=False) for row in gate.incomparable))
        return f"Not comparable with {gate.source}: {names}."
    if not any(row.measures for row in gate.rows):
        return f"Nothing to compare with {gate.source}."
    return (
        f"Nothing got worse by more than {gate.max_regression * 100:g} % since {gate.source}, "
        "beyond its interval."
    )


def row_title(row: GateRow, *, threads: bool = True) -> str:
    """Name a row: ``tflite-int8 with litert, 2 threads, on local``."""
    parts = [row.name]
    if threads and row.threads is not None:
        parts.append(plural_text(row.threads, "thread"))
    return f"{', '.join(parts)}{',' if len(parts) > 1 else ''} on {row.device}"


def row_sentence(row: GateRow) -> str:
    """Say what became of one row."""
    title = row_title(row)
    if row.outcome == "new":
        return f"{title}: new."
    if row.outcome == "missing":
        verb = "missing" if row.name != EVERYTHING else "no figures"
        return f"{title}: {verb}; {row.reason}."
    told = [one for one in row.measures if one.outcome != "kept"] or list(row.measures)
    parts = [measure_sentence(one) for one in told if one.outcome != "not comparable"]
    if row.outcome == "not comparable":
        parts.insert(0, f"not comparable: {row.reason}")
    return f"{title}: {'; '.join([*parts, *row.changes])}."


def measure_sentence(measure: Measure) -> str:
    """Say what became of one figure: ``latency 88.0 µs before, now 97.1 µs, 1.10 times (...)``."""
    text = duration_text if measure.name in ("latency", "p90") else size_text
    name = _NAMES[measure.name]
    if measure.before == measure.now:
        return f"{name} {text(measure.now)} as before"
    times = (
        f"{times_text(measure.ratio.value)} times"
        if measure.name in ("memory", "size")
        else ratio_text(measure.ratio)
    )
    sentence = f"{name} {text(measure.before)} before, now {text(measure.now)}, {times}"
    if measure.outcome == "undecided":
        sentence += ", which may be noise"
    return sentence
