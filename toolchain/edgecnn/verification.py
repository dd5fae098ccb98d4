"""What ``edgecnn verify`` was asked for, and the verification that it comes to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.build_lock import build_lock
from edgecnn.convert_request import of_command_line
from edgecnn.errors import UsageError
from edgecnn.locate import build_of, load_data, manifest_recipe
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.workspace import Workspace

if TYPE_CHECKING:
    from edgecnn.devices import DeviceOptions
    from edgecnn.verify import ParityReport

__all__ = ["VerifyRequest", "verify"]


@dataclass(frozen=True, kw_only=True)
class VerifyRequest:
    """What ``edgecnn verify`` was asked for; None means the recipe's own, or all.

    Attributes:
        target: A build, a recipe that was built, or an artifact.
        data: Folder of the images, where the build's recipe no longer finds them.
        images: How many evaluation images; None for all.
        limits: Limits that replace the recipe's; None leaves one as it is.
        groups: A table of groups of images to compare; None for none.
        explain: Whether to compare files with their float file layer by layer, too.
        threads: Threads of each runtime.
        out: Folder for the reports in place of the build, which is then left as it is.
        junit: Where to write the verdicts as JUnit XML, too.
        device: Where to run the files; None for here.
    """

    target: Path
    data: str | None = None
    images: int | None = None
    limits: Mapping[str, float | None] = field(default_factory=dict)
    groups: Path | None = None
    explain: bool = False
    threads: int = 1
    out: Path | None = None
    junit: Path | None = None
    device: DeviceOptions | None = None


def verify(
    request: VerifyRequest, *, progress: Progress = NO_PROGRESS
) -> tuple[ParityReport, Path]:
    """Verify a build, or one of its files.

    Only a verification here of every file, on every image, with the recipe's limits becomes the
    build's own; any other is written beside it.

    Args:
        request: What to verify, and how.
        progress: Shows images.

    Returns:
        The report, and where it can be read as a page. Where it could not be written, its
        ``write_error`` says why.
    """
    from edgecnn import verify as stage
    from edgecnn.data import in_class_order
    from edgecnn.reference import doubts_of, read_reference

    _check_folder_of("--junit", request.junit)
    workspace, artifacts = build_of(request.target)
    with build_lock(workspace.folder, unless_read_only=True):
        recipe = manifest_recipe(workspace)
        wanted = {name: value for name, value in request.limits.items() if value is not None}
        if wanted:
            raw = {**recipe.to_dict(), "limits": {**recipe.limits.model_dump(), **wanted}}
            recipe = of_command_line(raw)
        groups = None if request.groups is None else stage.read_groups(request.groups)
        partial = bool(
            artifacts is not None or request.images is not None or wanted or request.groups
        )
        # A model made elsewhere may number its classes otherwise than the data does.
        reference = read_reference(workspace.path(Workspace.REFERENCE))
        dataset = load_data(recipe, request.data, progress)
        dataset = in_class_order(dataset, tuple(reference.class_names))
        for note in doubts_of(reference):
            progress.message(f"note: {note}")
        report = stage.run(
            workspace,
            dataset,
            limits=recipe.limits,
            artifacts=artifacts,
            images=request.images,
            threads=request.threads,
            partial=partial,
            out=request.out,
            junit=request.junit,
            device=request.device,
            groups=groups,
            explain=request.explain,
            progress=progress,
        )
    place = workspace if request.out is None else Workspace(request.out)
    return report, place.path(stage.report_names(partial=partial, device=report.device)[1])


def _check_folder_of(option: str, file: Path | None) -> None:
    """Refuse a file that could not be written for want of its folder, before minutes of work."""
    if file is not None and not os.path.isdir(file.parent):  # noqa: PTH112 - names may be too long
        raise UsageError(
            f"{option} {file} is in a folder that does not exist",
            observed=f"no folder {file.parent}",
            expected="a file in a folder that exists",
            remedy="make the folder first, or name a file elsewhere",
        )
