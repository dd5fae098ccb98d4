"""Sections of a recipe: ``[augment]`` and ``[train]``, ``[limits]`` and ``[corruptions]``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_serializer, model_validator

from edgecnn.recipe.section import AT_LEAST, POINTS, SHARE, Section, percent_form

PRESETS: Final[Mapping[str, Mapping[str, float | bool]]] = {
    "none": {},
    "light": {
        "flip": True,
        "rotation": 10.0,
        "shift": 0.08,
        "zoom": 0.15,
        "brightness": 0.1,
        "contrast": 0.1,
        "colour": 0.05,
    },
    "strong": {
        "flip": True,
        "rotation": 20.0,
        "shift": 0.15,
        "zoom": 0.3,
        "brightness": 0.3,
        "contrast": 0.3,
        "colour": 0.25,
    },
}
"""What ``augment.preset`` sets, of the keys that are not stated beside it."""


class Augment(Section):
    """Random changes to training images; none by default, as in the notebook."""

    preset: Literal["none", "light", "strong"] = "none"
    """Values for the keys that are not stated; see ``PRESETS``."""
    crop: Annotated[int, Field(ge=0, le=64)] = 0
    """Pixels of reflected border from which a random crop is taken."""
    flip: bool = False
    """Mirror half of the images left to right."""
    cutout: Annotated[int, Field(ge=0, le=1024)] = 0
    """Side, in pixels, of a square at a random place that is filled with the mean colour."""
    mixup: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Blend pairs of images and labels; the alpha of the Beta distribution of the share."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Turn images by up to so many degrees, to either side."""
    shift: Annotated[float, Field(ge=0, le=0.5), SHARE] = 0.0
    """Move images by up to this share of their sides, in each direction."""
    zoom: Annotated[float, Field(ge=0, le=1), SHARE] = 0.0
    """Make images up to 1 + zoom times as large, or as many times as small."""
    brightness: Annotated[float, Field(ge=0, lt=1), SHARE] = 0.0
    """Multiply pixels by 1 - brightness to 1 + brightness."""
    contrast: Annotated[float, Field(ge=0, lt=1), SHARE] = 0.0
    """Multiply the distance of pixels from the image's mean by 1 - contrast to 1 + contrast."""
    colour: Annotated[float, Field(ge=0, lt=1), SHARE] = 0.0
    """Multiply the distance of pixels from grey by 1 - colour to 1 + colour, and turn hues by up
    to this share of 90 degrees, to either side; images of one channel have no colour."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, values: Any) -> Any:
        preset = values.get("preset") if isinstance(values, Mapping) else None
        known = PRESETS.get(preset, {}) if isinstance(preset, str) else {}
        return {**known, **values} if known else values

    @property
    def warps(self) -> bool:
        """Whether images are turned, moved or scaled."""
        return max(self.rotation, self.shift, self.zoom) > 0

    @property
    def relights(self) -> bool:
        """Whether brightness or contrast change."""
        return max(self.brightness, self.contrast) > 0


class Optimizer(Section):
    """Optimizer and learning-rate schedule; the defaults are Keras's RMSprop."""

    name: Literal["rmsprop", "sgd", "adam", "adamw"] = "rmsprop"
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """For ``sgd`` (with Nesterov) and ``rmsprop``."""
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decoupled, times the learning rate, on kernels only; for ``sgd`` and ``adamw``."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """Whether the rate falls to zero over the training."""
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
    batch_size: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Images a step. Default: by the number of training images; see ``edgecnn.train.pace``."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    """``auto`` trains in bfloat16 where the processor has instructions for it."""
    deterministic: bool = False
    """Same weights from the same recipe on the same machine; slower."""
    include_validation: bool = False
    """Train on the validation images too, once every decision is made; there are no validation
    figures then."""
    select: Literal["best", "last"] = "best"
    """Which epoch ships: the one with the best validation accuracy, or the last. The last where
    the validation images are trained on."""
    patience: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """Epochs without a better validation figure before training stops; 0 for never. Default:
    half of ``epochs``."""
    batch_norm_images: Annotated[int, Field(ge=0, le=1_000_000)] = 2000
    """Training images, at most, that batch normalization's averages are computed over before each
    validation and before the model is saved; 0 to take the moving averages of the training."""
    batch_norm_momentum: Annotated[float, Field(ge=0, lt=1)] | None = None
    """What the moving averages keep at each step. Default: by the number of steps."""
    class_weights: Literal["auto", "none"] = "auto"
    """``auto`` weights the classes where the largest has more than three times the images of the
    smallest."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1), SHARE] = 0.0
    """Share of each label that is spread over all classes."""
    dropout: Annotated[float, Field(ge=0, le=1), SHARE] = 1.0
    """Factor on the architecture's dropout rates."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Momentum of an exponential moving average of the weights, which is what is validated and
    saved; 0 for none."""
    optimizer: Optimizer = Optimizer()
    distillation: Distillation = Distillation()


