"""CIFAR-10 as its authors published it: find it, check it, read it.

The batches are pickles, and a pickle can run code when it is opened. So each file's MD5 is
compared with the published one first, and even then only the few constructors that a batch of
numpy arrays needs are let through.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle  # noqa: TID251 - the published format; opened only after the MD5 check
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.download import CIFAR10, PublishedFile, fetch
from edgecnn.data.split import split_off
from edgecnn.data.types import Dataset, Images
from edgecnn.errors import ChecksumError, DataError
from edgecnn.log import has_read
from edgecnn.progress import NO_PROGRESS, Progress

ENVIRONMENT: Final = "EDGECNN_DATA"
"""Environment variable that names the folder where the data set is."""

CIFAR10_CLASSES: Final = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

_TRAIN_BATCHES: Final = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST_BATCHES: Final = ("test_batch",)


def load_cifar10(
    *,
    root: Path | None,
    path: Path | None,
    validation: float,
    seed: int,
    progress: Progress = NO_PROGRESS,
    release: PublishedFile = CIFAR10,
    cache: Path | None = None,
) -> Dataset:
    """Load CIFAR-10: 50,000 training and 10,000 test images of 32x32 RGB pixels.

    The test set is the published one. Validation images are a seeded, stratified share of the
    training set; Keras's ``validation_split`` would take the last ones of the file instead,
    whose classes are not balanced.

    Args:
        root: See ``find_cifar10``.
        path: See ``find_cifar10``.
        validation: Share of the training images held out for validation.
        seed: Seed of that split.
        progress: Who to tell about a download.
        release: Names, checksums and address of the files.
        cache: See ``find_cifar10``.

    Returns:
        The data set; ids are ``train/<position>`` and ``test/<position>``.

    Raises:
        DataError: If a named place does not hold the data set, or a file is missing.
        ChecksumError: If a file is not the published one; it was not opened.
        DownloadError: If a download was needed and failed.
    """
    folder = find_cifar10(root=root, path=path, progress=progress, release=release, cache=cache)
    has_read(folder)
    published = read_batches(folder, _TRAIN_BATCHES, prefix="train", release=release)
    test = read_batches(folder, _TEST_BATCHES, prefix="test", release=release)
    train, valid = split_off(
        published, share=validation, seed=seed, purpose="validation", class_names=CIFAR10_CLASSES
    )
    return Dataset(
        name="cifar10",
        class_names=CIFAR10_CLASSES,
        train=train,
        validation=valid,
        test=test,
        seed=seed,
        rule=f"stratified: {validation} of the published training set for validation; "
        "the published test set for test",
    )


def find_cifar10(
    *,
    root: Path | None,
    path: Path | None,
    progress: Progress = NO_PROGRESS,
    release: PublishedFile = CIFAR10,
    cache: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Path:
    """Return the folder of the batch files, downloading them if they are nowhere.

    The first place that is named counts: ``root``, ``path``, the environment variable
    ``EDGECNN_DATA``, the cache. Each may be the folder itself or the one that holds it.

    Args:
        root: Place named on the command line.
        path: Place named in the recipe.
        progress: Who to tell about a download.
        release: Names, checksums and address of the files.
        cache: Where downloads are kept; by default the user's cache folder for edgecnn.
        environment: Where to look for ``EDGECNN_DATA``.

    Returns:
        The folder; which files it holds is not yet checked, except for the first batch.

    Raises:
        DataError: If a named place does not hold the data set.
        DownloadError: If a download was needed and failed.
    """
    places = (
        ("the data folder given", root),
        ("data.path of the recipe", path),
        (f"the environment variable {ENVIRONMENT}", place_of_environment(environment)),
    )
    for origin, place in places:
        if place is not None:
            folder = _holding(place, release)
            if folder is None:
                raise DataError(
                    f"{origin} names {place}, which does not hold CIFAR-10",
                    observed="no such folder" if not place.is_dir() else "no file data_batch_1",
                    expected=f"a folder that holds {release.folder} with the six batch files",
                    remedy=f"name the folder above {release.folder}, or name none: then it is "
                    "downloaded",
                )
            return folder
    return fetch(release, cache=cache, progress=progress)


def place_of_environment(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the place that ``EDGECNN_DATA`` names; None where it is not set, or empty."""
    named = environment.get(ENVIRONMENT)
    return Path(named) if named else None


