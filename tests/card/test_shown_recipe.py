from __future__ import annotations

import copy
import json

from edgecnn.card import shown_recipe
from edgecnn.recipe.load import parse_recipe


def test_of_a_teacher_the_name_is_told_and_not_where_it_lay() -> None:
    train = {"distillation": {"teacher": "/home/someone/models/large.keras"}}
    recipe = parse_recipe({"model": {"name": "m"}, "train": train}, source="test").to_dict()
    before = copy.deepcopy(recipe)
    shown = shown_recipe(recipe)
    assert shown["train"]["distillation"]["teacher"] == "large.keras"
    assert "someone" not in json.dumps(shown)
    assert recipe == before
    assert set(shown) == {"augment", "train", "calibration"}
