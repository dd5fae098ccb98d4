"""What a bench is judged by, as options: limits, an earlier bench, two benches to compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgecnn.bench.judge.judgement import Judging

MaxLatencyOption = Annotated[
    str | None,
    typer.Option(
        "--max-latency",
        metavar="TIME",
        help="Recommend only what takes no longer, by its median: 5ms, 800us.",
    ),
]
MaxSizeOption = Annotated[
    str | None,
    typer.Option(
        "--max-size", metavar="SIZE", help="Recommend only files that are no larger: 100kB, 1.5MB."
    ),
]
MaxMemoryOption = Annotated[
    str | None,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        help="Recommend only what needs no more memory: peak, resident, of the whole process.",
    ),
]
BaselineOption = Annotated[
    Path | None,
    typer.Option(
        "--baseline",
        metavar="FILE",
        help="An earlier bench.json of the same machine: fail on what got worse beyond noise.",
    ),
]
MaxRegressionOption = Annotated[
    str | None,
    typer.Option(
        "--max-regression",
        metavar="PERCENT",
        help="By how much latency, memory and size may grow since then. Default: 5%.",
    ),
]
CompareOption = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        "--compare",
        metavar="BEFORE NOW",
        help="Measure nothing: compare two bench.json, as --baseline does.",
    ),
]


def judging_of(
    *,
    max_latency: str | None = None,
    max_size: str | None = None,
    max_memory: str | None = None,
    baseline: Path | None = None,
    max_regression: str | None = None,
) -> Judging:
    """Read the options; before anything is measured, so that a mistake costs no minutes.

    Raises:
        UsageError: If one cannot be read, or ``max_regression`` has nothing to be of.
        WorkspaceError: If the baseline is missing, damaged or of another schema.
    """
    from edgecnn.bench import read_bench
    from edgecnn.bench.judge.judgement import EarlierBench, Judging
    from edgecnn.bench.judge.recommendation import DeviceLimits
    from edgecnn.bench.judge.units import parse_bytes, parse_duration
    from edgecnn.errors import UsageError

    if max_regression is not None and baseline is None:
        raise UsageError(
            "--max-regression says nothing without an earlier bench",
            observed=f"--max-regression {max_regression} alone",
            expected="--baseline, too, or --compare",
            remedy="name the earlier bench with --baseline FILE",
        )
    return Judging(
        limits=DeviceLimits(
            latency_ns=None
            if max_latency is None
            else parse_duration(max_latency, option="--max-latency"),
            memory_bytes=None
            if max_memory is None
            else parse_bytes(max_memory, option="--max-memory"),
            size_bytes=None if max_size is None else parse_bytes(max_size, option="--max-size"),
        ),
        baseline=None
        if baseline is None
        else EarlierBench(report=read_bench(baseline), source=str(baseline)),
        max_regression=_max_regression(max_regression),
    )


def compare_files(
    files: tuple[Path, Path],
    *,
    max_regression: str | None = None,
    json_output: bool = False,
    measuring: Sequence[object] = (),
) -> None:
    """Compare two finished benches: print what changed, and end with the gate's error, if any.

    Args:
        files: The earlier one and the later one.
        max_regression: See ``MaxRegressionOption``.
        json_output: Whether to print JSON.
        measuring: What was given besides that is for measuring, which this does not do.

    Raises:
        UsageError: If ``max_regression`` cannot be read, or something was to be measured.
        WorkspaceError: If a file is missing, damaged or of another schema.
    """
    from edgecnn.bench import gate_error, read_bench
    from edgecnn.bench.judge.gate import compare_benches
    from edgecnn.bench.report.json import gate_values
    from edgecnn.cli.bench_tables import print_gate
    from edgecnn.cli.render import exit_for, out_console, print_json
    from edgecnn.errors import UsageError

    if measuring:
        raise UsageError(
            "--compare measures nothing",
            observed=", ".join(map(str, measuring)),
            expected="two files, and nothing to measure",
            remedy="leave --compare out and compare with --baseline, or leave out the rest",
        )
    allowed = _max_regression(max_regression)
    before, now = (read_bench(path) for path in files)
    gate = compare_benches(now, before, source=str(files[0]), max_regression=allowed)
    if json_output:
        print_json(gate_values(gate))
    else:
        print_gate(out_console(), gate)
    exit_for(gate_error(gate))


def _max_regression(text: str | None) -> float:
    from edgecnn.bench.judge.gate import DEFAULT_MAX_REGRESSION
    from edgecnn.bench.judge.units import parse_percent

    return (
        DEFAULT_MAX_REGRESSION if text is None else parse_percent(text, option="--max-regression")
    )