def missing_batches(place: Path, *, release: PublishedFile = CIFAR10) -> tuple[str, ...]:
    """Return the batch files that a named place lacks, without reading those it has.

    Args:
        place: The folder of the batch files, or the one that holds it.
        release: The folder's name.

    Returns:
        The names of the files; none where ``load_cifar10`` finds all that it reads.
    """
    names = (*_TRAIN_BATCHES, *_TEST_BATCHES)
    # Of the two, the one that lacks fewer: the loader's choice where none is lacking.
    return min((_missing(folder, names) for folder in (place / release.folder, place)), key=len)


def _missing(folder: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if not (folder / name).is_file())


def _holding(place: Path, release: PublishedFile) -> Path | None:
    for folder in (place / release.folder, place):
        if (folder / _TRAIN_BATCHES[0]).is_file():
            return folder
    return None


def read_batches(
    folder: Path, names: tuple[str, ...], *, prefix: str, release: PublishedFile = CIFAR10
) -> Images:
    """Read batch files, after checking the MD5 of each.

    Args:
        folder: The folder of the batch files.
        names: File names, in order.
        prefix: First part of the images' ids.
        release: The expected checksums.

    Returns:
        Images of shape (32, 32, 3), channels in the order red, green, blue.

    Raises:
        DataError: If files are missing; all of them are named.
        ChecksumError: If a file differs from the published one.
    """
    missing = _missing(folder, names)
    if missing:
        raise DataError(
            f"{folder} lacks {', '.join(missing)}",
            observed=f"{len(names) - len(missing)} of {len(names)} files",
            expected=", ".join(names),
            remedy="copy the missing files there, or use another copy of the data set",
        )
    pixels: list[npt.NDArray[np.uint8]] = []
    labels: list[npt.NDArray[np.int64]] = []
    for name in names:
        batch_pixels, batch_labels = _read_batch(folder / name, release.files[name])
        pixels.append(batch_pixels)
        labels.append(batch_labels)
    count = sum(map(len, labels))
    # Rows are three colour planes one after the other; the project's layout is NHWC.
    planes = np.concatenate(pixels).reshape(-1, 3, 32, 32)
    return Images(
        pixels=np.ascontiguousarray(planes.transpose(0, 2, 3, 1)),
        labels=np.concatenate(labels),
        ids=tuple(f"{prefix}/{index}" for index in range(count)),
    )


def _read_batch(path: Path, md5: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read {path} ({error.strerror or error})",
            observed=f"{type(error).__name__}: {error}",
            expected="a file that you may read",
            remedy="check the file's permissions and the disk",
        ) from error
    found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if found != md5:
        raise ChecksumError(
            f"{path} is not the file that was published; it was not opened",
            observed=f"MD5 {found}, {len(raw)} bytes",
            expected=f"MD5 {md5}",
            remedy="delete it and copy or download the data set again",
        )
    try:
        batch = _BatchUnpickler(io.BytesIO(raw), encoding="bytes").load()
        pixels, labels = batch[b"data"], np.asarray(batch[b"labels"], dtype=np.int64)
        if pixels.dtype != np.uint8 or pixels.shape != (len(labels), 3072):
            raise ValueError(f"data is {pixels.dtype} {pixels.shape} for {len(labels)} labels")
    except (
        pickle.UnpicklingError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        EOFError,
    ) as error:
        raise DataError(
            f"{path} does not hold a batch of CIFAR-10 ({error})",
            observed=f"{type(error).__name__}: {error}",
            expected="a dict of data, uint8 of shape (n, 3072), and n labels",
            remedy="copy or download the data set again",
        ) from error
    return pixels, labels


class _BatchUnpickler(pickle.Unpickler):
    """Opens what a pickled numpy array is made of, and refuses every other constructor."""

    # The files were written by numpy 1; importing under that name warns in numpy 2, so the
    # function is taken from what numpy itself would write today.
    _reconstruct: ClassVar[Callable[..., Any]] = np.empty(0).__reduce__()[0]  # type: ignore[assignment]
    _allowed: ClassVar[Mapping[tuple[str, str], Any]] = {
        ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:  # what pickle returns is any object
        try:
            return self._allowed[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None
