"""Recipes: defaults, every mistake at once, overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.errors import RecipeError, UsageError
from edgecnn.locate import load_recipe_with
from edgecnn.recipe import DEFAULT_VARIANTS, find_recipe, load_recipe, parse_recipe
from edgecnn.scaffold import demo_recipe, make_project
from edgecnn.workspace import default_build_folder


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_name_is_enough_and_the_defaults_are_the_notebooks() -> None:
    recipe = parse_recipe({"model": {"name": "x"}}, source="test")
    assert recipe.model.architecture == "seed_cnn"
    assert (recipe.train.epochs, recipe.train.batch_size) == (40, 128)
    assert recipe.train.optimizer.name == "rmsprop"
    assert recipe.data.validation == 0.2
    assert recipe.convert.variants == DEFAULT_VARIANTS


def test_all_mistakes_are_reported_at_once_with_key_value_and_what_is_allowed(
    tmp_path: Path,
) -> None:
    path = written(
        tmp_path,
        """
        [model]
        name = "x"
        architecture = "vgg99"
        [train]
        epochs = 0
        epoch = 3
        [convert]
        variants = ["tflite-int4"]
        [limits]
        max_drop = -1
        """,
    )
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    text = str(caught.value)
    assert "5 mistakes" in text
    for part in (
        "model.architecture = 'vgg99'",
        "'seed_cnn'",
        "train.epochs = 0",
        "greater than or equal to 1",
        "train.epoch: no such key; allowed here: epochs, batch_size",
        "convert.variants.0 = 'tflite-int4'",
        "'tflite-int8'",
        "limits.max_drop = -1",
        "remedy:",
    ):
        assert part in text


def test_mistakes_of_two_keys_come_with_those_of_one() -> None:
    raw = {
        "model": {"name": "x", "architecture": "vgg99"},
        "data": {"name": "folder", "validation": 2.0},
        "train": {"epochs": 3, "optimizer": {"name": "adam", "momentum": 0.9, "warmup_epochs": 3}},
    }
    with pytest.raises(RecipeError, match="5 mistakes") as caught:
        parse_recipe(raw, source="test")
    for part in ("architecture", "data.path: missing", "validation", "momentum", "warmup_epochs"):
        assert part in str(caught.value)


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    path = written(tmp_path, "[model]\nname = \n")
    with pytest.raises(RecipeError, match="line 2"):
        load_recipe(path)


def test_a_missing_recipe_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="edgecnn init"):
        find_recipe(tmp_path)


def test_a_folders_path_is_relative_to_the_recipe(tmp_path: Path) -> None:
    recipe = load_recipe(make_project(tmp_path / "leaves")[0])
    assert recipe.data.path == (tmp_path / "leaves" / "images").resolve()


def test_the_template_shows_the_defaults_it_says_it_shows(tmp_path: Path) -> None:
    shown = load_recipe(make_project(tmp_path / "leaves")[0])
    bare = parse_recipe({"model": {"name": "x"}}, source="test")
    for section in ("augment", "train", "convert", "calibration", "limits"):
        assert getattr(shown, section) == getattr(bare, section)


def test_init_leaves_an_existing_recipe_as_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, "mine")
    with pytest.raises(UsageError, match="exists already"):
        make_project(tmp_path)
    assert path.read_text() == "mine"


def test_a_resolved_recipe_reads_back_as_itself() -> None:
    recipe = demo_recipe()
    assert parse_recipe(recipe.to_dict(), source="test") == recipe


def test_overrides_replace_single_keys(tmp_path: Path) -> None:
    path = written(tmp_path, '[model]\nname = "x"\n')
    recipe = load_recipe_with(
        path, ["train.epochs=3", "train.optimizer.name=adam", 'model.name="y"', "augment.flip=true"]
    )
    assert recipe.train.epochs == 3
    assert recipe.train.optimizer.name == "adam"
    assert recipe.model.name == "y"
    assert recipe.augment.flip


def test_a_wrong_override_is_a_mistake_with_its_source(tmp_path: Path) -> None:
    path = written(tmp_path, '[model]\nname = "x"\n')
    with pytest.raises(RecipeError, match=r"--set train.epochs=none"):
        load_recipe_with(path, ["train.epochs=none"])
    with pytest.raises(UsageError, match="KEY=VALUE"):
        load_recipe_with(path, ["train.epochs"])
    with pytest.raises(UsageError, match="a value and not a table"):
        load_recipe_with(path, ["model.name.x=5"])


@pytest.mark.parametrize("value", ["inf", "nan", "1" * 5000, "[" * 3000])
def test_numbers_that_are_none_are_mistakes(tmp_path: Path, value: str) -> None:
    path = written(tmp_path, f'[model]\nname = "x"\n[limits]\nmax_drop = {value}\n')
    with pytest.raises(RecipeError):
        load_recipe(path)


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(b'\xef\xbb\xbf[model]\r\nname = "x"\r\n')
    assert load_recipe(path).model.name == "x"
    assert load_recipe_with(path, ["train.epochs=2"]).train.epochs == 2


@pytest.mark.parametrize(
    ("file", "build"),
    [("recipe.toml", "build"), ("recipe-notebook.toml", "build-notebook"), ("x.toml", "build-x")],
)
def test_each_recipe_of_a_folder_has_its_own_build(file: str, build: str) -> None:
    assert default_build_folder(Path("models/seed_cnn") / file) == Path("models/seed_cnn") / build
