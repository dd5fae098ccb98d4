"""A bench judged: what to ship on each device, and what got worse since an earlier bench."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edgecnn.bench.judge.gate import DEFAULT_MAX_REGRESSION, compare_benches
from edgecnn.bench.judge.recommend import recommend
from edgecnn.bench.judge.recommendation import Limits, Recommendation
from edgecnn.bench.judge.regressions import Gate
from edgecnn.bench.report.words import headline, limits_text, loss_sentence
from edgecnn.bench.results import BenchReport
from edgecnn.errors import EdgeError, NothingFitsError

__all__ = ["EarlierBench", "JudgedBench", "Judging", "judge_bench"]


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

    limits: Limits = field(default_factory=Limits)
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

    def exit_error(self) -> EdgeError | None:
        """Return what a command line should end with.

        Returns:
            What the gate says (see ``Gate.exit_error``), else ``NothingFitsError`` if limits were
            given and a device that was measured has nothing that keeps them, else None.
        """
        if self.gate is not None and (error := self.gate.exit_error()) is not None:
            return error
        without = [
            one
            for one, device in zip(self.recommendations, self.report.devices, strict=True)
            # A device that gave no figures has an error of its own.
            if one.limits.any and one.choice is None and device.error is None
        ]
        if not without:
            return None
        return NothingFitsError(
            f"nothing keeps the limits on {', '.join(one.device for one in without)}",
            observed=" ".join(_observed(one) for one in without),
            expected=limits_text(without[0].limits),
            remedy="allow more, take a smaller model, or verify what was left out",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values: the report, with what follows from it beside it.

        They read back as a ``BenchReport``, which ignores ``recommendations`` and ``gate``.
        """
        return self.report.to_dict() | {
            "recommendations": [one.to_dict() for one in self.recommendations],
            "gate": None if self.gate is None else self.gate.to_dict(),
        }


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


def _observed(recommendation: Recommendation) -> str:
    """Say why nothing fits on one device: of each candidate, what it exceeds."""
    if not recommendation.candidates:
        return headline(recommendation)
    losses = [
        f"{one.name}: {loss_sentence(recommendation, one)}" for one in recommendation.candidates
    ]
    return f"{headline(recommendation)} {' '.join(losses)}"
