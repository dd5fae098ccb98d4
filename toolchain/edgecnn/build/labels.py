"""Class names in a text file, one a line, in the order of the model's outputs."""

from __future__ import annotations

from pathlib import Path

from edgecnn.build.workspace import write_whole
from edgecnn_runner.labels import read_labels

__all__ = ["read_labels", "write_labels"]


def write_labels(path: Path, names: tuple[str, ...]) -> None:
    """Write class names as ``read_labels`` reads them, atomically."""
    write_whole(path, "".join(f"{name}\n" for name in names))
