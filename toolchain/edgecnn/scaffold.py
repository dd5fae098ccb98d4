"""What ``init`` puts into a new folder, and the recipe of ``demo``."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from edgecnn.errors import UsageError
from edgecnn.recipe import Recipe, parse_recipe
from edgecnn.workspace import wrap_os_errors, write_whole

__all__ = ["demo_recipe", "make_project"]


def _template(name: str) -> str:
    return (resources.files("edgecnn") / "templates" / name).read_text(encoding="utf-8")


def make_project(folder: Path) -> list[Path]:
    """Write a commented recipe and an empty image folder.

    Args:
        folder: Made if it does not exist; its name becomes the model's name.

    Returns:
        What was made.

    Raises:
        UsageError: If there is a recipe already; it is left as it is.
        WorkspaceError: If the folder cannot be written.
    """
    recipe = folder / "recipe.toml"
    if recipe.exists():
        raise UsageError(
            f"{recipe} exists already and was left as it is",
            remedy="name another folder, or delete the recipe first",
        )
    images = folder / "images"
    if folder.is_dir() and not images.is_dir() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} holds other things and was left as it is",
            expected="a new or empty folder, or one with your images in images/",
            remedy="name another folder",
        )
    with wrap_os_errors(folder):
        images.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9_.-]+", "_", folder.resolve().name.lower()).strip("_.-") or "model"
    write_whole(recipe, _template("recipe.toml").replace("@NAME@", name[:64]))
    return [recipe, images]


def demo_recipe() -> Recipe:
    """Return the recipe of ``edgecnn demo``: a small CNN on scikit-learn's embedded digits."""
    import tomllib

    return parse_recipe(tomllib.loads(_template("demo.toml")), source="the demo's recipe")
