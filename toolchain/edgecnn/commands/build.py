"""The stages one after another: what the commands call.

Stages do not know each other; they meet here, through files in a build folder. A stage is
skipped when the manifest says that it ran with the same key and its files are unchanged.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from edgecnn.build.lock import build_lock
from edgecnn.build.workspace import Workspace
from edgecnn.commands.convert import ConvertRequest, already_made, recipe_of, with_options
from edgecnn.commands.paths import load_data_of_build
from edgecnn.commands.verify import left_out_of, own_corruptions, own_groups, readers_of
from edgecnn.errors import EdgeError, ParityFailError, UsageError, UselessModelError, some_of
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe.load import Recipe
from edgecnn_runner.labels import read_labels

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgecnn.build.usefulness import AgainstGuessing
    from edgecnn.build.verdict import ExaminedModel, Examiner, Judge
    from edgecnn.convert import ConvertResult, Source
    from edgecnn.data import Dataset, Images
    from edgecnn.verify import Groups, OwnAgreement, ParityReport, Tried

_MOST_SCORES: Final = 2000
"""Images whose scores a conversion compares with the user's own, where there are more."""

StageState = Literal["made", "up to date"]


@dataclass(frozen=True, kw_only=True)
class ChainResult:
    """What a whole build came to.

    Attributes:
        stages: Stage name to whether it was made or was up to date.
        variants: A row per variant asked for, as in the manifest.
        report: Parity of every artifact that was made.
        error: What the exit code is about: a float model that is no better than guessing first,
            then a parity failure, then a conversion that failed, then whatever else the report
            ends with; None if all is well.
    """

    stages: Mapping[str, StageState]
    variants: list[dict[str, Any]]
    report: ParityReport
    error: EdgeError | None


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What a conversion came to.

    Attributes:
        workspace: The build that holds the files.
        result: A row per variant.
        float_model: What the float model is right on, beside guessing.
        error: What the exit code is about: a float model that is no better than guessing first,
            then variants that could not be made; None if all is well.
    """

    workspace: Workspace
    result: ConvertResult
    float_model: AgainstGuessing
    error: EdgeError | None


def train(
    recipe: Recipe, workspace: Workspace, *, data: str | None, progress: Progress = NO_PROGRESS
) -> dict[str, Any]:
    """Train a recipe's float model, or continue a training that was killed.

    Args:
        recipe: What to train.
        workspace: Where to.
        data: Folder of the images, where the recipe does not say.
        progress: Shows epochs.

    Returns:
        The metrics that ``metrics.json`` holds.
    """
    import json

    with build_lock(workspace.folder):
        recipe, dataset = load_data_of_build(recipe, data, workspace, progress)
        recipe = _as_trained(recipe, workspace, dataset, progress)
        _train_if_needed(recipe, workspace, dataset, progress)
        metrics: dict[str, Any] = json.loads(workspace.path(Workspace.METRICS).read_text("utf-8"))
    return metrics


def convert(request: ConvertRequest, *, progress: Progress = NO_PROGRESS) -> Converted:
    """Convert a source to the variants asked for.

    Args:
        request: What to convert, and how.
        progress: Shows variants.

    Returns:
        The build that holds the files, and what they came to. That the float model is of no use,
        or a variant could not be made, is part of it, not an exception: the files stay.
    """
    from edgecnn import convert as stage

    labels = None if request.labels is None else read_labels(request.labels)
    source = stage.find_source(
        request.source, labels=labels, input_range=request.preprocessing.input_range
    )
    recipe, workspace = recipe_of(source, request)
    with build_lock(workspace.folder):
        recipe = with_options(recipe, request, already_made(source, workspace))
        _tell_of_repairs_undone(recipe, workspace, progress)
        trained = Workspace(source.path.parent)
        recipe, dataset = load_data_of_build(recipe, request.data, trained, progress)
        result = stage.run(
            source,
            recipe,
            workspace,
            dataset,
            runtime=request.runtime,
            judge=_judge_of(recipe),
            examine=_examiner_of(source, recipe, request, progress),
            progress=progress,
        )
        float_model = _float_model(workspace)
    assumed = (
        [f"no --labels: the outputs are taken for {some_of(dataset.class_names)}, in this order"]
        if source.origin == "foreign" and labels is None
        else []
    )
    least = recipe.limits.min_accuracy
    for note in (*assumed, *result.notes):
        progress.message(f"note: {note}")
    for warning in float_model.notes(least):
        progress.message(f"warning: {warning}")
    return Converted(
        workspace=workspace,
        result=result,
        float_model=float_model,
        # First, since a better model has to be converted again, whatever else went wrong.
        error=float_model.error(least) or result.exit_error(),
    )


def _float_model(workspace: Workspace) -> AgainstGuessing:
    from edgecnn.build.reference import read_reference
    from edgecnn.build.usefulness import float_model_of

    return float_model_of(read_reference(workspace.path(Workspace.REFERENCE)))


def _tell_of_repairs_undone(recipe: Recipe, workspace: Workspace, progress: Progress) -> None:
    """Say so where a conversion without repair puts a repaired file's predecessor back."""
    rows = workspace.manifest()["variants"]
    replaced = [str(row["variant"]) for row in rows if row["status"] == "replaced"]
    if replaced and not recipe.convert.repair:
        progress.message(
            f"note: a repair put other files in the place of {some_of(replaced)}; this "
            "conversion does not repair, and puts them back (convert --repair, or repair = true "
            "in the recipe, keeps them)"
        )


