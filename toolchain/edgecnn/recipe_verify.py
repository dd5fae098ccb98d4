"""The section of a recipe that says how a verification under corruptions is done."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgecnn.recipe_section import Section

__all__ = ["CorruptionSettings"]


class CorruptionSettings(Section):
    """Evaluation images that are corrupted, where ``limits.max_corruption_drop`` is set."""

    images: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """How many, balanced over the classes; each under every corruption. All where fewer."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of their choice and of the noise."""
