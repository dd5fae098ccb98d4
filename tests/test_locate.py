"""What a path on the command line means."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.build.workspace import Workspace
from edgecnn.commands.paths import build_of, data_section, manifest_recipe, workspace_of_recipe
from edgecnn.errors import RecipeError, WorkspaceError
from edgecnn.recipe.load import parse_recipe

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
