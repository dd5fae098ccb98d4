"""Which trainings count as those of edgecnn 0.1; the keys here were computed by its own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn import train
from edgecnn.commands.init import demo_recipe
from edgecnn.data import Dataset, Images
from edgecnn.recipe.load import Recipe, load_recipe, parse_recipe

ROOT = Path(__file__).parents[2]


def data(images: int, validation: int) -> Dataset:
    def part(name: str, count: int) -> Images:
        values = (np.arange(count) % 251).astype(np.uint8)
        return Images(
            pixels=values.reshape(count, 1, 1, 1),
            labels=np.arange(count, dtype=np.int64) % 10,
            ids=tuple(f"{name}/{index}" for index in range(count)),
        )

    return Dataset(
        name="folder",
        class_names=tuple("abcdefghij"),
        train=part("train", images),
        validation=part("validation", validation),
        test=part("test", 10),
    )


SMALL = data(200, 50)
BARE: dict[str, Any] = {"model": {"name": "old"}}
STATED: dict[str, Any] = {
    "model": {"name": "old", "architecture": "wren"},
    "data": {"name": "folder", "image_size": 32, "test": 0.3},
    "augment": {"crop": 2, "flip": True},
    "train": {
        "epochs": 7,
        "batch_size": 16,
        "ema": 0.9,
        "optimizer": {"name": "sgd", "momentum": 0.9, "schedule": "cosine"},
    },
}


def recipe(raw: dict[str, Any], **more: Any) -> Recipe:
    return parse_recipe({**raw, "train": {**raw.get("train", {}), **more}}, source="test")


@pytest.mark.parametrize(
    ("raw", "key", "changed"),
    [
        (
            BARE,
            "373d9ea2400365525f1664dc88196097fb9e7adb1967935f1d24dcdb350a0170",
            {"batch_size", "select", "patience", "optimizer.schedule"},
        ),
        (
            STATED,
            "905c4f43c38662efa0f52674b73ece1af9ea32e7dd9fb8e073a08233bd19e481",
            {"select", "patience", "batch_norm_images", "batch_norm_momentum"},
        ),
    ],
)
def test_0_1_gave_a_recipe_this_key_and_today_it_has_another(
    raw: dict[str, Any], key: str, changed: set[str]
) -> None:
    earlier = train.earlier_recipe(recipe(raw), SMALL)
    assert earlier is not None
    assert train.key(earlier.recipe, SMALL) == key
    assert train.key(recipe(raw), SMALL) != key
    assert {name.removeprefix("train.") for name, _, _ in earlier.changes} == changed


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (BARE, "3d4b325a9990a8824ae6e3769870bc5bcb1d5a548cd66ea410bafb4acd3bc944"),
        (STATED, "f83c23c997795c51b69908dd88a968b4f3387923c0318a2f2a41c4a363676cc1"),
        (
            {**BARE, "data": {"name": "folder", "path": "x"}},
            "76c8106306c6eed45f460b816189cb3f5dbef60bd5a63b3d36ec7ecffb4eb395",
        ),
    ],
)
def test_a_recipe_has_the_key_that_0_2_gave_it(raw: dict[str, Any], key: str) -> None:
    assert train.key(recipe(raw), SMALL) == key


def test_a_rule_that_splits_as_before_trains_nothing_anew() -> None:
    raw = {**BARE, "data": {"name": "folder", "path": "x"}}
    ruled = {**BARE, "data": {"name": "folder", "path": "x", "split_by": "auto"}}
    assert train.key(recipe(ruled), SMALL) == train.key(recipe(raw), SMALL)
    earlier, before = (train.earlier_recipe(recipe(one), SMALL) for one in (ruled, raw))
    assert earlier is not None
    assert before is not None
    assert train.key(earlier.recipe, SMALL) == train.key(before.recipe, SMALL)


@pytest.mark.parametrize("raw", [BARE, STATED])
def test_stating_the_usual_resize_rule_changes_no_key(raw: dict[str, Any]) -> None:
    usual = {"name": "folder", "path": "x", "fit": "crop", "crop_fraction": 1, "resample": "box"}
    for keys in (usual, {name: usual[name] for name in ("name", "path")}):
        stated = recipe({**raw, "data": keys})
        earlier = train.earlier_recipe(stated, SMALL)
        assert earlier is not None
        bare = recipe({**raw, "data": {"name": "folder", "path": "y"}})
        before = train.earlier_recipe(bare, SMALL)
        assert before is not None
        assert train.key(earlier.recipe, SMALL) == train.key(before.recipe, SMALL)
        assert train.key(stated, SMALL) == train.key(bare, SMALL)


@pytest.mark.parametrize("raw", [BARE, STATED])
def test_stating_a_default_of_today_asks_for_a_training_of_today(raw: dict[str, Any]) -> None:
    earlier = train.earlier_recipe(recipe(raw), SMALL)
    assert earlier is not None
    then = train.key(earlier.recipe, SMALL)
    for name, new, _ in earlier.changes:
        *tables, last = name.split(".")[1:]
        value: Any = new if last in ("select", "schedule") else float(new)
        value = int(value) if last in ("batch_size", "patience", "batch_norm_images") else value
        tables_of = dict(raw.get("train", {}).get("optimizer", {}))
        more = {"optimizer": {**tables_of, last: value}} if tables else {last: value}
        again = train.earlier_recipe(recipe(raw, **more), SMALL)
        assert again is None or train.key(again.recipe, SMALL) != then, name


@pytest.mark.parametrize(
    "more",
    [
        {"train": {"class_weights": "none", "select": "best"}},
        {"augment": {"rotation": 5}},
        {"augment": {"preset": "light"}},
        {"model": {"name": "old", "architecture": "finch"}},
    ],
)
def test_what_0_1_could_not_do_is_not_taken_for_one_of_its_trainings(more: dict[str, Any]) -> None:
    assert train.earlier_recipe(parse_recipe({**BARE, **more}, source="test"), SMALL) is None


def test_classes_that_are_weighted_today_were_not_in_0_1() -> None:
    keep = np.flatnonzero((SMALL.train.labels != 3) | (np.arange(len(SMALL.train)) < 20))
    uneven = Dataset(
        name="folder",
        class_names=SMALL.class_names,
        train=SMALL.train.take(keep),
        validation=SMALL.validation,
        test=SMALL.test,
    )
    earlier = train.earlier_recipe(recipe(BARE), uneven)
    assert earlier is not None
    assert ("train.class_weights", "auto", "none") in earlier.changes
    assert earlier.recipe.train.class_weights == "none"


@pytest.mark.parametrize(
    ("file", "key"),
    [
        (
            "wren/recipe.toml",
            "8e7f61d831a30f83c34082c3a6f87087478b6fd2d3b5e6bf3ffe360763e2159c",
        ),
        (
            "resnet8/recipe.toml",
            "745b6d85ad9201506bb5d7ee79555127efbc65498bf0307b28a144b1e0282161",
        ),
        (
            "seed_cnn/recipe.toml",
            "ef78eb9f63ad936842c2f99130f96f3035774c4e87080e10f2c94e88d1bc453d",
        ),
        (
            "seed_cnn/recipe-notebook.toml",
            "65afa83e4bac0a2b4c63af872ce0bbaab8fb773d71acd6d304c79227c25f00e0",
        ),
    ],
)
def test_released_recipes_train_as_they_did_when_they_were_released(file: str, key: str) -> None:
    released = load_recipe(ROOT / "models" / file)
    distillation = released.train.distillation
    if distillation.teacher is not None:
        # A teacher counts by its contents; one that is missing counts for nothing.
        distillation = distillation.model_copy(update={"teacher": Path("/nowhere/x.keras")})
        settings = released.train.model_copy(update={"distillation": distillation})
        released = released.model_copy(update={"train": settings})
    assert train.key(released, data(40_000, 10_000)) == key


def test_the_demo_trains_as_it_did() -> None:
    key = "547570a11c185eac23f08731a4106ab14ba9a77306603613186e8e1ef1373474"
    assert train.key(demo_recipe(), data(1000, 200)) == key
