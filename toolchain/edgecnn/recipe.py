"""``recipe.toml``: every decision of one model, from data to thresholds.

A recipe is data. It is validated as a whole before anything runs, all its mistakes are reported
at once, and the resolved form (defaults filled in) is written into every manifest. No stage
reads a setting from anywhere else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from edgecnn.errors import RecipeError
from edgecnn.recipe_rules import cross_key_mistakes

__all__ = [
    "ARCHITECTURES",
    "DEFAULT_VARIANTS",
    "VARIANTS",
    "Augment",
    "Calibration",
    "Convert",
    "Data",
    "Limits",
    "Model",
    "Optimizer",
    "Recipe",
    "Train",
    "Variant",
    "find_recipe",
    "load_recipe",
    "parse_recipe",
]

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
DEFAULT_VARIANTS: Final[tuple[Variant, ...]] = (
    "tflite-fp32",
    "tflite-fp16",
    "tflite-int8-dynamic",
    "tflite-int8",
    "onnx-fp32",
    "onnx-int8",
)

Architecture = Literal["seed_cnn", "tiny_cnn"]
ARCHITECTURES: Final[tuple[Architecture, ...]] = get_args(Architecture)


class _Section(BaseModel):
    # Strict would refuse `1` where `1.0` is meant, which TOML authors write all the time;
    # unknown keys are refused, since they are nearly always misspelt ones.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Model(_Section):
    """Which network, and what it is called."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
    """Used in file names: lower-case letters, digits, ``_``, ``.`` and ``-``."""
    architecture: Architecture | None = "seed_cnn"
    """None (not writable in TOML) for a model that was made elsewhere."""


_Side = Annotated[int, Field(ge=4, le=4096)]


class Data(_Section):
    """Which images, and how they are split."""

    name: Literal["cifar10", "digits", "folder"] = "cifar10"
    path: Path | None = None
    """For ``folder``: the folder of class folders, relative to the recipe's own folder. For
    ``cifar10``: where the data set is, when not found the usual way."""
    image_size: tuple[_Side, _Side] | None = None
    """For ``folder``: height and width that images are brought to; one number means square.
    Default 64."""
    channels: Literal[1, 3] = 3
    """For ``folder``: 1 for greyscale."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the training images held out for validation."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of all images kept for the test set, where the data set has no split of its own."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @field_validator("image_size", mode="before")
    @classmethod
    def _square(cls, value: object) -> object:
        return (value, value) if isinstance(value, int) else value


class Augment(_Section):
    """Random changes to training images; none by default, as in the notebook."""

    crop: Annotated[int, Field(ge=0, le=64)] = 0
    """Pixels of reflected border from which a random crop is taken."""
    flip: bool = False
    """Mirror half of the images left to right."""


class Optimizer(_Section):
    """Optimizer and learning-rate schedule; the defaults are Keras's RMSprop."""

    name: Literal["rmsprop", "sgd", "adam", "adamw"] = "rmsprop"
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """For ``sgd`` (with Nesterov) and ``rmsprop``."""
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decoupled, for ``adamw``."""
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0
    """Epochs of linear warm-up before the schedule."""


class Train(_Section):
    """How long, how fast, and how repeatable."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 40
    batch_size: Annotated[int, Field(ge=1, le=65536)] = 128
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    """``auto`` trains in bfloat16 where the processor has instructions for it."""
    deterministic: bool = False
    """Same weights from the same recipe on the same machine; slower."""
    optimizer: Optimizer = Optimizer()


class Convert(_Section):
    """Which files to make."""

    variants: tuple[Variant, ...] = DEFAULT_VARIANTS
    opset: Annotated[int, Field(ge=13, le=18)] = 17
    """Of the standard operators; tf2onnx writes up to 18."""
    ir_version: Annotated[int, Field(ge=7, le=10)] = 8

    @field_validator("variants")
    @classmethod
    def _some_and_unique(cls, value: tuple[Variant, ...]) -> tuple[Variant, ...]:
        if not value:
            raise ValueError("at least one variant is needed")
        if len(set(value)) != len(value):
            raise ValueError("a variant is named twice")
        return value


