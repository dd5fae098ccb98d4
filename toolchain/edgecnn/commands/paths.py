"""What a path on the command line means: a recipe, a build, or one model file."""

from __future__ import annotations

import json
import os
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgecnn.build.workspace import Workspace, default_build_folder
from edgecnn.errors import EdgeError, RecipeError, UsageError, WorkspaceError
from edgecnn.files import file_digest
from edgecnn.progress import Progress
from edgecnn.recipe.load import (
    Recipe,
    find_recipe,
    parse_recipe,
    read_tables,
    released_weights,
)
from edgecnn_runner.contract import RESIZE_RULE, parse_resize
from edgecnn_runner.formats.container import read_container

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgecnn.bench import ProvenAccuracy
    from edgecnn.build.verdict import Again
    from edgecnn.data import Dataset
    from edgecnn.recipe.load import Data
    from edgecnn.verify import Decoded

_OPTIONS: Final = {
    "convert.variants": "--variant",
    "convert.opset": "--opset",
    "convert.ir_version": "--ir-version",
    "data.fit": "--fit",
    "data.crop_fraction": "--crop-fraction",
    "data.resample": "--resample",
    "limits.max_drop": "--max-drop",
    "limits.min_agreement": "--min-agreement",
    "limits.agreement_on": "--agreement-on",
    "limits.max_class_drop": "--max-class-drop",
    "limits.max_gap_increase": "--max-gap-increase",
    "limits.max_corruption_drop": "--max-corruption-drop",
    "limits.min_accuracy": "--min-accuracy",
}

MODEL_SUFFIXES: Final = (".tflite", ".onnx")
RELEASED_RESULTS: Final = "results.json"
"""The record of a released model's verification, in its folder."""


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
        RecipeError: If there is a recipe instead, and it has mistakes.
    """
    # These two answer no, and raise nothing, where a name is too long.
    if os.path.isdir(path) and Workspace(path).is_build():  # noqa: PTH112
        return Workspace(path), None
    if os.path.isfile(path) and path.suffix != ".toml":  # noqa: PTH113
        workspace = Workspace(path.parent)
        if not workspace.is_build():
            raise WorkspaceError(
                f"{path} is not in a build, so the float model's scores for it are not known",
                observed=f"no {Workspace.MANIFEST} beside it",
                expected=f"{workspace.path(Workspace.MANIFEST)}",
                remedy="verify it where it was made; a file that edgecnn did not make: "
                f"edgecnn verify --artifact {shlex.quote(str(path))} --reference MODEL --data PATH "
                "--labels FILE --input-range RANGE",
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
            remedy=_how_to_build(path, recipe_file),
        )
    return workspace, None


def proven_place(path: Path) -> tuple[Path, Workspace | None]:
    """Find what a path means to a command that takes proven files.

    Args:
        path: A build, a recipe or its folder, or the folder of a released model.

    Returns:
        A place to name in messages, and the build; None for the build of a released model, whose
        folder the place is then.

    Raises:
        WorkspaceError: If there is neither a build nor a released model.
    """
    folder = path.parent if path.name == "recipe.toml" else path
    released = (folder / RELEASED_RESULTS).is_file()
    if released and not Workspace(folder).is_build():
        build = Workspace(default_build_folder(folder / "recipe.toml"))
        if not build.is_build():
            return folder, None
    workspace, artifacts = build_of(path)
    if artifacts is not None:
        raise WorkspaceError(
            f"{path} is one file, and a build is wanted",
            observed="a model file",
            expected="the folder it lies in",
            remedy=f"name its build, and the variant: {workspace.folder} --variant NAME",
        )
    return path, workspace


def _how_to_build(path: Path, recipe_file: Path) -> str:
    """Name the quickest way to a build: a training takes hours where weights are there already."""
    released = released_weights(recipe_file)
    if released.is_file():
        return f"its trained weights are in {released}: edgecnn convert {shlex.quote(str(path))}"
    return f"edgecnn build {shlex.quote(str(path))}"


def _what_is_at(path: Path) -> str:
    if os.path.isdir(path):  # noqa: PTH112
        return "a folder with neither of them"
    return "a file" if os.path.isfile(path) else "nothing there"  # noqa: PTH113


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
    """Load a recipe for a training and override single keys.

    Args:
        path: A ``recipe.toml``, or the folder that holds it.
        overrides: Texts such as ``train.epochs=5``; values in TOML syntax, a bare word is text.

    Returns:
        The validated recipe; what it says of a key that is overridden does not matter.

    Raises:
        RecipeError: If the recipe, with the overrides, has mistakes; those of the overrides
            themselves are listed with them.
        UsageError: If an override cannot be used, and nothing else is wrong.
    """
    file = find_recipe(path)
    raw = read_tables(file)
    used: list[str] = []
    errors: list[EdgeError] = []
    for override in overrides:
        try:
            _override(raw, override)
            used.append(override)
        except UsageError as error:
            errors.append(error)
    source = " --set ".join([f"{file} with", *used]) if used else str(file)
    folder = file.resolve().parent
    try:
        recipe = parse_recipe(raw, source=source, folder=folder, for_training=True)
    except RecipeError as error:
        errors.insert(0, error)
    if errors:
        raise _together(errors) from errors[0]
    return recipe


def _together(errors: Sequence[EdgeError]) -> EdgeError:
    """Return one error, of the first one's class, that says what each of them says."""

    def joined(texts: Sequence[object], between: str) -> str:
        return between.join(dict.fromkeys(map(str, texts)))

    return type(errors[0])(
        joined([error.problem for error in errors], "\n"),
        observed=joined([error.observed for error in errors], "; "),
        expected=joined([error.expected for error in errors], "; "),
        remedy=joined([error.remedy for error in errors], "; "),
    )


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


