"""What ``edgecnn convert`` was asked for, and the recipe and build that it comes to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgecnn.build.artifact import asked_for
from edgecnn.build.lock import build_lock
from edgecnn.build.workspace import Workspace, default_build_folder
from edgecnn.commands.paths import data_section, manifest_recipe, resize_keys
from edgecnn.errors import LabelsError, RecipeError, UsageError
from edgecnn.recipe.load import Recipe, load_recipe, parse_recipe
from edgecnn_runner.contract import parse_resize
from edgecnn_runner.input_options import NOTHING_SAID, Preprocessing

if TYPE_CHECKING:
    from edgecnn.convert import Source

_CLASSES_OF_BOTH: Final = 10  # CIFAR-10 and the embedded digits
_OPTIONS: Final = {
    "convert.variants": "--variant",
    "convert.opset": "--opset",
    "convert.ir_version": "--ir-version",
    "data.fit": "--fit",
    "data.crop_fraction": "--crop-fraction",
    "data.resample": "--resample",
    "limits.max_drop": "--max-drop",
    "limits.min_agreement": "--min-agreement",
    "limits.max_class_drop": "--max-class-drop",
    "limits.max_gap_increase": "--max-gap-increase",
    "limits.max_corruption_drop": "--max-corruption-drop",
    "limits.min_accuracy": "--min-accuracy",
}


@dataclass(frozen=True, kw_only=True)
class ConvertRequest:
    """What ``edgecnn convert`` was asked for; None and empty mean the recipe's own.

    Attributes:
        source: A build, a recipe folder, or a model made elsewhere.
        out: Build folder; None for the source's own, or ``build/<name>`` for a model made
            elsewhere.
        variants: Names of variants.
        data: Data set or folder; see ``locate.data_section``.
        labels: File with class names.
        preprocessing: How a model made elsewhere was fed.
        image_size: Side of the images, or height and width as ``96x128``, of a model made elsewhere
            that takes any size.
        opset: ONNX opset.
        ir_version: ONNX IR version.
        runtime: ``NAME==VERSION`` of the runtime that must be able to load the files.
        repair: Whether to mend int8 files that miss the limits.
        as_is: Whether to convert a model that is right on more images in another way, too.
        scores: The user's own scores of the images, to compare the float model's with.
        min_accuracy: What every file has to reach, a number or a text such as ``80%``; for the
            verification, and for what is said of the float model.
    """

    source: Path
    out: Path | None = None
    variants: tuple[str, ...] = ()
    data: str | None = None
    labels: Path | None = None
    preprocessing: Preprocessing = NOTHING_SAID
    image_size: str | None = None
    opset: int | None = None
    ir_version: int | None = None
    runtime: str | None = None
    repair: bool | None = None
    as_is: bool = False
    scores: Path | None = None
    min_accuracy: float | str | None = None


def recipe_of(source: Source, request: ConvertRequest) -> tuple[Recipe, Workspace]:
    """Return what a source is to be converted by, and where to."""
    resize = request.preprocessing.resize
    recipe_says = source.origin == "build" or source.recipe_file is not None
    if request.image_size is not None and recipe_says:
        raise UsageError(
            f"the recipe of {request.source} says how large its images are",
            observed=f"--image-size {request.image_size}",
            expected="--image-size for a model made elsewhere that takes any size",
            remedy="leave it out, or set data.image_size in the recipe and train it again",
        )
    if source.origin == "build":
        built = Workspace(request.source)
        recipe = _resized_by(manifest_recipe(built), resize)
        return recipe, Workspace(request.out or built.folder)
    if source.recipe_file is not None:
        folder = request.out or default_build_folder(source.recipe_file)
        return _resized_by(load_recipe(source.recipe_file), resize), Workspace(folder)
    if request.data is None:
        raise UsageError(
            f"{request.source} has no recipe, so its images are not known",
            observed="no --data",
            expected="--data: images to calibrate int8 with and to prove the files on",
            remedy="give --data PATH (a folder of class folders), --data cifar10 or --data digits",
        )
    folder = request.out or Path("build") / source.name
    _check_before_loading(source, request, folder)
    from edgecnn.convert import input_size

    section = data_section(request.data, input_size(source), resize)
    if section["name"] == "folder":
        section["image_size"] = _image_size(request, section.get("image_size"))
    raw = {"model": {"name": source.name}, "data": section}
    recipe = parse_recipe(raw, source=f"the options given for {request.source}")
    model = recipe.model.model_copy(update={"architecture": None})
    return recipe.model_copy(update={"model": model}), Workspace(folder)


def _image_size(request: ConvertRequest, own: Sequence[int] | None) -> Sequence[int]:
    """Return the height and width that images are brought to, the model's own or the option's.

    Raises:
        UsageError: If the model takes any and none was given, or another than its own was.
    """
    text = request.image_size
    if text is None:
        if own is not None:
            return own
        raise UsageError(
            f"{request.source} takes images of any size, and how large they were in its training "
            "is not known",
            observed="no --image-size",
            expected="the side of the images, or height and width: --image-size 96x128",
            remedy="give the size that it was trained on: --image-size 224, for example",
        )
    sides = re.fullmatch(r"([1-9][0-9]{0,3})(?:[x,]([1-9][0-9]{0,3}))?", text.strip(), re.ASCII)
    if sides is None:
        raise UsageError(
            "--image-size is no size of images",
            observed=text,
            expected="a whole number of pixels, or height and width",
            remedy="write --image-size 96, or --image-size 96x128",
        )
    size = (int(sides[1]), int(sides[2] or sides[1]))
    if own is not None and size != tuple(own):
        raise UsageError(
            f"{request.source} takes images of another size",
            observed=f"--image-size {text}",
            expected=f"height {own[0]}, width {own[1]}",
            remedy="leave --image-size out",
        )
    return size


def _resized_by(recipe: Recipe, resize: str | None) -> Recipe:
    """Return a recipe whose images are brought to size as options say, where they say it.

    Raises:
        UsageError: If its model was trained here, on images brought to size in another way.
    """
    if resize is None or resize == recipe.data.resize:
        return recipe
    if recipe.model.architecture is not None:
        wanted = parse_resize(resize).options
        raise UsageError(
            f"{recipe.model.name} was trained here, on images brought to size in another way",
            observed=wanted,
            expected=parse_resize(recipe.data.resize).options,
            remedy=f"leave {wanted} out; or set fit, crop_fraction and resample under [data] in "
            "the recipe, and train it again: edgecnn build RECIPE",
        )
    raw = recipe.to_dict()
    raw["data"] = {**raw["data"], **resize_keys(resize)}
    return of_command_line(raw)


def _check_before_loading(source: Source, request: ConvertRequest, folder: Path) -> None:
    """Refuse what can be seen to fail before TensorFlow, which takes seconds, loads the model.

    Raises:
        UsageError: If a variant, the opset, the IR version or the runtime cannot be.
        DataError: If there are no images where ``--data`` says.
        LabelsError: If the labels are not as many as the data's classes.
        WorkspaceError: If the build's folder cannot be made or written.
    """
    from edgecnn.convert import parse_runtime

    draft = parse_recipe({"model": {"name": source.name}}, source="the source's name")
    with_options(draft, request, [])
    if request.runtime is not None:
        parse_runtime(request.runtime)
    classes = _count_classes(str(request.data), request.preprocessing.resize)
    if source.labels is not None and len(source.labels) != classes:
        raise LabelsError(
            f"{request.labels} does not name the classes of the data",
            observed=f"{len(source.labels)} names; {request.data} has {classes} classes",
            expected="one name per class, in the order of the model's outputs",
            remedy="name every class of the data, and no other, in the labels file",
        )
    # It goes again if it stays empty.
    with build_lock(folder):
        pass


def _count_classes(data: str, resize: str | None) -> int:
    """Return how many classes the data named on the command line has."""
    section = data_section(data, (None, None, 3), resize)
    if section["name"] != "folder":
        return _CLASSES_OF_BOTH
    from edgecnn.data import count_classes

    return count_classes(Path(data))


def already_made(source: Source, workspace: Workspace) -> list[str]:
    """Return the variants of the same model that a build has already and that --variant adds to.

    Where a repair made another in its place, it is the one that was asked for.

    However the build was named: by itself, by its recipe, or by a model that was made elsewhere.
    """
    manifest = workspace.manifest()
    if manifest.get("source", {}).get("sha256") != source.sha256:
        return []
    made = [asked_for(row["variant"]) for row in manifest["variants"] if row["status"] == "made"]
    return list(dict.fromkeys(made))


def with_options(recipe: Recipe, request: ConvertRequest, made: list[str]) -> Recipe:
    """Let what the command line gave replace the recipe's own.

    In the build itself, variants are added to those that are there: nothing proven is lost.
    """
    wanted = {
        "variants": list(dict.fromkeys([*made, *request.variants])) if request.variants else None,
        "opset": request.opset,
        "ir_version": request.ir_version,
        "repair": request.repair,
    }
    given = {key: value for key, value in wanted.items() if value is not None}
    if not given and request.min_accuracy is None:
        return recipe
    raw = recipe.to_dict()
    raw["convert"] = {**raw["convert"], **given}
    if request.min_accuracy is not None:
        raw["limits"] = {**raw["limits"], "min_accuracy": request.min_accuracy}
    return of_command_line(raw)


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
