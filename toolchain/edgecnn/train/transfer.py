"""Training on a pretrained backbone: a linear head, and where there is data for it, fine-tuning.

The features of all photos are computed once. A linear classifier learns from them, its penalty
chosen by cross-validation. Where there are some 100 photos a class, the last blocks of the network
are fine-tuned as well, on the training images, and the better of the two on the validation images
is the model; it then learns from both.

This module imports Keras; ``run`` imports it when a recipe names a backbone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from edgecnn.build.workspace import Workspace
from edgecnn.data import Dataset, Images
from edgecnn.data.quality.labels import LEAST_PHOTOS, confident_doubts
from edgecnn.files import canonical_digest
from edgecnn.progress import Progress
from edgecnn.recipe.load import Recipe
from edgecnn.report.text import about_time_text, percent_text
from edgecnn.train.backbones.catalog import BACKBONES, seconds_of
from edgecnn.train.backbones.features import FeatureStore
from edgecnn.train.backbones.fine_tuning import (
    TrunkCopies,
    TunedNetwork,
    dense_layer,
    fine_tune,
)
from edgecnn.train.backbones.head import LinearHead, fit_head, held_out_scores
from edgecnn.train.backbones.learning_curve import learning_curve
from edgecnn.train.backbones.networks import Pretrained, open_backbone
from edgecnn.train.backend import keras, tf
from edgecnn.train.checkpoint import CheckpointFolder
from edgecnn.train.class_weights import class_weights
from edgecnn.train.history import Epoch
from edgecnn.train.report.results import CrossValidated

Kind = Literal["linear", "fine-tuned"]

_FINE_TUNED_FROM: Final = 100
"""Photos a class, in the mean, from which fine-tuning is tried."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Transferred:
    """What a training on a backbone came to.

    Attributes:
        classifier: The network (untyped Keras model), float32, from pixels to probabilities.
        kind: Whether it was fine-tuned.
        history: Of the fine-tuning of the model; empty for a linear head.
        head: The linear head on all images, with its cross-validation.
        class_weights: What each class counted, shape (classes,); None for all alike.
        parameters: Of the network.
        images_per_second: Photos over the time that their features took; 0 where all were kept
            from an earlier run.
        record: JSON-ready: what ``metrics.json`` says of it.
        class_counts: Images of each class that it learnt from, in score order.
        checked: What cross-validation of the head shows; None where there were too few photos.
    """

    classifier: Any
    kind: Kind
    history: tuple[Epoch, ...]
    head: LinearHead
    class_weights: npt.NDArray[np.float32] | None
    parameters: int
    images_per_second: float
    record: dict[str, Any]
    class_counts: tuple[int, ...]
    checked: CrossValidated | None


