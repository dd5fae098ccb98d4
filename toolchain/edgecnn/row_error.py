"""An error that became a row: reports tell what could not be done beside what could."""

from __future__ import annotations

from dataclasses import dataclass

import edgecnn.errors
from edgecnn.errors import EdgeError

__all__ = ["RowError"]


@dataclass(frozen=True, kw_only=True)
class RowError:
    """An ``EdgeError`` as values; see there."""

    error: str
    exit_code: int
    problem: str
    remedy: str
    observed: str | None = None
    expected: str | None = None

    @classmethod
    def of(cls, error: EdgeError) -> RowError:
        """Keep an error."""
        return cls(**error.to_dict())

    def to_error(self) -> EdgeError:
        """Return the error, of its own class, to be raised."""
        kind = getattr(edgecnn.errors, self.error, EdgeError)
        error: EdgeError = kind(
            self.problem, observed=self.observed, expected=self.expected, remedy=self.remedy
        )
        return error
