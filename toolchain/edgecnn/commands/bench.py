"""What ``edgecnn bench`` was asked for, and the measurement that it comes to."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from edgecnn.build.lock import build_lock
from edgecnn.build.workspace import Workspace
from edgecnn.commands.paths import RELEASED_RESULTS, proven_place
from edgecnn.errors import DeviceError, EdgeError, UsageError, WorkspaceError, some_of
from edgecnn.files import wrap_os_errors
from edgecnn.progress import NO_PROGRESS, Progress

if TYPE_CHECKING:
    from edgecnn.bench import BenchReport, ProvenAccuracy, Settings
    from edgecnn.devices import DeviceOptions

_SUFFIXES = (".tflite", ".onnx")


@dataclass(frozen=True, kw_only=True)
class BenchRequest:
    """What ``edgecnn bench`` was asked for.

    Attributes:
        targets: Builds, recipes that were built, folders of released models, or model files.
        devices: Where to measure; None for this machine.
        settings: How.
        out: Folder for the report in place of the build, which is then left as it is.
    """

    targets: Sequence[Path]
    devices: Sequence[DeviceOptions | None]
    settings: Settings
    out: Path | None = None


def bench(
    request: BenchRequest, *, progress: Progress = NO_PROGRESS
) -> tuple[BenchReport, Path | None]:
    """Measure files on devices.

    Of one build, or files of it, the report goes into the build: ``bench.json`` for all of its
    files, ``bench-partial.json`` for some. Of several builds, or files elsewhere, it is written
    only where ``out`` says so. Nor is it written if nothing could be measured.

    Args:
        request: What to measure, where, and how.
        progress: Shows the devices.

    Returns:
        The report, and where it was written; None if it was not. ``nothing_measured`` tells
        whether it holds any figures.

    Raises:
        UsageError: If there is nothing to measure, or ``out`` is a build.
        WorkspaceError: If a target is neither, or the report cannot be written.
    """
    from edgecnn import bench as stage
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
        {digest: known for one in targets for digest, known in one.proven.items()},
    )
    place = _place(targets, request.out)
    allowed = [one.max_drop for one in targets if one.max_drop is not None]
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
        observed=some_of(
            dict.fromkeys(f"{one.problem} ({one.observed})" for one in errors), joint="; "
        ),
        expected="figures of at least one file",
        remedy=some_of(dict.fromkeys(one.remedy for one in errors), joint="; "),
    )
    return error


def read_addresses(path: Path) -> list[str]:
    """Read a list of devices: an address a line; empty lines and those that begin with # are none.

    Args:
        path: A text file.

    Raises:
        UsageError: If it cannot be read, or names none.
    """
    remedy = "write one address a line: local, ssh://USER@HOST, or cmd: and a command"
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
    proven: dict[str, ProvenAccuracy]
    max_drop: float | None
    build: Workspace | None
    whole: bool


def _target(path: Path) -> _Target:
    if path.is_file() and path.suffix != ".toml":
        beside = Workspace(path.parent)
        build = beside if beside.is_build() else None
        return _Target(files=[path], **_known(path.parent), build=build, whole=False)
    place, workspace = proven_place(path)
    if workspace is None:
        files = sorted(one for one in place.iterdir() if one.suffix in _SUFFIXES)
        return _Target(files=files, **_known(place), build=None, whole=False)
    # Nobody converts meanwhile: files are read while the lock is held.
    with build_lock(workspace.folder, unless_read_only=True):
        names = [row.get("file") for row in workspace.manifest()["variants"]]
    return _Target(
        files=[workspace.path(str(name)) for name in names if name],
        **_known(workspace.folder),
        build=workspace,
        whole=True,
    )


class _Known(TypedDict):
    proven: dict[str, ProvenAccuracy]
    max_drop: float | None


def _known(folder: Path) -> _Known:
    """Return what is known from a build's parity, or a release's record.

    Of files by their digest; and how many points of accuracy they were allowed to lose.

    What cannot be read counts as unknown: times do not depend on it.
    """
    from edgecnn.bench import ProvenAccuracy
    from edgecnn.verify import read_report

    found: dict[str, ProvenAccuracy] = {}
    max_drop = None
    try:
        released = json.loads((folder / RELEASED_RESULTS).read_text(encoding="utf-8"))
        for row in released["artifacts"]:
            found[str(row["sha256"])] = ProvenAccuracy(
                verdict=str(row["verdict"]), accuracy=float(row["accuracy"])
            )
        max_drop = float(released["limits"]["max_drop"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        report = read_report(Workspace(folder).path(Workspace.PARITY))
    except WorkspaceError:
        return _Known(proven=found, max_drop=max_drop)
    for one in report.rows:
        if one.sha256 is not None:
            accuracy = None if one.metrics is None else one.metrics.artifact.accuracy
            found[one.sha256] = ProvenAccuracy(verdict=one.verdict, accuracy=accuracy)
    return _Known(proven=found, max_drop=report.limits.get("max_drop", max_drop))


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
