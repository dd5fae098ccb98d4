"""``edgecnn verify --save-limits``: the limits of the command line become those of the build.

They are kept in the build's manifest with the verdicts that they led to, and in the recipe that the
build was made of. Of the recipe, which is its owner's file, nothing but these numbers changes.
"""

from __future__ import annotations

import copy
import os
import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edgecnn.build.workspace import Workspace, default_build_folder
from edgecnn.errors import EdgeError, RecipeError, UsageError, WorkspaceError
from edgecnn.files import write_whole
from edgecnn.recipe.load import Recipe, find_recipe, load_recipe, parse_recipe
from edgecnn.verify.request import VerifyRequest

_BOM: Final = "\ufeff"
_SECTION: Final = "limits"


@dataclass(frozen=True, kw_only=True)
class SavedLimits:
    """The limits that a build, and its recipe, are judged by from now on.

    Attributes:
        limits: A key of ``[limits]`` to its value, as in a recipe: only those that were given.
        build: The build whose manifest keeps them.
        recipe: The recipe file that keeps them, too; None where the build has none beside it.
    """

    limits: Mapping[str, float | str]
    build: str
    recipe: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {"limits": dict(self.limits), "build": self.build, "recipe": self.recipe}

    @property
    def sentence(self) -> str:
        """What was saved, and where, for people."""
        values = ", ".join(f"{name} = {value}" for name, value in self.limits.items())
        where = f"{self.recipe} and " if self.recipe is not None else ""
        alone = (
            ""
            if self.recipe is not None
            else "; it has no recipe beside it, and a recipe that fills it has limits of its own"
        )
        return f"saved in {where}{self.build}: {values}{alone}"


def check_request(request: VerifyRequest) -> None:
    """Refuse to save limits where no verification of the whole build will stand beside them.

    A build's verdicts, and what ``package`` takes, must have been judged by the build's limits.

    Args:
        request: Asks for ``save_limits``.

    Raises:
        UsageError: If it has no limits, is about foreign files, or asks for a part of the build.
    """
    if not any(value is not None for value in request.limits.values()):
        raise UsageError(
            "--save-limits has no limits to save",
            observed="none of the options that set one",
            expected="--max-drop, --min-agreement, --max-class-drop, --max-gap-increase, "
            "--max-corruption-drop or --min-accuracy",
            remedy="give the limits to keep: --max-drop 5 --save-limits, for example",
        )
    if request.foreign is not None:
        raise UsageError(
            "--save-limits is for builds: foreign files have no recipe that could keep limits",
            observed=f"--artifact {request.foreign.artifacts[0]}",
            expected="a build or its recipe",
            remedy="leave it out, and give the limits each time",
        )
    parts = {
        "--images": request.images is not None,
        "--until-decided": request.until_decided,
        "--groups": request.groups is not None,
        "--unlabelled": request.unlabelled is not None,
        "--corruptions": request.corruptions,
        "--corruption-images": request.corruption_images is not None,
        "--device": request.device is not None,
        "--out": request.out is not None,
    }
    given = [option for option, value in parts.items() if value]
    if given:
        raise UsageError(
            "--save-limits takes a whole verification, whose verdicts become the build's own",
            observed=", ".join(given),
            expected="every file, on every image, on this machine",
            remedy=f"leave out {' and '.join(given)}, or --save-limits",
        )


def refuse_one_file(artifacts: list[str] | None, workspace: Workspace) -> None:
    """Refuse to save limits by which one file alone is judged.

    Raises:
        UsageError: If single files are meant.
    """
    if artifacts is not None:
        raise UsageError(
            "--save-limits takes a whole verification, whose verdicts become the build's own",
            observed=f"{artifacts[0]} alone",
            expected="the build, with every file of it",
            remedy=f"name the build: edgecnn verify {shlex.quote(str(workspace.folder))}",
        )


