"""The training loop: plain Keras ``fit``, one callback that validates and keeps the record.

This module imports TensorFlow; ``run`` imports it when a training begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.data import Dataset, Images
from edgecnn.errors import TrainingError
from edgecnn.pixels import gathered
from edgecnn.progress import Progress
from edgecnn.recipe.load import Recipe
from edgecnn.report.text import percent_text
from edgecnn.train.architectures import build_network
from edgecnn.train.backend import tf
from edgecnn.train.batch_norm import PopulationAverages
from edgecnn.train.batches import plain_batches, soft_labels, training_batches
from edgecnn.train.checkpoint import Checkpoint, CheckpointFolder
from edgecnn.train.class_weights import trained_counts, weights_for
from edgecnn.train.epoch_log import EpochLog, variables_of
from edgecnn.train.history import Epoch
from edgecnn.train.optimizers import Rate, make_optimizer
from edgecnn.train.pace import Pace
from edgecnn.train.selection import EpochSelection, best_of, is_out_of_patience, shipped_of
from edgecnn.train.validation import Validation, settle

# Steps between two returns to Python: measured 7 % faster than one by one, and still several
# progress updates a second.
_STEPS_PER_CALL: Final = 8
_EVALUATION_BATCH: Final = 256


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a training loop did.

    Attributes:
        history: All epochs, also those of interrupted runs.
        selection: Which of them the network's weights are of.
        pace: Batch size and what else was chosen.
        weights: What each class counted, shape (classes,), None for all alike.
        averaged_images: Images that batch normalization's averages were computed over; 0 for
            moving averages, or a network without any.
    """

    history: tuple[Epoch, ...]
    selection: EpochSelection
    pace: Pace
    weights: npt.NDArray[np.float32] | None
    averaged_images: int


def fit(
    network: Any,
    dataset: Dataset,
    recipe: Recipe,
    *,
    checkpoints: CheckpointFolder,
    progress: Progress,
) -> Fitted:
    """Train a network, from its checkpoint if there is one.

    Args:
        network: An untrained Keras model (untyped) that ``build_network`` made; trained in place,
            and left with the weights that ship.
        dataset: Trains on ``train``, and looks at ``validation`` after each epoch; or trains on
            both, if the recipe says so.
        recipe: Its ``augment`` and ``train`` sections count.
        checkpoints: Read first, written after each epoch.
        progress: Who to tell.

    Returns:
        The record of the training.

    Raises:
        TrainingError: If the loss is no longer a number, or memory does not suffice.
    """
    settings = recipe.train
    images = dataset.train
    if settings.include_validation:
        images = dataset.train.joined(dataset.validation)
    classes = len(dataset.class_names)
    soft = soft_labels(recipe.augment, settings.label_smoothing)
    pace = Pace.of(settings, len(images))
    rate = Rate.of(settings.optimizer, steps_per_epoch=pace.steps, epochs=settings.epochs)
    optimizer = make_optimizer(
        settings.optimizer, rate, ema=settings.ema, variables=network.trainable_variables
    )
    network.compile(
        optimizer=optimizer,
        # With numbers as labels, equal to the loss on one-hot labels, without making those.
        loss="categorical_crossentropy" if soft else "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # on processors XLA was measured several times slower
        steps_per_execution=min(_STEPS_PER_CALL, pace.steps),
    )
    weights = weights_for(recipe, dataset)
    if weights is not None:
        _tell_weights(weights, dataset, recipe, progress)
    averages = _averages(network, images, classes, recipe)
    checkpoint = _restore(network, checkpoints, progress)
    history = () if checkpoint is None else checkpoint.history
    validation = None
    if not settings.include_validation:
        validation = Validation(
            network,
            plain_batches(
                dataset.validation,
                batch_size=_EVALUATION_BATCH,
                classes=classes if soft else None,
            ),
            averages,
            images=len(dataset.validation),
            keeps_best=settings.select == "best",
            best=() if checkpoint is None else checkpoint.best,
        )
    # Otherwise it was killed between the last epoch and the saved model.
    if len(history) < settings.epochs and not is_out_of_patience(history, pace.patience):
        epoch = tf.Variable(len(history), dtype=tf.int64, trainable=False)
        batches = training_batches(
            images,
            classes=classes,
            batch_size=pace.batch_size,
            augment=recipe.augment,
            label_smoothing=settings.label_smoothing,
            seed=settings.seed,
            epoch=epoch,
            weights=weights,
        )
        left = (settings.epochs - len(history)) * pace.steps
        with progress.task(f"training {recipe.model.name}", left) as task:
            log = EpochLog(
                history=list(history),
                images=len(images),
                epochs=settings.epochs,
                pace=pace,
                rate=rate,
                epoch=epoch,
                validation=validation,
                checkpoints=checkpoints,
                progress=progress,
                task=task,
            )
            try:
                # Without validation_data: Keras would score the weights of the last step.
                network.fit(
                    batches,
                    epochs=settings.epochs,
                    initial_epoch=len(history),
                    callbacks=[log],
                    shuffle=False,
                    verbose=0,
                )
            except tf.errors.ResourceExhaustedError as error:
                raise _no_memory(pace) from error
        history = tuple(log.history)
    best = () if validation is None else validation.best
    if best:
        network.set_weights(best)
    else:
        settle(network, averages)
    shipped = shipped_of(history, len(dataset.validation)) if best else None
    selection = _selection(history, shipped, epochs=settings.epochs)
    _tell(selection, pace, progress)
    return Fitted(
        history=history,
        selection=selection,
        pace=pace,
        weights=weights,
        averaged_images=0 if averages is None else averages.images,
    )


