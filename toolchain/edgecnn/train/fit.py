"""The training loop: plain Keras ``fit``, one callback that keeps time, history and checkpoints.

This module imports TensorFlow; ``run`` imports it when a training begins.
"""

from __future__ import annotations

import math
import time
from typing import Any, Final

import numpy as np

from edgecnn.data import Dataset
from edgecnn.errors import TrainingError
from edgecnn.progress import Progress, Task
from edgecnn.recipe import Recipe
from edgecnn.train.backend import keras, tf
from edgecnn.train.batches import (
    plain_batches,
    soft_labels,
    steps_per_epoch,
    training_batches,
)
from edgecnn.train.checkpoint import Checkpoint, CheckpointFolder
from edgecnn.train.history import Epoch
from edgecnn.train.optimizers import Rate, make_optimizer

__all__ = ["fit"]

# Steps between two returns to Python: measured 7 % faster than one by one, and still several
# progress updates a second.
_STEPS_PER_CALL: Final = 8
_EVALUATION_BATCH: Final = 256
_NOTE_SECONDS: Final = 0.25
_MESSAGE_SECONDS = 4.0


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
        log = _Log(
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


def _state(network: Any) -> list[Any]:
    """Return the variables that a checkpoint holds; dropout's seeds follow from the epoch."""
    return [*network.weights, *network.optimizer.variables]


def _restore(network: Any, checkpoints: CheckpointFolder, progress: Progress) -> tuple[Epoch, ...]:
    checkpoint = checkpoints.read()
    if checkpoint is None:
        if checkpoints.has_others():
            progress.message(
                "starting afresh: the interrupted training in this build had another recipe or "
                "other data"
            )
        return ()
    variables = _state(network)
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [array.shape for array in checkpoint.arrays]:
        progress.message("starting afresh: the checkpoint was written by another Keras")
        return ()
    for variable, array in zip(variables, checkpoint.arrays, strict=True):
        variable.assign(array)
    progress.message(f"resuming after epoch {checkpoint.epochs}, from {checkpoints.folder}")
    return checkpoint.history


class _Log(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Prepares each epoch, tells progress, and records the epoch when it is done."""

    def __init__(
        self,
        *,
        history: list[Epoch],
        images: int,
        epochs: int,
        steps: int,
        rate: Rate,
        epoch: Any,
        checkpoints: CheckpointFolder,
        progress: Progress,
        task: Task,
    ) -> None:
        super().__init__()
        self.history = history
        self._images = images
        self._epochs = epochs
        self._steps = steps
        self._rate = rate
        self._epoch = epoch
        self._checkpoints = checkpoints
        self._progress = progress
        self._task = task
        self._noted = 0.0
        self._said = -math.inf
        self._begin = self._trained = time.monotonic()
        self._step = 0
        # Over the steps of this run alone: how long the rest will take.
        self._spent = 0.0
        self._spent_steps = 0

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        """Make order, augmentation and dropout those of this epoch."""
        del logs
        self._epoch.assign(epoch)
        _seed_dropout(self.model, first_step=epoch * self._steps)
        self._step = 0
        self._begin = self._trained = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stop on a loss that is not a number; tell how far it is."""
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            raise _diverged(len(self.history) + 1, loss)
        # The last call of an epoch may hold fewer steps than the others.
        done = min(batch + 1, self._steps)
        self._task.advance(done - self._step)
        self._step = done
        now = self._trained = time.monotonic()
        if now - self._noted >= _NOTE_SECONDS:
            self._noted = now
            self._task.note(self._describe(logs or {}))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the epoch and write the checkpoint."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        if not all(map(math.isfinite, values.values())):
            raise _diverged(epoch + 1, values.get("val_loss", values["loss"]))
        seconds = time.monotonic() - self._begin
        row = Epoch(
            epoch=epoch + 1,
            lr=self._rate.at((epoch + 1) * self._steps - 1),
            loss=values["loss"],
            accuracy=values["accuracy"],
            val_loss=values.get("val_loss"),
            val_accuracy=values.get("val_accuracy"),
            images_per_second=self._images / max(self._trained - self._begin, 1e-9),
            seconds=seconds,
        )
        self._spent += seconds
        self._spent_steps += self._steps
        arrays = tuple(np.asarray(variable) for variable in _state(self.model))
        self._checkpoints.write(Checkpoint(history=(*self.history, row), arrays=arrays))
        self.history.append(row)
        now = time.monotonic()
        if row.epoch < self._epochs and now - self._said < _MESSAGE_SECONDS:
            return  # epochs of a small network would scroll everything else away
        self._said = now
        validation = ""
        if row.val_accuracy is not None:
            validation = f"validation {100 * row.val_accuracy:.2f} %, "
        self._progress.message(
            f"epoch {row.epoch}/{self._epochs}: loss {row.loss:.3f}, {100 * row.accuracy:.2f} %, "
            f"{validation}{row.images_per_second:,.0f} images/s, "
            f"{_clock(self._time_left(0))} left"
        )

    def _describe(self, logs: dict[str, Any]) -> str:
        elapsed = max(self._trained - self._begin, 1e-9)
        speed = self._images * self._step / self._steps / elapsed
        # The time left first: a narrow terminal cuts the end off.
        parts = [
            f"{_clock(self._time_left(self._step))} left",
            f"epoch {len(self.history) + 1}/{self._epochs}",
            f"{speed:,.0f} images/s",
            f"loss {float(logs['loss']):.3f}",
            f"accuracy {100 * float(logs['accuracy']):.1f} %",
        ]
        last = self.history[-1].val_accuracy if self.history else None
        if last is not None:
            parts.append(f"validation {100 * last:.1f} %")
        return ", ".join(parts)

    def _time_left(self, step: int) -> float:
        """Return the seconds that remain, ``step`` steps into the present epoch."""
        running = self._trained - self._begin if step else 0.0
        pace = (self._spent + running) / max(self._spent_steps + step, 1)
        return pace * ((self._epochs - len(self.history)) * self._steps - step)


def _seed_dropout(network: Any, *, first_step: int) -> None:
    """Set every dropout layer's generator to what it is at a step of the whole training.

    A generator's state is its seed and a count of draws, one a step; so an epoch draws the same
    numbers whether or not the ones before it ran in this process.
    """
    for layer in network.layers:
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            generator.state.assign(np.asarray([layer.seed, first_step], dtype="uint32"))


def _diverged(epoch: int, loss: float) -> TrainingError:
    return TrainingError(
        f"training diverged in epoch {epoch}: the loss is no longer a number",
        observed=f"loss {loss}",
        expected="a finite loss",
        remedy="set a lower train.optimizer.learning_rate, or some warmup_epochs; if that does "
        "not help, train.precision = 'float32'",
    )


def _clock(seconds: float) -> str:
    """Return a duration as ``m:ss`` or ``h:mm:ss``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