def build(
    recipe: Recipe, workspace: Workspace, *, data: str | None, progress: Progress = NO_PROGRESS
) -> ChainResult:
    """Train, convert and verify, skipping what is up to date.

    Args:
        recipe: What to build.
        workspace: Where to.
        data: Folder of the images, where the recipe does not say.
        progress: Shows all three stages, and says which were skipped.

    Returns:
        What it came to. An artifact that failed is part of it, not an exception.
    """
    with build_lock(workspace.folder):
        recipe, dataset = load_data_of_build(recipe, data, workspace, progress)
        return _build(recipe, workspace, dataset, progress)


def _build(
    recipe: Recipe, workspace: Workspace, dataset: Dataset, progress: Progress
) -> ChainResult:
    from edgecnn.verify import check_groups, exit_error

    groups = own_groups(recipe)
    if groups is not None:
        # Before hours of training.
        check_groups(groups, dataset.test.ids)
    recipe = _as_trained(recipe, workspace, dataset, progress)
    stages: dict[str, StageState] = {}
    stages["train"] = _train_if_needed(recipe, workspace, dataset, progress)
    stages["convert"], conversion_error = _convert_if_needed(recipe, workspace, dataset, progress)
    if conversion_error and not any(row["file"] for row in workspace.manifest()["variants"]):
        # Nothing is left to verify; of a useless model nothing had to be.
        raise _float_model(workspace).error(recipe.limits.min_accuracy) or conversion_error
    stages["verify"], report = _verify_if_needed(recipe, workspace, dataset, groups, progress)
    parity_error = exit_error(report)
    error = conversion_error or parity_error
    if isinstance(parity_error, UselessModelError | ParityFailError):
        error = parity_error
    return ChainResult(
        stages=stages, variants=workspace.manifest()["variants"], report=report, error=error
    )


def _skips(workspace: Workspace, stage: str, key: str, progress: Progress) -> bool:
    if not workspace.stage_is_current(stage, key):
        return False
    progress.message(f"{stage}: up to date")
    return True


def _as_trained(
    recipe: Recipe, workspace: Workspace, dataset: Dataset, progress: Progress
) -> Recipe:
    """Return the recipe with the defaults that the model in a build was trained with.

    Those of edgecnn 0.1 were others. A recipe that does not state them would train anew today,
    for hours perhaps, without a word of it having changed.
    """
    from edgecnn import train as stage

    if workspace.stage_is_current("train", stage.key(recipe, dataset)):
        return recipe
    earlier = stage.earlier_recipe(recipe, dataset)
    if earlier is None:
        return recipe
    if not workspace.stage_is_current("train", stage.key(earlier.recipe, dataset)):
        return recipe
    changes = ", ".join(f"{key} = {new} (was {old})" for key, new, old in earlier.changes)
    key, new, _ = earlier.changes[0]
    progress.message(
        "note: edgecnn 0.1 trained this model, with the defaults it had, and it is kept. Today's "
        f"defaults would train it otherwise: {changes}. To train anew with them, state one of "
        f"them in the recipe, or add --set {key}={new}"
    )
    return earlier.recipe


def _train_if_needed(
    recipe: Recipe, workspace: Workspace, dataset: Dataset, progress: Progress
) -> StageState:
    from edgecnn import train as stage
    from edgecnn.data import few_images

    if recipe.model.architecture is None:
        raise UsageError(
            f"{recipe.model.name} was made elsewhere and cannot be trained here",
            observed="a recipe without model.architecture",
            expected="a network that edgecnn trains",
            remedy="convert it: edgecnn convert MODEL",
        )
    if _skips(workspace, "train", stage.key(recipe, dataset), progress):
        return "up to date"
    for warning in few_images(dataset.class_counts()):
        progress.message(f"warning: {warning}")
    stage.run(
        recipe,
        workspace,
        dataset,
        recipe_source=f"the recipe of {recipe.model.name}",
        progress=progress,
    )
    return "made"


def _convert_if_needed(
    recipe: Recipe, workspace: Workspace, dataset: Dataset, progress: Progress
) -> tuple[StageState, EdgeError | None]:
    from edgecnn import convert as stage

    source = stage.find_source(workspace.folder)
    if _skips(workspace, "convert", stage.key(source, recipe, dataset), progress):
        return "up to date", recorded_conversion(workspace).exit_error()
    _tell_of_repairs_undone(recipe, workspace, progress)
    judge = _judge_of(recipe)
    result = stage.run(
        source, recipe, workspace, dataset, runtime=None, judge=judge, progress=progress
    )
    for note in result.notes:
        progress.message(f"note: {note}")
    return "made", result.exit_error()