class Transfer(Section):
    """How a classifier is trained on a pretrained network, where ``model`` names one."""

    fine_tune: Literal["auto", "always", "never"] = "auto"
    """Whether the network's last blocks learn from the photos, too. ``auto`` tries it from about
    100 photos a class on, and keeps what is better on the validation images."""
    epochs: Annotated[int, Field(ge=1, le=1000)] = 12
    """Of fine-tuning."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 3e-4
    """Of fine-tuning: the highest, after a short rise and before a cosine's fall to zero."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1), SHARE] = 0.1
    """Share of each label that is spread over all classes, in fine-tuning."""
    copies: Annotated[int, Field(ge=1, le=100)] = 6
    """Of each photo that fine-tuning learns from: itself, and others changed as ``augment`` says;
    each takes time and some 25 kB."""


class Limits(Section):
    """What an artifact may lose against its float model, and what it has to reach."""

    max_drop: Annotated[float, Field(gt=0, le=100), POINTS] = 1.0
    """Accuracy, percentage points."""
    min_agreement: Annotated[float, Field(ge=0, lt=100), AT_LEAST] = 95.0
    """Answers that are the same, percent, of those that ``agreement_on`` says."""
    agreement_on: Literal["clear", "all"] = "clear"
    """Which answers agreement is judged on: those that the float model holds with a margin
    (``edgecnn.verify.near_ties``), or all. Default: ``all`` where ``min_agreement`` is stated, as
    it always was, and else ``clear``."""
    max_class_drop: Annotated[float, Field(gt=0, le=100), POINTS] = 5.0
    """Recall of the class that loses most, percentage points."""
    max_gap_increase: Annotated[float, Field(gt=0, le=100), POINTS] = 3.0
    """How much wider the gap in accuracy between two groups may be, percentage points; where
    ``data.groups`` or ``verify --groups`` names a table."""
    max_corruption_drop: Annotated[float, Field(gt=0, le=100), POINTS] | None = None
    """Accuracy under each corruption, percentage points; None corrupts no images."""
    min_accuracy: Annotated[float, Field(ge=0, lt=100), AT_LEAST] | None = None
    """Right answers of each artifact, percent. None asks for nothing of an artifact, but its float
    model has to be better than guessing (``edgecnn.build.usefulness``); 0 does not even ask for
    that."""

    @model_validator(mode="before")
    @classmethod
    def _as_stated(cls, values: Any) -> Any:
        """Keep what ``min_agreement`` alone has always meant, in recipes and older manifests."""
        if isinstance(values, Mapping) and "min_agreement" in values:
            return {"agreement_on": "all", **values}
        return values

    @field_serializer("min_agreement", "min_accuracy", when_used="json")
    def _readable(self, value: float | None) -> float | str | None:
        return percent_form(value)


class CorruptionSettings(Section):
    """Evaluation images that are corrupted, where ``limits.max_corruption_drop`` is set."""

    images: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """How many, balanced over the classes; each under every corruption. All where fewer."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of their choice and of the noise."""
