"""Class names from a text file, one a line, in the order of the model's outputs."""

from __future__ import annotations

from pathlib import Path

from edgecnn.errors import ContractError, LabelsError
from edgecnn.workspace import write_whole
from edgecnn_runner.foreign import read_labels as parse_names

__all__ = ["read_labels", "write_labels"]


def read_labels(path: Path) -> tuple[str, ...]:
    """Read class names; blank lines at the end are ignored.

    Raises:
        LabelsError: If the file cannot be read, a line is blank, or a name stands there twice.
    """
    try:
        return parse_names(path)
    except ContractError as error:
        raise LabelsError(
            error.problem, observed=error.observed, expected=error.expected, remedy=error.remedy
        ) from error


def write_labels(path: Path, names: tuple[str, ...]) -> None:
    """Write class names as ``read_labels`` reads them, atomically."""
    write_whole(path, "".join(f"{name}\n" for name in names))
