"""The train stage: a recipe and its images in, a float model with its record and reference out."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.build import tools
from edgecnn.build.artifact import write_labels
from edgecnn.build.reference import Reference
from edgecnn.build.shares import ShareOf
from edgecnn.build.staging import Staging, staging
from edgecnn.build.workspace import Workspace
from edgecnn.data import Dataset
from edgecnn.data.patterns import probes
from edgecnn.files import canonical_digest, file_digest, write_json, write_whole
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe.load import Recipe
from edgecnn.recipe.rules import (
    RESIZING,
    size_mistakes,
    smallest_side_mistakes,
    start_mistakes,
    teacher_mistakes,
)
from edgecnn.recipe.section import refusal
from edgecnn.report.text import dataset_text, interval_text, percent_text
from edgecnn.train.checkpoint import CheckpointFolder
from edgecnn.train.class_weights import trained_counts
from edgecnn.train.curves import draw_curves, draw_strengths
from edgecnn.train.earlier import CODE_VERSION_OF_0_1, settings_of_0_1, trains_as_0_1
from edgecnn.train.history import Epoch, history_csv
from edgecnn.train.pace import Pace
from edgecnn.train.precision import TrainingPrecision, choose_precision
from edgecnn.train.report.page import render_training
from edgecnn.train.report.results import CrossValidated, training_report
from edgecnn_runner.machine import describe_machine

if TYPE_CHECKING:
    from edgecnn.train.fit import Fitted

STAGE: Final = "train"
METRICS_SCHEMA: Final = 1

# Counts the changes of this package that change the weights a recipe gives.
_CODE_VERSION: Final = 3
_CODE_VERSION_OF_TRANSFER: Final = 1


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a training came to.

    Attributes:
        test_accuracy: Share of the test images classified right, 0..1, by the saved model.
        test_loss: Its mean cross-entropy on them.
        test_images: How many those are.
        parameters: Of the network.
        epochs: Epochs trained in all.
        shipped_epoch: The one whose weights the model has.
        resumed_from: Epochs that earlier, interrupted runs had done; 0 for none.
        images_per_second: Median over the epochs.
        seconds: Of this run, evaluation included.
        precision: ``float32`` or ``mixed_bfloat16``.
        files: Names of the files written, relative to the build folder.
    """

    test_accuracy: float
    test_loss: float
    test_images: int
    parameters: int
    epochs: int
    shipped_epoch: int
    resumed_from: int
    images_per_second: float
    seconds: float
    precision: str
    files: tuple[str, ...]


def key(recipe: Recipe, dataset: Dataset) -> str:
    """Return the digest of everything that decides the trained weights.

    Where data and teacher lie does not count; what is in them does, and with it what became of
    pictures in two classes, how images were brought to size and what stayed together in the
    splits. Groups are for ``verify``.
    A recipe that trains as edgecnn 0.1 did has the key that 0.1 gave it.
    """
    settings, code = recipe.to_dict(), _CODE_VERSION
    if trains_as_0_1(recipe, dataset):
        settings, code = settings_of_0_1(recipe, dataset), CODE_VERSION_OF_0_1
    other = ("path", "groups", "unlabelled", "conflicting", "split_by", *RESIZING)
    data = {k: v for k, v in settings["data"].items() if k not in other}
    if recipe.model.is_pretrained:
        return _key_of_transfer(recipe, settings, data, dataset)
    # What came after the first builds and does not concern them.
    settings["model"] = {
        k: v for k, v in settings["model"].items() if k not in ("backbone", "start")
    }
    teacher = recipe.train.distillation.teacher
    if teacher is not None:
        settings["train"]["distillation"]["teacher"] = _digest_of(teacher)
    return canonical_digest(
        {
            "code": code,
            "model": settings["model"],
            "data": data,
            "augment": settings["augment"],
            "train": settings["train"],
            "dataset": dataset.digest(),
        }
    )