def _selection(history: tuple[Epoch, ...], shipped: Epoch | None, *, epochs: int) -> EpochSelection:
    """Return which epoch's weights the network has; ``shipped`` is None for those of the last."""
    return EpochSelection(
        rule="last" if shipped is None else "best",
        shipped=shipped or history[-1],
        best=best_of(history),
        trained=len(history),
        asked=epochs,
        ended="last epoch" if len(history) == epochs else "no better validation",
    )


def _no_memory(pace: Pace) -> TrainingError:
    return TrainingError(
        "there is not enough memory for a training step",
        observed=f"train.batch_size = {pace.batch_size}",
        expected="a batch that fits into memory",
        remedy="set a smaller train.batch_size in the recipe",
    )


def _tell_weights(
    weights: npt.NDArray[np.float32], dataset: Dataset, recipe: Recipe, progress: Progress
) -> None:
    """Name the classes and what they count."""
    counts = trained_counts(recipe, dataset)
    listed = ", ".join(
        f"{name} ({count:,} images) {weight:.2f}"
        for name, count, weight in zip(dataset.class_names, counts, weights, strict=True)
    )
    progress.message(
        "note: some classes have more than three times the training images of others, so each "
        f"image counts with the weight of its class: {listed} (train.class_weights = 'none' "
        "turns this off)"
    )


def _averages(
    network: Any, images: Images, classes: int, recipe: Recipe
) -> PopulationAverages | None:
    """Return what recomputes batch normalization's averages; None for moving averages."""
    most = recipe.train.batch_norm_images
    if not most:
        return None
    # The images of a data set may be sorted by class, so a part of them has to be drawn.
    drawn = np.random.default_rng(recipe.train.seed).permutation(len(images))[:most]
    twin = build_network(
        network.name,
        shape=tuple(images.pixels.shape[1:]),
        classes=classes,
        precision=network.get_layer("scale").dtype_policy.name,
        seed=0,
        dropout=0.0,
        norm_momentum=0.0,
        fused=True,
    )
    averages = PopulationAverages(twin, gathered(images.pixels, drawn))
    return averages if averages.images else None


def _tell(selection: EpochSelection, pace: Pace, progress: Progress) -> None:
    shipped = selection.shipped
    if selection.ended == "no better validation":
        progress.message(
            f"stopped after epoch {selection.trained} of {selection.asked}: no better validation "
            f"in {pace.patience} epochs (train.patience)"
        )
    if selection.rule == "best":
        best = selection.best
        which = "the best by validation"
        if best is not None and shipped.val_accuracy != best.val_accuracy:
            which = (
                f"the latest within one standard error of the best by validation (epoch "
                f"{best.epoch}, {percent_text(best.val_accuracy)})"
            )
        progress.message(
            f"the model is that of epoch {shipped.epoch} of {selection.trained}, {which}: "
            f"{percent_text(shipped.val_accuracy)}"
        )


def _restore(network: Any, checkpoints: CheckpointFolder, progress: Progress) -> Checkpoint | None:
    checkpoint = checkpoints.read()
    if checkpoint is None:
        if checkpoints.has_others():
            progress.message(
                "starting afresh: the interrupted training in this build had another recipe or "
                "other data, or was begun by another version of edgecnn"
            )
        return None
    variables = variables_of(network)
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [array.shape for array in checkpoint.arrays]:
        progress.message("starting afresh: the checkpoint was written by another Keras")
        return None
    for variable, array in zip(variables, checkpoint.arrays, strict=True):
        variable.assign(array)
    progress.message(f"resuming after epoch {checkpoint.epochs}, from {checkpoints.folder}")
    return checkpoint
