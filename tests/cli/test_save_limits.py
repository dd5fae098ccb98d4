"""``edgecnn verify --save-limits``: what is kept, where, and when nothing is."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from edgecnn.build.workspace import Workspace
from edgecnn.commands.save_limits import (
    SavedLimits,
    changed_recipe,
    check_request,
    recipe_beside,
    refuse_one_file,
    save,
    saved_values,
)
from edgecnn.devices import DeviceOptions, choose_device
from edgecnn.errors import RecipeError, UsageError
from edgecnn.recipe.load import Recipe, load_recipe, parse_recipe
from edgecnn.verify.request import ForeignFiles, VerifyRequest
from edgecnn_runner.input_options import Preprocessing

RECIPE = """\
# My leaves.

[model]
name = "leaves"      # as on the box

[data]
name = "digits"

[limits]             # what a file may lose
max_drop = 1.0       # points; the boss says so
# min_accuracy = 80.0

[convert]
variants = [
    "tflite-int8",   # the one that ships
]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def test_of_a_recipe_nothing_but_the_number_changes(file: Path) -> None:
    found = changed_recipe(file, {"max_drop": 5.0}).decode()
    assert found == RECIPE.replace("max_drop = 1.0 ", "max_drop = 5.0 ")
    assert file.read_text() == RECIPE


def test_a_limit_that_is_new_stands_with_the_others(file: Path) -> None:
    found = changed_recipe(file, {"max_class_drop": 9.5, "min_accuracy": "0.5%"}).decode()
    limits = tomllib.loads(found)["limits"]
    assert limits == {"max_drop": 1.0, "max_class_drop": 9.5, "min_accuracy": "0.5%"}
    kept = [line for line in found.splitlines() if not line.startswith(("max_class", "min_acc"))]
    assert kept == RECIPE.splitlines()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[model]\nname = "a"\n', '[model]\nname = "a"\n\n[limits]\nmax_drop = 5.0\n'),
        ('limits.max_drop = 1 # x\n[model]\nname = "a"', None),
        ('limits = { max_drop = 1, min_agreement = 90 } # x\n[model]\nname = "a"\n', None),
        ("\ufeff" + RECIPE, None),
        (RECIPE.replace("\n", "\r\n"), RECIPE.replace("\n", "\r\n").replace("= 1.0 ", "= 5.0 ")),
    ],
    ids=["no section", "dotted", "inline", "byte order mark", "CRLF"],
)
def test_recipes_of_every_form_can_be_changed(file: Path, text: str, expected: str | None) -> None:
    file.write_bytes(text.encode())
    found = changed_recipe(file, {"max_drop": 5.0}).decode()
    if expected is not None:
        assert found == expected
    assert found.startswith("\ufeff") is text.startswith("\ufeff")
    before = tomllib.loads(text.removeprefix("\ufeff"))
    before.setdefault("limits", {})["max_drop"] = 5.0
    assert tomllib.loads(found.removeprefix("\ufeff")) == before


def test_line_ends_stay_where_a_limit_is_new(file: Path) -> None:
    file.write_bytes(RECIPE.replace("\n", "\r\n").encode())
    found = changed_recipe(file, {"max_class_drop": 5.0})
    assert found.count(b"\n") == found.count(b"\r\n") == RECIPE.count("\n") + 1


