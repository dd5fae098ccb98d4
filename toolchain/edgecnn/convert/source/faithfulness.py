"""Compares what is made of a model, step by step, with the model as its own framework runs it.

What is converted is not the model itself: a half-precision model is loaded again in float32, batch
normalization is folded into kernels, a SavedModel's graph is taken apart. A mistake in such a step
would be in every file and, were the reference made by the same step, in no verdict. So the answers
are compared before a file is made.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.convert.graph.deployable import Deployable
from edgecnn.convert.scoring import FloatScorer
from edgecnn.convert.source.model import SourceModel
from edgecnn.data import Dataset
from edgecnn.errors import FaithfulnessError

Pixels = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]

_IMAGES: Final = 32
_FLOAT32: Final = 1e-4
"""Largest difference between two float32 computations of one network: of probabilities, and of
logits as a share of the largest. Rounding alone makes some 1e-6."""
_MOST_ROUNDING: Final = 1e-2
"""Largest difference that is excused by rounding, in a network that multiplies it: one point of a
probability of 100."""
_ROUNDINGS: Final = 4
"""How many times the rounding of each weight a difference may be: what is converted has other
weights, and its operators sum in another order."""
_AS_IT_RUNS: Final = {"float32": _FLOAT32, "float64": _FLOAT32, "float16": 2e-2, "bfloat16": 1e-1}
"""The same between a model in its own precision and its float32 copy. Eleven bits of mantissa round
by 5e-4 each time, eight bits by 4e-3, and a network rounds often."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """How far what was made of a model answers from what it was made of.

    Attributes:
        name: What was compared with what, in words.
        difference: Largest difference of a score: of probabilities, 0..1; of logits as a share of
            the largest one's size.
        limit: What it may be.
        images: How many images were compared.
    """

    name: str
    difference: float
    limit: float
    images: int

    def to_dict(self) -> dict[str, Any]:
        """Return the step as JSON-ready values."""
        return {
            "step": self.name,
            "largest_difference": self.difference,
            "limit": self.limit,
            "images": self.images,
        }


def images_to_compare(dataset: Dataset) -> Pixels:
    """Return 32 images spread over a data set's test, validation and training images, or all.

    Returns:
        Shape (n, height, width, channels), uint8.
    """
    parts: list[Pixels] = []
    wanted = _IMAGES
    for images in (dataset.test, dataset.validation, dataset.train):
        count = min(wanted, len(images))
        # Evenly: images often stand in the order of their classes.
        places = np.linspace(0, len(images) - 1, count).round().astype(np.int64)
        parts.append(images.pixels[places])
        wanted -= count
    return np.concatenate(parts)


def check_steps(
    model: SourceModel,
    deployable: Deployable,
    kind: str | None,
    pixels: Pixels,
    scorer: FloatScorer,
) -> tuple[Step, ...]:
    """Compare the function to convert with the model it was made of.

    Args:
        model: The source model.
        deployable: What was made of it.
        kind: ``probabilities`` or ``logits``: what the scores are.
        pixels: Images, shape (n, height, width, channels).
        scorer: Scores images with the source model.

    Returns:
        Each comparison that was made.

    Raises:
        FaithfulnessError: If one differs by more than its limit.
        ScoreError: If the model answers with NaN or infinity.
    """
    deployed = deployable.scores(pixels)
    own = scorer.raw(pixels)
    steps = []
    if model.computes != "float32":
        float32 = (
            FloatScorer(model, model.float32).raw(pixels)
            if model.loaded_in_float32
            else deployable.scores(pixels, folded=False)
        )
        name = "the function that is converted, with the model loaded in float32"
        steps.append(_compared(name, deployed, float32, kind, _FLOAT32))
        name = f"the float32 copy, with the model as it runs, in {model.computes}"
        steps.append(_compared(name, deployed, own, kind, _AS_IT_RUNS[model.computes]))
    else:
        name = "the function that is converted, with the model itself"
        steps.append(_compared(name, deployed, own, kind, _FLOAT32))
    return _check(steps, deployable, kind, pixels)


def _check(steps: list[Step], made: Made, kind: str | None, pixels: Pixels) -> tuple[Step, ...]:
    """Return comparisons with the limits that hold for this model.

    Raises:
        FaithfulnessError: If one differs by more than its limit.
    """
    if any(not step.difference <= step.limit for step in steps):  # also NaN
        # Rarely needed, so it is measured only here.
        alone = _of_rounding(made, kind, pixels)
        steps = [
            dataclasses.replace(
                step, limit=max(step.limit, min(_ROUNDINGS * alone, _MOST_ROUNDING))
            )
            for step in steps
        ]
    for step in steps:
        if not step.difference <= step.limit:
            raise FaithfulnessError(
                f"what edgecnn made of the model answers otherwise than the model: {step.name}",
                observed=f"scores that differ by up to {step.difference:.3g} on {step.images} "
                "images",
                expected=f"at most {step.limit:g}",
                remedy=_sensitive(alone)
                if alone > _MOST_ROUNDING / _ROUNDINGS
                else "nothing was written. If the model's answer for an image depends on the "
                "other images of a batch, or on chance, save it without that; else please report "
                "this, with the model's layers (model.summary())",
            )
    return tuple(steps)


class Made(Protocol):
    """What was made of a model, and answers for it."""

    def scores(self, pixels: Pixels, *, folded: bool = True) -> Scores:
        """Compute the scores of images; without anything folded, where that is asked for."""

    def rounded_otherwise(self, pixels: Pixels) -> Scores:
        """Compute the scores of images with each weight moved by its last bit."""


def compared_with_source(
    name: str, made: Made, own: Scores, kind: str, computes: str, pixels: Pixels
) -> Step:
    """Compare what was made of a model with the model's own answers.

    Args:
        name: What is compared with what, in words.
        made: What was made of it, in float32.
        own: The model's own scores of the images, shape (n, classes).
        kind: ``probabilities`` or ``logits``: what the scores are.
        computes: The type that the model computes in; see ``SourceModel``.
        pixels: The images, shape (n, height, width, channels).

    Returns:
        The comparison.

    Raises:
        FaithfulnessError: If they differ by more than the limit.
    """
    step = _compared(name, made.scores(pixels), own, kind, _AS_IT_RUNS[computes])
    return _check([step], made, kind, pixels)[0]


def _of_rounding(deployable: Made, kind: str | None, pixels: Pixels) -> float:
    """Measure by how much scores differ if each weight is rounded otherwise."""
    scores = deployable.scores(pixels, folded=False)
    moved = deployable.rounded_otherwise(pixels)
    return _compared("", moved, scores, kind, 0.0).difference


def _sensitive(alone: float) -> str:
    return (
        "nothing was written. The model multiplies rounding: with each weight moved by its last "
        f"bit, its own scores move by {alone:.2g}, so that no two programs agree on them. "
        "Averages of a batch normalization that very few images were shown to, or a training that "
        "ran out of bounds, make such a model: train it longer, or with a lower rate"
    )


def _compared(name: str, found: Scores, expected: Scores, kind: str | None, limit: float) -> Step:
    size = 1.0
    if kind == "logits":
        size = max(float(np.abs(expected).max()), float(np.finfo(np.float32).tiny))
    difference = float(np.abs(found.astype(np.float64) - expected).max()) / size
    return Step(name=name, difference=difference, limit=limit, images=len(found))
