"""``edgecnn build`` as a function: train, convert and verify, one after another.

Stages do not know each other; they meet here, through files in a build folder. A stage is
skipped when the manifest says that it ran with the same key and its files are unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgecnn.build.lock import build_lock
from edgecnn.build.workspace import Workspace
from edgecnn.commands.convert import judge_of, read_float_model, tell_of_repairs_undone
from edgecnn.commands.paths import load_data_of_build
from edgecnn.commands.train import (
    StageState,
    TrainRequest,
    as_trained,
    essence_of_training,
    is_current,
    train_if_needed,
)
from edgecnn.commands.verify import own_corruptions, own_groups, scored_unlabelled
from edgecnn.errors import EdgeError, ParityFailError, UselessModelError
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe.load import Recipe

if TYPE_CHECKING:
    from edgecnn.convert import Conversion
    from edgecnn.data import Dataset
    from edgecnn.verify import Groups, ParityReport

BUILD_SCHEMA: Final = 1


class BuildRequest(TrainRequest):
    """What ``edgecnn build`` was asked for: what a training is asked for, and it says the rest."""


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """What a whole build came to.

    Attributes:
        build: The build folder.
        stages: Stage name to whether it was made or was up to date.
        variants: A row per variant asked for, as in the manifest.
        parity: The verdict on every artifact that was made.
        error: What the exit code is about: a float model that is no better than guessing first,
            then a parity failure, then a conversion that failed, then whatever else the report
            ends with; None if all is well.
        essence: What the training came to, in words; see ``TrainResult``.
    """

    build: Path
    stages: Mapping[str, StageState]
    variants: Sequence[Mapping[str, Any]]
    parity: ParityReport
    error: EdgeError | None
    essence: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, without the error."""
        return {
            "schema": BUILD_SCHEMA,
            "build": str(self.build),
            "stages": dict(self.stages),
            "variants": list(self.variants),
            "parity": self.parity.to_dict(),
            "essence": dict(self.essence),
        }


def build(request: BuildRequest, *, progress: Progress = NO_PROGRESS) -> BuildResult:
    """Train, convert and verify, skipping what is up to date.

    Args:
        request: What to build, and where to.
        progress: Shows all three stages, and says which were skipped.

    Returns:
        What it came to. An artifact that failed is part of it, not an exception.
    """
    recipe, workspace = request.resolved()
    with build_lock(workspace.folder):
        recipe, dataset = load_data_of_build(recipe, request.data, workspace, progress)
        return _build(recipe, workspace, dataset, weights=request.weights, progress=progress)


def _build(
    recipe: Recipe,
    workspace: Workspace,
    dataset: Dataset,
    *,
    weights: Path | None,
    progress: Progress,
) -> BuildResult:
    from edgecnn.verify import check_groups, exit_error

    groups = own_groups(recipe)
    if groups is not None:
        # Before hours of training.
        check_groups(groups, dataset.test.ids)
    for warning in undecidable(recipe, len(dataset.test)):
        progress.message(f"warning: {warning}")
    recipe = as_trained(recipe, workspace, dataset, progress)
    stages: dict[str, StageState] = {}
    stages["train"] = train_if_needed(
        recipe, workspace, dataset, weights=weights, progress=progress
    )
    stages["convert"], conversion_error = _convert_if_needed(recipe, workspace, dataset, progress)
    if conversion_error and not any(row["file"] for row in workspace.manifest()["variants"]):
        # Nothing is left to verify; of a useless model nothing had to be.
        raise read_float_model(workspace).error(recipe.limits.min_accuracy) or conversion_error
    stages["verify"], report = _verify_if_needed(recipe, workspace, dataset, groups, progress)
    parity_error = exit_error(report)
    error = conversion_error or parity_error
    if isinstance(parity_error, UselessModelError | ParityFailError):
        error = parity_error
    return BuildResult(
        build=workspace.folder,
        stages=stages,
        variants=workspace.manifest()["variants"],
        parity=report,
        error=error,
        essence=essence_of_training(workspace),
    )


