"""What a path on the command line means."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from edgecnn.build.workspace import Workspace
from edgecnn.commands.paths import (
    build_of,
    data_section,
    load_data,
    load_data_of_build,
    manifest_recipe,
    workspace_of_recipe,
)
from edgecnn.errors import RecipeError, WorkspaceError
from edgecnn.files import write_json
from edgecnn.progress import NO_PROGRESS
from edgecnn.recipe.load import Recipe, parse_recipe

RECIPE = '[model]\nname = "x"\n'


def a_build(folder: Path) -> Workspace:
    workspace = Workspace(folder)
    workspace.create()
    recipe = parse_recipe({"model": {"name": "x"}}, source="test")
    workspace.record_stage("train", key="k", files=[], entries={"recipe": recipe.to_dict()})
    return workspace


def test_a_build_a_recipe_and_a_file_of_a_build_mean_the_same_build(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    workspace = a_build(tmp_path / "build")
    artifact = workspace.path("x-int8.tflite")
    artifact.write_bytes(b"x")
    assert build_of(workspace.folder) == (workspace, None)
    assert build_of(tmp_path) == (workspace, None)
    assert build_of(tmp_path / "recipe.toml") == (workspace, None)
    assert build_of(artifact) == (workspace, ["x-int8.tflite"])


def test_a_recipe_that_was_not_built_says_so(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    with pytest.raises(WorkspaceError, match="edgecnn build"):
        build_of(tmp_path)


def test_a_released_recipe_that_was_not_built_is_converted_and_not_trained(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    (tmp_path / "other.keras").write_bytes(b"")
    with pytest.raises(WorkspaceError) as caught:
        build_of(tmp_path)
    assert caught.value.remedy == f"edgecnn build {tmp_path}"
    (tmp_path / "x.keras").write_bytes(b"")
    for path in (tmp_path, recipe):
        with pytest.raises(WorkspaceError) as caught:
            build_of(path)
        assert caught.value.remedy.endswith(f": edgecnn convert {path}")
        assert "x.keras" in caught.value.remedy
    recipe.write_text("[model]\n")
    with pytest.raises(RecipeError, match=r"model\.name: missing"):
        build_of(tmp_path)


def test_a_file_outside_a_build_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "other.tflite").write_bytes(b"x")
    with pytest.raises(WorkspaceError, match="not in a build"):
        build_of(tmp_path / "other.tflite")


def test_a_path_that_is_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="neither a build, a recipe, nor a model file"):
        build_of(tmp_path / "nowhere")


def test_a_build_gives_its_recipe_back(tmp_path: Path) -> None:
    workspace = a_build(tmp_path / "build")
    assert manifest_recipe(workspace).model.name == "x"


def test_out_goes_before_the_recipes_own_build_folder(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    assert workspace_of_recipe(tmp_path, None).folder == tmp_path / "build"
    assert workspace_of_recipe(tmp_path, tmp_path / "o").folder == tmp_path / "o"


def test_data_on_the_command_line_is_a_name_a_cifar_folder_or_class_folders(
    tmp_path: Path,
) -> None:
    shape = (24, 32, 1)
    assert data_section("digits", shape) == {"name": "digits"}
    (tmp_path / "cifar-10-batches-py").mkdir()
    assert data_section(str(tmp_path), shape) == {"name": "cifar10", "path": str(tmp_path)}
    images = tmp_path / "images"
    images.mkdir()
    assert data_section(str(images), shape) == {
        "name": "folder",
        "path": str(images),
        "channels": 1,
        "image_size": [24, 32],
    }


def test_pictures_in_two_classes_stay_with_a_model_that_was_trained_with_them(
    tmp_path: Path,
) -> None:
    photos = tmp_path / "photos"
    for number, name in enumerate(("cat", "dog")):
        (photos / name).mkdir(parents=True)
        for shade in range(8):
            Image.new("RGB", (8, 8), (20 * shade, 100 * number, 0)).save(
                photos / name / f"{shade}.png"
            )
    (photos / "dog" / "again.png").write_bytes((photos / "cat" / "0.png").read_bytes())

    def recipe(**data: str) -> Recipe:
        section = {"name": "folder", "path": str(photos), "image_size": 8, **data}
        return parse_recipe({"model": {"name": "x"}, "data": section}, source="test")

    def loaded(recipe: Recipe) -> tuple[str, str]:
        found, dataset = load_data_of_build(recipe, None, workspace, NO_PROGRESS)
        return found.data.conflicting, dataset.digest()

    workspace = a_build(tmp_path / "build")
    without = load_data(recipe(), None, NO_PROGRESS).digest()
    kept = load_data(recipe(conflicting="keep"), None, NO_PROGRESS).digest()
    assert without != kept
    # No model, a model of today, one of 0.1, and one of 0.1 where the recipe says what to do.
    assert loaded(recipe()) == ("exclude", without)
    for known, wanted in ((without, "exclude"), (kept, "keep"), ("0" * 64, "exclude")):
        write_json(workspace.path(workspace.SPLITS), {"sha256": known})
        assert loaded(recipe()) == (wanted, kept if wanted == "keep" else without)
    write_json(workspace.path(workspace.SPLITS), {"sha256": kept})
    assert loaded(recipe(conflicting="exclude")) == ("exclude", without)
