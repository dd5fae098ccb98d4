"""Fine-tuning: the last blocks of a pretrained network learn from the photos, too.

What the trunk before them makes of each photo, and of some changed copies of it, is computed once;
an epoch then takes a fraction of the time. The head begins as the linear classifier that was fitted
before, so that the features are not spoilt by a head that knows nothing (Kumar et al. 2022,
arXiv:2202.10054). Batch normalization keeps the statistics it came with.

This module imports Keras; ``edgecnn.train.transfer`` imports it when it is wanted.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.data import Images
from edgecnn.errors import TrainingError
from edgecnn.files import atomic_file, wrap_os_errors
from edgecnn.recipe.sections import Augment, Transfer
from edgecnn.train.backbones.head import LinearHead
from edgecnn.train.backbones.networks import Pretrained
from edgecnn.train.backend import keras, tf
from edgecnn.train.batches import augmented, distorted
from edgecnn.train.checkpoint import Checkpoint, CheckpointFolder
from edgecnn.train.history import Epoch

_BATCH: Final = 32
_WARMUP: Final = 0.1  # of the steps


@dataclass(frozen=True, kw_only=True, eq=False)
class TunedNetwork:
    """A network whose last blocks were fine-tuned.

    Attributes:
        classifier: The whole of it (untyped Keras model), from pixels to probabilities.
        history: A row an epoch; without validation figures where there were no such images.
    """

    classifier: Any
    history: tuple[Epoch, ...]


class TrunkCopies:
    """What the trunk makes of photos and of changed copies of them, kept in files.

    Args:
        pretrained: The network; it has a trunk.
        folder: Where the files go.
        augment: How copies may differ from the photos.
        copies: How many there are of each photo, itself among them.
        seed: Of the changes.
    """

    def __init__(
        self, pretrained: Pretrained, folder: Path, *, augment: Augment, copies: int, seed: int
    ) -> None:
        self._tail = tail_of(pretrained)
        network = keras.Model(pretrained.network.inputs[0], self._tail.inputs_of_network)
        self._compute = tf.function(
            lambda pixels: network(tf.cast(pixels, tf.float32), training=False)
        )
        self._folder, self._augment, self._seed = folder, augment, seed
        self.copies = copies

    def of(
        self, images: Images, name: str, *, copies: int, advance: Callable[[int], None]
    ) -> list[list[npt.NDArray[np.float16]]]:
        """Return, for each copy, each input of the tail: shape (n, ...), float16, on the disk.

        Args:
            images: The photos.
            name: What to call them in file names.
            copies: How many; the first one is the photos as they are.
            advance: Told how many pictures are done, as they are.
        """
        return [self._copy(images, name, number, advance) for number in range(copies)]

    def _copy(
        self, images: Images, name: str, number: int, advance: Callable[[int], None]
    ) -> list[npt.NDArray[np.float16]]:
        paths = [
            self._folder / f"{name}-{number}-{part}.npy"
            for part in range(len(self._tail.inputs_of_network))
        ]
        found = [_mapped(path, len(images)) for path in paths]
        kept = [one for one in found if one is not None]
        if len(kept) == len(paths):
            advance(len(images))
            return kept
        with wrap_os_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as opened:
            # Batch by batch, since all of them together can be larger than the memory.
            files = [opened.enter_context(atomic_file(path)) for path in paths]
            for first in range(0, len(images), _BATCH):
                pixels = images.pixels[first : first + _BATCH]
                if number:
                    pixels = self._changed(pixels, number, first)
                for file, value in zip(files, self._compute(tf.constant(pixels)), strict=True):
                    rows = np.ascontiguousarray(value.numpy(), np.float16)
                    if first == 0:
                        _write_header(file, (len(images), *rows.shape[1:]))
                    file.write(rows.data)
                advance(len(pixels))
        return [_mapped(path, len(images), sure=True) for path in paths]  # type: ignore[misc]

    def _changed(
        self, pixels: npt.NDArray[np.uint8], number: int, first: int
    ) -> npt.NDArray[np.uint8]:
        generator = np.random.default_rng([self._seed, number, first])
        pose, light = generator.uniform(-1, 1, (2, len(pixels), 4)).astype(np.float32)
        crop = self._augment.crop
        shifts = generator.integers(-crop, crop + 1, (len(pixels), 2)).astype(np.int32)
        mirrored = (generator.integers(0, 2, len(pixels)) == 1) & self._augment.flip
        changed = distorted(tf.constant(pixels), self._augment, pose=pose, light=light)
        return augmented(changed, tf.constant(shifts), tf.constant(mirrored)).numpy()  # type: ignore[no-any-return]


def _write_header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    """Begin a file as ``np.save`` begins it, for float16 in rows."""
    kind = np.lib.format.dtype_to_descr(np.dtype(np.float16))
    facts = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, facts)


def _mapped(path: Path, count: int, *, sure: bool = False) -> npt.NDArray[np.float16] | None:
    try:
        found: npt.NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        if sure:
            raise
        return None
    return found if found.dtype == np.float16 and len(found) == count else None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tail:
    """The part of a network after its trunk.

    Attributes:
        inputs_of_network: What it takes of the rest: the trunk's output, and the features of the
            taps before it.
        outputs: The features.
    """

    inputs_of_network: list[Any]
    features: Any


def tail_of(pretrained: Pretrained) -> _Tail:
    """Return the part of a network that is fine-tuned."""
    network, trunk = pretrained.network, str(pretrained.trunk)
    names = [layer.name for layer in network.layers]
    depth = names.index(trunk)
    early = [
        network.get_layer(f"features{number}").output
        for number in range(1, len(pretrained.widths) + 1)
        if _is_before(network, f"features{number}", names[: depth + 1])
    ]
    return _Tail(
        inputs_of_network=[network.get_layer(trunk).output, *early], features=network.outputs[0]
    )


def _is_before(network: Any, name: str, trunk: Sequence[str]) -> bool:
    """Tell whether the layer that a tap's average is taken of belongs to the trunk."""
    source = network.get_layer(name).input
    return any(network.get_layer(one).output is source for one in trunk)


