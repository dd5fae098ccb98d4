"""What happens at the ends of a training's steps and epochs: validation, history, checkpoints.

This module imports TensorFlow, as ``fit`` does.
"""

from __future__ import annotations

import math
import time
from typing import Any, Final

import numpy as np

from edgecnn.errors import TrainingError
from edgecnn.progress import Progress, ProgressTask
from edgecnn.train.backend import keras
from edgecnn.train.checkpoint import Checkpoint, CheckpointFolder
from edgecnn.train.history import Epoch
from edgecnn.train.optimizers import Rate
from edgecnn.train.pace import Pace
from edgecnn.train.selection import is_out_of_patience
from edgecnn.train.validation import Validation

_NOTE_SECONDS: Final = 0.25
_MESSAGE_SECONDS = 4.0


def variables_of(network: Any) -> list[Any]:
    """Return the variables that a checkpoint holds; dropout's seeds follow from the epoch."""
    return [*network.weights, *network.optimizer.variables]


class EpochLog(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Prepares each epoch, tells progress, and records the epoch when it is done.

    Args:
        history: Epochs that were done before; those of this run are added.
        images: How many an epoch has.
        epochs: Of the whole training.
        pace: The steps of an epoch, and after how many epochs without a better validation figure
            training stops.
        rate: The learning rate of each step.
        epoch: A variable that the batches are made by; set to each epoch as it begins.
        validation: Asked after each epoch; None where there is none.
        checkpoints: Written after each epoch.
        progress: Gets a message now and then.
        task: Gets each step.
    """

    def __init__(
        self,
        *,
        history: list[Epoch],
        images: int,
        epochs: int,
        pace: Pace,
        rate: Rate,
        epoch: Any,
        validation: Validation | None,
        checkpoints: CheckpointFolder,
        progress: Progress,
        task: ProgressTask,
    ) -> None:
        super().__init__()
        self.history = history
        self._images = images
        self._epochs = epochs
        self._steps = pace.steps
        self._rate = rate
        self._epoch = epoch
        self._validation = validation
        self._patience = pace.patience
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
        """Validate, record the epoch, write the checkpoint, and stop if that is due."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        val_loss = val_accuracy = None
        if math.isfinite(values["loss"]) and self._validation is not None:
            val_loss, val_accuracy = self._validation.score()
        if not all(map(math.isfinite, [*values.values(), val_loss or 0.0])):
            raise _diverged(epoch + 1, values["loss"] if val_loss is None else val_loss)
        seconds = time.monotonic() - self._begin
        row = Epoch(
            epoch=epoch + 1,
            lr=self._rate.at((epoch + 1) * self._steps - 1),
            loss=values["loss"],
            accuracy=values["accuracy"],
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            images_per_second=self._images / max(self._trained - self._begin, 1e-9),
            seconds=seconds,
        )
        self._spent += seconds
        self._spent_steps += self._steps
        history = (*self.history, row)
        best: tuple[Any, ...] = ()
        if self._validation is not None:
            self._validation.keep_if_best(history)
            best = self._validation.best
        arrays = tuple(np.asarray(variable) for variable in variables_of(self.model))
        self._checkpoints.write(Checkpoint(history=history, arrays=arrays, best=best))
        self.history.append(row)
        ends = row.epoch == self._epochs or is_out_of_patience(history, self._patience)
        if ends:
            self.model.stop_training = True
        now = time.monotonic()
        if not ends and now - self._said < _MESSAGE_SECONDS:
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
