"""``edgecnn bench`` as a function: figures of files on devices, judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn import bench as stage
from edgecnn.bench import BenchReport, Settings, exit_error
from edgecnn.bench.judge.gate import DEFAULT_MAX_REGRESSION, Gate, compare_benches
from edgecnn.bench.judge.judgement import EarlierBench, JudgedBench, Judging, judge_bench
from edgecnn.bench.judge.recommend import DeviceLimits
from edgecnn.bench.report.exports import write_exports
from edgecnn.bench.report.json import judged_values
from edgecnn.build.lock import build_lock
from edgecnn.build.workspace import Workspace
from edgecnn.commands.paths import MODEL_SUFFIXES, Verdicts, proven_place, verdicts_of
from edgecnn.devices import DeviceOptions
from edgecnn.errors import DeviceError, EdgeError, UsageError, WorkspaceError
from edgecnn.files import wrap_os_errors
from edgecnn.progress import NO_PROGRESS, Progress


@dataclass(frozen=True, kw_only=True)
class BenchRequest:
    """What ``edgecnn bench`` was asked for.

    Attributes:
        targets: Builds, recipes that were built, folders of released models, or model files.
        devices: Where to measure; None for this machine.
        settings: How.
        limits: What a file may take at most, to be recommended.
        baseline: ``bench.json`` of an earlier bench to compare with; None for none.
        max_regression: By how much a figure may grow since then, as a share.
        out: Folder for the report in place of the build, which is then left as it is.
        csv: Where a table of all figures goes, too.
        markdown: Where a summary for a pull request goes, too.
    """

    targets: tuple[Path, ...]
    devices: tuple[DeviceOptions | None, ...] = (None,)
    settings: Settings = field(default_factory=Settings)
    limits: DeviceLimits = field(default_factory=DeviceLimits)
    baseline: Path | None = None
    max_regression: float = DEFAULT_MAX_REGRESSION
    out: Path | None = None
    csv: Path | None = None
    markdown: Path | None = None


@dataclass(frozen=True, kw_only=True)
class BenchResult:
    """What a bench came to.

    Attributes:
        judged: What was measured, what to ship on each device, and what got worse.
        file: ``bench.json``; None where it was not written.
        reports: The page for people, and what else was asked for.
        write_error: Why one of these could not be written; None where all could.
    """

    judged: JudgedBench
    file: Path | None
    reports: tuple[Path, ...] = ()
    write_error: EdgeError | None = None

    @property
    def error(self) -> EdgeError | None:
        """What a command line ends with; None if all is well."""
        unmeasured = nothing_measured(self.judged.report)
        return self.write_error or unmeasured or exit_error(self.judged)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, as in ``bench.json``."""
        return judged_values(self.judged)


def bench(request: BenchRequest, *, progress: Progress = NO_PROGRESS) -> BenchResult:
    """Measure files on devices, recommend one for each, and compare with an earlier bench.

    Of one build, or files of it, the report goes into the build: ``bench.json`` for all of its
    files, ``bench-partial.json`` for some. Of several builds, or files elsewhere, it is written
    only where ``out`` says so. Nor is it written if nothing could be measured.

    Args:
        request: What to measure, where, and how.
        progress: Shows the devices.

    Raises:
        UsageError: If there is nothing to measure, or ``out`` is a build.
        WorkspaceError: If a target is neither, the baseline cannot be read, or ``bench.json``
            cannot be written.
    """
    # Before minutes of measuring, which a mistake would cost.
    baseline = None
    if request.baseline is not None:
        baseline = EarlierBench(
            report=stage.read_bench(request.baseline), source=str(request.baseline)
        )
    report, file = _measured(request, progress)
    judged = judge_bench(
        report,
        Judging(limits=request.limits, baseline=baseline, max_regression=request.max_regression),
    )
    try:
        written = write_exports(judged, file, csv=request.csv, markdown=request.markdown)
    except WorkspaceError as error:
        return BenchResult(judged=judged, file=file, write_error=error)
    return BenchResult(judged=judged, file=file, reports=tuple(written))


def compare(before: Path, now: Path, *, max_regression: float = DEFAULT_MAX_REGRESSION) -> Gate:
    """Compare two finished benches.

    Args:
        before: An earlier ``bench.json``.
        now: A later one of the same machine.
        max_regression: By how much a figure may grow, as a share.

    Raises:
        WorkspaceError: If a file is missing, damaged or of another schema.
    """
    earlier, later = stage.read_bench(before), stage.read_bench(now)
    return compare_benches(later, earlier, source=str(before), max_regression=max_regression)


