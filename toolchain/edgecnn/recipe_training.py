"""The sections of a recipe that a training reads: ``[augment]`` and ``[train]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from edgecnn.recipe_section import SHARE, Section

__all__ = ["Augment", "Distillation", "Optimizer", "Train"]


class Augment(Section):
    """Random changes to training images; none by default, as in the notebook."""

    crop: Annotated[int, Field(ge=0, le=64)] = 0
    """Pixels of reflected border from which a random crop is taken."""
    flip: bool = False
    """Mirror half of the images left to right."""
    cutout: Annotated[int, Field(ge=0, le=1024)] = 0
    """Side, in pixels, of a square at a random place that is filled with the mean colour."""
    mixup: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Blend pairs of images and labels; the alpha of the Beta distribution of the share."""


class Optimizer(Section):
    """Optimizer and learning-rate schedule; the defaults are Keras's RMSprop."""

    name: Literal["rmsprop", "sgd", "adam", "adamw"] = "rmsprop"
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """For ``sgd`` (with Nesterov) and ``rmsprop``."""
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decoupled, times the learning rate, on kernels only; for ``sgd`` and ``adamw``."""
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0
    """Epochs of linear warm-up before the schedule."""


class Distillation(Section):
    """A trained model whose scores the network learns beside the labels; none by default."""

    teacher: Path | None = None
    """A ``.keras`` file that ``edgecnn train`` wrote for the same images and classes, relative
    to the recipe's own folder."""
    weight: Annotated[float, Field(gt=0, le=1), SHARE] = 0.5
    """Share of the loss that follows the teacher; the labels have the rest."""
    temperature: Annotated[float, Field(ge=1, le=100)] = 4.0
    """What the logits of both are divided by."""


class Train(Section):
    """How long, how fast, and how repeatable."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 40
    batch_size: Annotated[int, Field(ge=1, le=65536)] = 128
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    """``auto`` trains in bfloat16 where the processor has instructions for it."""
    deterministic: bool = False
    """Same weights from the same recipe on the same machine; slower."""
    include_validation: bool = False
    """Train on the validation images too, once every decision is made; there are no validation
    figures then."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1), SHARE] = 0.0
    """Share of each label that is spread over all classes."""
    dropout: Annotated[float, Field(ge=0, le=1), SHARE] = 1.0
    """Factor on the architecture's dropout rates."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Momentum of an exponential moving average of the weights, which is what is validated and
    saved; 0 for none."""
    optimizer: Optimizer = Optimizer()
    distillation: Distillation = Distillation()