def _key_of_transfer(
    recipe: Recipe, settings: dict[str, Any], data: dict[str, Any], dataset: Dataset
) -> str:
    start = recipe.model.start
    model = {**settings["model"], "start": None if start is None else _digest_of(start)}
    return canonical_digest(
        {
            "code": _CODE_VERSION_OF_TRANSFER,
            "model": model,
            "data": data,
            "augment": settings["augment"],
            "transfer": settings["transfer"],
            "train": {key: settings["train"][key] for key in ("seed", "class_weights")},
            "dataset": dataset.digest(),
        }
    )


def _digest_of(path: Path) -> str:
    # One that is missing is the business of ``run``, which says so with the key's name.
    return file_digest(path) if path.is_file() else ""


def run(
    recipe: Recipe,
    workspace: Workspace,
    dataset: Dataset,
    *,
    recipe_source: str,
    weights: Path | None = None,
    progress: Progress = NO_PROGRESS,
) -> Training:
    """Train a recipe's network and write everything the later stages need.

    Killed at any moment, the same call goes on after the last whole epoch. With
    ``train.deterministic`` the weights are then the same as without the interruption. The model
    is that of the epoch that ``train.select`` names. Outputs appear when the training is done,
    together, and then the manifest; until then an earlier training's stay.

    Args:
        recipe: What to train and how.
        workspace: The build folder; made if missing.
        dataset: The recipe's images.
        recipe_source: What to call the recipe in errors.
        weights: A file with the published weights of a backbone; None to fetch them.
        progress: Who to tell.

    Returns:
        The result; the same figures are in ``metrics.json``.

    Raises:
        RecipeError: If settings do not fit the network or the images; all are listed.
        TrainingError: If the training diverges or runs out of memory.
        WorkspaceError: If the build folder cannot be written.
        ScoreError: If the trained model's scores are not numbers.
        DownloadError: If the weights of a backbone cannot be fetched.
        ChecksumError: If a file of weights is not the published one.
        UsageError: If a file of weights is not there.
    """
    began = time.monotonic()
    check_settings(recipe, dataset.shape, source=recipe_source)
    workspace.create()
    digest = key(recipe, dataset)
    checkpoints = CheckpointFolder(root=workspace.path(Workspace.CHECKPOINT), key=digest)
    before = checkpoints.read()
    train = _transferred if recipe.model.is_pretrained else _from_scratch
    made = train(
        recipe,
        dataset,
        workspace,
        weights=weights,
        checkpoints=checkpoints,
        progress=progress,
    )
    with staging(workspace) as staged:
        path = staged.path(Workspace.MODEL)
        made.save(path, checkpoints.folder)
        scores = _write_reference(staged, dataset)
        metrics = test_metrics(scores, dataset.test.labels, dataset.class_names)
        _write_record(
            staged,
            dataset,
            made,
            {
                "schema": METRICS_SCHEMA,
                "model": recipe.model.name,
                "dataset": dataset.name,
                "test": metrics,
                **made.record,
                "machine": describe_machine(),
                "tools": tool_versions(),
            },
        )
        _write_report(staged, dataset, recipe, made, scores)
        tools = {**workspace.manifest().get("tools", {}), **tool_versions()}
        with staged.placed():
            workspace.record_stage(
                STAGE,
                key=digest,
                files=list(_FILES),
                entries={
                    "recipe": recipe.to_dict(),
                    "tools": tools,
                    "notice": made.record.get("transfer", {}).get("notice", ""),
                },
            )
    checkpoints.discard()
    return Training(
        test_accuracy=metrics["accuracy"],
        test_loss=metrics["loss"],
        test_images=metrics["images"],
        parameters=made.record["parameters"],
        epochs=made.record["epochs"],
        shipped_epoch=made.shipped_epoch,
        resumed_from=0 if before is None else before.epochs,
        images_per_second=made.record["images_per_second"],
        seconds=time.monotonic() - began,
        precision=made.record["precision"]["name"],
        files=_FILES,
    )


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A trained network, however it was trained.

    Attributes:
        save: Writes it as a float32 ``.keras`` file: its path, and a folder for drafts.
        curves: The picture of its training, given a title and the beginning of a subtitle.
        history: A row an epoch.
        shipped_epoch: The one whose weights the network has; 0 where it had none.
        record: What ``metrics.json`` says of the training.
        kind: ``from scratch``; on a pretrained network ``linear`` or ``fine-tuned``.
        train_images: Of each class, that it learnt from.
        checked: Cross-validation on a pretrained network's features; None from scratch.
    """

    save: Callable[[Path, Path], None]
    curves: Callable[[str, str], bytes]
    history: tuple[Epoch, ...]
    shipped_epoch: int
    record: dict[str, Any]
    kind: str
    train_images: Sequence[int]
    checked: CrossValidated | None = None


_FILES: Final = (
    Workspace.MODEL,
    Workspace.LABELS,
    Workspace.SPLITS,
    Workspace.HISTORY,
    Workspace.CURVES,
    Workspace.METRICS,
    Workspace.REFERENCE,
    Workspace.TRAINING,
    Workspace.TRAINING_PAGE,
)
_ASKED_AGAIN: Final = 1000
"""Images that it learnt from, whose answers tell whether it fits them."""


def _from_scratch(
    recipe: Recipe,
    dataset: Dataset,
    workspace: Workspace,
    *,
    weights: Path | None,
    checkpoints: CheckpointFolder,
    progress: Progress,
) -> _Made:
    """Train one of the architectures; TensorFlow is imported here."""
    del workspace, weights
    precision = choose_precision(recipe.train.precision)
    progress.message(f"training in {precision.name}: {precision.reason}")
    network, fitted = _fitted(recipe, dataset, precision, checkpoints, progress)
    history, selection = fitted.history, fitted.selection
    epochs = f"{len(history)} epochs"
    if selection.rule == "best":
        epochs = f"epoch {selection.shipped.epoch} of {len(history)}"
    whole = recipe.train.include_validation
    parameters = int(network.count_params())

    def save(path: Path, scratch: Path) -> None:
        from edgecnn.train.saved import save_float32

        save_float32(
            network,
            path,
            shape=dataset.shape,
            classes=len(dataset.class_names),
            dropout=recipe.train.dropout,
            scratch=scratch,
        )

    def curves(title: str, subtitle: str) -> bytes:
        return draw_curves(
            history,
            title=title,
            subtitle=f"{subtitle}, {parameters:,} parameters, {epochs}",
            loss="Loss against labels and teacher"
            if recipe.train.distillation.teacher
            else "Cross-entropy loss",
        )

    return _Made(
        save=save,
        curves=curves,
        history=history,
        shipped_epoch=selection.shipped.epoch,
        record={
            "parameters": parameters,
            "epochs": len(history),
            "selection": selection.to_dict(),
            "pace": fitted.pace.to_dict(),
            "class_weights": None
            if fitted.weights is None
            else dict(zip(dataset.class_names, fitted.weights.tolist(), strict=True)),
            "batch_norm_images": fitted.averaged_images,
            "train_images": sum(trained_counts(recipe, dataset)),
            "validation_images": 0 if whole else len(dataset.validation),
            "images_per_second": median_speed(history),
            "seconds": sum(row.seconds for row in history),
            "precision": {"name": precision.name, "reason": precision.reason},
            "deterministic": recipe.train.deterministic,
        },
        kind="from scratch",
        train_images=trained_counts(recipe, dataset),
    )


def _transferred(
    recipe: Recipe,
    dataset: Dataset,
    workspace: Workspace,
    *,
    weights: Path | None,
    checkpoints: CheckpointFolder,
    progress: Progress,
) -> _Made:
    """Train a classifier on a pretrained network; TensorFlow is imported here."""
    from edgecnn.train.transfer import transfer

    began = time.monotonic()
    made = transfer(
        recipe,
        dataset,
        workspace,
        weights=weights,
        checkpoints=checkpoints,
        progress=progress,
    )

    def save(path: Path, scratch: Path) -> None:
        from edgecnn.train.saved import save_keras

        save_keras(made.classifier, path, scratch=scratch)

    def curves(title: str, subtitle: str) -> bytes:
        subtitle = f"{subtitle}, {made.parameters:,} parameters"
        if made.history:
            return draw_curves(
                made.history,
                title=title,
                subtitle=f"{subtitle}, {len(made.history)} epochs of fine-tuning",
            )
        return draw_strengths(made.head.tried, title=title, subtitle=f"{subtitle}, a linear head")

    return _Made(
        save=save,
        curves=curves,
        history=made.history,
        shipped_epoch=len(made.history),
        record={
            "parameters": made.parameters,
            "epochs": len(made.history),
            "selection": None,
            "pace": None,
            "class_weights": None
            if made.class_weights is None
            else dict(zip(dataset.class_names, made.class_weights.tolist(), strict=True)),
            "batch_norm_images": 0,
            "train_images": len(dataset.train) + len(dataset.validation),
            "validation_images": 0,
            "images_per_second": made.images_per_second,
            "seconds": time.monotonic() - began,
            "precision": {"name": "float32", "reason": "as the pretrained network is"},
            "deterministic": True,
            "transfer": made.record,
        },
        kind=made.kind,
        train_images=made.class_counts,
        checked=made.checked,
    )


def _fitted(
    recipe: Recipe,
    dataset: Dataset,
    precision: TrainingPrecision,
    checkpoints: CheckpointFolder,
    progress: Progress,
) -> tuple[Any, Fitted]:
    """Return the trained network and the record of it; TensorFlow is imported here."""
    from edgecnn.train.architectures import build_network
    from edgecnn.train.backend import tf
    from edgecnn.train.fit import fit

    shape, classes = dataset.shape, len(dataset.class_names)
    if recipe.train.deterministic:
        # For the rest of the process; TensorFlow has no public way back.
        tf.config.experimental.enable_op_determinism()
    network = build_network(
        str(recipe.model.architecture),
        shape=shape,
        classes=classes,
        precision=precision.name,
        seed=recipe.train.seed,
        dropout=recipe.train.dropout,
        norm_momentum=Pace.of(recipe.train, sum(trained_counts(recipe, dataset))).norm_momentum,
        fused=True,
    )
    path = recipe.train.distillation.teacher
    if path is not None:
        from edgecnn.train.distillation import load_teacher, with_teacher

        teacher = load_teacher(path, shape=shape, classes=classes, precision=precision.name)
        network = with_teacher(network, teacher, recipe)
    return network, fit(network, dataset, recipe, checkpoints=checkpoints, progress=progress)


def _write_reference(staged: Staging, dataset: Dataset) -> npt.NDArray[np.float32]:
    """Write the saved model's labels and its reference scores; return the scores."""
    from edgecnn.train.saved import score_saved

    path = staged.path(Workspace.MODEL)
    write_labels(staged.path(Workspace.LABELS), dataset.class_names)
    reference = Reference.asked(
        functools.partial(score_saved, path),
        dataset.test,
        probes=probes(dataset.shape),
        model_sha256=file_digest(path),
        class_names=dataset.class_names,
    )
    reference.write(staged.path(Workspace.REFERENCE))
    return reference.scores


