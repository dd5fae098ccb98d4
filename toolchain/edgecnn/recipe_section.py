"""What all sections of a recipe have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

__all__ = ["Section"]


class Section(BaseModel):
    """A table of a recipe: unknown keys are mistakes, and values have the type they look like."""

    # Strict would refuse `1` where `1.0` is meant, which TOML authors write all the time;
    # unknown keys are refused, since they are nearly always misspelt ones.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_conversion(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse ``true`` and ``"40"`` where a number is meant; pydantic would convert them."""
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool | str) and kind in (int, float, int | None, float | None):
            raise ValueError(f"a number, not {_kind(value)}")
        if isinstance(value, int | float | str) and kind is bool and not isinstance(value, bool):
            raise ValueError(f"true or false, not {_kind(value)}")
        return value


def _kind(value: bool | str | float) -> str:
    if isinstance(value, bool):
        return "true or false"
    return "a text" if isinstance(value, str) else "a number"