class Calibration(_Section):
    """Training images that the int8 variants take their ranges from."""

    images: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """How many, balanced over the classes. Default 500, or all there are where there are fewer."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class Limits(_Section):
    """What an artifact may lose against its float model."""

    max_drop: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Accuracy, percentage points."""
    min_agreement: Annotated[float, Field(ge=0, lt=100)] = 95.0
    """Images on which both give the same class, percent."""
    max_class_drop: Annotated[float, Field(gt=0, le=100)] = 5.0
    """Recall of the class that loses most, percentage points."""


class Recipe(_Section):
    """A whole recipe, validated, with its defaults filled in."""

    model: Model
    data: Data = Data()
    augment: Augment = Augment()
    train: Train = Train()
    convert: Convert = Convert()
    calibration: Calibration = Calibration()
    limits: Limits = Limits()

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
    candidate = path / "recipe.toml" if path.is_dir() else path
    if not candidate.is_file():
        raise RecipeError(
            f"no recipe at {path}",
            expected="a recipe.toml, or a folder that holds one",
            remedy="make one with: edgecnn init FOLDER",
        )
    return candidate


def load_recipe(path: Path) -> Recipe:
    """Read and validate a recipe.

    Args:
        path: See ``find_recipe``.

    Returns:
        The recipe; ``data.path`` is absolute, taken relative to the recipe's own folder.

    Raises:
        RecipeError: If it is missing, not TOML, or has mistakes; all of them are listed, each
            with its key, the value found, and what is allowed.
    """
    file = find_recipe(path)
    try:
        # With -sig, since some editors begin a file with a byte order mark.
        raw = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecipeError(
            f"{file} is not readable as TOML: {error}",
            remedy="mend the line named above; edgecnn init FOLDER writes a recipe to compare with",
        ) from error
    return parse_recipe(raw, source=str(file), folder=file.resolve().parent)


def parse_recipe(raw: Mapping[str, Any], *, source: str, folder: Path | None = None) -> Recipe:
    """Validate a recipe given as plain values; see ``load_recipe``.

    Args:
        raw: The recipe's tables.
        source: What to call it in errors.
        folder: What a relative ``data.path`` is relative to.

    Returns:
        The validated recipe.

    Raises:
        RecipeError: If it has mistakes; all of them are listed.
    """
    lines = list(cross_key_mistakes(raw))
    cause: ValidationError | None = None
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        cause = error
        lines = [*map(_explain, error.errors(include_url=False)), *lines]
    if lines:
        count = "one mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
        listed = "\n".join(f"  {line}" for line in lines)
        raise RecipeError(
            f"{source} has {count}:\n{listed}",
            remedy="mend the keys named above; edgecnn init FOLDER writes a recipe with every "
            "key explained",
        ) from cause
    if folder is not None and recipe.data.path is not None:
        data = recipe.data.model_copy(update={"path": folder / recipe.data.path})
        recipe = recipe.model_copy(update={"data": data})
    return recipe


def _explain(mistake: ErrorDetails) -> str:
    """Say one mistake as ``key = value: what is allowed``."""
    key = ".".join(str(part) for part in mistake["loc"]) or "recipe"
    if mistake["type"] == "extra_forbidden":
        return f"{key}: no such key; allowed here: {', '.join(_allowed_keys(mistake['loc']))}"
    message = mistake["msg"].removeprefix("Value error, ")
    if mistake["type"] == "missing":
        return f"{key}: missing"
    if isinstance(mistake["input"], dict):
        return f"{key}: {message}"
    return f"{key} = {mistake['input']!r}: {message[0].lower()}{message[1:]}"


def _allowed_keys(location: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = Recipe
    for part in location[:-1]:
        kind = section.model_fields[str(part)].annotation
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            break
        section = kind
    return list(section.model_fields)