def _write_record(staged: Staging, dataset: Dataset, made: _Made, metrics: dict[str, Any]) -> None:
    test = metrics["test"]
    picture = made.curves(
        f"{metrics['model']} on {dataset_text(metrics['dataset'])}",
        f"test accuracy {percent_text(test['accuracy'])} on {test['images']:,} images "
        f"(95 % interval {interval_text(*test['accuracy_interval'])})",
    )
    write_json(staged.path(Workspace.SPLITS), dataset.splits())
    write_whole(staged.path(Workspace.HISTORY), history_csv(made.history))
    write_whole(staged.path(Workspace.CURVES), picture)
    write_json(staged.path(Workspace.METRICS), metrics)


def _write_report(
    staged: Staging,
    dataset: Dataset,
    recipe: Recipe,
    made: _Made,
    scores: npt.NDArray[np.float32],
) -> None:
    """Write what the training came to, as JSON and as a page with pictures."""
    from edgecnn.train.saved import score_saved

    images = dataset.train
    if recipe.model.is_pretrained:
        images = images.joined(dataset.validation)
    some = np.linspace(0, len(images) - 1, min(_ASKED_AGAIN, len(images))).astype(np.int64)
    answers = score_saved(staged.path(Workspace.MODEL), images.pixels[some]).argmax(axis=1)
    learnt = ShareOf.of(int((answers == images.labels[some]).sum()), len(some))
    assert learnt is not None  # noqa: S101 - a data set has training images
    report = training_report(
        dataset,
        scores,
        learnt,
        model=recipe.model.name,
        kind=made.kind,
        parameters=made.record["parameters"],
        backbone=recipe.model.is_pretrained,
        tunable=_tunable(recipe, made),
        train_images=made.train_images,
        history=made.history,
        checked=made.checked,
    )
    page = render_training(report, dataset.test.pixels, images.pixels)
    write_json(staged.path(Workspace.TRAINING), report.to_dict())
    write_whole(staged.path(Workspace.TRAINING_PAGE), page)


