"""A bench judged: what to ship on each device, and what got worse since an earlier bench."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgecnn.bench.judge.gate import DEFAULT_MAX_REGRESSION, Gate, compare_benches
from edgecnn.bench.judge.recommend import DeviceLimits, Recommendation, recommend
from edgecnn.bench.results import BenchReport


@dataclass(frozen=True, kw_only=True)
class EarlierBench:
    """A bench that was finished before.

    Attributes:
        report: What it measured.
        source: What to call it, for example the path of its file.
    """

    report: BenchReport
    source: str


@dataclass(frozen=True, kw_only=True)
class Judging:
    """What a bench is to be judged by.

    Attributes:
        limits: What an artifact may take at most.
        baseline: An earlier bench; None for none.
        max_regression: By how much a figure may grow since then, as a share.
    """

    limits: DeviceLimits = field(default_factory=DeviceLimits)
    baseline: EarlierBench | None = None
    max_regression: float = DEFAULT_MAX_REGRESSION


@dataclass(frozen=True, kw_only=True)
class JudgedBench:
    """A bench with what follows from it.

    Attributes:
        report: What was measured.
        recommendations: One for each device, in the report's order.
        gate: The comparison with the baseline; None without one.
    """

    report: BenchReport
    recommendations: tuple[Recommendation, ...]
    gate: Gate | None = None


def judge_bench(report: BenchReport, judging: Judging | None = None) -> JudgedBench:
    """Recommend for each device, and compare with the baseline if there is one.

    Args:
        report: What was measured.
        judging: By what; None for no limits and no baseline.

    Returns:
        The report, judged.
    """
    judging = Judging() if judging is None else judging
    return JudgedBench(
        report=report,
        recommendations=tuple(
            recommend(
                device,
                limits=judging.limits,
                max_drop=report.max_drop_points / 100,
                seed=report.settings.seed,
            )
            for device in report.devices
        ),
        gate=None
        if judging.baseline is None
        else compare_benches(
            report,
            judging.baseline.report,
            source=judging.baseline.source,
            max_regression=judging.max_regression,
        ),
    )
