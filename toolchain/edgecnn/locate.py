"""What a path on the command line means: a recipe, a build, or one model file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecnn.errors import RecipeError, UsageError, WorkspaceError
from edgecnn.recipe import Recipe, find_recipe, load_recipe, parse_recipe
from edgecnn.workspace import Workspace, default_build_folder

__all__ = ["build_of", "data_section", "load_recipe_with", "manifest_recipe", "workspace_of_recipe"]


def workspace_of_recipe(recipe_path: Path, out: Path | None) -> Workspace:
    """Return the build a recipe fills: ``out``, else ``build`` beside the recipe."""
    return Workspace(out if out is not None else default_build_folder(find_recipe(recipe_path)))


def build_of(path: Path) -> tuple[Workspace, list[str] | None]:
    """Find the build that a path means.

    Args:
        path: A build folder, a recipe (its default build), or a model file inside a build.

    Returns:
        The build, and the names of the files meant: None for all of them.

    Raises:
        WorkspaceError: If there is no such build yet.
    """
    if path.is_dir() and Workspace(path).is_build():
        return Workspace(path), None
    if path.is_file() and path.suffix != ".toml":
        workspace = Workspace(path.parent)
        if not workspace.is_build():
            raise WorkspaceError(
                f"{path} is not in a build, so the float model's scores for it are not known",
                observed=f"no {Workspace.MANIFEST} beside it",
                expected=f"{workspace.path(Workspace.MANIFEST)}",
                remedy="verify it where it was made, or make a build of its float model: "
                "edgecnn convert MODEL --data PATH",
            )
        return workspace, [path.name]
    try:
        recipe_file = find_recipe(path)
    except RecipeError as error:
        raise WorkspaceError(
            f"{path} is neither a build, a recipe, nor a model file",
            observed=_what_is_at(path),
            expected=f"a folder with {Workspace.MANIFEST} or recipe.toml, or a file in a build",
            remedy="make a build first: edgecnn build RECIPE, or edgecnn demo",
        ) from error
    workspace = Workspace(default_build_folder(recipe_file))
    if not workspace.is_build():
        raise WorkspaceError(
            f"{recipe_file} has not been built yet",
            observed=f"no {Workspace.MANIFEST} in {workspace.folder}",
            expected=f"a build in {workspace.folder}",
            remedy=f"edgecnn build {path}",
        )
    return workspace, None


def _what_is_at(path: Path) -> str:
    if path.is_dir():
        return "a folder with neither of them"
    return "a file" if path.is_file() else "nothing there"


def manifest_recipe(workspace: Workspace) -> Recipe:
    """Return the resolved recipe that a build's manifest holds.

    Raises:
        WorkspaceError: If the manifest has none.
        RecipeError: If it was written by a version with other keys.
    """
    manifest = workspace.manifest()
    if "recipe" not in manifest:
        raise WorkspaceError(
            f"{workspace.folder} is not a finished build",
            observed="no recipe in its manifest",
            expected="the recipe that it was built with",
            remedy="run edgecnn build RECIPE, or edgecnn convert MODEL, to the end",
        )
    return parse_recipe(manifest["recipe"], source=str(workspace.path(Workspace.MANIFEST)))


def load_recipe_with(path: Path, overrides: Sequence[str]) -> Recipe:
    """Load a recipe and override single keys.

    Args:
        path: See ``edgecnn.recipe.find_recipe``.
        overrides: Texts such as ``train.epochs=5``; values in TOML syntax, a bare word is text.

    Returns:
        The validated recipe.

    Raises:
        RecipeError: If the recipe, with the overrides, has mistakes.
        UsageError: If an override is not ``KEY=VALUE``.
    """
    if not overrides:
        return load_recipe(path)
    file = find_recipe(path)
    load_recipe(file)  # the recipe's own mistakes first, in its own words
    raw: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    for override in overrides:
        _override(raw, override)
    source = f"{file} with --set {' --set '.join(overrides)}"
    return parse_recipe(raw, source=source, folder=file.resolve().parent)


def _override(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UsageError(
            f"--set {override} is not KEY=VALUE",
            observed=override,
            expected="for example --set train.epochs=5",
            remedy="write the recipe's table and key with a dot between, and a value",
        )
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = text
    table = raw
    for part in parts[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UsageError(
                f"--set {override} goes into {part}, which is a value and not a table",
                observed=f"{part} = {inner!r}",
                expected=f"a key without a part behind {part}",
                remedy="name a key of the recipe: edgecnn init FOLDER writes one with all of them",
            )
        table = inner
    table[parts[-1]] = value


def data_section(data: str, shape: tuple[int | None, int | None, int]) -> dict[str, Any]:
    """Return a recipe's ``data`` section for images named on the command line.

    Args:
        data: ``cifar10``, ``digits``, a folder that holds ``cifar-10-batches-py``, or a folder
            of class folders.
        shape: Height, width and channels that the model takes; None where it takes any.

    Returns:
        The section as plain values.
    """
    if data in ("cifar10", "digits"):
        return {"name": data}
    folder = Path(data)
    if folder.name == "cifar-10-batches-py" or (folder / "cifar-10-batches-py").is_dir():
        return {"name": "cifar10", "path": str(folder.resolve())}
    height, width, channels = shape
    section: dict[str, Any] = {
        "name": "folder",
        "path": str(folder.resolve()),
        "channels": channels,
    }
    if height is not None and width is not None:
        section["image_size"] = [height, width]
    return section
