"""Rules of a recipe that concern two keys at once, or a key and the images.

They look at the plain values, so that they are told together with the mistakes of single keys,
and not only once those are mended. A value of a wrong type is left to the check of its own key.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from edgecnn.recipe.section import as_share, shown

_Size = tuple[int, int]

DEFAULT_IMAGE_SIZE: Final[_Size] = (64, 64)
"""Height and width that the images of a folder are brought to."""
SIZES: Final[Mapping[str, _Size]] = {"cifar10": (32, 32), "digits": (8, 8)}
"""Height and width of the images of the data sets that have one size."""
SMALLEST_SIDES: Final = {"seed_cnn": 8, "resnet8": 8, "wren": 8, "finch": 16, "tiny_cnn": 4}
"""Least height and width of the images that each architecture can take; here and not in
``edgecnn.train.architectures``, which reads it, since this has to be known before a stage is."""
_PUBLISHED: Final = frozenset({"efficientnet_lite0", "mobilenet_025", "mobilenet_050"})
"""Backbones whose weights others made: for pictures in colour, halved five times."""
_SMALLEST_PUBLISHED: Final = 32
_WITH_BACKBONE: Final = frozenset({"seed", "class_weights"})
"""Keys of ``train`` that mean something where a pretrained network is trained on."""
RESIZING: Final[Mapping[str, Any]] = {"fit": "crop", "crop_fraction": 1, "resample": "box"}
"""What brings images to size, and how it does where nothing is said."""
_FLOAT32: Final = frozenset({"onnx-fp32", "tflite-fp32"})


def cross_key_mistakes(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield each mistake as ``key = value: what is allowed``.

    Args:
        raw: The recipe's tables, not yet validated.
    """
    data, train = _table(raw, "data"), _table(raw, "train")
    if data.get("name", "cifar10") in ("cifar10", "digits") and data.get("image_size") is not None:
        yield f"data.image_size = {shown(data['image_size'])}: only with data.name = 'folder'"
    conflicting = data.get("conflicting", "exclude")
    if data.get("name", "cifar10") in ("cifar10", "digits") and conflicting != "exclude":
        yield f"data.conflicting = {shown(conflicting)}: only with data.name = 'folder'"
    split_by = data.get("split_by", "image")
    if data.get("name", "cifar10") in ("cifar10", "digits") and split_by != "image":
        yield f"data.split_by = {shown(split_by)}: only with data.name = 'folder'"
    yield from _resize_mistakes(data)
    yield from _backbone_mistakes(raw)
    distillation = _table(train, "distillation")
    alone = sorted(set(distillation) - {"teacher"})
    if alone and "teacher" not in distillation:
        yield (
            "train.distillation.teacher: missing; needed is the path of a .keras file, since "
            f"{', '.join(alone)} {'is' if len(alone) == 1 else 'are'} given"
        )
    yield from _optimizer_mistakes(train)
    size = _size_of(raw)
    if size is not None:
        yield from size_mistakes(_table(raw, "augment"), size)


