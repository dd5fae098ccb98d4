"""What training settings must fulfil for the images at hand; the rest is the recipe's own.

The rules are the recipe's, which knows its images' size beforehand; here they are held against
the images that have come. Checked before TensorFlow is imported, so that a mistake shows at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.recipe.load import Recipe
from edgecnn.recipe.rules import size_mistakes, smallest_side_mistakes, teacher_mistakes
from edgecnn.recipe.section import refusal

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
        raise refusal(
            source,
            mistakes,
            expected=f"settings that fit images of {shape[0]}x{shape[1]} pixels",
            remedy="mend the keys named above",
        )


def _mistakes(recipe: Recipe, shape: tuple[int, int, int]) -> Iterator[str]:
    if recipe.model.architecture is None:
        yield "model.architecture: missing; a model made elsewhere cannot be trained here"
    yield from smallest_side_mistakes(recipe.model.architecture, shape[:2])
    yield from size_mistakes(recipe.augment.model_dump(), shape[:2])
    yield from teacher_mistakes(recipe.train.distillation.model_dump())
