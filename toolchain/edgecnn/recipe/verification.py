"""The sections of a recipe that a verification reads: ``[limits]`` and ``[corruptions]``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_serializer

from edgecnn.recipe.section import AT_LEAST, POINTS, Section, percent_form

__all__ = ["CorruptionSettings", "Limits"]


class Limits(Section):
    """What an artifact may lose against its float model, and what it has to reach."""

    max_drop: Annotated[float, Field(gt=0, le=100), POINTS] = 1.0
    """Accuracy, percentage points."""
    min_agreement: Annotated[float, Field(ge=0, lt=100), AT_LEAST] = 95.0
    """Images on which both give the same class, percent."""
    max_class_drop: Annotated[float, Field(gt=0, le=100), POINTS] = 5.0
    """Recall of the class that loses most, percentage points."""
    max_gap_increase: Annotated[float, Field(gt=0, le=100), POINTS] = 3.0
    """How much wider the gap in accuracy between two groups may be, percentage points; where
    ``data.groups`` or ``verify --groups`` names a table."""
    max_corruption_drop: Annotated[float, Field(gt=0, le=100), POINTS] | None = None
    """Accuracy under each corruption, percentage points; None corrupts no images."""
    min_accuracy: Annotated[float, Field(ge=0, lt=100), AT_LEAST] | None = None
    """Right answers of each artifact, percent. None asks for nothing of an artifact, but its float
    model has to be better than guessing (``edgecnn.build.usefulness``); 0 does not even ask for
    that."""

    @field_serializer("min_agreement", "min_accuracy", when_used="json")
    def _readable(self, value: float | None) -> float | str | None:
        return percent_form(value)


class CorruptionSettings(Section):
    """Evaluation images that are corrupted, where ``limits.max_corruption_drop`` is set."""

    images: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """How many, balanced over the classes; each under every corruption. All where fewer."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of their choice and of the noise."""
