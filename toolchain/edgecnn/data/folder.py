"""A user's own images: one sub-folder per class, files of any size and format Pillow reads.

Decoding and resizing are the runner's own code, so the network trains on exactly the pixels
that a device will show it.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.class_folders import ImageFile, given_splits, list_classes
from edgecnn.data.split import digest_per_image, split_off
from edgecnn.data.types import Dataset, Images
from edgecnn.errors import DataError, EdgeError
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.quantities import size_text

__all__ = ["id_of", "load_folder", "load_unsplit"]

_LISTED: Final = 20
_WORKERS: Final = 4


@dataclass(frozen=True, kw_only=True)
class _Form:
    """What every image is brought to."""

    height: int
    width: int
    channels: int


def load_folder(
    root: Path,
    *,
    image_size: tuple[int, int],
    channels: int,
    test: float,
    validation: float,
    seed: int,
    progress: Progress = NO_PROGRESS,
) -> Dataset:
    """Load a folder of class folders, or one that comes split.

    The labels are the names of the class folders in code-point order. Files in sub-folders of
    a class belong to it; hidden files and files beside the class folders are ignored.

    If ``root`` holds the folders ``train`` and ``test`` (and perhaps ``validation``) and nothing
    else, and these hold class folders, then that is the split, and ``test`` (and ``validation``)
    are not used. Otherwise the split is seeded and stratified. Images with equal pixels never
    come into different splits: in a given split, a copy of a test or validation image is dropped
    from the training images, and recorded.

    Args:
        root: The folder.
        image_size: Height and width that images are brought to, pixels.
        channels: 1 or 3.
        test: Share of all images kept for the test set.
        validation: Share of the other images held out of training.
        seed: Seed of the splits.
        progress: Who to tell how far the reading is.

    Returns:
        The data set; ids are paths relative to ``root``, with ``/`` between folders.

    Raises:
        DataError: If the folder is missing, has fewer than two classes, an empty class, images
            that cannot be read (all of them are listed, those of all given splits together), or
            too few to split.
    """
    _check_folder(root)
    form = _Form(height=image_size[0], width=image_size[1], channels=channels)
    given = given_splits(root)
    if given:
        return _load_given(root, given, form, validation=validation, seed=seed, progress=progress)
    names, files = list_classes(root)
    images = _read_all(root, {"": files}, form, progress)[""]
    rest, held = split_off(images, share=test, seed=seed, purpose="test", class_names=names)
    train, valid = split_off(
        rest, share=validation, seed=seed, purpose="validation", class_names=names
    )
    return Dataset(
        name="folder",
        class_names=names,
        train=train,
        validation=valid,
        test=held,
        seed=seed,
        rule=f"stratified: {test} of all for test, {validation} of the rest for validation; "
        "equal images stay together",
    )


def load_unsplit(
    root: Path,
    *,
    image_size: tuple[int, int],
    channels: int,
    progress: Progress = NO_PROGRESS,
) -> tuple[tuple[str, ...], Images, str]:
    """Load the images of a folder that a model which was not trained here can be judged on.

    Args:
        root: See ``load_folder``.
        image_size: Height and width that images are brought to, pixels.
        channels: 1 or 3.
        progress: Who to tell how far the reading is.

    Returns:
        Class names; the images of the folder ``test`` where ``root`` comes split, else all; and
        which of the two, in words.

    Raises:
        DataError: As ``load_folder``, of the images that are used.
    """
    _check_folder(root)
    form = _Form(height=image_size[0], width=image_size[1], channels=channels)
    place, rule = (root / "test", "its folder test") if given_splits(root) else (root, "all of it")
    names, files = list_classes(place)
    return names, _read_all(root, {"": files}, form, progress)[""], rule


def _check_folder(root: Path) -> None:
    if not root.is_dir():
        raise DataError(
            f"the data folder {root} does not exist" if not root.exists() else f"{root} is a file",
            observed="a file" if root.exists() else "nothing there",
            expected="a folder with one sub-folder of images per class",
            remedy="check data.path in the recipe, or give --data FOLDER",
        )


def _load_given(
    root: Path,
    parts: Sequence[str],
    form: _Form,
    *,
    validation: float,
    seed: int,
    progress: Progress,
) -> Dataset:
    listed = {part: list_classes(root / part) for part in parts}
    names = listed["train"][0]
    for part, (found, _) in listed.items():
        if found != names:
            differing = sorted(set(found) ^ set(names))
            raise DataError(
                f"{root / part} has other classes than {root / 'train'}",
                observed=f"only in one of them: {', '.join(differing[:_LISTED])}",
                expected="the same class folders in each",
                remedy="add or remove class folders, so that all splits have the same",
            )
    files = {part: found for part, (_, found) in listed.items()}
    images = _read_all(root, files, form, progress)
    test = images["test"]
    dropped: list[str] = []
    rest = _without(images["train"], [test, *_present(images, "validation")], dropped)
    if "validation" in images:
        train, valid = rest, _without(images["validation"], [test], dropped)
    else:
        train, valid = split_off(
            rest, share=validation, seed=seed, purpose="validation", class_names=names
        )
    return Dataset(
        name="folder",
        class_names=names,
        train=train,
        validation=valid,
        test=test,
        seed=None if "validation" in images else seed,
        rule=f"given by the folders {', '.join(parts)}"
        + ("" if "validation" in images else f"; stratified: {validation} of train for validation"),
        dropped=tuple(dropped),
    )


def _present(images: dict[str, Images], name: str) -> list[Images]:
    return [images[name]] if name in images else []


def _without(images: Images, others: Sequence[Images], dropped: list[str]) -> Images:
    """Return the images whose pixels are in none of the others; add the rest to ``dropped``."""
    known = {digest for other in others for digest in digest_per_image(other.pixels)}
    digests = digest_per_image(images.pixels)
    dropped.extend(images.ids[i] for i, digest in enumerate(digests) if digest in known)
    return images.take([i for i, digest in enumerate(digests) if digest not in known])


def _read_all(
    root: Path, parts: Mapping[str, Sequence[ImageFile]], form: _Form, progress: Progress
) -> dict[str, Images]:
    """Read the files of all parts, so that what cannot be read is told of all at once."""
    total = sum(map(len, parts.values()))
    # Before the reading, which takes a while where there are many.
    pixels = _room_for({part: len(files) for part, files in parts.items()}, form)
    failures: list[str] = []
    pool = ThreadPoolExecutor(max_workers=_WORKERS)
    try:
        # The decoder silences Pillow's warnings image by image; threads that do so at the same
        # time would leave the filters changed.
        with warnings.catch_warnings(), progress.task("reading images", total) as task:
            for part, files in parts.items():
                outcomes = pool.map(lambda file: _read(file[0], form), files)
                for index, outcome in enumerate(outcomes):
                    if isinstance(outcome, str):
                        failures.append(f"{files[index][0]}: {outcome}")
                    else:
                        pixels[part][index] = outcome
                    task.advance()
    finally:
        pool.shutdown(cancel_futures=True)
    if failures:
        lines = "\n".join(f"  {failure}" for failure in failures)
        raise DataError(
            f"{len(failures)} of {total} files cannot be read as images:\n{lines}",
            observed=f"{total - len(failures)} files that can be read",
            expected="class folders that hold nothing but images",
            remedy="delete these files, move them out of the class folders, or replace them",
        )
    return {
        part: Images(
            pixels=pixels[part],
            labels=np.asarray([label for _, label in files], dtype=np.int64),
            ids=tuple(id_of(path.relative_to(root)) for path, _ in files),
        )
        for part, files in parts.items()
    }


def _room_for(counts: Mapping[str, int], form: _Form) -> dict[str, npt.NDArray[np.uint8]]:
    """Return empty pixels for each part, of its own: a part that goes then frees its memory."""
    shape = (form.height, form.width, form.channels)
    try:
        return {part: np.empty((count, *shape), np.uint8) for part, count in counts.items()}
    except MemoryError as error:
        total = sum(counts.values())
        raise DataError(
            "the images do not fit into memory at this size",
            observed=f"{size_text(total * math.prod(shape))} for {total} images",
            expected="images that fit into memory all at once, a byte a value",
            remedy="set a smaller data.image_size in the recipe",
        ) from error


def id_of(path: Path) -> str:
    """Return a path as text that can be written anywhere, whatever bytes its name has."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _read(path: Path, form: _Form) -> npt.NDArray[np.uint8] | str:
    """Return the image's pixels, or the reason why there are none."""
    from edgecnn_runner.decode import read_image
    from edgecnn_runner.preprocess import prepare

    try:
        rgb = read_image(path)
    except EdgeError as error:
        return error.problem if error.observed is None else f"{error.problem} ({error.observed})"
    return prepare(rgb, height=form.height, width=form.width, channels=form.channels)
