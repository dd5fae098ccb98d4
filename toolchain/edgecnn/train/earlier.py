"""Recognizes trainings of edgecnn 0.1, whose defaults were others.

A recipe states some keys and leaves others to their defaults. Where a default changes, the same
recipe trains otherwise; so a model that 0.1 trained is known by the key that 0.1 gave it, which
these functions compute, and is not taken for one that is out of date.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edgecnn.recipe import Recipe
from edgecnn.recipe_section import Section

__all__ = ["CODE_VERSION_OF_0_1", "recipe_of_0_1", "settings_of_0_1", "trains_as_0_1"]

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

_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "model": frozenset({"name", "architecture"}),
    "data": frozenset(
        {"name", "path", "image_size", "channels", "groups", "validation", "test", "seed"}
    ),
    "augment": frozenset({"crop", "flip", "cutout", "mixup"}),
    "train": frozenset(
        {
            "epochs",
            "batch_size",
            "seed",
            "precision",
            "deterministic",
            "include_validation",
            "label_smoothing",
            "dropout",
            "ema",
            "optimizer",
            "distillation",
        }
    ),
}
"""Keys that 0.1 had, of the sections that decide the weights."""


def recipe_of_0_1(recipe: Recipe) -> Recipe | None:
    """Return the recipe with 0.1's defaults for the keys that it does not state.

    Returns:
        The recipe; None if it states what 0.1 could not do.
    """
    train, optimizer = recipe.train, recipe.train.optimizer
    if "schedule" not in optimizer.model_fields_set:
        optimizer = optimizer.model_copy(update={"schedule": _SCHEDULE})
    missing = {key: value for key, value in _TRAIN.items() if key not in train.model_fields_set}
    earlier = recipe.model_copy(
        update={"train": train.model_copy(update={**missing, "optimizer": optimizer})}
    )
    return earlier if trains_as_0_1(earlier) else None


def trains_as_0_1(recipe: Recipe) -> bool:
    """Tell whether a recipe asks for nothing that 0.1 could not do."""
    train = recipe.train
    new = {key: value for key, value in _TRAIN.items() if key not in _KNOWN["train"]}
    return (
        train.batch_size is not None
        and all(getattr(train, key) == value for key, value in new.items())
        and _has_defaults(recipe.augment, known="augment")
        and _has_defaults(recipe.data, known="data")
    )


def settings_of_0_1(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resolved recipe's tables with the keys alone that 0.1 had.

    Args:
        settings: See ``Recipe.to_dict``.
    """
    return {
        name: {key: value for key, value in settings[name].items() if key in known}
        for name, known in _KNOWN.items()
    }


def _has_defaults(section: Section, *, known: str) -> bool:
    """Tell whether the keys that 0.1 did not have are at their defaults."""
    fields = type(section).model_fields
    return all(
        getattr(section, key) == field.default
        for key, field in fields.items()
        if key not in _KNOWN[known]
    )