@pytest.mark.parametrize("text", ["limits = 3\n[model]\nname='a'", "[model", "[[limits]]\na = 1\n"])
def test_what_cannot_be_changed_is_told_with_the_lines_to_write(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(RecipeError) as caught:
        changed_recipe(file, {"max_drop": 5.0})
    assert "max_drop = 5.0" in caught.value.remedy
    assert file.read_text() == text


def recipe_with(**limits: Any) -> Recipe:
    return parse_recipe({"model": {"name": "leaves"}, "limits": limits}, source="test")


def test_values_are_written_as_a_recipe_has_them() -> None:
    recipe = recipe_with(max_drop="5%", min_accuracy="0.5%")
    assert saved_values(recipe, {"max_drop": "5%", "min_accuracy": "0.5%"}) == {
        "max_drop": 5.0,
        "min_accuracy": "0.5%",
    }
    assert saved_values(recipe, {"max_drop": "5%", "min_accuracy": None}) == {"max_drop": 5.0}


@pytest.mark.parametrize("about", ["clear", "all"])
def test_agreement_stays_about_the_same_answers(file: Path, about: str) -> None:
    """Stated alone it would be about all answers; a recipe may say otherwise."""
    file.write_text(RECIPE.replace("max_drop", f'agreement_on = "{about}"\nmax_drop'))
    given = {"min_agreement": 90.0}
    judged = recipe_with(min_agreement=90.0)
    file.write_bytes(changed_recipe(file, saved_values(judged, given)))
    assert load_recipe(file).limits.agreement_on == judged.limits.agreement_on == "all"
    both = {"min_agreement": 90.0, "agreement_on": "clear"}
    judged = recipe_with(**both)
    file.write_bytes(changed_recipe(file, saved_values(judged, both)))
    assert load_recipe(file).limits.agreement_on == "clear"


def build_beside(folder: Path, name: str = "build", model: str = "leaves") -> Workspace:
    build = folder / name
    build.mkdir()
    manifest = {"schema": 1, "stages": {}, "files": {}, "variants": []}
    (build / Workspace.MANIFEST).write_text(
        json.dumps(manifest | {"recipe": {"model": {"name": model}}})
    )
    return Workspace(build)


def test_the_recipe_of_a_build_is_found_beside_it(file: Path, tmp_path: Path) -> None:
    build = build_beside(tmp_path)
    leaves = recipe_with()
    assert recipe_beside(build, build.folder, leaves) == file
    assert recipe_beside(build, file, leaves) == file
    assert recipe_beside(build, tmp_path, leaves) == file
    other = recipe_with().model_copy(
        update={"model": leaves.model.model_copy(update={"name": "other"})}
    )
    assert recipe_beside(build, build.folder, other) is None
    elsewhere = build_beside(tmp_path, "elsewhere")
    assert recipe_beside(elsewhere, elsewhere.folder, leaves) is None
    (tmp_path / "recipe-quick.toml").write_text(RECIPE)
    quick = build_beside(tmp_path, "build-quick")
    assert recipe_beside(quick, quick.folder, leaves) == tmp_path / "recipe-quick.toml"
    file.write_text("[model")
    assert recipe_beside(build, build.folder, leaves) is None


def test_a_recipe_keeps_its_rights_and_a_link_stays_one(file: Path, tmp_path: Path) -> None:
    file.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    build = build_beside(tmp_path)
    saved = save(recipe_with(max_drop=5.0), {"max_drop": 5.0}, build, link)
    assert link.is_symlink()
    assert "max_drop = 5.0" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o640
    assert saved == SavedLimits(limits={"max_drop": 5.0}, build=str(build.folder), recipe=str(link))
    assert saved.sentence == f"saved in {link} and {build.folder}: max_drop = 5.0"


def test_without_a_recipe_the_build_alone_keeps_them(tmp_path: Path) -> None:
    build = build_beside(tmp_path)
    saved = save(recipe_with(max_drop=5.0), {"max_drop": 5.0}, build, None)
    assert saved.recipe is None
    assert "no recipe beside it" in saved.sentence


DEVICE = choose_device("cmd:python3", identity=None, known_hosts=None, prefix=None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"limits": {}}, "no limits to save"),
        ({"limits": {"max_drop": None}}, "no limits to save"),
        ({"images": 100}, "--images"),
        ({"until_decided": True}, "--until-decided"),
        ({"groups": Path("g.csv")}, "--groups"),
        ({"unlabelled": Path("u")}, "--unlabelled"),
        ({"corruptions": True}, "--corruptions"),
        ({"corruption_images": 5}, "--corruption-images"),
        ({"device": DEVICE}, "--device"),
        ({"out": Path("o")}, "--out"),
    ],
)
def test_limits_of_a_part_are_not_saved(changes: dict[str, Any], said: str) -> None:
    assert isinstance(DEVICE, DeviceOptions)
    asked: dict[str, Any] = {"target": Path("b"), "limits": {"max_drop": 5}, "save_limits": True}
    check_request(VerifyRequest(**asked))
    with pytest.raises(UsageError) as caught:
        check_request(VerifyRequest(**(asked | changes)))
    assert said in str(caught.value)


def test_limits_of_foreign_files_are_not_saved() -> None:
    foreign = ForeignFiles(
        artifacts=(Path("a.tflite"),), reference=Path("r"), labels=Path("l"),
        preprocessing=Preprocessing.of_options(input_range="0..1"),
    )  # fmt: skip
    request = VerifyRequest(foreign=foreign, limits={"max_drop": 5}, save_limits=True)
    with pytest.raises(UsageError, match="for builds"):
        check_request(request)


def test_limits_of_one_file_are_not_saved(tmp_path: Path) -> None:
    refuse_one_file(None, Workspace(tmp_path))
    with pytest.raises(UsageError, match="a whole verification"):
        refuse_one_file(["a.tflite"], Workspace(tmp_path))
