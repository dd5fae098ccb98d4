"""The training loop: plain Keras ``fit``, one callback that keeps time, history and checkpoints.

This module imports TensorFlow; ``run`` imports it when a training begins.
"""

from __future__ import annotations

from typing import Any, Final

from edgecnn.data import Dataset
from edgecnn.errors import TrainingError
from edgecnn.progress import Progress
from edgecnn.recipe import Recipe
from edgecnn.train.backend import keras, tf
from edgecnn.train.batches import (
    plain_batches,
    soft_labels,
    steps_per_epoch,
    training_batches,
)
from edgecnn.train.checkpoint import CheckpointFolder
from edgecnn.train.epoch_log import EpochLog, variables_of
from edgecnn.train.history import Epoch
from edgecnn.train.optimizers import Rate, make_optimizer

__all__ = ["fit"]

# Steps between two returns to Python: measured 7 % faster than one by one, and still several
# progress updates a second.
_STEPS_PER_CALL: Final = 8
_EVALUATION_BATCH: Final = 256


def fit(
    network: Any,
    dataset: Dataset,
    recipe: Recipe,
    *,
    checkpoints: CheckpointFolder,
    progress: Progress,
) -> tuple[Epoch, ...]:
    """Train a network, from its checkpoint if there is one.

    Args:
        network: An untrained Keras model (untyped); trained in place.
        dataset: Trains on ``train``, and looks at ``validation`` after each epoch; or trains on
            both, if the recipe says so.
        recipe: Its ``augment`` and ``train`` sections count.
        checkpoints: Read first, written after each epoch.
        progress: Who to tell.

    Returns:
        The history of all epochs, also those of interrupted runs.

    Raises:
        TrainingError: If the loss is no longer a number, or memory does not suffice.
    """
    settings = recipe.train
    images = dataset.train
    if settings.include_validation:
        images = dataset.train.joined(dataset.validation)
    classes = len(dataset.class_names)
    soft = soft_labels(recipe.augment, settings.label_smoothing)
    steps = steps_per_epoch(len(images), settings.batch_size)
    rate = Rate.of(settings.optimizer, steps_per_epoch=steps, epochs=settings.epochs)
    optimizer = make_optimizer(
        settings.optimizer, rate, ema=settings.ema, variables=network.trainable_variables
    )
    # With numbers as labels, equal to the loss on one-hot labels, without making those. XLA is
    # off: on processors it was measured several times slower.
    network.compile(
        optimizer=optimizer,
        loss="categorical_crossentropy" if soft else "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
        steps_per_execution=min(_STEPS_PER_CALL, steps),
    )
    history = _restore(network, checkpoints, progress)
    if len(history) == settings.epochs:
        # Killed between the last epoch and the saved model; fit would have done this.
        optimizer.finalize_variable_values(network.trainable_variables)
        return history
    epoch = tf.Variable(len(history), dtype=tf.int64, trainable=False)
    batches = training_batches(
        images,
        classes=classes,
        batch_size=settings.batch_size,
        augment=recipe.augment,
        label_smoothing=settings.label_smoothing,
        seed=settings.seed,
        epoch=epoch,
    )
    validation = None
    if not settings.include_validation:
        validation = plain_batches(
            dataset.validation,
            batch_size=_EVALUATION_BATCH,
            classes=classes if soft else None,
        )
    left = (settings.epochs - len(history)) * steps
    with progress.task(f"training {recipe.model.name}", left) as task:
        log = EpochLog(
            history=list(history),
            images=len(images),
            epochs=settings.epochs,
            steps=steps,
            rate=rate,
            epoch=epoch,
            checkpoints=checkpoints,
            progress=progress,
            task=task,
        )
        try:
            network.fit(
                batches,
                epochs=settings.epochs,
                initial_epoch=len(history),
                validation_data=validation,
                callbacks=[log, keras.callbacks.SwapEMAWeights()] if settings.ema else [log],
                shuffle=False,
                verbose=0,
            )
        except tf.errors.ResourceExhaustedError as error:
            raise TrainingError(
                "there is not enough memory for a training step",
                observed=f"train.batch_size = {settings.batch_size}",
                expected="a batch that fits into memory",
                remedy="set a smaller train.batch_size in the recipe",
            ) from error
    return tuple(log.history)


def _restore(network: Any, checkpoints: CheckpointFolder, progress: Progress) -> tuple[Epoch, ...]:
    checkpoint = checkpoints.read()
    if checkpoint is None:
        if checkpoints.has_others():
            progress.message(
                "starting afresh: the interrupted training in this build had another recipe or "
                "other data"
            )
        return ()
    variables = variables_of(network)
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [array.shape for array in checkpoint.arrays]:
        progress.message("starting afresh: the checkpoint was written by another Keras")
        return ()
    for variable, array in zip(variables, checkpoint.arrays, strict=True):
        variable.assign(array)
    progress.message(f"resuming after epoch {checkpoint.epochs}, from {checkpoints.folder}")
    return checkpoint.history
