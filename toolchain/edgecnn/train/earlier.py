"""Recognizes trainings of edgecnn 0.1, whose defaults were others.

A recipe states some keys and leaves others to their defaults. Where a default changes, the same
recipe trains otherwise; so a model that 0.1 trained is known by the key that 0.1 gave it, which
these functions help to compute, and is not taken for one that is out of date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from edgecnn.data import Dataset
from edgecnn.recipe.load import Recipe
from edgecnn.recipe.section import Section
from edgecnn.train.class_weights import trained_counts, weights_for
from edgecnn.train.pace import Pace

CODE_VERSION_OF_0_1: Final = 2
"""What 0.1 counted in the key for its own code."""

_TRAIN: Final[Mapping[str, Any]] = {
    "batch_size": 128,
    "select": "last",
    "patience": 0,
    "batch_norm_images": 0,
    "batch_norm_momentum": 0.99,
    "class_weights": "none",
}
"""What 0.1 did where ``[train]`` today has another default: most of it without having a key."""
_SCHEDULE: Final = "constant"

_SECTIONS: Final = ("model", "data", "augment", "train")
_NEW: Final[Mapping[str, frozenset[str]]] = {
    "train": frozenset(_TRAIN) - {"batch_size"},
    "augment": frozenset(
        {"preset", "rotation", "shift", "zoom", "brightness", "contrast", "colour"}
    ),
}
_DATA: Final = frozenset(
    {"name", "path", "image_size", "channels", "groups", "unlabelled", "validation", "test", "seed"}
)
_NORMALIZED: Final[Mapping[str, bool]] = {
    "seed_cnn": False,
    "resnet8": True,
    "wren": True,
    "tiny_cnn": False,
}
"""The architectures that 0.1 had, and whether they have batch normalization."""


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """How edgecnn 0.1 took a recipe.

    Attributes:
        recipe: With 0.1's defaults for the keys that it does not state.
        changes: Keys whose default has changed since and makes a difference here, with today's
            value and 0.1's.
    """

    recipe: Recipe
    changes: tuple[tuple[str, str, str], ...]


def earlier_recipe(recipe: Recipe, dataset: Dataset) -> Earlier | None:
    """Return how edgecnn 0.1 took a recipe; None if it states what 0.1 could not do."""
    train, optimizer = recipe.train, recipe.train.optimizer
    now = {
        **train.model_dump(include={*_TRAIN}),
        **Pace.of(train, sum(trained_counts(recipe, dataset))).to_dict(),
    }
    missing = {key: value for key, value in _TRAIN.items() if key not in train.model_fields_set}
    without = _without_effect(recipe, dataset)
    changes = [
        (f"train.{key}", now[key], value) for key, value in missing.items() if key not in without
    ]
    if "schedule" not in optimizer.model_fields_set:
        changes.append(("train.optimizer.schedule", optimizer.schedule, _SCHEDULE))
        optimizer = optimizer.model_copy(update={"schedule": _SCHEDULE})
    as_then = recipe.model_copy(
        update={"train": train.model_copy(update={**missing, "optimizer": optimizer})}
    )
    if not trains_as_0_1(as_then, dataset):
        return None
    changed = tuple((key, str(new), str(old)) for key, new, old in changes if new != old)
    return Earlier(recipe=as_then, changes=changed)


def _without_effect(recipe: Recipe, dataset: Dataset) -> set[str]:
    """Return the keys of ``[train]`` that change nothing for a recipe and its images."""
    keys: set[str] = set()
    if recipe.train.include_validation:
        keys |= {"select", "patience"}
    if not _NORMALIZED.get(str(recipe.model.architecture)):
        keys |= {"batch_norm_images", "batch_norm_momentum"}
    if weights_for(recipe, dataset) is None:
        keys |= {"class_weights"}
    return keys


def trains_as_0_1(recipe: Recipe, dataset: Dataset) -> bool:
    """Tell whether a recipe trains a data set exactly as 0.1 would have."""
    train, architecture = recipe.train, str(recipe.model.architecture)
    pace = Pace.of(train, sum(trained_counts(recipe, dataset)))
    normalized = _NORMALIZED.get(architecture)
    return (
        normalized is not None
        and (train.include_validation or (train.select == "last" and pace.patience == 0))
        and not (normalized and (train.batch_norm_images or pace.norm_momentum != 0.99))
        and weights_for(recipe, dataset) is None
        and _has_defaults(recipe.augment, _NEW["augment"])
        # What becomes of pictures in two classes, and how they are split, shows in the images
        # themselves.
        and _has_defaults(
            recipe.data,
            frozenset(type(recipe.data).model_fields) - _DATA - {"conflicting", "split_by"},
        )
    )


def settings_of_0_1(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """Return a recipe's tables as 0.1 resolved them.

    Args:
        recipe: One that trains as 0.1 did; see ``trains_as_0_1``.
        dataset: What it trains on.
    """
    settings = {name: dict(recipe.to_dict()[name]) for name in _SECTIONS}
    for name, new in {**_NEW, "data": frozenset(settings["data"]) - _DATA}.items():
        for key in new:
            del settings[name][key]
    pace = Pace.of(recipe.train, sum(trained_counts(recipe, dataset)))
    settings["train"]["batch_size"] = pace.batch_size
    return settings


def _has_defaults(section: Section, keys: frozenset[str]) -> bool:
    fields = type(section).model_fields
    return all(getattr(section, key) == fields[key].default for key in keys)