def _judge_of(recipe: Recipe) -> Judge | None:
    """Return verify's gate with a recipe's limits, for a conversion that repairs."""
    if not recipe.convert.repair:
        return None
    from edgecnn.verify import judge_candidate

    return functools.partial(judge_candidate, limits=recipe.limits)


def _examiner_of(
    source: Source, recipe: Recipe, request: ConvertRequest, progress: Progress
) -> Examiner | None:
    """Return what tries a model made elsewhere, and compares it with the user's own scores.

    A model that a recipe trained saw these very pixels in these very classes; and what was said of
    a model when its build was made is not tried again.
    """
    made_elsewhere = source.origin != "build" and recipe.model.architecture is None
    if not made_elsewhere and request.scores is None:
        return None

    def examine(model: ExaminedModel) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        if request.scores is not None:
            own = _own_scores(model, recipe, request, progress)
            found["own_scores"] = own.to_dict()
            if own.named:
                return found  # all that trials could find is proven
        if made_elsewhere:
            progress.message(f"convert: trying other ways to feed {source.path}")
            found["trials"] = _tried(model, source, recipe, request, progress).to_dict()
        return found

    return examine


def _tried(
    model: ExaminedModel,
    source: Source,
    recipe: Recipe,
    request: ConvertRequest,
    progress: Progress,
) -> Tried:
    from edgecnn.verify import Given, try_source

    again, _ = readers_of(recipe.data, request.data, model.dataset.shape)
    given = Given(
        name=source.path.name,
        input_range=request.preprocessing.input_range is not None,
        labels=request.labels is not None,
        resize=recipe.data.resize,
        rule=request.preprocessing.rule_parts,
        as_is=request.as_is,
    )
    tried = try_source(model, given, again=again)
    if tried.hint is not None:
        progress.message(f"warning: {tried.hint.text}")
    return tried


def _own_scores(
    model: ExaminedModel, recipe: Recipe, request: ConvertRequest, progress: Progress
) -> OwnAgreement:
    """Compare the user's own scores with the float model's, on the images that have some.

    Raises:
        OwnScoresError: If they are not the float model's.
    """
    from edgecnn.data.own_scores import read_scores
    from edgecnn.verify import (
        Explainer,
        Feed,
        balanced_subset,
        check_enough,
        check_own_scores,
        feed_ranges,
    )

    assert request.scores is not None  # noqa: S101 - the caller has looked
    dataset = model.dataset
    parts = (dataset.test, dataset.validation, dataset.train)
    ids = [name for part in parts for name in part.ids]
    own = read_scores(request.scores, dataset.class_names, ids, others=left_out_of(dataset))
    check_enough(own, ids)
    some = _images_at(parts, own.places)
    if len(some) > _MOST_SCORES:
        some = some.take(balanced_subset(some.labels, some.ids, _MOST_SCORES, 0))
    ours = model.ask(some.pixels, model.input_range)

    def explainer() -> Explainer:
        again, decoded = readers_of(recipe.data, request.data, dataset.shape)
        normalizes = model.normalizes
        return Explainer(
            feed=Feed(
                ask=model.ask,
                input_range=model.input_range,
                ranges=feed_ranges(model.input_range, dataset.shape[2], normalizes=normalizes),
                normalizes=normalizes,
                seconds=0.0,
                resize=recipe.data.resize,
                again=again,
            ),
            decoded=decoded,
        )

    found = check_own_scores(
        own.of(ids, some.ids), some, ours, class_names=dataset.class_names, explainer=explainer
    )
    found = replace(found, without=len(ids) - len(own))
    error = found.error()
    if error is not None:
        raise error
    progress.message(f"convert: {found.text}")
    return found


def _images_at(parts: Sequence[Images], places: npt.NDArray[np.int64]) -> Images:
    """Return the images at places that count through all parts."""
    start, found = 0, []
    for part in parts:
        inside = places[(places >= start) & (places < start + len(part))] - start
        found.append(part.take(inside))
        start += len(part)
    return functools.reduce(lambda one, more: one.joined(more), found)


def recorded_conversion(workspace: Workspace) -> ConvertResult:
    """Return what the manifest says a conversion came to.

    Raises:
        WorkspaceError: If the manifest is damaged.
    """
    from edgecnn.convert import ConvertResult, VariantRow

    known = [field.name for field in fields(VariantRow)]
    rows = workspace.manifest()["variants"]
    return ConvertResult(
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
    request = stage.VerifyRequest(target=workspace.folder)
    subject = stage.BuildSubject(
        workspace=workspace,
        dataset=dataset,
        limits=recipe.limits,
        groups=groups,
        corruptions=corruptions,
        recipe=recipe.to_dict(),
    )
    key = stage.key(request, subject)
    if _skips(workspace, "verify", key, progress):
        report = stage.read_report(workspace.path(Workspace.PARITY))
        # What it was once compared with is no part of a build. An earlier version of edgecnn did
        # not ask whether the float model is of any use.
        report = replace(report, baseline=None, float_model=_float_model(workspace))
        return "up to date", report
    report = stage.run(request, subject, progress=progress)
    return "made", report
