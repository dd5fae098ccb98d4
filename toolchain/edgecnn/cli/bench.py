"""``edgecnn bench``: latency, memory and start-up of files, on this machine or on devices."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from edgecnn.cli.options import (
    IdentityOption,
    JsonOption,
    KnownHostsOption,
    PrefixOption,
    QuietOption,
)
from edgecnn.errors import UsageError
from edgecnn.report.text import (
    decimal_text,
    duration_text,
    size_text,
    times_text,
)
from edgecnn_runner.quantities import percent_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from edgecnn.bench.judge.gate import Gate, GateRow, Measure
    from edgecnn.bench.judge.judgement import JudgedBench
    from edgecnn.bench.judge.recommend import Recommendation
    from edgecnn.bench.report.profile_view import ProfileView
    from edgecnn.bench.results import BenchReport, DeviceBench
    from edgecnn.commands.bench import BenchResult


def bench(
    targets: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="BUILD_OR_FILE", help="Builds, released models, or single model files."
        ),
    ] = None,
    devices: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            metavar="ADDRESS",
            help="local, USER@HOST[:PORT], also with ssh:// before it, or cmd: and a command that "
            "starts Python elsewhere. Repeatable. Default: local.",
        ),
    ] = None,
    devices_file: Annotated[
        Path | None,
        typer.Option(
            "--devices", metavar="FILE", help="More devices: an address a line, # for comments."
        ),
    ] = None,
    threads: Annotated[
        list[str] | None,
        typer.Option(
            "--threads",
            metavar="N",
            help="Threads of the runtime: a number, or all. Repeatable. Default: 1, 2, 4 and all.",
        ),
    ] = None,
    runs: Annotated[
        int, typer.Option("--runs", metavar="N", min=10, help="Fewest counted runs of each file.")
    ] = 50,
    seconds: Annotated[
        float,
        typer.Option("--seconds", metavar="S", min=0.0, max=3600.0, help="Least counted time."),
    ] = 1.0,
    starts: Annotated[
        int,
        typer.Option(
            "--starts", metavar="N", min=1, max=1000, help="Processes started for start-up times."
        ),
    ] = 5,
    sustain: Annotated[
        int,
        typer.Option(
            "--sustain",
            metavar="S",
            min=0,
            max=86_400,
            help="Afterwards, run the fastest file for so long without pause.",
        ),
    ] = 0,
    profile: ProfileOption = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Write bench.json and bench.html there, and leave the build as it is.",
        ),
    ] = None,
    csv: CsvOption = None,
    markdown: MarkdownOption = None,
    max_latency: MaxLatencyOption = None,
    max_size: MaxSizeOption = None,
    max_memory: MaxMemoryOption = None,
    baseline: BaselineOption = None,
    max_regression: MaxRegressionOption = None,
    compare: CompareOption = None,
    prefix: PrefixOption = None,
    identity: IdentityOption = None,
    known_hosts: KnownHostsOption = None,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Measure how fast files are on a device, and what they take there.

    Files take turns, after a warm-up until times are stable; every single time is kept. What makes
    figures doubtful is said; a Raspberry Pi that was throttled meanwhile makes them invalid.

    Devices are measured at the same time, but those that share a machine one after the other. One
    that fails is shown with its reason. Exits 0 if anything was measured.

    Of what passed verification, one file, runtime and number of threads is recommended for each
    device: the fastest that keeps the limits; exits 40 if nothing keeps them. With --baseline or
    --compare it exits 39 if anything got slower, larger or is missing.

    Example: edgecnn bench models/wren --device local --device ssh://pi@raspberrypi.local
    """
    from edgecnn.bench import Settings
    from edgecnn.bench.judge.recommend import DeviceLimits
    from edgecnn.cli.options import numbers_of_threads
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import exit_for, out_console, print_json
    from edgecnn.commands import bench as command
    from edgecnn.devices.opening import choose_devices

    if compare is not None:
        compare_files(
            compare,
            max_regression=max_regression,
            json_output=json_output,
            measuring=(*(targets or ()), *(devices or ())),
        )
        return
    if max_regression is not None and baseline is None:
        raise UsageError(
            "--max-regression says nothing without an earlier bench",
            observed=f"--max-regression {max_regression} alone",
            expected="--baseline, too, or --compare",
            remedy="name the earlier bench with --baseline FILE",
        )
    addresses = [*(devices or ()), *(command.read_addresses(devices_file) if devices_file else ())]
    request = command.BenchRequest(
        targets=tuple(targets or ()),
        devices=tuple(
            choose_devices(
                addresses or ["local"], identity=identity, known_hosts=known_hosts, prefix=prefix
            )
        ),
        settings=Settings(
            runs=runs,
            seconds=seconds,
            threads=numbers_of_threads(threads) or Settings.threads,
            starts=starts,
            sustain=sustain,
            profile=profile,
        ),
        limits=DeviceLimits(
            latency_ns=None
            if max_latency is None
            else parse_duration(max_latency, option="--max-latency"),
            memory_bytes=None
            if max_memory is None
            else parse_bytes(max_memory, option="--max-memory"),
            size_bytes=None if max_size is None else parse_bytes(max_size, option="--max-size"),
        ),
        baseline=baseline,
        max_regression=_max_regression(max_regression),
        out=out,
        csv=csv,
        markdown=markdown,
    )
    result = command.bench(request, progress=terminal_progress(quiet=quiet))
    if json_output:
        print_json(result.to_dict())
    else:
        console = out_console()
        print_bench(console, result.judged)
        print_profiles(console, result.judged.report)
        print_reports(console, result)
    exit_for(result.error)