def _measured(request: BenchRequest, progress: Progress) -> tuple[BenchReport, Path | None]:
    from edgecnn.report.provenance import created, versions

    if not request.targets:
        raise UsageError(
            "there is nothing to measure",
            observed="no build and no file",
            expected="at least one",
            remedy="name a build or a file: edgecnn bench BUILD",
        )
    if request.out is not None and Workspace(request.out).is_build():
        raise UsageError(
            "the report of other measurements cannot be put into a build: its own would be lost",
            observed=f"{request.out} is a build",
            expected="a folder of another kind, or a new one",
            remedy="name another folder, or leave --out out to write into the build itself",
        )
    targets = [_target(path) for path in request.targets]
    files = stage.plan(
        [path for one in targets for path in one.files],
        {
            digest: known
            for target in targets
            for digest, known in target.verdicts.by_sha256.items()
        },
    )
    place = _place(targets, request.out)
    drops = [target.verdicts.max_drop for target in targets]
    allowed = [drop for drop in drops if drop is not None]
    report = stage.run(
        files,
        request.devices,
        request.settings,
        versions=versions(),
        created=created(),
        progress=progress,
    )
    if allowed:
        report = dataclasses.replace(report, max_drop_points=max(allowed))
    if nothing_measured(report) is not None:
        return report, None
    if place is None:
        progress.message("note: the report is written with --out FOLDER only")
        return report, None
    with wrap_os_errors(place.parent):
        place.parent.mkdir(parents=True, exist_ok=True)
    stage.write_bench(place, report)
    return report, place


def nothing_measured(report: BenchReport) -> EdgeError | None:
    """Return what a command line ends with where no device measured anything; None otherwise."""
    rows = [row for device in report.devices for row in device.rows]
    if any(row.error is None for row in rows):
        return None
    found = [device.error for device in report.devices if device.error is not None]
    found += [row.error for row in rows if row.error is not None]
    errors = [one.to_error() for one in found]
    if len(errors) == 1:
        return errors[0]
    kinds = {type(one) for one in errors}
    kind = kinds.pop() if len(kinds) == 1 else DeviceError
    error: EdgeError = kind(
        f"nothing could be measured on {_devices(report)}",
        observed="; ".join(dict.fromkeys(f"{one.problem} ({one.observed})" for one in errors)),
        expected="figures of at least one file",
        remedy="; ".join(dict.fromkeys(one.remedy for one in errors)),
    )
    return error


def read_addresses(path: Path) -> list[str]:
    """Read a list of devices: an address a line; empty lines and those that begin with # are none.

    Args:
        path: A text file.

    Raises:
        UsageError: If it cannot be read, or names none.
    """
    remedy = "write one address a line: local, USER@HOST, or cmd: and a command"
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"the list of devices {path} cannot be read",
            observed=getattr(error, "strerror", None) or str(error),
            expected="a text file",
            remedy=remedy,
        ) from error
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise UsageError(
            f"{path} names no device",
            observed=f"{len(lines)} lines without an address",
            expected="at least one",
            remedy=remedy,
        )
    return found


@dataclass(frozen=True, kw_only=True)
class _Target:
    """What a path means: files, what is known of them, and the build that they are in."""

    files: list[Path]
    verdicts: Verdicts
    build: Workspace | None
    whole: bool


def _target(path: Path) -> _Target:
    if path.is_file() and path.suffix != ".toml":
        beside = Workspace(path.parent)
        build = beside if beside.is_build() else None
        return _Target(files=[path], verdicts=verdicts_of(path.parent), build=build, whole=False)
    place, workspace = proven_place(path)
    if workspace is None:
        files = sorted(one for one in place.iterdir() if one.suffix in MODEL_SUFFIXES)
        return _Target(files=files, verdicts=verdicts_of(place), build=None, whole=False)
    # Nobody converts meanwhile: files are read while the lock is held.
    with build_lock(workspace.folder, unless_read_only=True):
        names = [row.get("file") for row in workspace.manifest()["variants"]]
    return _Target(
        files=[workspace.path(str(name)) for name in names if name],
        verdicts=verdicts_of(workspace.folder),
        build=workspace,
        whole=True,
    )


def _place(targets: Sequence[_Target], out: Path | None) -> Path | None:
    """Return where the report goes; None if nowhere."""
    whole = len(targets) == 1 and targets[0].whole
    name = Workspace.BENCH if whole or out is not None else Workspace.PARTIAL_BENCH
    if out is not None:
        return out / name
    builds = {None if one.build is None else one.build.folder.resolve() for one in targets}
    if len(builds) != 1 or None in builds or targets[0].build is None:
        return None
    return targets[0].build.path(name)


def _devices(report: BenchReport) -> str:
    names = [device.device for device in report.devices]
    return names[0] if len(names) == 1 else f"any of {len(names)} devices"
