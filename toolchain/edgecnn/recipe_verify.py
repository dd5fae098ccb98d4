"""The sections of a recipe that a verification reads: ``[limits]`` and ``[corruptions]``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgecnn.recipe_section import Section

__all__ = ["CorruptionSettings", "Limits"]


class Limits(Section):
    """What an artifact may lose against its float model."""

    max_drop: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Accuracy, percentage points."""
    min_agreement: Annotated[float, Field(ge=0, lt=100)] = 95.0
    """Images on which both give the same class, percent."""
    max_class_drop: Annotated[float, Field(gt=0, le=100)] = 5.0
    """Recall of the class that loses most, percentage points."""
    max_gap_increase: Annotated[float, Field(gt=0, le=100)] = 3.0
    """How much wider the gap in accuracy between two groups may be, percentage points; where
    ``data.groups`` or ``verify --groups`` names a table."""
    max_corruption_drop: Annotated[float, Field(gt=0, le=100)] | None = None
    """Accuracy under each corruption, percentage points; None corrupts no images."""


class CorruptionSettings(Section):
    """Evaluation images that are corrupted, where ``limits.max_corruption_drop`` is set."""

    images: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """How many, balanced over the classes; each under every corruption. All where fewer."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of their choice and of the noise."""