CsvOption = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        help="Also write all figures as CSV: a row for each device, file and number of threads.",
    ),
]
MarkdownOption = Annotated[
    Path | None,
    typer.Option("--markdown", metavar="FILE", help="Also write a summary for a pull request."),
]


def print_bench(console: Console, judged: JudgedBench) -> None:
    """Print for each device its table, what makes it doubtful and what to ship; then the gate."""
    for device, recommendation in zip(judged.report.devices, judged.recommendations, strict=True):
        _print_device(console, device, recommendation)
    if judged.gate is not None:
        print_gate(console, judged.gate)


def print_reports(console: Console, result: BenchResult) -> None:
    """Print where the reports are: the page first, for it is what people look at."""
    file = () if result.file is None else (result.file,)
    for path in (*result.reports[:1], *file, *result.reports[1:]):
        console.print(f"report: {path}", markup=False, soft_wrap=True)


def _print_device(console: Console, device: DeviceBench, recommendation: Recommendation) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from edgecnn.bench.report.device_facts import device_title
    from edgecnn.bench.report.table import render_table

    about = [device.system, device.machine.get("system")]
    title = ", ".join([device_title(device), *(str(one) for one in about if one)])
    console.print(Text(title, style="bold"))
    if device.error is not None:
        observed = f" ({device.error.observed})" if device.error.observed else ""
        console.print(Padding(Text(device.error.problem + observed, style="red"), (0, 0, 0, 2)))
        console.print(Padding(Text(device.error.remedy), (0, 0, 0, 2)))
    if device.rows:
        console.print(render_table(device, recommendation))
    conditions = device.conditions
    if conditions is not None and conditions.invalid is not None:
        console.print(Text(f"INVALID: {conditions.invalid}", style="bold red"))
    for warning in () if conditions is None else conditions.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))
    if device.error is None:
        print_recommendation(console, recommendation)
    console.print()


ProfileOption = Annotated[
    bool,
    typer.Option(
        "--profile",
        help="Also show where the time goes, operator by operator; where the runtime does not "
        "tell, how the multiply-accumulates are spread.",
    ),
]

_BAR = 12
_BETWEEN = 3
_PARTS = " ▏▎▍▌▋▊▉█"


def print_profiles(console: Console, report: BenchReport) -> None:
    """Print the profiles of a report, if it has any, after its other tables."""
    from edgecnn.bench.report.profile_view import profile_views

    for view in profile_views(report):
        console.print(f"\n{view.file} on {view.device}", style="bold", markup=False)
        for note in view.notes:
            console.print(note, markup=False, style="dim")
        if view.lines:
            console.print(profile_table(view, console.width))


def profile_table(view: ProfileView, width: int) -> Table:
    """Lay out one profile in so many columns of characters."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    figures = [("share" if view.timed else "MAC share", 6), ("", _BAR), ("MACs", 7)]
    if view.timed:
        figures = [("time", 9), *figures, ("GMAC/s", 6)]
    # Where there is little room, names are cut short, and figures never are.
    room = width - sum(size + _BETWEEN for _, size in figures) - 2 * _BETWEEN
    for title in ("operator", "name"):
        table.add_column(title, overflow="ellipsis", no_wrap=True, max_width=max(6, room // 2))
    for title, size in figures:
        justify: Literal["left", "right"] = "right" if title else "left"
        table.add_column(title, justify=justify, no_wrap=True, min_width=size)
    for line in view.lines:
        table.add_row(
            *(Text(line.type), Text(line.name, style="dim")),
            *([line.time] if view.timed else []),
            line.share_text,
            _bar(line.bar / 100),
            line.macs,
            *([line.rate] if view.timed else []),
        )
    return table


def _bar(part: float) -> str:
    """Return a bar in eighths of a character; of a part above 0 at least one."""
    if not part:
        return ""
    eighths = max(1, round(8 * _BAR * part))
    return "█" * (eighths // 8) + _PARTS[eighths % 8].strip()


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

    from edgecnn.bench.report.words import gate_headline

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

    text = duration_text if measure.name in ("latency", "p90") else size_text
    tail = "p90 " if measure.name == "p90" else ""
    return f"{tail}{text(measure.before)}, {text(measure.now)}"


def _times(measure: Measure) -> str:

    ratio = measure.ratio
    if ratio.low is None or ratio.high is None:
        return times_text(ratio.value)
    return f"{times_text(ratio.value)} ({times_text(ratio.low)} to {times_text(ratio.high)})"


def _notes(row: GateRow) -> tuple[str, ...]:
    return (*((row.reason,) if row.reason else ()), *row.changes)


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
        max_regression: By how much a figure may grow, as it was typed; None for 5 %.
        json_output: Whether to print JSON.
        measuring: What was given besides that is for measuring, which this does not do.

    Raises:
        UsageError: If ``max_regression`` cannot be read, or something was to be measured.
        WorkspaceError: If a file is missing, damaged or of another schema.
    """
    from edgecnn.bench import gate_error
    from edgecnn.bench.report.json import gate_values
    from edgecnn.bench.results import BENCH_SCHEMA
    from edgecnn.cli.render import exit_for, out_console, print_json
    from edgecnn.commands import bench as command

    if measuring:
        raise UsageError(
            "--compare measures nothing",
            observed=", ".join(map(str, measuring)),
            expected="two files, and nothing to measure",
            remedy="leave --compare out and compare with --baseline, or leave out the rest",
        )
    gate = command.compare(*files, max_regression=_max_regression(max_regression))
    if json_output:
        print_json({"schema": BENCH_SCHEMA, **gate_values(gate)})
    else:
        print_gate(out_console(), gate)
    exit_for(gate_error(gate))


