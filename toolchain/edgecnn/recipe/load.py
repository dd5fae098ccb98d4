"""``recipe.toml``: every decision of one model, from data to thresholds.

A recipe is data. It is validated as a whole before anything runs, all its mistakes are reported
at once, and the resolved form (defaults filled in) is written into every manifest. No stage
reads a setting from anywhere else.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field, ValidationError, field_validator, model_validator

from edgecnn.errors import RecipeError
from edgecnn.log import has_read
from edgecnn.recipe.rules import cross_key_mistakes, notes, training_mistakes
from edgecnn.recipe.section import PART, SHARE, Section, explain, refusal
from edgecnn.recipe.sections import (
    Augment,
    CorruptionSettings,
    Limits,
    Train,
    Transfer,
)
from edgecnn_runner.contract import resize_name

Variant = Literal[
    "tflite-fp32",
    "tflite-fp16",
    "tflite-int8-dynamic",
    "tflite-int8",
    "tflite-int16x8",
    "onnx-fp32",
    "onnx-fp16",
    "onnx-int8",
]
VARIANTS: Final[tuple[Variant, ...]] = get_args(Variant)
"""What can be asked for. A repair makes others; see ``edgecnn.build.artifact.mixed_of``."""
DEFAULT_VARIANTS: Final[tuple[Variant, ...]] = (
    "tflite-fp32",
    "tflite-fp16",
    "tflite-int8-dynamic",
    "tflite-int8",
    "onnx-fp32",
    "onnx-int8",
)

Architecture = Literal["seed_cnn", "resnet8", "wren", "finch", "tiny_cnn"]
ARCHITECTURES: Final[tuple[Architecture, ...]] = get_args(Architecture)
BackboneName = Literal["efficientnet_lite0", "mobilenet_025", "mobilenet_050", "wren", "resnet8"]


class Model(Section):
    """Which network, and what it is called."""

    name: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$",
            description="a text of up to 64 lower-case letters, digits, '_', '.' and '-', "
            "beginning with a letter or digit",
        ),
    ]
    """Used in file names: lower-case letters, digits, ``_``, ``.`` and ``-``."""
    architecture: Architecture | None = "seed_cnn"
    """The network that is trained from scratch. None (not writable in TOML) where a pretrained one
    is named instead, or for a model that was made elsewhere."""
    backbone: BackboneName | None = None
    """The pretrained network that a classifier is trained on; see ``edgecnn.train.transfer``."""
    start: Path | None = None
    """A ``.keras`` file of a classifier to take the network and its weights from, relative to the
    recipe's own folder; with ``backbone``, a network of that name."""

    @model_validator(mode="before")
    @classmethod
    def _no_default_beside_a_backbone(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or "architecture" in values:
            return values
        pretrained = values.get("backbone") is not None or values.get("start") is not None
        return {**values, "architecture": None} if pretrained else values

    @property
    def is_pretrained(self) -> bool:
        """Whether training begins with a network that has learnt already."""
        return self.backbone is not None or self.start is not None


# Strict, since `Section` looks at whole values only and not into a list.
_Side = Annotated[int, Field(ge=4, le=4096, strict=True)]


SPLIT_RULES: Final = ("image", "auto", "name", "folder")
"""What ``data.split_by`` can be, beside a table's column."""
SPLIT_BY: Final = "'image', 'auto', 'name', 'folder' or a table's column, 'groups.csv:object'"


class Data(Section):
    """Which images, and how they are split."""

    name: Literal["cifar10", "digits", "folder"] = "cifar10"
    path: Path | None = None
    """For ``folder``: the folder of class folders, relative to the recipe's own folder; it may
    be named on the command line instead. For ``cifar10``: where the data set is, when not found
    the usual way."""
    image_size: Annotated[
        tuple[_Side, _Side] | None,
        Field(
            description="a whole number, at least 4 and at most 4096, or two in a list: "
            "[height, width]"
        ),
    ] = None
    """For ``folder``: height and width that images are brought to; one number means square.
    Default 64."""
    channels: Literal[1, 3] = 3
    """For ``folder``: 1 for greyscale."""
    fit: Literal["crop", "stretch", "pad"] = "crop"
    """For ``folder``: what becomes of an image of another shape, by one of the resize rules of
    ``edgecnn_runner.images.preprocess``. Training, verdicts and devices all see images brought to
    size in this way."""
    crop_fraction: Annotated[float, Field(gt=0, le=1), SHARE] = 1.0
    """For ``folder``, with ``crop``: how much of height and width is kept."""
    resample: Literal["box", "nearest", "bilinear", "bilinear-antialias"] = "box"
    """For ``folder``: how pixels are resampled."""
    groups: Path | None = None
    """A table of groups of images that ``verify`` compares; relative to the recipe's folder."""
    unlabelled: Path | None = None
    """A folder of pictures without labels that agreement is judged on, too; relative to the
    recipe's folder."""
    validation: Annotated[float, Field(gt=0, lt=1), SHARE] = 0.2
    """Share of the training images held out for validation."""
    test: Annotated[float, Field(gt=0, le=1), PART] = 0.2
    """Share of all images kept for the test set, where the data set has no split of its own. With
    1.0 nothing is left to train on or to calibrate with: for files that are only judged."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    conflicting: Literal["exclude", "error", "keep"] = "exclude"
    """For ``folder``: what becomes of a picture that stands in two classes. ``keep`` leaves it in
    both, as edgecnn 0.1 did."""
    split_by: Annotated[str, Field(description=SPLIT_BY)] = "image"
    """For ``folder``: which images stay together in the splits; see ``edgecnn.data.grouping``. A
    table's path is relative to the recipe's folder."""

    @property
    def resize(self) -> str:
        """The resize rule's name; see ``edgecnn_runner.contract.Contract``."""
        return resize_name(self.fit, self.crop_fraction, self.resample)

    @field_validator("split_by")
    @classmethod
    def _a_rule(cls, value: str) -> str:
        table, colon, column = value.rpartition(":")
        if value not in SPLIT_RULES and not (colon and table.lower().endswith(".csv") and column):
            raise ValueError("no such rule")
        return value

    @field_validator("image_size", mode="before")
    @classmethod
    def _square(cls, value: object) -> object:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return (value, value) if is_number else value


class Convert(Section):
    """Which files to make."""

    variants: tuple[Variant, ...] = DEFAULT_VARIANTS
    opset: Annotated[int, Field(ge=13, le=18)] = 17
    """Of the standard operators; tf2onnx writes up to 18."""
    ir_version: Annotated[int, Field(ge=7, le=10)] = 8
    repair: bool = False
    """Whether an int8 variant beyond the limits is mended; see ``edgecnn.convert.repair.stage``."""

    @field_validator("variants")
    @classmethod
    def _some_and_unique(cls, value: tuple[Variant, ...]) -> tuple[Variant, ...]:
        if not value:
            raise ValueError("not an empty list")
        for one in value:
            if value.count(one) > 1:
                raise ValueError(f"not {one!r} twice")
        return value


class Calibration(Section):
    """Training images that the int8 variants take their ranges from."""

    images: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """How many, balanced over the classes. Default 500, or all there are where there are fewer."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class Recipe(Section):
    """A whole recipe, validated, with its defaults filled in."""

    model: Model
    data: Data = Data()
    augment: Augment = Augment()
    train: Train = Train()
    transfer: Transfer = Transfer()
    convert: Convert = Convert()
    calibration: Calibration = Calibration()
    limits: Limits = Limits()
    corruptions: CorruptionSettings = CorruptionSettings()

    def to_dict(self) -> dict[str, Any]:
        """Return the resolved recipe as JSON-ready values."""
        return self.model_dump(mode="json")


def find_recipe(path: Path) -> Path:
    """Return the recipe file that a command-line path means.

    Args:
        path: A ``.toml`` file, or a folder holding ``recipe.toml``.

    Returns:
        The path of the recipe file.

    Raises:
        RecipeError: If there is none.
    """
    # These two answer no, and raise nothing, where a name is too long.
    is_folder = os.path.isdir(path)  # noqa: PTH112
    candidate = path / "recipe.toml" if is_folder else path
    if not os.path.isfile(candidate):  # noqa: PTH113
        raise RecipeError(
            f"no recipe at {path}",
            observed="a folder without recipe.toml" if is_folder else "no such file",
            expected="a recipe.toml, or a folder that holds one",
            remedy="make one with: edgecnn init FOLDER",
        )
    return candidate


def load_recipe(path: Path) -> Recipe:
    """Read and validate a recipe.

    Args:
        path: A ``.toml`` file, or a folder holding ``recipe.toml``.

    Returns:
        The recipe; ``data.path`` is absolute, taken relative to the recipe's own folder.

    Raises:
        RecipeError: If it is missing, not TOML, or has mistakes; all of them are listed, each
            with its key, the value found, and what is allowed.
    """
    file = find_recipe(path)
    return parse_recipe(read_tables(file), source=str(file), folder=file.resolve().parent)


def released_weights(file: Path) -> Path:
    """Return where the trained weights of a recipe file are, if they are released beside it.

    Raises:
        RecipeError: If the recipe is missing, not TOML, or has mistakes.
    """
    return file.parent / f"{load_recipe(file).model.name}.keras"


def read_tables(file: Path) -> dict[str, Any]:
    """Return the tables of a recipe file, not yet validated.

    Raises:
        RecipeError: If it cannot be read, or is not TOML.
    """
    has_read(file)
    try:
        # With -sig, since some editors begin a file with a byte order mark.
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        remedy = "mend the line named above; edgecnn init FOLDER writes a recipe to compare with"
        # What Python says where a table or a key is there already: often one pasted from a manual.
        if "twice" in str(error) or "overwrite" in str(error):
            remedy = (
                "change the values where they stand first in the file, and take the second copy out"
            )
        raise RecipeError(
            f"{file} is not readable as TOML: {error}",
            observed=str(error),
            expected="a TOML file in UTF-8",
            remedy=remedy,
        ) from error


def parse_recipe(
    raw: Mapping[str, Any],
    *,
    source: str,
    folder: Path | None = None,
    options: Mapping[str, str] | None = None,
    for_training: bool = False,
) -> Recipe:
    """Validate a recipe given as plain values; see ``load_recipe``.

    Args:
        raw: The recipe's tables.
        source: What to call it in errors.
        folder: What the relative paths in it are relative to.
        options: Key to the option that gave it, which errors name instead.
        for_training: Whether it has to fulfil what is asked for before a training, too: an
            architecture that can take the images, a teacher that exists, and a float32 file where
            there is a limit under corruptions.

    Returns:
        The validated recipe.

    Raises:
        RecipeError: If it has mistakes; all of them are listed.
    """
    lines: list[str] = []
    cause: ValidationError | None = None
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        cause = error
        lines += (
            explain(mistake, raw=raw, recipe=Recipe, options=options or {})
            for mistake in error.errors(include_url=False)
        )
    lines += cross_key_mistakes(raw)
    if for_training:
        lines += training_mistakes(raw, folder)
    if lines:
        raise refusal(
            source,
            list(dict.fromkeys(lines)),
            notes=list(notes(raw)),
            expected="keys and values as edgecnn init explains them",
            remedy="mend the keys named above; edgecnn init FOLDER writes a recipe with every "
            "key explained",
        ) from cause
    return recipe if folder is None else _relative_to(folder, recipe)


def _relative_to(folder: Path, recipe: Recipe) -> Recipe:
    """Return the recipe with its paths taken relative to a folder."""
    data, train = recipe.data, recipe.train
    paths = {"path": data.path, "groups": data.groups, "unlabelled": data.unlabelled}
    data = data.model_copy(
        update={name: folder / path for name, path in paths.items() if path is not None}
    )
    if data.split_by not in SPLIT_RULES:
        data = data.model_copy(update={"split_by": str(folder / data.split_by)})
    teacher = train.distillation.teacher
    if teacher is not None:
        distillation = train.distillation.model_copy(update={"teacher": folder / teacher})
        train = train.model_copy(update={"distillation": distillation})
    model = recipe.model
    if model.start is not None:
        model = model.model_copy(update={"start": folder / model.start})
    return recipe.model_copy(update={"model": model, "data": data, "train": train})