def _tunable(recipe: Recipe, made: _Made) -> bool:
    """Tell whether fine-tuning is possible and was not tried."""
    named = recipe.model.is_pretrained and recipe.model.start is None
    return named and made.record["transfer"]["fine_tuning"] is None


# The rules are the recipe's, which knows its images' size beforehand; here they are held against
# the images that have come. Checked before TensorFlow is imported, so that a mistake shows at once.


def check_settings(recipe: Recipe, shape: tuple[int, int, int], *, source: str) -> None:
    """Refuse settings that cannot be meant, all at once.

    Args:
        recipe: The recipe.
        shape: Height, width and channels of the images.
        source: What to call the recipe in the error.

    Raises:
        RecipeError: If there are any.
    """
    mistakes = list(_mistakes(recipe, shape))
    if mistakes:
        raise refusal(
            source,
            mistakes,
            expected=f"settings that fit images of {shape[0]}x{shape[1]} pixels",
            remedy="mend the keys named above",
        )


def _mistakes(recipe: Recipe, shape: tuple[int, int, int]) -> Iterator[str]:
    if recipe.model.architecture is None and not recipe.model.is_pretrained:
        yield "model.architecture: missing; a model made elsewhere cannot be trained here"
    yield from smallest_side_mistakes(
        recipe.model.architecture, shape[:2], backbone=recipe.model.backbone
    )
    yield from start_mistakes(recipe.model.model_dump())
    yield from size_mistakes(recipe.augment.model_dump(), shape[:2])
    yield from teacher_mistakes(recipe.train.distillation.model_dump())