def _max_regression(text: str | None) -> float:
    from edgecnn.bench.judge.gate import DEFAULT_MAX_REGRESSION

    return (
        DEFAULT_MAX_REGRESSION if text is None else parse_percent(text, option="--max-regression")
    )


_NANOSECONDS: Final = {"ns": 1, "us": 1000, "ms": 1_000_000, "s": 1_000_000_000}
_BYTES: Final = {
    "b": 1,
    "kb": 1000,
    "mb": 1_000_000,
    "gb": 1_000_000_000,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}
_QUANTITY: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,12})?)\s*([^\W\d_]*)", re.ASCII)
_MOST_PERCENT: Final = 1000


def parse_duration(text: str, *, option: str) -> int:
    """Return a duration in nanoseconds.

    Args:
        text: A positive number with ns, us, ms or s.
        option: What was given, for an error.

    Raises:
        UsageError: If it is not a duration.

    >>> parse_duration("5ms", option="--max-latency"), parse_duration("0.8 us", option="")
    (5000000, 800)
    """
    # The sign for micro exists twice in Unicode, as itself and as a Greek letter.
    plain = text.replace("\u03bc", "u").replace("\u00b5", "u")
    expected = "a duration such as 5ms, 800us or 2s"
    return _parse(plain, _NANOSECONDS, option, expected, shown=text)


def parse_bytes(text: str, *, option: str) -> int:
    """Return a size in bytes.

    Args:
        text: A positive number with B, kB, MB or GB (decimal), or KiB, MiB or GiB (binary); large
            and small letters are the same.
        option: What was given, for an error.

    Raises:
        UsageError: If it is not a size.

    >>> parse_bytes("1.5MB", option="--max-size"), parse_bytes("64 KiB", option="")
    (1500000, 65536)
    """
    return _parse(text.lower(), _BYTES, option, "a size such as 100kB, 1.5MB or 64MiB", shown=text)


def parse_percent(text: str, *, option: str) -> float:
    """Return a percentage as a share.

    Args:
        text: A number from 0 to 1000 with a percent sign: without one, 0.05 could mean either.
        option: What was given, for an error.

    Raises:
        UsageError: If it is not a percentage.

    >>> parse_percent("5%", option="--max-regression")
    0.05
    """
    expected = f"a percentage such as 5%, from 0% to {_MOST_PERCENT}%"
    percent = percent_of(text)
    bare = percent_of(f"{text}%")
    if bare is not None and 0 <= 100 * bare <= _MOST_PERCENT:
        share = decimal_text(100 * bare)
        raise UsageError(
            f"{option} cannot be read: {text} could be {text} % or {share} %",
            observed=text,
            expected=expected,
            remedy=f"write {text}%, or {share}% if a share is meant: {expected}",
        )
    if percent is None or not 0 <= percent <= _MOST_PERCENT:
        raise _mistake(text, option, expected)
    return float(percent / 100)


def _parse(text: str, units: Mapping[str, int], option: str, expected: str, *, shown: str) -> int:
    found = _QUANTITY.fullmatch(text.strip())
    unit = None if found is None else units.get(found[2])
    value = 0 if found is None or unit is None else round(Decimal(found[1]) * unit)
    if value < 1:
        raise _mistake(shown, option, expected)
    return value


def _mistake(text: str, option: str, expected: str) -> UsageError:
    return UsageError(
        f"{option} cannot be read",
        observed=text or "nothing",
        expected=expected,
        remedy=f"write the number with its unit: {expected}",
    )