def load_data(recipe: Recipe, data: str | None, progress: Progress) -> Dataset:
    """Load a recipe's images.

    Args:
        recipe: Says which.
        data: Folder of the images, or name of the data set, as on the command line; None for what
            the recipe says.
        progress: Shows a download.
    """
    from edgecnn.data import load_dataset

    # A folder may be called "folder"; the other two are names.
    named = data in ("cifar10", "digits") and data == recipe.data.name
    root = None if data is None or named else Path(data)
    return load_dataset(recipe.data, root=root, progress=progress)


def load_data_of_build(
    recipe: Recipe, data: str | None, build: Workspace, progress: Progress
) -> tuple[Recipe, Dataset]:
    """Load a recipe's images as a build may have been trained on them.

    edgecnn 0.1 kept pictures that stand in two classes, where today's default leaves them out. So
    they are kept for a model that was trained with them, unless the recipe says what is to become
    of them.

    Args:
        recipe: Says which.
        data: Folder of the images, or name of the data set; None for what the recipe says.
        build: May hold a model, and the record of its images.
        progress: Shows a download.

    Returns:
        The recipe, which says so where they are kept, and the images.
    """
    dataset = load_data(recipe, data, progress)
    known = _trained_on(build)
    stated = "conflicting" in recipe.data.model_fields_set
    if not dataset.conflicting or stated or known in (None, dataset.digest()):
        return recipe, dataset
    section = recipe.data.model_copy(update={"conflicting": "keep"})
    as_then = recipe.model_copy(update={"data": section})
    kept = load_data(as_then, data, progress)
    if kept.digest() != known:
        return recipe, dataset
    progress.message(
        "note: the model was trained with these pictures, so they are kept; to train anew without "
        "them, add --set data.conflicting=exclude"
    )
    return as_then, kept


