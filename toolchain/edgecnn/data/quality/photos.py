"""Reads the photos of a folder, each file once, and keeps what is measured of it."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.data.class_folders import ImageFile, claims_to_be_an_image
from edgecnn.data.folder import id_of
from edgecnn.data.quality.fingerprint import Fingerprint, Rgb, fingerprint_of_reduced, reduced
from edgecnn.data.quality.measures import Light, blur_effect, light
from edgecnn.errors import ImageError
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.report.text import size_text
from edgecnn_runner.contract import RESIZE_RULE

_WORKERS: Final = 4
# Files read before their features are computed: with four workers at a time, none waits for the
# others for long, and what they hold stays within some megabytes.
_CHUNK: Final = 64
_LARGEST_FILE: Final = 1 << 29
_THUMBNAIL_SIDE: Final = 128
_THUMBNAIL_QUALITY: Final = 80
_GREY_WITHIN: Final = 4  # levels that JPEG files of grey pictures differ by between channels

Features = npt.NDArray[np.float32]


class FeatureExtractor(Protocol):
    """A pretrained network without its last layer, as a function of pictures."""

    @property
    def name(self) -> str:
        """What to call it in reports."""

    @property
    def size(self) -> int:
        """Height and width of the pictures that it takes, pixels."""

    def __call__(self, pixels: npt.NDArray[np.uint8], /) -> Features:
        """Return features.

        Args:
            pixels: Shape (n, size, size, 3), uint8, raw RGB; n is at most 64.

        Returns:
            Shape (n, f), float32; f is always the same.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Photo:
    """What is known of a file that was read.

    Attributes:
        id: Path relative to the data folder, with ``/``.
        label: Its class.
        split: The split that the folder comes with; empty where it does not come split.
        height: Pixels, upright.
        width: Pixels, upright.
        size_bytes: Of the file.
        file_sha256: Of the file's bytes.
        pixels_sha256: Of size and pixels, upright RGB.
        grey: Whether it shows no colour.
        light: How light is spread over it.
        blur: 0 (sharp) to 1; None where that cannot be told. See ``blur_effect``.
        print: What it is recognized by.
        thumbnail: A small JPEG of it; empty where nobody asked.
    """

    id: str
    label: int
    split: str
    height: int
    width: int
    size_bytes: int
    file_sha256: str
    pixels_sha256: str
    grey: bool
    light: Light
    blur: float | None
    print: Fingerprint
    thumbnail: bytes = b""


@dataclass(frozen=True, kw_only=True)
class UnreadPhoto:
    """A file that no photo came of.

    Attributes:
        id: Path relative to the data folder, with ``/``.
        label: Class of its folder.
        split: The split that the folder comes with; empty where it does not come split.
        reason: What is wrong with it.
        is_image: Whether it is an image, damaged perhaps; other files do not count as lost.
    """

    id: str
    label: int
    split: str
    reason: str
    is_image: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadPhotos:
    """All files of a folder.

    Attributes:
        photos: Those that could be read.
        unread: Those that could not.
        features: Of the photos, shape (n, f); None without an extractor, or without photos.
    """

    photos: tuple[Photo, ...]
    unread: tuple[UnreadPhoto, ...]
    features: Features | None


@dataclass(frozen=True, kw_only=True)
class _File:
    path: Path
    id: str
    label: int
    split: str