def fine_tune(
    pretrained: Pretrained,
    head: LinearHead,
    inputs: Sequence[Sequence[npt.NDArray[np.float16]]],
    labels: npt.NDArray[np.int64],
    *,
    settings: Transfer,
    seed: int,
    class_weights: npt.NDArray[np.float32] | None,
    validation: tuple[Sequence[npt.NDArray[np.float16]], npt.NDArray[np.int64]] | None,
    checkpoints: CheckpointFolder,
    advance: Callable[[int], None],
) -> TunedNetwork:
    """Fine-tune the last blocks of a network; its weights are changed in place.

    Args:
        pretrained: The network, with the weights it came with.
        head: What the classifier begins as.
        inputs: For each copy of the photos, what ``TrunkCopies.of`` gave.
        labels: Of the photos, shape (n,).
        settings: Epochs, rate and label smoothing.
        seed: Of the order, and of which copy is taken.
        class_weights: What each class counts, shape (classes,); None for all alike.
        validation: What the trunk makes of the validation images, and their labels; looked at
            after each epoch. None for none.
        checkpoints: Read first, written after each epoch.
        advance: Told how many photos were learnt from, as they are.

    Raises:
        TrainingError: If the loss is no longer a number.
    """
    tail, classifier = _classifier(pretrained, head)
    batch = min(_BATCH, len(labels))
    steps = math.ceil(len(labels) / batch)
    total = steps * settings.epochs
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, total - round(_WARMUP * total)),
        warmup_target=settings.learning_rate,
        warmup_steps=max(1, round(_WARMUP * total)),
    )
    tail.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=["accuracy"],
        jit_compile=False,
    )
    tail.optimizer.build(tail.trainable_variables)
    variables = [*tail.trainable_variables, *tail.optimizer.variables]
    saved = checkpoints.read()
    history = [] if saved is None else list(saved.history)
    if saved is not None:
        for variable, value in zip(variables, saved.arrays, strict=True):
            variable.assign(value)
    advance(len(labels) * len(history))
    targets = np.eye(head.kernel.shape[1], dtype=np.float32)[labels]
    for epoch in range(len(history) + 1, settings.epochs + 1):
        began = time.monotonic()
        generator = np.random.default_rng([seed, epoch])
        order = generator.permutation(len(labels))
        taken = generator.integers(0, len(inputs), len(labels))
        tail.reset_metrics()
        for first in range(0, len(order), batch):
            chosen = order[first : first + batch]
            x = [
                np.stack([inputs[taken[at]][part][at] for at in chosen]).astype(np.float32)
                for part in range(len(inputs[0]))
            ]
            weights = None if class_weights is None else class_weights[labels[chosen]]
            figures = tail.train_on_batch(x, targets[chosen], weights, return_dict=True)
            advance(len(chosen))
        if not math.isfinite(float(figures["loss"])):
            raise TrainingError(
                f"fine-tuning diverged in epoch {epoch}",
                observed="a loss that is no number",
                expected="a finite loss",
                remedy="set a smaller transfer.learning_rate in the recipe, or transfer.fine_tune "
                "= 'never'",
            )
        trained_s = time.monotonic() - began
        val_loss, val_accuracy = _validated(tail, validation)
        history.append(
            Epoch(
                epoch=epoch,
                lr=float(rate(epoch * steps - 1)),
                loss=float(figures["loss"]),
                accuracy=float(figures["accuracy"]),
                val_loss=val_loss,
                val_accuracy=val_accuracy,
                images_per_second=len(labels) / trained_s,
                seconds=time.monotonic() - began,
            )
        )
        checkpoints.write(
            Checkpoint(history=tuple(history), arrays=tuple(np.asarray(one) for one in variables))
        )
    return TunedNetwork(classifier=classifier, history=tuple(history))


def _classifier(pretrained: Pretrained, head: LinearHead) -> tuple[Any, Any]:
    """Return the part that learns, and the whole network, which shares its layers."""
    tail = tail_of(pretrained)
    dense = dense_layer(head)
    learnt = keras.Model(tail.inputs_of_network, dense(tail.features))
    for layer in learnt.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    dense.set_weights([head.kernel, head.bias])
    network = pretrained.network
    return learnt, keras.Model(network.inputs[0], dense(network.outputs[0]), name=network.name)


def dense_layer(head: LinearHead) -> Any:
    """Return the layer of class probabilities, not built yet (untyped Keras layer)."""
    classes = head.kernel.shape[1]
    return keras.layers.Dense(classes, activation="softmax", dtype="float32", name="scores")


def _validated(
    tail: Any, validation: tuple[Sequence[npt.NDArray[np.float16]], npt.NDArray[np.int64]] | None
) -> tuple[float | None, float | None]:
    if validation is None:
        return None, None
    inputs, labels = validation
    right, loss = 0, 0.0
    for first in range(0, len(labels), _BATCH):
        part = [one[first : first + _BATCH].astype(np.float32) for one in inputs]
        scores = np.asarray(tail(part, training=False))
        own = scores[np.arange(len(scores)), labels[first : first + _BATCH]]
        right += int((scores.argmax(axis=1) == labels[first : first + _BATCH]).sum())
        loss -= float(np.log(np.maximum(own, 1e-7)).sum())
    return loss / len(labels), right / len(labels)