def _backbone_mistakes(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield what does not go with a pretrained network, or with training from scratch."""
    model, train = _table(raw, "model"), _table(raw, "train")
    backbone = model.get("backbone")
    if backbone is not None and not isinstance(backbone, str):
        return  # its own fault is told by its type
    if backbone is None and model.get("start") is None:
        transfer = _table(raw, "transfer")
        plain = all(isinstance(value, str | int | float) for value in transfer.values())
        if transfer and plain and not _is_resolved(raw):
            yield (
                f"transfer.{min(transfer)} = {shown(transfer[min(transfer)])}: only with "
                "model.backbone or model.start"
            )
        return
    key = "model.backbone" if backbone is not None else "model.start"
    if isinstance(model.get("architecture"), str):
        yield (
            f"model.architecture = {shown(model['architecture'])}: not with {key}; a network is "
            "trained from scratch, or begins with what it has learnt"
        )
    if backbone in _PUBLISHED and model.get("start") is not None:
        yield (
            f"model.start = {shown(model['start'])}: only alone, or with backbone = 'wren' or "
            f"'resnet8'; weights of {shown(backbone)} are named with --weights"
        )
    if backbone in _PUBLISHED and _table(raw, "data").get("channels", 3) == 1:
        yield f"data.channels = 1: only 3 with model.backbone = {shown(backbone)}"
    if not _is_resolved(raw):
        for name in sorted(set(train) - _WITH_BACKBONE):
            yield (
                f"train.{name}: only with model.architecture; with {key} it is [transfer] that "
                "says how training goes"
            )


def _is_resolved(raw: Mapping[str, Any]) -> bool:
    """Tell whether these are all keys with their defaults, as a manifest has them."""
    return "transfer" in raw and "corruptions" in raw and "distillation" in _table(raw, "train")


def _resize_mistakes(data: Mapping[str, Any]) -> Iterator[str]:
    data = {**data, "crop_fraction": as_share(data.get("crop_fraction"))}
    given = {key: data[key] for key in RESIZING if data.get(key) not in (None, RESIZING[key])}
    if data.get("name", "cifar10") in ("cifar10", "digits"):
        for key, value in given.items():
            yield f"data.{key} = {shown(value)}: only with data.name = 'folder'"
    fraction = given.get("crop_fraction")
    if not isinstance(fraction, int | float) or not 0 < fraction <= 1:
        return
    if data.get("fit", "crop") in ("stretch", "pad"):
        yield (
            f"data.crop_fraction = {shown(fraction)}: only with data.fit = 'crop', "
            f"not with {shown(data['fit'])}"
        )
    elif abs(round(fraction, 3) - fraction) > 1e-9 or fraction < 0.001:
        yield (
            f"data.crop_fraction = {shown(fraction)}: at most three decimals, "
            f"for example {max(math.floor(fraction * 1000) / 1000, 0.001):g}"
        )


def _optimizer_mistakes(train: Mapping[str, Any]) -> Iterator[str]:
    optimizer = _table(train, "optimizer")
    name = optimizer.get("name", "rmsprop")
    momentum, decay = optimizer.get("momentum", 0), optimizer.get("weight_decay", 0)
    if momentum and name in ("adam", "adamw"):
        yield (
            f"train.optimizer.momentum = {shown(momentum)}: only for 'sgd' and 'rmsprop', "
            f"not for {name!r}"
        )
    if decay and name in ("rmsprop", "adam"):
        yield (
            f"train.optimizer.weight_decay = {shown(decay)}: only for 'sgd' and 'adamw', "
            f"not for {name!r}"
        )
    warmup, epochs = optimizer.get("warmup_epochs", 0), train.get("epochs", 40)
    numbers = isinstance(warmup, (int, float)) and isinstance(epochs, int)
    if numbers and warmup > 0 and warmup >= epochs:
        yield (
            f"train.optimizer.warmup_epochs = {shown(warmup)}: "
            f"less than train.epochs = {shown(epochs)}"
        )


def notes(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is no mistake of the recipe alone, but worth telling when there are some."""
    data = _table(raw, "data")
    if data.get("name") == "folder" and data.get("path") is None:
        yield "note: data.path is not set, so the images have to be named with --data FOLDER"


def training_mistakes(raw: Mapping[str, Any], folder: Path | None) -> Iterator[str]:
    """Yield the mistakes that are told before a training: it would be hours until they showed.

    Args:
        raw: The recipe's tables, not yet validated.
        folder: What a relative path in it is relative to.
    """
    size = _size_of(raw)
    if size is not None:
        model = _table(raw, "model")
        yield from smallest_side_mistakes(
            None
            if model.get("backbone") or model.get("start")
            else model.get("architecture", "seed_cnn"),
            size,
            backbone=model.get("backbone"),
        )
    yield from start_mistakes(_table(raw, "model"), folder)
    yield from teacher_mistakes(_table(_table(raw, "train"), "distillation"), folder)
    test = _table(raw, "data").get("test")
    if test == "100%" or (isinstance(test, float) and test == 1):
        yield f"data.test = {shown(test)}: less than 1, since it leaves no images to train on"
    variants = _table(raw, "convert").get("variants")
    limit = _table(raw, "limits").get("max_corruption_drop")
    if isinstance(variants, list | tuple) and limit is not None and not _FLOAT32 & {*variants}:
        yield (
            f"limits.max_corruption_drop = {shown(limit)}: only with "
            f"{' or '.join(sorted(_FLOAT32))} in convert.variants, which answers for the float "
            "model on corrupted images"
        )


def size_mistakes(augment: Mapping[str, Any], size: _Size) -> Iterator[str]:
    """Yield the mistakes of an ``augment`` section for images of a height and width."""
    side = min(size)
    for key in ("crop", "cutout"):
        pixels = augment.get(key, 0)
        # A reflection repeats no edge pixel, so a border is at most one pixel less than the
        # image; a square as large as the image would leave none of it.
        if _is_whole(pixels) and pixels >= side:
            yield f"augment.{key} = {shown(pixels)}: at most {side - 1} for images of {_by(size)}"


def start_mistakes(model: Mapping[str, Any], folder: Path | None = None) -> Iterator[str]:
    """Yield a mistake if a ``model`` section begins with a file that is not there."""
    start = model.get("start")
    if not isinstance(start, str | Path):
        return
    # Path.is_file raises where a name is too long; this one answers no.
    if not os.path.isfile((folder or Path()) / start):  # noqa: PTH113
        yield f"model.start = {shown(str(start))}: an existing .keras file"


def smallest_side_mistakes(
    architecture: object, size: _Size, *, backbone: object = None
) -> Iterator[str]:
    """Yield a mistake if a network cannot take images of a height and width."""
    if backbone in _PUBLISHED and min(size) < _SMALLEST_PUBLISHED:
        yield (
            f"model.backbone = {backbone!r}: images of {_SMALLEST_PUBLISHED} pixels or more, "
            f"not {_by(size)}"
        )
    smallest = SMALLEST_SIDES.get(architecture, 0) if isinstance(architecture, str) else 0
    if min(size) < smallest:
        yield (
            f"model.architecture = {architecture!r}: images of {smallest} pixels or more, "
            f"not {_by(size)}"
        )


def teacher_mistakes(distillation: Mapping[str, Any], folder: Path | None = None) -> Iterator[str]:
    """Yield a mistake if a ``distillation`` section names a teacher that is not there."""
    teacher = distillation.get("teacher")
    if not isinstance(teacher, str | Path):
        return
    # Path.is_file raises where a name is too long; this one answers no.
    if not os.path.isfile((folder or Path()) / teacher):  # noqa: PTH113
        yield f"train.distillation.teacher = {shown(str(teacher))}: an existing .keras file"


def _size_of(raw: Mapping[str, Any]) -> _Size | None:
    """Return the size that the images will have; None where the recipe does not tell."""
    data = raw.get("data", {})
    if not isinstance(data, Mapping):
        return None
    name, size = data.get("name", "cifar10"), data.get("image_size")
    if name != "folder":
        return SIZES.get(name) if isinstance(name, str) else None
    sides = (size, size) if _is_whole(size) else size
    if size is None:
        return DEFAULT_IMAGE_SIZE
    if not (isinstance(sides, list | tuple) and len(sides) == 2 and all(map(_is_whole, sides))):
        return None
    # A size that is itself a mistake says nothing about other keys.
    return (sides[0], sides[1]) if min(sides) >= 4 and max(sides) <= 4096 else None


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _by(size: _Size) -> str:
    return f"{size[0]}x{size[1]}"


def _table(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = raw.get(name)
    return table if isinstance(table, Mapping) else {}