def recipe_beside(workspace: Workspace, target: Path, recipe: Recipe) -> Path | None:
    """Return the recipe file that fills a build.

    Args:
        workspace: The build.
        target: What the command line named: the recipe, or the build.
        recipe: The build's own.

    Returns:
        None if there is none, or the one that lies there is of another model.
    """
    try:
        if target.suffix == ".toml" or not Workspace(target).is_build():
            return find_recipe(target)
        folder = Path(os.path.realpath(workspace.folder))
        for file in sorted(folder.parent.glob("recipe*.toml")):
            if default_build_folder(file) == folder:
                named = load_recipe(file)
                return file if named.model.name == recipe.model.name else None
    except (EdgeError, OSError):
        pass  # a recipe that cannot be read is none that this build is judged by
    return None


def save(
    recipe: Recipe, given: Mapping[str, Any], workspace: Workspace, file: Path | None
) -> SavedLimits:
    """Write limits into a recipe file; the build's manifest has them with its verdicts.

    Args:
        recipe: The build's, judged by the new limits.
        given: The limits that the command line gave, by key.
        workspace: The build.
        file: The recipe file; None for none.

    Returns:
        What is kept, and where.

    Raises:
        RecipeError: If the recipe cannot be changed without changing more of it.
        WorkspaceError: If it cannot be written; it is as it was.
    """
    limits = saved_values(recipe, given)
    if file is not None:
        mode = file.stat().st_mode
        write_whole(file, changed_recipe(file, limits))
        file.chmod(mode & 0o7777)
    return SavedLimits(
        limits=limits, build=str(workspace.folder), recipe=None if file is None else str(file)
    )


def saved_values(recipe: Recipe, given: Mapping[str, Any]) -> dict[str, float | str]:
    """Return the given limits as a recipe writes them: ``"1%"`` of the command line is 1.0."""
    values = recipe.to_dict()[_SECTION]
    names = [name for name, value in given.items() if value is not None]
    if "min_agreement" in names and "agreement_on" not in names:
        # What it is about depends on whether it is stated, so that this is stated with it.
        names.append("agreement_on")
    return {name: values[name] for name in names}


def changed_recipe(file: Path, limits: Mapping[str, float | str]) -> bytes:
    """Return a recipe file's bytes with other limits; comments and all else are as they were.

    Args:
        file: The recipe.
        limits: A key of ``[limits]`` to its new value.

    Raises:
        RecipeError: If it is not TOML, or would not say the same otherwise.
        WorkspaceError: If it cannot be read.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        text = file.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkspaceError(
            f"cannot read {file}",
            observed=str(error),
            expected="the recipe, in UTF-8",
            remedy=f"write the limits into [{_SECTION}] of it by hand",
        ) from error
    mark, body = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    try:
        document = tomlkit.parse(body)
        wanted = copy.deepcopy(tomllib.loads(body))
        wanted[_SECTION] = {**wanted.get(_SECTION, {}), **limits}
        section = document.setdefault(_SECTION, tomlkit.table())
        for name, value in limits.items():
            section[name] = value
        changed = tomlkit.dumps(document)
        if "\r\n" in body and not re.search(r"(?<!\r)\n", body):
            changed = re.sub(r"(?<!\r)\n", "\r\n", changed)
        found = tomllib.loads(changed)
    except (TOMLKitError, tomllib.TOMLDecodeError, TypeError, AttributeError) as error:
        raise _not_changed(file, limits, str(error)) from error
    if found != wanted:
        raise _not_changed(file, limits, "a change of more than these values")
    parse_recipe(found, source=str(file), folder=file.resolve().parent)
    return f"{mark}{changed}".encode()


def _not_changed(file: Path, limits: Mapping[str, float | str], observed: str) -> RecipeError:
    lines = ", ".join(f"{name} = {value}" for name, value in limits.items())
    return RecipeError(
        f"the limits cannot be written into {file}",
        observed=observed,
        expected="a recipe in TOML of which single values can be changed",
        remedy=f"write them under [{_SECTION}] by hand: {lines}",
    )
