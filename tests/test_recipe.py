"""Recipes: defaults, every mistake at once, overrides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from edgecnn.build.workspace import default_build_folder
from edgecnn.commands.build import undecidable
from edgecnn.commands.init import InitRequest, demo_recipe, init
from edgecnn.commands.paths import load_recipe_with
from edgecnn.commands.verify import with_limits
from edgecnn.errors import RecipeError, UsageError
from edgecnn.recipe.load import (
    DEFAULT_VARIANTS,
    VARIANTS,
    Data,
    Recipe,
    find_recipe,
    load_recipe,
    parse_recipe,
)
from edgecnn.recipe.sections import PRESETS, Limits
from edgecnn_runner.contract import RESIZE_RULE


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_name_is_enough() -> None:
    recipe = parse_recipe({"model": {"name": "x"}}, source="test")
    assert recipe.model.architecture == "seed_cnn"
    assert (recipe.train.epochs, recipe.train.batch_size) == (40, None)
    assert (recipe.train.optimizer.name, recipe.train.optimizer.schedule) == ("rmsprop", "cosine")
    assert (recipe.train.select, recipe.train.patience) == ("best", None)
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
        "a whole number, at least 1 and at most 100000",
        "train.epoch = 3: no such key; allowed here: epochs, batch_size",
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
    with pytest.raises(RecipeError, match="4 mistakes") as caught:
        parse_recipe(raw, source="test")
    for part in ("architecture", "validation", "momentum", "warmup_epochs"):
        assert part in str(caught.value)


def mistakes(raw: dict[str, Any], **how: Any) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(raw, source="test", **how)
    return [line.strip() for line in caught.value.problem.splitlines()[1:]]


VARIANT_NAMES = ", ".join(map(repr, VARIANTS[:-1])) + f" or {VARIANTS[-1]!r}"
SIZE = "a whole number, at least 4 and at most 4096, or two in a list: [height, width]"
NAME = (
    "a text of up to 64 lower-case letters, digits, '_', '.' and '-', beginning with a letter "
    "or digit"
)


@pytest.mark.parametrize(
    ("section", "key", "text", "value"),
    [
        ("limits", "max_drop", "1%", 1.0),
        ("limits", "max_class_drop", "2.5 %", 2.5),
        ("limits", "max_gap_increase", "3%", 3.0),
        ("limits", "max_corruption_drop", "4%", 4.0),
        ("limits", "min_agreement", "97.5%", 97.5),
        ("limits", "min_accuracy", "80%", 80.0),
        ("limits", "min_accuracy", "0%", 0.0),
        ("limits", "min_agreement", "0.5%", 0.5),
        ("data", "validation", "20%", 0.2),
        ("data", "test", "12.5 %", 0.125),
        ("augment", "shift", "10%", 0.1),
        ("augment", "zoom", "20%", 0.2),
        ("augment", "brightness", "20%", 0.2),
        ("augment", "contrast", "15%", 0.15),
        ("augment", "colour", "5%", 0.05),
        ("train", "label_smoothing", "10%", 0.1),
        ("train", "dropout", "100%", 1.0),
        ("train.distillation", "weight", "50%", 0.5),
    ],
)
def test_a_number_with_a_percent_sign_is_per_cent(
    section: str, key: str, text: str, value: float
) -> None:
    def of(written: object) -> float:
        tables: dict[str, Any] = {key: written}
        for name in reversed(section.split(".")):
            tables = {name: {**tables, **({"teacher": "t"} if name == "distillation" else {})}}
        recipe = parse_recipe({"model": {"name": "x"}, **tables}, source="test")
        # What a manifest holds is the same recipe.
        assert parse_recipe(recipe.to_dict(), source="test") == recipe
        found: Any = recipe
        for name in (*section.split("."), key):
            found = getattr(found, name)
        assert isinstance(found, float)
        return found

    assert of(text) == value
    if not 0 < value < 1 or section != "limits":
        assert of(value) == value  # a bare number is in the key's own unit


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"data": {"validation": 20}}, '20 would be 2000 %; for 20 % write 0.2 or "20%"'),
        ({"data": {"test": 1}}, '1 would be 100 %; for 1 % write 0.01 or "1%"'),
        (
            {"data": {"test": 250}},
            "neither 25000 %, which 250 is as a share, nor 250 % is possible",
        ),
        (
            {"train": {"label_smoothing": 12.5}},
            '12.5 would be 1250 %; for 12.5 % write 0.125 or "12.5%"',
        ),
        ({"train": {"dropout": 50}}, '50 would be 5000 %; for 50 % write 0.5 or "50%"'),
        (
            {"limits": {"min_accuracy": 0.8}},
            '0.8 could be 80 % or 0.8 %: write 80 or "0.8%"',
        ),
        (
            {"limits": {"min_agreement": 0.95}},
            '0.95 could be 95 % or 0.95 %: write 95 or "0.95%"',
        ),
    ],
)
def test_a_number_that_cannot_be_meant_shows_both_readings(
    tables: dict[str, Any], says: str
) -> None:
    (mistake,) = mistakes({"model": {"name": "x"}, **tables})
    assert mistake.endswith(f"; {says}")


@pytest.mark.parametrize("all_of_it", [1.0, "100%"])
def test_all_images_may_be_for_the_test_where_nothing_is_trained(all_of_it: object) -> None:
    raw = {"model": {"name": "x"}, "data": {"test": all_of_it}}
    recipe = parse_recipe(raw, source="test")
    assert recipe.data.test == 1.0
    assert parse_recipe(recipe.to_dict(), source="a manifest") == recipe
    (mistake,) = mistakes(raw, for_training=True)
    assert mistake.startswith("data.test = ")
    assert mistake.endswith(": less than 1, since it leaves no images to train on")


@pytest.mark.parametrize("max_drop", [0.5, 0.01])
def test_half_a_point_is_half_a_point(max_drop: float) -> None:
    recipe = parse_recipe({"model": {"name": "x"}, "limits": {"max_drop": max_drop}}, source="test")
    assert recipe.limits.max_drop == max_drop


@pytest.mark.parametrize("text", ["120%", "-1%", "100.1 %"])
def test_per_cent_out_of_bounds_are_shown_as_they_were_written(text: str) -> None:
    (mistake,) = mistakes({"model": {"name": "x"}, "limits": {"max_drop": text}})
    assert mistake == f"limits.max_drop = '{text}': a number, more than 0 and at most 100"


@pytest.mark.parametrize("text", ["1", "one%", "%", "1,5%", "1%%", "1e1%", "nan%"])
def test_other_texts_are_no_numbers(text: str) -> None:
    (mistake,) = mistakes({"model": {"name": "x"}, "limits": {"max_drop": text}})
    assert mistake.endswith(", not a text")


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("max_drop", "120%", "--max-drop 120%: has to be less than or equal to 100"),
        ("max_drop", "few", "--max-drop few: a number, more than 0 and at most 100, not a text"),
        (
            "min_accuracy", 0.8,
            "--min-accuracy 0.8: a number, at least 0 and less than 100; 0.8 could be 80 % or "
            '0.8 %: write 80 or "0.8%"',
        ),
    ],
)  # fmt: skip
def test_an_option_is_named_as_it_was_typed(key: str, value: object, says: str) -> None:
    option = f"--{key.replace('_', '-')}"
    raw = {"model": {"name": "x"}, "limits": {key: value}}
    assert mistakes(raw, options={f"limits.{key}": option}) == [says]


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"model": {}}, f"model.name: missing; needed is {NAME}"),
        ({"model": {"name": "A b"}}, f"model.name = 'A b': {NAME}"),
        ({"model": {"name": 3}}, f"model.name = 3: {NAME}"),
        ({"model": 3}, "model = 3: a table, [model]"),
        ({"train": [{"epochs": 3}]}, "train = [{epochs = 3}]: a table, [train]"),
        ({"train": {"optimizer": "adam"}}, "train.optimizer = 'adam': a table, [train.optimizer]"),
        (
            {"model": {"name": "x", "nmae": True}},
            "model.nmae = true: no such key; allowed here: name, architecture, backbone, start",
        ),
        (
            {"trian": {"epochs": 3}},
            "trian = {epochs = 3}: no such key; allowed here: model, data, augment, train, "
            "transfer, "
            "convert, calibration, limits, corruptions",
        ),
        (
            {"data": {"validation": "0.2"}},
            "data.validation = '0.2': a number, more than 0 and less than 1, not a text",
        ),
        (
            {"data": {"validation": 2.0}},
            "data.validation = 2.0: a number, more than 0 and less than 1; 2 would be 200 %; for "
            '2 % write 0.02 or "2%"',
        ),
        (
            {"limits": {"max_corruption_drop": 0}},
            "limits.max_corruption_drop = 0: a number, more than 0 and at most 100",
        ),
        (
            {"corruptions": {"images": 0}},
            "corruptions.images = 0: a whole number, at least 1 and at most 1000000",
        ),
        (
            {"limits": {"max_drop": float("inf")}},
            "limits.max_drop = inf: a number, more than 0 and at most 100",
        ),
        (
            {"train": {"epochs": 2.5}},
            "train.epochs = 2.5: a whole number, at least 1 and at most 100000",
        ),
        (
            {"train": {"optimizer": {"warmup_epochs": True}}},
            "train.optimizer.warmup_epochs = true: a number, at least 0, not true or false",
        ),
        ({"augment": {"flip": 1}}, "augment.flip = 1: true or false, not a number"),
        ({"augment": {"flip": [1]}}, "augment.flip = [1]: true or false"),
        (
            {"calibration": {"images": True}},
            "calibration.images = true: a whole number, at least 1 and at most 100000, "
            "not true or false",
        ),
        (
            {"calibration": {"images": "40"}},
            "calibration.images = '40': a whole number, at least 1 and at most 100000, not a text",
        ),
        ({"data": {"channels": True}}, "data.channels = true: 1 or 3, not true or false"),
        ({"data": {"channels": 2}}, "data.channels = 2: 1 or 3"),
        ({"data": {"path": 4}}, "data.path = 4: a path, in quotes"),
        (
            {"train": {"distillation": {"teacher": False}}},
            "train.distillation.teacher = false: a path, in quotes",
        ),
        (
            {"convert": {"variants": "onnx-int8"}},
            f"convert.variants = 'onnx-int8': a list of one or more of {VARIANT_NAMES}",
        ),
        (
            {"convert": {"variants": []}},
            f"convert.variants = []: a list of one or more of {VARIANT_NAMES}, not an empty list",
        ),
        (
            {"convert": {"variants": ["onnx-int8", "onnx-int8"]}},
            "convert.variants = ['onnx-int8', 'onnx-int8']: a list of one or more of "
            f"{VARIANT_NAMES}, not 'onnx-int8' twice",
        ),
        (
            {"convert": {"variants": ["onnx-int8", 3]}},
            f"convert.variants.1 = 3: {VARIANT_NAMES}",
        ),
        (
            {"convert": {"variants": ["int8" * 50]}},
            f"convert.variants.0 = '{'int8' * 19}...: {VARIANT_NAMES}",
        ),
    ],
)
def test_a_mistake_says_the_key_the_value_and_what_is_allowed(
    tables: dict[str, Any], says: str
) -> None:
    assert mistakes({"model": {"name": "x"}, **tables}) == [says]


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (True, "true"),
        (2, "2"),
        (8.5, "8.5"),
        ("64", "'64'"),
        ([64], "[64]"),
        ([64, 64, 3], "[64, 64, 3]"),
        ([2, 9999], "[2, 9999]"),
        (["64", True], "['64', true]"),
    ],
)
def test_a_wrong_image_size_is_one_mistake_as_it_was_written(size: object, shown: str) -> None:
    raw = {"model": {"name": "x"}, "data": {"name": "folder", "path": "p", "image_size": size}}
    assert mistakes(raw) == [f"data.image_size = {shown}: {SIZE}"]


def test_a_table_without_any_key_of_its_own_and_no_table_at_all() -> None:
    assert mistakes({}) == ["model: missing; needed is a table, [model]"]


def test_whole_numbers_of_any_length_can_be_told() -> None:
    (line,) = mistakes({"model": {"name": "x"}, "train": {"epochs": int("f" * 6000, 16)}})
    assert line.startswith("train.epochs = 0xffff")
    assert len(line) < 200


def test_no_mistake_is_told_in_the_words_of_a_library() -> None:
    for section, model in Recipe.model_fields.items():
        keys = list(getattr(model.annotation, "model_fields", {}))
        raw = {"model": {"name": "x"}, section: {key: object() for key in keys}}
        lines = [line for line in mistakes(raw) if not line.startswith("train.optimizer.")]
        assert len(lines) == len(keys)
        for line in lines:
            assert not re.search(r"nput|\bvalid\b|instance|class '|tuple|dict|Literal", line), line


def test_a_folder_may_be_named_on_the_command_line_alone() -> None:
    raw = {"model": {"name": "x"}, "data": {"name": "folder"}}
    assert parse_recipe(raw, source="test").data.path is None
    wrong = {**raw, "train": {"epochs": 0}}
    mistake, note = mistakes(wrong)
    assert mistake.startswith("train.epochs = 0")
    assert note.startswith("note: data.path is not set")
    assert "--data FOLDER" in note


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"augment": {"crop": 32}}, "augment.crop = 32: at most 31 for images of 32x32"),
        ({"augment": {"cutout": 40}}, "augment.cutout = 40: at most 31 for images of 32x32"),
        (
            {"data": {"name": "digits"}, "augment": {"crop": 8}},
            "augment.crop = 8: at most 7 for images of 8x8",
        ),
        (
            {"data": {"name": "folder", "image_size": [40, 20]}, "augment": {"crop": 20}},
            "augment.crop = 20: at most 19 for images of 40x20",
        ),
        (
            {"data": {"name": "folder"}, "augment": {"cutout": 64}},
            "augment.cutout = 64: at most 63 for images of 64x64",
        ),
    ],
)
def test_what_does_not_fit_the_images_comes_with_the_other_mistakes(
    tables: dict[str, Any], says: str
) -> None:
    raw = {"model": {"name": "x"}, "train": {"epochs": 0}, **tables}
    assert says in mistakes(raw)
    assert len([line for line in mistakes(raw) if not line.startswith("note")]) == 2


FOLDER = {"name": "folder", "path": "p"}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"fit": "stretch"}, "data.fit = 'stretch': only with data.name = 'folder'"),
        (
            {"name": "digits", "resample": "nearest", "crop_fraction": 0.5},
            "data.resample = 'nearest': only with data.name = 'folder'",
        ),
        ({**FOLDER, "fit": "squash"}, "data.fit = 'squash': 'crop', 'stretch' or 'pad'"),
        (
            {**FOLDER, "resample": "bicubic"},
            "data.resample = 'bicubic': 'box', 'nearest', 'bilinear' or 'bilinear-antialias'",
        ),
        (
            {**FOLDER, "crop_fraction": 1.5},
            "data.crop_fraction = 1.5: a number, more than 0 and at most 1; 1.5 would be 150 %; "
            'for 1.5 % write 0.015 or "1.5%"',
        ),
        (
            {**FOLDER, "crop_fraction": 0},
            "data.crop_fraction = 0: a number, more than 0 and at most 1",
        ),
        (
            {**FOLDER, "fit": "pad", "crop_fraction": 0.875},
            "data.crop_fraction = 0.875: only with data.fit = 'crop', not with 'pad'",
        ),
        (
            {**FOLDER, "crop_fraction": 0.96552},
            "data.crop_fraction = 0.96552: at most three decimals, for example 0.965",
        ),
    ],
)
def test_how_images_are_brought_to_size_is_checked(data: dict[str, Any], says: str) -> None:
    found = mistakes({"model": {"name": "x"}, "data": data})
    assert says in found
    assert len(found) == len(
        data.keys() - {"name", "path"} - ({"fit"} if "not with" in says else set())
    )


def test_a_recipe_names_the_resize_rule_of_contracts() -> None:
    def resize(**data: Any) -> str:
        raw = {"model": {"name": "x"}, "data": {**FOLDER, **data}}
        return parse_recipe(raw, source="test").data.resize

    assert resize() == RESIZE_RULE
    assert resize(crop_fraction=1) == RESIZE_RULE
    assert resize(fit="stretch", resample="bilinear") == "stretch-bilinear-1"
    assert resize(crop_fraction=0.875) == "centre-crop-0.875-box-average-1"
    assert resize(crop_fraction="87.5%") == "centre-crop-0.875-box-average-1"
    assert resize(crop_fraction="100%") == RESIZE_RULE
    # A data set of one size states nothing, and may state the usual.
    for name in ("cifar10", "digits"):
        raw = {"model": {"name": "x"}, "data": {"name": name, "fit": "crop", "resample": "box"}}
        assert parse_recipe(raw, source="test").data.resize == RESIZE_RULE


@pytest.mark.parametrize("size", [True, "8", [4], 0, None, [8, 8.5]])
def test_a_size_that_is_none_is_only_that_mistake(size: object) -> None:
    data = {"name": "folder", "path": "p", "image_size": size}
    raw = {"model": {"name": "x", "nmae": 1}, "data": data, "augment": {"crop": 9}}
    assert [line for line in mistakes(raw, for_training=True) if "crop" in line] == []


def test_what_only_a_training_needs_is_asked_of_a_training_only(tmp_path: Path) -> None:
    raw: dict[str, Any] = {
        "model": {"name": "x"},
        "data": {"name": "folder", "path": "images", "image_size": 6},
        "train": {"distillation": {"teacher": "teacher.keras"}},
    }
    assert parse_recipe(raw, source="test", folder=tmp_path).data.image_size == (6, 6)
    assert mistakes(raw, folder=tmp_path, for_training=True) == [
        "model.architecture = 'seed_cnn': images of 8 pixels or more, not 6x6",
        "train.distillation.teacher = 'teacher.keras': an existing .keras file",
    ]
    (tmp_path / "teacher.keras").write_bytes(b"")
    raw["model"]["architecture"] = "tiny_cnn"
    parse_recipe(raw, source="test", folder=tmp_path, for_training=True)


def test_a_limit_under_corruptions_needs_a_float32_file_and_says_so_before_a_training() -> None:
    raw: dict[str, Any] = {
        "model": {"name": "x"},
        "convert": {"variants": ["tflite-int8"]},
        "limits": {"max_corruption_drop": 3},
    }
    parse_recipe(raw, source="test")  # converting one variant more is no mistake
    (line,) = mistakes(raw, for_training=True)
    assert line.startswith("limits.max_corruption_drop = 3: only with onnx-fp32 or tflite-fp32 in")
    for variants in (["onnx-fp32", "onnx-int8"], ["tflite-int8", "tflite-fp32"]):
        raw["convert"] = {"variants": variants}
        parse_recipe(raw, source="test", for_training=True)
    parse_recipe({**raw, "convert": {}}, source="test", for_training=True)


def test_a_teacher_with_an_impossible_name_is_a_mistake(tmp_path: Path) -> None:
    for name in ("a" * 5000, "a\0b"):
        raw = {"model": {"name": "x"}, "train": {"distillation": {"teacher": name}}}
        (line,) = mistakes(raw, folder=tmp_path, for_training=True)
        assert line.endswith("an existing .keras file")


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    path = written(tmp_path, "[model]\nname = \n")
    with pytest.raises(RecipeError, match="line 2"):
        load_recipe(path)


@pytest.mark.parametrize(
    "text",
    [
        "[limits]\nmax_drop = 1.0\n\n[limits]\nmax_drop = 2.0\n",
        "[limits]\nmax_drop = 1\nmax_drop = 2\n",
    ],
    ids=["table", "key"],
)
def test_what_stands_twice_is_told_apart(tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(tmp_path / "recipe.toml")
    assert "take the second copy out" in str(caught.value.remedy)


def test_a_missing_recipe_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="edgecnn init"):
        find_recipe(tmp_path)


def test_a_folders_path_is_relative_to_the_recipe(tmp_path: Path) -> None:
    recipe = load_recipe(init(InitRequest(folder=tmp_path / "leaves")).made[0])
    assert recipe.data.path == (tmp_path / "leaves" / "images").resolve()


def test_a_table_of_groups_is_relative_to_the_recipe(tmp_path: Path) -> None:
    path = written(
        tmp_path, '[model]\nname = "x"\n[data]\nname = "digits"\ngroups = "tables/groups.csv"\n'
    )
    recipe = load_recipe(path)
    assert recipe.data.groups == tmp_path / "tables" / "groups.csv"
    assert recipe.data.path is None
    assert parse_recipe(recipe.to_dict(), source="test") == recipe


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("image", "image"),
        ("auto", "auto"),
        ("name", "name"),
        ("folder", "folder"),
        ("groups.csv:object", "{folder}/groups.csv:object"),
        ("tables/Groups.CSV:a thing", "{folder}/tables/Groups.CSV:a thing"),
        ("/tables/groups.csv:object", "/tables/groups.csv:object"),
        ("a:b.csv:c", "{folder}/a:b.csv:c"),
    ],
)
def test_what_stays_together_is_a_rule_or_a_column_relative_to_the_recipe(
    tmp_path: Path, value: str, resolved: str
) -> None:
    path = written(
        tmp_path, f'[model]\nname = "x"\n[data]\nname = "folder"\nsplit_by = "{value}"\n'
    )
    recipe = load_recipe(path)
    assert recipe.data.split_by == resolved.format(folder=tmp_path)
    assert parse_recipe(recipe.to_dict(), source="test") == recipe


@pytest.mark.parametrize(
    "value", ["", "Auto", "random", "groups.csv", "groups.csv:", ":object", "groups.txt:object", 3]
)
def test_another_rule_for_what_stays_together_is_a_mistake(value: object) -> None:
    found = mistakes({"model": {"name": "x"}, "data": {"name": "folder", "split_by": value}})
    assert len([line for line in found if not line.startswith("note:")]) == 1
    assert found[0].startswith("data.split_by = ")
    assert "'auto', 'name', 'folder' or a table's column, 'groups.csv:object'" in found[0]


@pytest.mark.parametrize("name", ["cifar10", "digits"])
def test_published_data_sets_have_no_groups(name: str) -> None:
    found = mistakes({"model": {"name": "x"}, "data": {"name": name, "split_by": "auto"}})
    assert found == ["data.split_by = 'auto': only with data.name = 'folder'"]


def test_the_template_names_the_keys_that_are_left_out(tmp_path: Path) -> None:
    """Each with a value that is taken once its line is no longer a comment."""
    path = init(InitRequest(folder=tmp_path / "leaves")).made[0]
    text = path.read_text()
    for line in ('# groups = "groups.csv"', "# max_corruption_drop = 3.0"):
        assert line in text
        text = text.replace(line, line[2:])
    path.write_text(text)
    recipe = load_recipe(path)
    assert recipe.data.groups == path.parent.resolve() / "groups.csv"
    assert recipe.limits.max_corruption_drop == 3.0


def test_the_template_shows_the_defaults_it_says_it_shows(tmp_path: Path) -> None:
    shown = load_recipe(init(InitRequest(folder=tmp_path / "leaves")).made[0])
    bare = parse_recipe({"model": {"name": "x"}}, source="test")
    for section in ("augment", "train", "convert", "calibration", "limits", "corruptions"):
        assert getattr(shown, section) == getattr(bare, section)


def test_a_preset_fills_in_what_is_not_stated_and_a_resolved_recipe_means_the_same() -> None:
    raw = {"model": {"name": "x"}, "augment": {"preset": "strong", "flip": False, "rotation": 0}}
    recipe = parse_recipe(raw, source="test")
    augment = recipe.augment
    assert (augment.flip, augment.rotation, augment.zoom) == (False, 0, PRESETS["strong"]["zoom"])
    assert parse_recipe(recipe.to_dict(), source="test") == recipe
    plain = parse_recipe({"model": {"name": "x"}}, source="test").augment
    assert (plain.warps, plain.relights, plain.colour) == (False, False, 0)


def test_light_is_milder_than_strong_in_everything() -> None:
    light, strong = PRESETS["light"], PRESETS["strong"]
    assert light.keys() == strong.keys()
    assert all(light[key] <= strong[key] for key in light)


def test_a_preset_that_does_not_exist_is_named_with_those_that_do() -> None:
    raw = {"model": {"name": "x"}, "augment": {"preset": "wild", "zoom": 2}}
    with pytest.raises(RecipeError) as caught:
        parse_recipe(raw, source="test")
    for text in ("augment.preset = 'wild'", "strong", "augment.zoom = 2: "):
        assert text in str(caught.value)


@pytest.mark.parametrize("value", ["yes", 1, "true"])
def test_repair_is_on_or_off(value: object) -> None:
    raw = {"model": {"name": "x"}, "convert": {"repair": value}}
    with pytest.raises(RecipeError, match=r"convert\.repair"):
        parse_recipe(raw, source="test")


def test_a_mixed_variant_is_not_asked_for_by_name() -> None:
    raw = {"model": {"name": "x"}, "convert": {"variants": ["tflite-int8-mixed"]}}
    with pytest.raises(RecipeError, match="tflite-int8-mixed"):
        parse_recipe(raw, source="test")


def test_init_leaves_an_existing_recipe_as_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, "mine")
    with pytest.raises(UsageError, match="exists already"):
        init(InitRequest(folder=tmp_path))
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


def test_an_override_may_be_per_cent(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('[model]\nname = "x"\n')
    recipe = load_recipe_with(path, ["data.validation=20%", "limits.max_drop = 1.5 %"])
    assert (recipe.data.validation, recipe.limits.max_drop) == (0.2, 1.5)
    with pytest.raises(RecipeError, match=r"20 would be 2000 %; for 20 % write 0\.2"):
        load_recipe_with(path, ["data.validation=20"])


def test_a_wrong_override_is_a_mistake_with_its_source(tmp_path: Path) -> None:
    path = written(tmp_path, '[model]\nname = "x"\n')
    with pytest.raises(RecipeError, match=r"--set train.epochs=none"):
        load_recipe_with(path, ["train.epochs=none"])
    with pytest.raises(UsageError, match="KEY=VALUE"):
        load_recipe_with(path, ["train.epochs"])
    with pytest.raises(UsageError, match="a value and not a table"):
        load_recipe_with(path, ["model.name.x=5"])


def test_mistakes_of_the_file_and_of_all_overrides_come_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, '[model]\nname = "x"\n[data]\nvalidation = 2\n')
    with pytest.raises(RecipeError) as caught:
        load_recipe_with(
            path, ["train.epochs=none", "train.epochs", "augment.crop=40", "model.name.x=5"]
        )
    text = str(caught.value)
    for part in (
        f"{path} with --set train.epochs=none --set augment.crop=40 has 3 mistakes",
        "data.validation = 2: ",
        "train.epochs = 'none': ",
        "augment.crop = 40: at most 31",
        "--set train.epochs is not KEY=VALUE",
        "--set model.name.x=5 goes into name, which is a value and not a table",
        "mend the keys named above",
        "write the recipe's table and key",
    ):
        assert part in text, part


def test_all_overrides_that_cannot_be_used_come_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, '[model]\nname = "x"\n')
    with pytest.raises(UsageError) as caught:
        load_recipe_with(path, ["train.epochs", "train.epochs=3", "=5"])
    assert "--set train.epochs is not KEY=VALUE" in caught.value.problem
    assert "--set =5 is not KEY=VALUE" in caught.value.problem
    assert caught.value.remedy.count("a dot between") == 1


def test_an_override_may_mend_what_the_file_has_wrong(tmp_path: Path) -> None:
    path = written(tmp_path, '[model]\nname = "x"\n[train]\nepochs = 0\n')
    assert load_recipe_with(path, ["train.epochs=3"]).train.epochs == 3


def test_what_a_training_needs_is_asked_for_with_the_overrides(tmp_path: Path) -> None:
    path = written(tmp_path, '[model]\nname = "x"\n')
    with pytest.raises(RecipeError, match=r"teacher = 'gone\.keras': an existing"):
        load_recipe_with(path, ["train.distillation.teacher=gone.keras"])
    teacher = '[train.distillation]\nteacher = "gone.keras"\n'
    path.write_text(path.read_text() + teacher)
    with pytest.raises(RecipeError, match=r"teacher = 'gone\.keras': an existing"):
        load_recipe_with(path, [])
    assert load_recipe(path).train.distillation.teacher == tmp_path.resolve() / "gone.keras"


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


def test_a_key_that_is_no_text_is_a_mistake_and_not_a_crash() -> None:
    # A manifest is JSON, which can spell half of a surrogate pair.
    for raw in ({"model": {"name": "x"}, "\udcff": {}}, {"model": {"name": "x", "\udcff": 1}}):
        with pytest.raises(RecipeError, match="one mistake"):
            parse_recipe(raw, source="manifest.json")


@pytest.mark.parametrize(
    ("stated", "rule"),
    [
        ({}, "clear"),
        ({"max_drop": 2.0}, "clear"),
        ({"min_agreement": 95.0}, "all"),
        ({"min_agreement": 90, "agreement_on": "clear"}, "clear"),
        ({"agreement_on": "all"}, "all"),
    ],
)
def test_limits_that_state_an_agreement_keep_all_answers(stated: dict[str, Any], rule: str) -> None:
    recipe = parse_recipe({"model": {"name": "x"}, "limits": stated}, source="test")
    assert recipe.limits.agreement_on == rule
    # A manifest holds the resolved recipe, and means the same.
    again = parse_recipe(recipe.to_dict(), source="a manifest")
    assert again.limits == recipe.limits


def test_a_manifest_of_before_keeps_all_answers() -> None:
    limits = parse_recipe({"model": {"name": "x"}}, source="test").to_dict()["limits"]
    del limits["agreement_on"]
    old = parse_recipe({"model": {"name": "x"}, "limits": limits}, source="a manifest")
    assert old.limits.agreement_on == "all"


def test_a_flag_that_states_an_agreement_means_all_answers() -> None:
    cases: tuple[tuple[dict[str, float | str | None], str], ...] = (
        ({"max_drop": 3.0}, "clear"),
        ({"min_agreement": 90.0}, "all"),
        ({"min_agreement": 90.0, "agreement_on": "clear"}, "clear"),
    )
    for given, rule in cases:
        assert with_limits(Limits(), given).agreement_on == rule


@pytest.mark.parametrize(
    ("images", "limits", "told"),
    [
        (24, {}, ["max_drop = 1 (at best 14.5)", "min_agreement = 95 (at best 85.5)"]),
        (24, {"max_drop": 20.0, "min_agreement": 80.0, "max_class_drop": 30.0}, []),
        (200, {}, ["max_drop = 1 (at best 2)"]),
        (400, {}, []),
    ],
)
def test_limits_that_no_count_can_decide_are_told_before_a_training(
    images: int, limits: dict[str, Any], told: list[str]
) -> None:
    recipe = parse_recipe({"model": {"name": "x"}, "limits": limits}, source="test")
    found = undecidable(recipe, images)
    assert len(found) == bool(told)
    for text in told:
        assert text in found[0]


def test_pictures_without_labels_are_counted_before_a_training(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(600):
        (folder / f"{index}.jpg").write_bytes(b"")
    raw = {"model": {"name": "x"}, "data": {"name": "folder", "unlabelled": "pictures"}}
    recipe = parse_recipe(raw, source="test", folder=tmp_path)
    assert recipe.data.unlabelled == folder
    assert undecidable(recipe, 60) == []
    assert len(undecidable(recipe.model_copy(update={"data": Data()}), 60)) == 1