def transfer(
    recipe: Recipe,
    dataset: Dataset,
    workspace: Workspace,
    *,
    weights: Path | None,
    checkpoints: CheckpointFolder,
    progress: Progress,
) -> Transferred:
    """Train a classifier on the recipe's backbone.

    Args:
        recipe: Its ``model``, ``augment``, ``transfer`` and ``train`` count.
        dataset: Learns from ``train`` and ``validation``.
        workspace: Keeps the features.
        weights: A file of published weights; None to fetch them.
        checkpoints: Of fine-tuning.
        progress: Who to tell.
    """
    # For the rest of the process; TensorFlow has no public way back. The same photos and the same
    # seed give the same model.
    tf.config.experimental.enable_op_determinism()
    pretrained = open_backbone(recipe.model, dataset.shape, weights=weights, progress=progress)
    images = dataset.train.joined(dataset.validation)
    training = _Training(
        groups=_groups(dataset, images),
        recipe=recipe,
        classes=len(dataset.class_names),
        pretrained=pretrained,
        images=images,
        learnt=len(dataset.train),
        start=pretrained.network.get_weights(),
        weights=None
        if recipe.train.class_weights == "none"
        else class_weights(images.class_counts(len(dataset.class_names))),
        checkpoints=checkpoints,
    )
    tunes = training.tunes
    passes = training.passes(tunes)
    progress.message(_plan(dataset, pretrained, passes))
    store = FeatureStore(
        folder=workspace.path(Workspace.FEATURES),
        key=canonical_digest(
            {"network": pretrained.name, "weights": pretrained.sha256, "shape": dataset.shape}
        ),
        width=sum(pretrained.widths),
    )
    with progress.task(f"training {recipe.model.name}", passes) as task:
        began = time.monotonic()
        copies = [
            store.get(pixels, _computing(pretrained), advance=task.advance)
            for pixels in training.views()
        ]
        speed = len(images) * len(copies) / (time.monotonic() - began)
        head = training.head(copies, np.arange(len(images)))
        tuned, choice = _tuned(training, copies, head, tunes, task.advance, progress)
    classifier = training.linear(head) if tuned is None else tuned.classifier
    kind: Kind = "linear" if tuned is None else "fine-tuned"
    return Transferred(
        classifier=classifier,
        kind=kind,
        history=() if tuned is None else tuned.history,
        head=head,
        class_weights=training.weights,
        parameters=int(classifier.count_params()),
        images_per_second=speed,
        class_counts=tuple(images.class_counts(training.classes)),
        checked=training.checked(head, copies),
        record={
            "backbone": pretrained.name,
            "weights_sha256": pretrained.sha256,
            "notice": pretrained.notice,
            "features": sum(pretrained.widths),
            "model": kind,
            "head": {
                "strength": head.strength,
                "tried": [
                    {"strength": strength, "loss": loss, "accuracy": accuracy}
                    for strength, (loss, accuracy) in head.tried.items()
                ],
            },
            "fine_tuning": choice,
        },
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Training:
    """What the steps of one training share.

    Attributes:
        recipe: The recipe.
        classes: How many there are.
        pretrained: The network; fine-tuning changes its weights.
        images: Those for training, then those for validation.
        learnt: How many the former are.
        start: The weights that the network came with.
        weights: What each class counts.
        groups: Which images stay together in cross-validation, shape (n,); None for none.
        checkpoints: Of the training.
    """

    recipe: Recipe
    classes: int
    pretrained: Pretrained
    images: Images
    learnt: int
    start: list[npt.NDArray[Any]]
    weights: npt.NDArray[np.float32] | None
    groups: npt.NDArray[np.int64] | None
    checkpoints: CheckpointFolder

    @property
    def tunes(self) -> bool:
        """Whether fine-tuning is tried."""
        wanted = self.recipe.transfer.fine_tune
        if self.pretrained.trunk is None or wanted == "never":
            return False
        return wanted == "always" or len(self.images) >= _FINE_TUNED_FROM * self.classes

    def passes(self, tunes: bool) -> int:
        """Return how many pictures go through the network, or as much of it as takes as long."""
        count, settings = len(self.images), self.recipe.transfer
        total = count * len(self.views())
        if tunes:
            total += count * settings.copies + settings.epochs * count
            total += 0 if settings.fine_tune == "always" else settings.epochs * self.learnt
        return total

    def views(self) -> list[npt.NDArray[np.uint8]]:
        """Return the pictures that the linear head learns from: as they are, and mirrored."""
        pixels = self.images.pixels
        return [pixels, pixels[:, :, ::-1]] if self.recipe.augment.flip else [pixels]

    def head(
        self, copies: list[npt.NDArray[np.float32]], chosen: npt.NDArray[np.int64]
    ) -> LinearHead:
        """Return the linear head that learns from some of the images."""
        return fit_head(
            [one[chosen] for one in copies],
            self.images.labels[chosen],
            classes=self.classes,
            widths=self.pretrained.widths,
            groups=None if self.groups is None else self.groups[chosen],
            class_weights=self.weights,
            seed=self.recipe.train.seed,
        )

    def checked(
        self, head: LinearHead, copies: list[npt.NDArray[np.float32]]
    ) -> CrossValidated | None:
        """Return what cross-validation shows; None where there were too few photos for it."""
        if head.held_out is None:
            return None
        labels, seed = self.images.labels, self.recipe.train.seed
        random = None
        if self.groups is not None:
            scores = held_out_scores(
                copies,
                labels,
                head,
                widths=self.pretrained.widths,
                class_weights=self.weights,
                seed=seed,
            )
            random = int((scores.argmax(axis=1) == labels).sum())
        counts = np.bincount(labels, minlength=self.classes)
        doubts = confident_doubts(head.held_out.astype(np.float64), labels)
        return CrossValidated(
            right=int((head.held_out.argmax(axis=1) == labels).sum()),
            photos=len(labels),
            random=random,
            curve=learning_curve(
                copies,
                labels,
                head,
                widths=self.pretrained.widths,
                groups=self.groups,
                class_weights=self.weights,
                seed=seed,
            ),
            # Of a class that is known by a few photos the scores say little.
            doubts=tuple(one for one in doubts if counts[one.given] >= LEAST_PHOTOS),
        )

    def linear(self, head: LinearHead) -> Any:
        """Return the network as it came, with a linear head."""
        network = self.pretrained.network
        network.set_weights(self.start)
        dense = dense_layer(head)
        classifier = keras.Model(
            network.inputs[0], dense(network.outputs[0]), name=self.pretrained.name
        )
        dense.set_weights([head.kernel, head.bias])
        return classifier

    def tuned(
        self,
        head: LinearHead,
        inputs: list[list[npt.NDArray[np.float16]]],
        purpose: str,
        advance: Callable[[int], None],
    ) -> TunedNetwork:
        """Return the network fine-tuned on all images, or for the choice on those for training."""
        self.pretrained.network.set_weights(self.start)
        labels, learnt = self.images.labels, self.learnt
        validation = None
        if purpose == "choice":
            validation = ([part[learnt:] for part in inputs[0]], labels[learnt:])
            inputs = [[part[:learnt] for part in one] for one in inputs]
            labels = labels[:learnt]
        return fine_tune(
            self.pretrained,
            head,
            inputs,
            labels,
            settings=self.recipe.transfer,
            seed=self.recipe.train.seed,
            class_weights=self.weights,
            validation=validation,
            checkpoints=self.checkpoints_of(purpose),
            advance=advance,
        )

    def checkpoints_of(self, purpose: str) -> CheckpointFolder:
        """Return the checkpoints of one of the two trainings that a choice takes."""
        return replace(self.checkpoints, key=canonical_digest([self.checkpoints.key, purpose]))


def _tuned(
    training: _Training,
    copies: list[npt.NDArray[np.float32]],
    head: LinearHead,
    tunes: bool,
    advance: Callable[[int], None],
    progress: Progress,
) -> tuple[TunedNetwork | None, dict[str, Any] | None]:
    """Return the fine-tuned network, None where the linear head is better; and the record of it."""
    if not tunes:
        return None, None
    settings = training.recipe.transfer
    trunk = TrunkCopies(
        training.pretrained,
        training.checkpoints.folder,
        augment=training.recipe.augment,
        copies=settings.copies,
        seed=training.recipe.train.seed,
    )
    inputs = trunk.of(training.images, "photos", copies=settings.copies, advance=advance)
    record: dict[str, Any] = {"epochs": settings.epochs, "validation": None}
    if settings.fine_tune == "auto":
        learnt, labels = training.learnt, training.images.labels
        first = training.head(copies, np.arange(learnt))
        linear = first.probabilities(copies[0][learnt:])
        right = float((linear.argmax(axis=1) == labels[learnt:]).mean())
        tried = training.tuned(first, inputs, "choice", advance)
        training.checkpoints_of("choice").discard()
        reached = tried.history[-1].val_accuracy or 0.0
        record["validation"] = {
            "images": len(labels) - learnt,
            "linear": right,
            "fine_tuned": reached,
        }
        better = reached > right
        progress.message(
            f"fine-tuned, it is right on {percent_text(reached)} of {len(labels) - learnt} "
            f"validation images, with a linear head on {percent_text(right)}: the model is "
            f"{'fine-tuned' if better else 'the linear head'}"
        )
        if not better:
            return None, record
    result = training.tuned(head, inputs, "model", advance)
    training.checkpoints_of("model").discard()
    return result, record


def _groups(dataset: Dataset, images: Images) -> npt.NDArray[np.int64] | None:
    """Return a number for each image, the same for those that stay together; None where none do."""
    if not dataset.groups:
        return None
    number = {name: at for at, group in enumerate(dataset.groups) for name in group}
    alone = len(dataset.groups)
    found = [number.get(name, alone + at) for at, name in enumerate(images.ids)]
    return np.asarray(found, dtype=np.int64)


def _computing(pretrained: Pretrained) -> Callable[[npt.NDArray[np.uint8]], Any]:
    network = pretrained.network

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]  # TensorFlow's has no types
    def compute(pixels: Any) -> Any:
        return network(tf.cast(pixels, tf.float32), training=False)

    return lambda pixels: compute(tf.constant(pixels)).numpy()


def _plan(dataset: Dataset, pretrained: Pretrained, passes: int) -> str:
    """Say what is about to be done, and about how long it takes."""
    known = BACKBONES.get(pretrained.name)
    title = "the network" if known is None else known.title
    count = len(dataset.train) + len(dataset.validation)
    text = f"{title} looks at {count:,} photos of {len(dataset.class_names)} classes"
    if known is None:
        return text
    height, width, _ = dataset.shape
    seconds = seconds_of(pretrained.name, math.sqrt(height * width), passes)
    return f"{text}: about {about_time_text(seconds)} on this machine"
