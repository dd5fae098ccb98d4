"""``edgecnn bench``: latency, memory and start-up of files, on this machine or on devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.bench_options import (
    BaselineOption,
    CompareOption,
    MaxLatencyOption,
    MaxMemoryOption,
    MaxRegressionOption,
    MaxSizeOption,
    compare_files,
    judging_of,
)
from edgecnn.cli.bench_tables import (
    CsvOption,
    MarkdownOption,
    ProfileOption,
    print_bench,
    print_profiles,
    write_bench_reports,
)
from edgecnn.cli.options import (
    IdentityOption,
    JsonOption,
    KnownHostsOption,
    PrefixOption,
    QuietOption,
)


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
            help="local, ssh://USER@HOST[:PORT], or cmd: and a command that starts Python "
            "elsewhere. Repeatable. Default: local.",
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
    from edgecnn.bench import Settings, exit_error
    from edgecnn.bench.judge.judgement import judge_bench
    from edgecnn.bench.report.json import judged_values
    from edgecnn.cli.options import numbers_of_threads
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import exit_for, out_console, print_json
    from edgecnn.commands import bench as benching
    from edgecnn.devices.opening import choose_devices

    if compare is not None:
        compare_files(
            compare,
            max_regression=max_regression,
            json_output=json_output,
            measuring=(*(targets or ()), *(devices or ())),
        )
        return
    judging = judging_of(
        max_latency=max_latency,
        max_size=max_size,
        max_memory=max_memory,
        baseline=baseline,
        max_regression=max_regression,
    )
    addresses = [*(devices or ()), *(benching.read_addresses(devices_file) if devices_file else ())]
    request = benching.BenchRequest(
        targets=targets or [],
        devices=choose_devices(
            addresses or ["local"], identity=identity, known_hosts=known_hosts, prefix=prefix
        ),
        settings=Settings(
            runs=runs,
            seconds=seconds,
            threads=numbers_of_threads(threads) or Settings.threads,
            starts=starts,
            sustain=sustain,
            profile=profile,
        ),
        out=out,
    )
    report, place = benching.bench(request, progress=terminal_progress(quiet=quiet))
    judged = judge_bench(report, judging)
    if json_output:
        print_json(judged_values(judged))
    else:
        print_bench(out_console(), judged)
        print_profiles(out_console(), report)
    console = None if json_output else out_console()
    write_bench_reports(console, judged, place, csv=csv, markdown=markdown)
    exit_for(benching.nothing_measured(report) or exit_error(judged))