def read_photos(
    root: Path,
    parts: Mapping[str, Sequence[ImageFile]],
    *,
    extractor: FeatureExtractor | None = None,
    thumbnails: bool = False,
    progress: Progress = NO_PROGRESS,
) -> ReadPhotos:
    """Read and measure files, each once.

    Args:
        root: The data folder.
        parts: The files of each split; of one without a name where the folder does not come split.
        extractor: Gives features; None for none.
        thumbnails: Whether to keep a small picture of each photo.
        progress: Shows how many were read.

    Returns:
        What is known of each. No damaged file is an error.
    """
    files = [
        _File(path=path, id=id_of(path.relative_to(root)), label=label, split=split)
        for split, found in parts.items()
        for path, label in found
    ]
    photos: list[Photo] = []
    unread: list[UnreadPhoto] = []
    features: list[Features] = []
    pool = ThreadPoolExecutor(max_workers=_WORKERS)
    side = None if extractor is None else extractor.size
    try:
        # As in ``folder``: the decoder's threads would leave the filters of warnings changed.
        with warnings.catch_warnings(), progress.task("reading photos", len(files)) as task:
            warnings.simplefilter("ignore")  # Pillow's, of metadata that do no harm
            for chunk in _chunks(files):
                inputs = []
                for photo, pixels in pool.map(lambda file: _look_at(file, side, thumbnails), chunk):
                    if isinstance(photo, UnreadPhoto):
                        unread.append(photo)
                    else:
                        photos.append(photo)
                        inputs.append(pixels)
                if extractor is not None and inputs:
                    features.append(np.asarray(extractor(np.stack(inputs)), np.float32))
                task.advance(len(chunk))
    finally:
        pool.shutdown(cancel_futures=True)
    return ReadPhotos(
        photos=tuple(photos),
        unread=tuple(unread),
        features=np.concatenate(features) if features else None,
    )


def _chunks(files: Sequence[_File]) -> Iterator[Sequence[_File]]:
    return (files[at : at + _CHUNK] for at in range(0, len(files), _CHUNK))


_NO_PIXELS: Final[Rgb] = np.empty((0, 0, 3), np.uint8)


def _look_at(
    file: _File, side: int | None, with_thumbnail: bool
) -> tuple[Photo | UnreadPhoto, Rgb]:
    """Return what is known of a file, and its pixels as an extractor of that side takes them."""
    from edgecnn_runner.files import regular_size
    from edgecnn_runner.images.decode import read_image
    from edgecnn_runner.images.preprocess import prepare

    claims = claims_to_be_an_image(file.path)
    try:
        size = regular_size(file.path)
        if size > _LARGEST_FILE:
            return _unread(file, f"it has {size_text(size)}", claims), _NO_PIXELS
        data = file.path.read_bytes()
        rgb = read_image(data)
    except OSError as error:
        return _unread(file, error.strerror or str(error), claims), _NO_PIXELS
    except ImageError as error:
        observed = "" if error.observed is None else f" ({error.observed})"
        reason = f"{error.problem.removeprefix('the image ')}{observed}"
        return _unread(file, reason, claims or _has_a_header(data)), _NO_PIXELS
    except MemoryError:
        return _unread(file, "it does not fit into memory", claims), _NO_PIXELS
    height, width = rgb.shape[:2]
    small = reduced(rgb)
    digest = hashlib.sha256(f"{height} {width}".encode())
    digest.update(np.ascontiguousarray(rgb).data)
    photo = Photo(
        id=file.id,
        label=file.label,
        split=file.split,
        height=height,
        width=width,
        size_bytes=len(data),
        file_sha256=hashlib.sha256(data).hexdigest(),
        pixels_sha256=digest.hexdigest(),
        grey=int((small.max(axis=2) - small.min(axis=2)).max()) <= _GREY_WITHIN,
        light=light(small),
        blur=blur_effect(small),
        print=fingerprint_of_reduced(small, data),
        thumbnail=_thumbnail(small) if with_thumbnail else b"",
    )
    if side is None:
        return photo, _NO_PIXELS
    return photo, prepare(rgb, height=side, width=side, channels=3, rule=RESIZE_RULE)


def _unread(file: _File, reason: str, is_image: bool) -> UnreadPhoto:
    return UnreadPhoto(
        id=file.id, label=file.label, split=file.split, reason=reason, is_image=is_image
    )


def _has_a_header(data: bytes) -> bool:
    """Return whether bytes begin as an image does, whatever their file is called."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)):
            return True
    except Exception:  # noqa: BLE001 - damaged headers raise anything
        return False


def _thumbnail(rgb: Rgb) -> bytes:
    from PIL import Image

    picture = Image.fromarray(rgb)
    picture.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BOX)
    made = io.BytesIO()
    picture.save(made, format="JPEG", quality=_THUMBNAIL_QUALITY)
    return made.getvalue()
