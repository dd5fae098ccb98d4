"""Chooses the error that a command line ends with after a bench: none, or the gravest."""

from __future__ import annotations

from edgecnn.bench.judge.gate import Gate, GateRow
from edgecnn.bench.judge.judgement import JudgedBench
from edgecnn.bench.judge.recommend import Recommendation
from edgecnn.bench.report.words import (
    gate_headline,
    headline,
    limits_text,
    loss_sentence,
    row_sentence,
)
from edgecnn.errors import BenchRegressionError, EdgeError, NothingFitsError, UsageError, some_of


def exit_error(judged: JudgedBench) -> EdgeError | None:
    """Return what a command line should end with.

    Returns:
        What the gate says, see ``gate_error``; else ``NothingFitsError`` if limits were given and a
        device that was measured has nothing that keeps them, else None.
    """
    if judged.gate is not None and (error := gate_error(judged.gate)) is not None:
        return error
    without = [
        one
        for one, device in zip(judged.recommendations, judged.report.devices, strict=True)
        # A device that gave no figures has an error of its own.
        if one.limits.any and one.choice is None and device.error is None
    ]
    if not without:
        return None
    return NothingFitsError(
        f"nothing keeps the limits on {some_of(one.device for one in without)}",
        observed=" ".join(_observed(one) for one in without),
        expected=limits_text(without[0].limits),
        remedy="allow more, take a smaller model, or verify what was left out",
    )


def gate_error(gate: Gate) -> EdgeError | None:
    """Return what a comparison with an earlier bench should end with.

    Returns:
        ``BenchRegressionError`` if anything got worse or is missing; else ``UsageError`` if
        anything, or everything, could not be compared: that is no pass; else None.
    """
    problem = gate_headline(gate).removesuffix(".")
    if gate.regressions:
        return BenchRegressionError(
            problem,
            observed=_told(gate.regressions),
            expected=f"nothing missing, and nothing that grows by more than "
            f"{gate.max_regression * 100:g} % beyond its interval",
            remedy="find out what changed; if it is accepted, take the new results as the "
            "baseline, or allow more with --max-regression",
        )
    if gate.incomparable:
        return UsageError(
            problem,
            observed=_told(gate.incomparable),
            expected="two valid benches of the same artifacts on the same machine",
            remedy="take a baseline on this machine, in the same way",
        )
    if not any(row.measures for row in gate.rows):
        return UsageError(
            problem,
            observed="no artifact that is in both",
            expected="two benches of the same artifacts on the same machine",
            remedy="give the results of an earlier bench of the same model",
        )
    return None


def _told(rows: tuple[GateRow, ...], most: int = 3) -> str:
    more = len(rows) - most
    sentences = [row_sentence(row) for row in rows[:most]]
    return " ".join(sentences) + (f" And {more} more." if more > 0 else "")


def _observed(recommendation: Recommendation) -> str:
    """Say why nothing fits on one device: of each candidate, what it exceeds."""
    if not recommendation.candidates:
        return headline(recommendation)
    losses = [
        f"{one.name}: {loss_sentence(recommendation, one)}" for one in recommendation.candidates
    ]
    return f"{headline(recommendation)} {' '.join(losses)}"
