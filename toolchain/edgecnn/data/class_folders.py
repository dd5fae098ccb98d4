"""Which classes a folder holds, and which files belong to them; nothing is read here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from edgecnn.errors import DataError

__all__ = ["ImageFile", "given_splits", "list_classes"]

ImageFile = tuple[Path, int]
"""A file with its label."""

_LISTED: Final = 20
# What Windows and macOS leave in folders of images without being asked.
_LITTER: Final = frozenset({"thumbs.db", "desktop.ini"})


def given_splits(root: Path) -> tuple[str, ...]:
    """Return the names of the split folders, or none where the folders are classes."""
    names = {path.name for path in _folders(root)}
    if {"train", "test"} <= names <= {"train", "validation", "test"} and all(
        _folders(root / name) for name in names
    ):
        return tuple(name for name in ("train", "validation", "test") if name in names)
    return ()


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]


def list_classes(root: Path) -> tuple[tuple[str, ...], list[ImageFile]]:
    """Return the class names and each file with its label, in a fixed order."""
    names = tuple(sorted(path.name for path in _folders(root)))
    if len(names) < 2:
        raise DataError(
            f"{root} has fewer than two class folders",
            observed=f"{len(names)} folders" + (f": {names[0]}" if names else ""),
            expected="one sub-folder of images per class, at least two",
            remedy="sort the images into one folder per class",
        )
    odd = [name for name in names if not (name.isprintable() and name == name.strip())]
    if odd:
        raise DataError(
            f"{len(odd)} class folders of {root} have names that do not fit on a line of text",
            observed=", ".join(map(ascii, odd[:_LISTED])),
            expected="printable names without blanks at either end, in valid UTF-8",
            remedy="rename these folders; their names become the labels",
        )
    files: list[ImageFile] = []
    empty: list[str] = []
    for label, name in enumerate(names):
        found = _image_files(root / name)
        if not found:
            empty.append(name)
        files.extend((path, label) for path in found)
    if empty:
        raise DataError(
            f"{len(empty)} of {len(names)} class folders of {root} hold no images: "
            f"{', '.join(empty[:_LISTED])}",
            observed=f"{len(names) - len(empty)} folders with images",
            expected="an image in every class folder",
            remedy="add images to these folders, or delete them",
        )
    return names, files


def _image_files(folder: Path) -> list[Path]:
    found: list[Path] = []
    visited: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        # Links may lead out of the folder, but not in circles.
        real = os.path.realpath(place)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.extend(
            Path(place, name)
            for name in names
            if not name.startswith(".") and name.lower() not in _LITTER
        )
    return sorted(found, key=lambda path: path.as_posix())