def undecidable(recipe: Recipe, images: int) -> list[str]:
    """Return a warning where no count of so many images can decide the limits of a recipe.

    Args:
        recipe: Says the limits, and whether there are pictures without labels.
        images: Evaluation images.
    """
    from edgecnn.data import images_below
    from edgecnn.verify.gate.tightest import images_to_decide, tightest_at_best

    folder = recipe.data.unlabelled
    others = len(images_below(folder)) if folder is not None and folder.is_dir() else 0
    best = tightest_at_best(images, unlabelled=others, clear_unlabelled=others)
    limits = recipe.limits
    drop, agreement = best.max_drop, best.min_agreement
    open_limits = []
    if drop is None or drop > limits.max_drop:
        shown = "none" if drop is None else f"{drop:g}"
        open_limits.append(f"max_drop = {limits.max_drop:g} (at best {shown})")
    if agreement is None or agreement < limits.min_agreement:
        shown = "none" if agreement is None else f"{agreement:g}"
        open_limits.append(f"min_agreement = {limits.min_agreement:g} (at best {shown})")
    if not open_limits:
        return []
    pictures = f"{images:,} test images"
    if others:
        pictures += f" and {others:,} pictures without labels"
    return [
        f"{pictures} cannot decide {' and '.join(open_limits)}, even if no answer changes: only "
        "float files, which may equal their float model, can PASS, and all others will be "
        f"INCONCLUSIVE. About {images_to_decide(limits):,} test images would decide; or write "
        "wider limits into [limits] of the recipe, or name pictures without labels in "
        "data.unlabelled"
    ]


def _convert_if_needed(
    recipe: Recipe, workspace: Workspace, dataset: Dataset, progress: Progress
) -> tuple[StageState, EdgeError | None]:
    from edgecnn import convert as stage

    source = stage.find_source(workspace.folder)
    if is_current(workspace, "convert", stage.key(source, recipe, dataset), progress):
        return "up to date", recorded_conversion(workspace).exit_error()
    tell_of_repairs_undone(recipe, workspace, progress)
    judge = judge_of(recipe)
    result = stage.run(
        source, recipe, workspace, dataset, runtime=None, judge=judge, progress=progress
    )
    for note in result.notes:
        progress.message(f"note: {note}")
    return "made", result.exit_error()


def recorded_conversion(workspace: Workspace) -> Conversion:
    """Return what the manifest says a conversion came to.

    Raises:
        WorkspaceError: If the manifest is damaged.
    """
    from edgecnn.convert import Conversion, VariantRow

    known = [field.name for field in fields(VariantRow)]
    rows = workspace.manifest()["variants"]
    return Conversion(
        rows=tuple(VariantRow(**{key: row[key] for key in known if key in row}) for row in rows)
    )


def _verify_if_needed(
    recipe: Recipe,
    workspace: Workspace,
    dataset: Dataset,
    groups: Groups | None,
    progress: Progress,
) -> tuple[StageState, ParityReport]:
    from edgecnn import verify as stage

    corruptions = own_corruptions(recipe)
    unlabelled = None
    if recipe.data.unlabelled is not None:
        unlabelled = scored_unlabelled(
            recipe.data.unlabelled, recipe, workspace, dataset, keep=True, progress=progress
        )
    request = stage.VerifyRequest(target=workspace.folder)
    subject = stage.BuildSubject(
        workspace=workspace,
        dataset=dataset,
        limits=recipe.limits,
        groups=groups,
        unlabelled=unlabelled,
        corruptions=corruptions,
        recipe=recipe.to_dict(),
    )
    key = stage.key(request, subject)
    if is_current(workspace, "verify", key, progress):
        report = stage.read_report(workspace.path(Workspace.PARITY))
        # What it was once compared with is no part of a build. An earlier version of edgecnn did
        # not ask whether the float model is of any use.
        report = replace(report, baseline=None, float_model=read_float_model(workspace))
        return "up to date", report
    report = stage.run(request, subject, progress=progress)
    return "made", report
