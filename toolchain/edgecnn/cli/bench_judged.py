"""What follows from a bench, at the terminal: what to ship, and what changed since another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edgecnn_runner.quantities import size_text

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.bench.judge.recommendation import Recommendation
    from edgecnn.bench.judge.regressions import Gate, GateRow, Measure

__all__ = ["print_gate", "print_recommendation"]

_STYLES: Final = {
    "kept": "green",
    "undecided": "yellow",
    "regression": "bold red",
    "missing": "bold red",
    "not comparable": "bold yellow",
    "new": "dim",
}


def print_recommendation(console: Console, recommendation: Recommendation) -> None:
    """Print what to ship on a device, and why not the others."""
    from rich.padding import Padding
    from rich.text import Text

    from edgecnn.bench.report.words import (
        front_sentence,
        headline,
        loss_sentence,
        warning_sentences,
    )

    style = "bold" if recommendation.choice is None else "bold green"
    console.print(Text(headline(recommendation), style=style))
    for warning in warning_sentences(recommendation):
        console.print(Text(f"warning: {warning}", style="yellow"))
    if (front := front_sentence(recommendation)) is not None:
        console.print(Text(front))
    lost = [one for one in recommendation.candidates if one.row != recommendation.chosen]
    for name, why in (
        *((one.name, loss_sentence(recommendation, one)) for one in lost),
        *((one.name, f"Left out: {one.reason}.") for one in recommendation.left_out),
    ):
        console.print(Padding(Text.assemble((f"{name}: ", "bold"), why), (0, 0, 0, 2)))


def print_gate(console: Console, gate: Gate) -> None:
    """Print what was compared: of each row size, or latency and memory; then the answer.

    Args:
        console: Where to.
        gate: The comparison.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from edgecnn.bench.report.regression_words import gate_headline

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in (f"compared with {gate.source}", "before, now", "times (95 %)", "outcome"):
        table.add_column(column, overflow="fold")
    several = len({row.device for row in gate.rows}) > 1
    for row in gate.rows:
        # A tail never fails, and is worth a line only where it grew by more than is allowed.
        shown = [
            one
            for one in row.measures
            if one.name != "p90" or (one.ratio.low or 0) > 1 + gate.max_regression
        ]
        table.add_row(
            Text(_title(row, several=several)),
            Text("\n".join(_then_and_now(one) for one in shown)),
            Text("\n".join(_times(one) for one in shown)),
            Text.assemble(
                (row.outcome, _STYLES[row.outcome]), *(f"\n{one}" for one in _notes(row))
            ),
        )
    console.print(table)
    console.print(Text(gate_headline(gate)))


def _title(row: GateRow, *, several: bool) -> str:
    # The row of an artifact's file stands above those of its numbers of threads.
    if row.threads is not None:
        return f"  {row.threads} {'thread' if row.threads == 1 else 'threads'}"
    return f"{row.name} on {row.device}" if several else row.name


def _then_and_now(measure: Measure) -> str:
    from edgecnn.bench.report.words import duration_text

    text = duration_text if measure.name in ("latency", "p90") else size_text
    tail = "p90 " if measure.name == "p90" else ""
    return f"{tail}{text(measure.before)}, {text(measure.now)}"


def _times(measure: Measure) -> str:
    from edgecnn.bench.report.words import times_text

    ratio = measure.ratio
    if ratio.low is None or ratio.high is None:
        return times_text(ratio.value)
    return f"{times_text(ratio.value)} ({times_text(ratio.low)} to {times_text(ratio.high)})"


def _notes(row: GateRow) -> tuple[str, ...]:
    return (*((row.reason,) if row.reason else ()), *row.changes)
