"""What training settings must fulfil for the images at hand; the rest is the recipe's own.

Checked before TensorFlow is imported, so that a mistake shows at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.errors import RecipeError
from edgecnn.recipe import Recipe
from edgecnn.train.architectures import ARCHITECTURES

__all__ = ["check_settings"]


def check_settings(recipe: Recipe, shape: tuple[int, int, int], *, source: str) -> None:
    """Refuse settings that cannot be meant, all at once.

    Args:
        recipe: The recipe.
        shape: Height, width and channels of the images.
        source: What to call the recipe in the error.

    Raises:
        RecipeError: If there are any.
    """
    mistakes = list(_mistakes(recipe, shape))
    if mistakes:
        count = "one mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        lines = "\n".join(f"  {mistake}" for mistake in mistakes)
        raise RecipeError(
            f"{source} has {count}:\n{lines}",
            observed=count,
            expected=f"settings that fit images of {shape[0]}x{shape[1]} pixels",
            remedy="mend the keys named above",
        )


def _mistakes(recipe: Recipe, shape: tuple[int, int, int]) -> Iterator[str]:
    name, side = recipe.model.architecture, min(shape[:2])
    size = f"{shape[0]}x{shape[1]}"
    if name is None:
        yield "model.architecture: missing; a model made elsewhere cannot be trained here"
    elif side < ARCHITECTURES[name].smallest_side:
        smallest = ARCHITECTURES[name].smallest_side
        yield f"model.architecture = {name!r}: images of {smallest} pixels or more, not {size}"
    # A reflection repeats no edge pixel, so a border is at most one pixel less than the image.
    if recipe.augment.crop >= side:
        yield f"augment.crop = {recipe.augment.crop}: at most {side - 1} for images of {size}"
    if recipe.augment.cutout >= side:
        yield f"augment.cutout = {recipe.augment.cutout}: at most {side - 1} for images of {size}"
    teacher = recipe.train.distillation.teacher
    if teacher is not None and not teacher.is_file():
        yield f"train.distillation.teacher = {str(teacher)!r}: an existing .keras file"
