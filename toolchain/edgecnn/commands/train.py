"""``edgecnn train`` as a function: the float model of a recipe, with its history and reference."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgecnn.build.lock import build_lock
from edgecnn.build.workspace import Workspace
from edgecnn.commands.paths import load_data_of_build, load_recipe_with, workspace_of_recipe
from edgecnn.errors import UsageError
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe.load import Recipe

if TYPE_CHECKING:
    from edgecnn.data import Dataset

StageState = Literal["made", "up to date"]


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """What ``edgecnn train`` was asked for.

    Attributes:
        recipe: A ``recipe.toml``, or the folder that holds it; or a recipe that was loaded already.
        out: Build folder; None for ``build`` beside the recipe. A recipe that was loaded needs one.
        data: Folder of the images, where the recipe does not say.
        settings: Texts such as ``train.epochs=5`` that override keys of the recipe's file.
        weights: A file with the published weights of the recipe's backbone; None for the file that
            ``EDGECNN_WEIGHTS`` names, or else to fetch them once.
    """

    recipe: Path | Recipe
    out: Path | None = None
    data: str | None = None
    settings: tuple[str, ...] = ()
    weights: Path | None = None

    def resolved(self) -> tuple[Recipe, Workspace]:
        """Return the recipe with its settings, and the build that it fills.

        Raises:
            RecipeError: If the recipe has mistakes.
            UsageError: If a setting cannot be used, or it is not said where a recipe that was
                loaded is to be built.
        """
        if not isinstance(self.recipe, Recipe):
            return (
                load_recipe_with(self.recipe, self.settings),
                workspace_of_recipe(self.recipe, self.out),
            )
        if self.out is None or self.settings:
            raise UsageError(
                f"the recipe of {self.recipe.model.name} was loaded already",
                observed="no folder for its build" if self.out is None else "settings beside it",
                expected="out, a folder; and no settings, since they override a file's keys",
                remedy="name the recipe by its path, or give out and change the recipe itself",
            )
        return self.recipe, Workspace(self.out)


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What a training came to.

    Attributes:
        build: The build that holds the model.
        state: Whether it was trained, or was there already.
        metrics: What ``metrics.json`` says of it: ``parameters``, ``test`` with ``accuracy``,
            ``loss`` and ``images``, and more.
        essence: What ``training.html`` comes to: ``accuracy``, ``weakest class`` and ``next step``,
            in words; empty for a model of an earlier edgecnn, which wrote no such report.
    """

    build: Path
    state: StageState
    metrics: Mapping[str, Any]
    essence: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "build": str(self.build),
            "state": self.state,
            **self.metrics,
            "essence": dict(self.essence),
        }


def train(request: TrainRequest, *, progress: Progress = NO_PROGRESS) -> TrainResult:
    """Train a recipe's float model, or continue a training that was killed.

    Args:
        request: What to train, and where to.
        progress: Shows epochs.

    Raises:
        RecipeError: If the recipe has mistakes, or does not fit the images.
        DataError: If the images are missing or inconsistent.
        TrainingError: If the training diverges or runs out of memory.
        UsageError: If the recipe's model was made elsewhere, or the request cannot be.
        WorkspaceError: If the build folder cannot be written.
    """
    recipe, workspace = request.resolved()
    with build_lock(workspace.folder):
        recipe, dataset = load_data_of_build(recipe, request.data, workspace, progress)
        recipe = as_trained(recipe, workspace, dataset, progress)
        state = train_if_needed(
            recipe, workspace, dataset, weights=request.weights, progress=progress
        )
        metrics = json.loads(workspace.path(Workspace.METRICS).read_text("utf-8"))
    essence = essence_of_training(workspace)
    return TrainResult(build=workspace.folder, state=state, metrics=metrics, essence=essence)


def essence_of_training(workspace: Workspace) -> dict[str, str]:
    """Return what a training's report says in three lines; empty where there is none."""
    try:
        found = json.loads(workspace.path(Workspace.TRAINING).read_text("utf-8"))["essence"]
        # In the order that they are read in; the file's is that of the alphabet.
        return {name: str(found[name]) for name in ("accuracy", "weakest class", "next step")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def as_trained(
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


def train_if_needed(
    recipe: Recipe,
    workspace: Workspace,
    dataset: Dataset,
    *,
    weights: Path | None,
    progress: Progress,
) -> StageState:
    """Train, unless the build holds the model already.

    Raises:
        UsageError: If the recipe's model was made elsewhere.
    """
    from edgecnn import train as stage
    from edgecnn.data import few_images
    from edgecnn.train.backbones.weights import named_weights

    if recipe.model.architecture is None and not recipe.model.is_pretrained:
        raise UsageError(
            f"{recipe.model.name} was made elsewhere and cannot be trained here",
            observed="a recipe without model.architecture",
            expected="a network that edgecnn trains",
            remedy="convert it: edgecnn convert MODEL",
        )
    if is_current(workspace, "train", stage.key(recipe, dataset), progress):
        return "up to date"
    for warning in few_images(dataset.class_counts()):
        progress.message(f"warning: {warning}")
    tell_of_data(recipe, workspace, dataset, progress)
    stage.run(
        recipe,
        workspace,
        dataset,
        recipe_source=f"the recipe of {recipe.model.name}",
        weights=named_weights(weights),
        progress=progress,
    )
    return "made"


def tell_of_data(
    recipe: Recipe, workspace: Workspace, dataset: Dataset, progress: Progress
) -> None:
    """Say in a few lines what is wrong with a folder's photos, before hours of training by them.

    Raises:
        WorkspaceError: If the build folder cannot be written.
    """
    if recipe.data.name != "folder":
        return  # published data sets are what they are
    from edgecnn.data.quality.essence import kept_essence

    workspace.create()
    lines = kept_essence(dataset, workspace.path(Workspace.ESSENCE), progress=progress)
    if dataset.split_by != "image":
        progress.message(f"note: the split is {dataset.rule}")
    for line in lines:
        progress.message(line)
    if len(lines) > 1:
        folder = "FOLDER" if recipe.data.path is None else str(recipe.data.path)
        command = shlex.join(["edgecnn", "data", folder, "--out", "data-report"])
        progress.message(f"note: for all that can be found, with pictures: {command}")


def is_current(workspace: Workspace, stage: str, key: str, progress: Progress) -> bool:
    """Tell whether a stage ran with this key and its files are unchanged, and say so."""
    if not workspace.stage_is_current(stage, key):
        return False
    progress.message(f"{stage}: up to date")
    return True
