"""What ``init`` puts into a new folder, and the recipe of ``demo``."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from edgecnn.errors import UsageError
from edgecnn.os_errors import wrap_os_errors
from edgecnn.recipe import Recipe, parse_recipe
from edgecnn_runner.output import whole_file

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
            observed="a recipe of your own",
            expected="a folder without one",
            remedy="name another folder, or delete the recipe first",
        )
    images = folder / "images"
    if folder.is_dir() and not images.is_dir() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} holds other things and was left as it is",
            observed=", ".join(sorted(entry.name for entry in folder.iterdir())[:6]),
            expected="a new or empty folder, or one with your images in images/",
            remedy="name another folder",
        )
    with wrap_os_errors(folder, elsewhere="name another folder"):
        images.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^a-z0-9_.-]+", "_", folder.resolve().name.lower()).strip("_.-") or "model"
        with whole_file(recipe) as file:
            file.write(_template("recipe.toml").replace("@NAME@", name[:64]).encode())
    return [recipe, images]


def demo_recipe() -> Recipe:
    """Return the recipe of ``edgecnn demo``: a small CNN on scikit-learn's embedded digits."""
    import tomllib

    return parse_recipe(tomllib.loads(_template("demo.toml")), source="the demo's recipe")