def _trained_on(build: Workspace) -> str | None:
    """Return the digest of the images that a build was trained on; None if it says nothing."""
    try:
        record = json.loads(build.path(Workspace.SPLITS).read_text(encoding="utf-8"))
        return str(record["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # where it is needed, that is told


def data_section(
    data: str, shape: tuple[int | None, int | None, int], resize: str | None = None
) -> dict[str, Any]:
    """Return a recipe's ``data`` section for images named on the command line.

    Args:
        data: ``cifar10``, ``digits``, a folder that holds ``cifar-10-batches-py``, or a folder
            of class folders.
        shape: Height, width and channels that the model takes; None where it takes any.
        resize: Name of the resize rule; None for the usual one.

    Returns:
        The section as plain values.

    Raises:
        UsageError: If a rule is given for images that are not brought to size.
    """
    folder = Path(data)
    published: dict[str, Any] | None = None
    if data in ("cifar10", "digits"):
        published = {"name": data}
    elif folder.name == "cifar-10-batches-py" or (folder / "cifar-10-batches-py").is_dir():
        published = {"name": "cifar10", "path": str(folder.resolve())}
    if published is not None:
        if resize not in (None, RESIZE_RULE):
            raise UsageError(
                f"nothing brings the images of {published['name']} to size: they have one",
                observed=f"--data {data} {parse_resize(resize).options}",
                expected="--fit, --crop-fraction and --resample with a folder of image files",
                remedy="leave them out, or name a folder of class folders with --data",
            )
        return published
    height, width, channels = shape
    section: dict[str, Any] = {
        "name": "folder",
        "path": str(folder.resolve()),
        "channels": channels,
        **({} if resize is None else resize_keys(resize)),
    }
    if height is not None and width is not None:
        section["image_size"] = [height, width]
    return section


def known_classes(data: str | None) -> tuple[str, ...] | None:
    """Return the names of the classes of a folder named on the command line; None if unknown.

    It is for reading labels that belong to it. What is wrong with the folder is said by those who
    load it.
    """
    from edgecnn.data import class_names_of

    if data is None or data_section(data, (None, None, 3))["name"] != "folder":
        return None
    try:
        return class_names_of(Path(data))
    except (EdgeError, OSError):
        return None


def resize_keys(resize: str) -> dict[str, Any]:
    """Return the keys of a recipe's ``data`` section that ask for a resize rule."""
    rule = parse_resize(resize)
    return {"fit": rule.fit, "crop_fraction": rule.fraction / 1000, "resample": rule.filter}


def left_out_of(dataset: Dataset) -> tuple[str, ...]:
    """Return the images that are in no split of a data set, since something is wrong with them."""
    return (
        *dataset.dropped,
        *(name for name, _ in dataset.skipped),
        *(name for alike in dataset.conflicting for name in alike),
    )


def readers_of(
    section: Data, data: str | None, shape: tuple[int, int, int]
) -> tuple[Again | None, Decoded | None]:
    """Return what reads images again: by other resize rules, and by another decoder.

    Args:
        section: The recipe's ``data`` section.
        data: What the command line named in place of its folder.
        shape: Height, width and channels of the images.

    Returns:
        None and None where images are no files: they have one size, and one meaning to the bit.
    """
    from edgecnn.data import FolderAgain, folder_of

    folder = folder_of(section, data)
    if folder is None:
        return None, None
    again = FolderAgain(folder, shape)

    def decoded(ids: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        from edgecnn.convert import png_copy

        return again.copies(ids, section.resize, png_copy)

    return again, decoded


def of_command_line(raw: dict[str, Any]) -> Recipe:
    """Validate a recipe whose values come from options: a mistake is one of usage."""
    try:
        return parse_recipe(raw, source="the command line", options=_OPTIONS)
    except RecipeError as error:
        raise UsageError(
            error.problem,
            observed=error.observed or "values that the options gave",
            expected="values that these options can have",
            remedy="give the options named above another value, or leave them out",
        ) from error


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What a folder's own record says of files: a build's parity, or a released model's results.

    Attributes:
        by_sha256: A file's digest to its verdict and accuracy.
        max_drop: How many points of accuracy they were allowed to lose; None if that is not known.
    """

    by_sha256: Mapping[str, ProvenAccuracy]
    max_drop: float | None


def verdicts_of(folder: Path) -> Verdicts:
    """Read the record of a folder; what cannot be read counts as unknown."""
    from edgecnn.bench import ProvenAccuracy
    from edgecnn.verify import read_report

    found: dict[str, ProvenAccuracy] = {}
    max_drop = None
    try:
        released = json.loads((folder / RELEASED_RESULTS).read_text(encoding="utf-8"))
        for row in released["artifacts"]:
            found[str(row["sha256"])] = ProvenAccuracy(
                verdict=str(row["verdict"]), accuracy=float(row["accuracy"])
            )
        max_drop = float(released["limits"]["max_drop"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        report = read_report(Workspace(folder).path(Workspace.PARITY))
    except WorkspaceError:
        return Verdicts(by_sha256=found, max_drop=max_drop)
    for row in report.rows:
        if row.sha256 is not None:
            accuracy = None if row.metrics is None else row.metrics.artifact.accuracy
            found[row.sha256] = ProvenAccuracy(verdict=row.verdict, accuracy=accuracy)
    return Verdicts(by_sha256=found, max_drop=report.limits.get("max_drop", max_drop))


def best_file(path: Path) -> Path:
    """Return the model file that a path means: of a build, the one to ship.

    Of the files with a PASS that is one in int8, as ``package`` takes it; else the smallest.

    Args:
        path: A model file; or a build, a recipe that was built, or the folder of a released model.

    Raises:
        WorkspaceError: If a folder is none of these, or no file in it passed its verification.
    """
    # It answers no, and raises nothing, where a name is too long.
    if not os.path.isdir(path) and path.suffix != ".toml":  # noqa: PTH112
        return path
    place, workspace = proven_place(path)
    folder = place if workspace is None else workspace.folder
    verdicts = verdicts_of(folder).by_sha256
    files = sorted(file for file in folder.iterdir() if file.suffix in MODEL_SUFFIXES)
    known = {file: verdicts.get(file_digest(file)) for file in files}
    passed = [file for file, found in known.items() if found and found.verdict == "PASS"]
    if not passed:
        found = sorted({verdict.verdict for verdict in known.values() if verdict})
        raise WorkspaceError(
            f"no file of {path} has passed verification",
            observed=", ".join(found) or f"{len(files)} model files, none verified as it is now",
            expected="a file with a PASS",
            remedy=f"edgecnn verify {shlex.quote(str(path))} says what is missing; or name one "
            f"file: {_a_file(files)}",
        )
    return min(passed, key=_rank)


def _a_file(files: Sequence[Path]) -> str:
    return shlex.quote(str(min(files, key=_rank))) if files else "a .tflite or .onnx file"


def _rank(file: Path) -> tuple[bool, bool, int, str]:
    """Return what files are ordered by: int8 first, as TFLite before ONNX, then the smallest."""
    contract = read_container(file).contract
    variant = "" if contract is None else contract.variant
    is_int8 = variant.endswith(("-int8", "-int8-mixed"))
    return not is_int8, is_int8 and file.suffix != ".tflite", file.stat().st_size, file.name
