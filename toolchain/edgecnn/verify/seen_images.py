"""Finds out which of some photos a build's model was trained on: its accuracy on them flatters.

A build keeps the names of its photos, and digests of those that calibrated; where the folder that
it was trained on is still there, files are compared with it byte by byte, whatever they are called.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edgecnn.build.workspace import Workspace
from edgecnn.data import Images, overlap, read_calibration
from edgecnn.errors import EdgeError
from edgecnn.report.text import count_text

_SPLITS: Final = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class SeenImages:
    """How many of the photos are known from a build.

    Attributes:
        known: Whether there is a build to ask; without one the numbers are 0 and say nothing.
        train: Those that it was trained, or calibrated, on.
        validation: Those by which the best epoch was chosen.
        test: Those that it was tested on.
        made_elsewhere: Whether the model was trained elsewhere, so that its training is not known.
    """

    known: bool
    train: int = 0
    validation: int = 0
    test: int = 0
    made_elsewhere: bool = False

    def warnings(self, images: int) -> Iterator[str]:
        """Yield what that means for the accuracy on these photos, a sentence each.

        Args:
            images: How many photos there are.
        """
        whole = count_text(images)
        if self.train:
            what = "its files were calibrated" if self.made_elsewhere else "it was trained"
            yield (
                f"{count_text(self.train)} of the {whole} photos are among those that {what} on: "
                "this accuracy flatters, and says little of new photos"
            )
        if self.validation:
            yield (
                f"{count_text(self.validation)} of the {whole} photos chose its best epoch "
                "(validation): this accuracy flatters somewhat"
            )
        if self.test:
            yield (
                f"{count_text(self.test)} of the {whole} photos are the build's own test photos, "
                "and no new ones"
            )


def seen_in(build: Workspace | None, images: Images, folder: Path | None) -> SeenImages:
    """Count the photos that a build knows.

    Args:
        build: The build that the file lies in; None for none.
        images: The photos, of the size that the model takes.
        folder: Where their names lead from; None where they are no files.

    Returns:
        The counts. What the build does not say, or cannot be read, counts as not seen.
    """
    record = None if build is None else _json(build.path(Workspace.SPLITS))
    if build is None or record is None:
        return SeenImages(known=False)
    try:
        recipe = build.manifest().get("recipe", {})
        splits = {
            split: [str(name) for name in record["splits"].get(split, {}).get("ids", [])]
            for split in _SPLITS
        }
        elsewhere = recipe.get("model", {}).get("architecture") is None
        source = recipe.get("data", {}).get("path")
    except (EdgeError, KeyError, TypeError, AttributeError):
        return SeenImages(known=False)
    found: dict[str, set[int]] = {split: set() for split in _SPLITS}
    if folder is not None and source is not None:
        for split, positions in _same_files(splits, Path(str(source)), images.ids, folder).items():
            found[split] |= positions
    elif folder is None and record.get("dataset") != "folder":
        for split, names in splits.items():
            known = set(names)
            found[split] |= {index for index, name in enumerate(images.ids) if name in known}
    found["train"] |= _calibrated_on(build, images)
    return SeenImages(
        known=True,
        train=len(found["train"]),
        validation=len(found["validation"] - found["train"]),
        test=len(found["test"] - found["train"] - found["validation"]),
        made_elsewhere=elsewhere,
    )


def _calibrated_on(build: Workspace, images: Images) -> set[int]:
    """Return the photos that calibrated the build's files, which are training photos."""
    try:
        return set(overlap(read_calibration(build.path(Workspace.CALIBRATION)), images.pixels))
    except EdgeError:
        return set()  # none was calibrated, or the record is damaged, which is verify's to tell


def _same_files(
    splits: Mapping[str, Sequence[str]], source: Path, ids: Sequence[str], folder: Path
) -> dict[str, set[int]]:
    """Return, for each split, the photos whose file is the same as one of it, byte by byte.

    Only files of the same size are read.
    """
    by_size: dict[int, list[tuple[int, Path]]] = defaultdict(list)
    for index, name in enumerate(ids):
        path = folder / name
        if (size := _size(path)) is not None:
            by_size[size].append((index, path))
    digests: dict[int, dict[str, list[int]]] = {}
    found: dict[str, set[int]] = {}
    for split, names in splits.items():
        positions: set[int] = set()
        for name in names:
            if Path(name).is_absolute() or ".." in Path(name).parts:
                continue  # a record may come from somebody else
            path = source / name
            size = _size(path)
            if size is None or size not in by_size:
                continue
            if size not in digests:
                known = digests[size] = {}
                for index, other in by_size[size]:
                    known.setdefault(_digest(other), []).append(index)
            positions.update(digests[size].get(_digest(path), ()))
        found[split] = positions
    return found


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return None


def _digest(path: Path) -> str:
    """Return a file's SHA-256; a name of its own for one that cannot be read, so equal to none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return f"unreadable: {path}"


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
