"""``verify --explain``: each artifact compared layer by layer with the float file beside it.

This runs on the machine that verifies, also where the artifacts are judged on a device: a device
has no float file, and its runtime keeps no tensors between the operators.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from edgecnn.build.artifact import format_of, precision_of, read_artifact
from edgecnn.build.workspace import Workspace
from edgecnn.errors import ContractError, EdgeError, WorkspaceError
from edgecnn.files import file_digest
from edgecnn.modelfile.layers import compare
from edgecnn.progress import Progress
from edgecnn.verify.evaluation import Evaluation, balanced_subset
from edgecnn.verify.layers.diagnosis import Layers, diagnose, ratios_that_count
from edgecnn.verify.plan import Planned
from edgecnn.verify.results import ArtifactRow

MOST_IMAGES: Final = 64
"""Images that layers are compared on. Each has thousands of values in a layer, so that few are
enough: with three choices of 64 images the lowest layer of the released int8 files differs by at
most 0.7 dB from that of 1,000 images, and no layer by more than 4.3 dB."""

_FLOAT: Final = "fp32"


def explained(
    row: ArtifactRow,
    planned: Planned,
    workspace: Workspace,
    evaluation: Evaluation,
    *,
    seed: int,
    progress: Progress,
) -> ArtifactRow:
    """Add to an artifact's row where it departs from its float file, or why that is not known.

    Args:
        row: The artifact. Without a verdict, or of a float32 file, with which the others are
            compared, it stays as it is.
        planned: Where it is.
        workspace: The build, whose manifest names the float file of the same format.
        evaluation: The images to choose from.
        seed: Seed of the choice.
        progress: Gets a task, a step per image.
    """
    if row.judgement is None or planned.path is None or precision_of(row.variant) == _FLOAT:
        return row
    layers = _layers(planned.path, row.variant, workspace, evaluation, seed, progress)
    return dataclasses.replace(row, layers=layers)


def with_reason(rows: Sequence[ArtifactRow]) -> tuple[ArtifactRow, ...]:
    """Say why nothing was explained, where float32 files alone were verified.

    Beside files that are explained, those that they are compared with need no words.
    """
    judged = [row for row in rows if row.judgement is not None]
    if any(precision_of(row.variant) != _FLOAT for row in judged):
        return tuple(rows)
    why = Layers(
        reason="a float32 file is itself what others are compared with, so that there is nothing "
        "to explain"
    )
    return tuple(
        row if row.judgement is None else dataclasses.replace(row, layers=why) for row in rows
    )


def _layers(
    path: Path,
    variant: str,
    workspace: Workspace,
    evaluation: Evaluation,
    seed: int,
    progress: Progress,
) -> Layers:
    try:
        float_file = _float_file(path, _partner(variant, workspace), workspace)
        images = evaluation.images
        count = min(MOST_IMAGES, len(images))
        chosen = balanced_subset(images.labels, images.ids, count, seed)
        with progress.task(f"explain {variant}", count) as task:
            comparison = compare(float_file, path, images.pixels[chosen], advance=task.advance)
    except EdgeError as error:
        return Layers(reason=f"{error.problem}; {error.remedy}")
    finding = diagnose(comparison)
    return Layers(
        against=float_file.name,
        images=count,
        seed=seed,
        layers=comparison.layers,
        ratios_db=ratios_that_count(comparison.layers),
        unmatched=comparison.unmatched,
        first=finding.first,
        steepest=finding.steepest,
        cause=finding.cause,
        diagnosis=finding.sentence,
    )


def _partner(variant: str, workspace: Workspace) -> str:
    """Return the float variant of a file: of one that another program made, another such file."""
    kind = format_of(variant)
    if "-foreign-" not in variant:
        return f"{kind}-{_FLOAT}"
    names = [str(row["variant"]) for row in workspace.manifest()["variants"]]
    floats = [
        name
        for name in names
        if name.startswith(f"{kind}-foreign-") and name.endswith(f"-{_FLOAT}") and name != variant
    ]
    if floats:
        return floats[0]
    raise WorkspaceError(
        f"there is no float .{kind} file in {workspace.folder} to compare its layers with",
        observed="a build without one",
        expected="the float file that it was quantized from, in the same build",
        remedy=f"adopt that one, too, with the same options and --out {workspace.folder}",
    )


def _float_file(path: Path, partner: str, workspace: Workspace) -> Path:
    """Return the float file of a build after checking that it is of the artifact's own model.

    Raises:
        WorkspaceError: If the build has none, or it is not what the build wrote.
        ArtifactError: If it is damaged.
        ContractError: If it came from another model.
    """
    manifest = workspace.manifest()
    rows: list[Mapping[str, str]] = [
        row for row in manifest["variants"] if row["variant"] == partner and row.get("file")
    ]
    if not rows:
        raise WorkspaceError(
            f"there is no {partner} in {workspace.folder} to compare its layers with",
            observed="a build without that variant",
            expected=f"the file of {partner}",
            remedy=f"make it, too: edgecnn convert SOURCE --variant {partner}",
        )
    found = workspace.path(rows[0]["file"])
    contracts = [read_artifact(one).contract for one in (found, path)]
    recorded = manifest["files"].get(rows[0]["file"], {}).get("sha256")
    if recorded is not None and file_digest(found) != recorded:
        raise WorkspaceError(
            f"{found.name} is not what this build wrote",
            observed=f"sha256 {file_digest(found)}",
            expected=f"sha256 {recorded}",
            remedy="convert again: edgecnn convert SOURCE",
        )
    sources = [None if one is None else one.source_sha256 for one in contracts]
    if sources[0] is None or sources[0] != sources[1]:
        raise ContractError(
            f"{path.name} and {found.name} were converted from different float models",
            observed=f"source sha256 {sources[1]}",
            expected=f"source sha256 {sources[0]}",
            remedy="convert again: edgecnn convert SOURCE",
        )
    return found
