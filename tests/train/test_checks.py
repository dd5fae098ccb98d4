from __future__ import annotations

from typing import Any

import pytest

from edgecnn.errors import RecipeError
from edgecnn.recipe.load import Recipe, parse_recipe
from edgecnn.recipe.rules import SMALLEST_SIDES
from edgecnn.train.architectures import ARCHITECTURES
from edgecnn.train.stage import check_settings


def recipe(**tables: Any) -> Recipe:
    return parse_recipe({"model": {"name": "a"}, **tables}, source="test")


def test_sound_settings_pass() -> None:
    sound = recipe(
        augment={"crop": 4, "flip": True},
        train={"epochs": 3, "optimizer": {"name": "sgd", "momentum": 0.9, "warmup_epochs": 2}},
    )
    check_settings(sound, (32, 32, 3), source="recipe.toml")


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"model": {"name": "a"}}, "images of 8 pixels or more, not 7x40"),
        ({"augment": {"crop": 7}}, "augment.crop = 7: at most 6"),
        ({"train": {"epochs": 2, "optimizer": {"warmup_epochs": 2}}}, "less than train.epochs = 2"),
        (
            {"train": {"optimizer": {"name": "adam", "momentum": 0.9}}},
            "momentum = 0.9: only for 'sgd' and 'rmsprop', not for 'adam'",
        ),
        (
            {"train": {"optimizer": {"name": "adam", "weight_decay": 0.1}}},
            "weight_decay = 0.1: only for 'sgd' and 'adamw'",
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_named(tables: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        check_settings(recipe(**tables), (7, 40, 3), source="recipe.toml")


def test_all_mistakes_come_in_one_error() -> None:
    wrong = recipe(augment={"crop": 20})
    with pytest.raises(RecipeError, match=r"recipe\.toml has 2 mistakes"):
        check_settings(wrong, (7, 7, 1), source="recipe.toml")


def test_the_recipe_knows_the_smallest_images_of_each_architecture() -> None:
    assert {name: one.smallest_side for name, one in ARCHITECTURES.items()} == SMALLEST_SIDES


def test_a_teacher_that_is_gone_by_then_is_named() -> None:
    wrong = recipe(train={"distillation": {"teacher": "/gone.keras"}})
    with pytest.raises(RecipeError, match=r"gone\.keras': an existing \.keras file"):
        check_settings(wrong, (32, 32, 3), source="recipe.toml")


def test_a_model_made_elsewhere_cannot_be_trained() -> None:
    made = recipe()
    made = made.model_copy(update={"model": made.model.model_copy(update={"architecture": None})})
    with pytest.raises(RecipeError, match="made elsewhere cannot be trained"):
        check_settings(made, (32, 32, 3), source="recipe.toml")