def test_metrics(
    scores: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], class_names: Sequence[str]
) -> dict[str, Any]:
    """Measure a model's scores.

    Args:
        scores: Probabilities, shape (n, classes), n > 0.
        labels: True classes, shape (n,).
        class_names: Names in score order.

    Returns:
        JSON-ready: ``images``, ``correct``, ``accuracy`` (0..1), ``accuracy_interval`` (Wilson,
        95 %), ``loss`` (mean cross-entropy, natural logarithm), and ``classes``, for each its
        ``name``, ``images``, ``correct`` and ``recall`` (None for a class without images).
    """
    from scipy import stats

    # Ties go to the lowest index, as everywhere in the project.
    right = scores.argmax(axis=1) == labels
    correct, count = int(right.sum()), len(labels)
    interval = stats.binomtest(correct, count).proportion_ci(method="wilson")
    # Keras's own lower bound, so that both give the same loss.
    own = np.clip(scores[np.arange(count), labels].astype(np.float64), 1e-7, 1.0)
    classes = []
    for label, name in enumerate(class_names):
        of_class = right[labels == label]
        classes.append(
            {
                "name": name,
                "images": len(of_class),
                "correct": int(of_class.sum()),
                "recall": float(of_class.mean()) if len(of_class) else None,
            }
        )
    return {
        "images": count,
        "correct": correct,
        "accuracy": correct / count,
        "accuracy_interval": [float(interval.low), float(interval.high)],
        "loss": float(-np.log(own).mean()),
        "classes": classes,
    }


def median_speed(history: Sequence[Epoch]) -> float:
    """Return the median images per second, without the first epoch where there are others.

    The first one of a run also traces the graph; those of resumed runs are few and do not move
    a median.
    """
    rows = history[1:] or history
    return statistics.median(row.images_per_second for row in rows)


def tool_versions() -> dict[str, str]:
    """Return the versions of what decides the weights."""
    return tools.tool_versions("tensorflow", "keras", "numpy")
