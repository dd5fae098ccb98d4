"""The reference: the float model's scores on the evaluation images, saved once.

Parity compares every artifact with these scores, so that ``verify`` needs no TensorFlow. The
digest of the evaluation images binds the scores to the images they were computed on. Beside them
stand the model's scores on the same images with one grey level of noise, and on generated
pictures: how firmly it holds its answers, and what it computes elsewhere.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.errors import ScoreError, WorkspaceError
from edgecnn.files import atomic_file
from edgecnn.log import has_read
from edgecnn.pixels import parts_of, room_for

if TYPE_CHECKING:
    from edgecnn.data import Images

_NOISE_SEED: Final = 1

# All that numpy and zipfile raise on a damaged archive.
_UNREADABLE: Final = (
    OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, struct.error,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """The float model's answers on n evaluation images.

    The last two attributes are missing in files that edgecnn 0.2 and earlier wrote, and those
    versions read a file that has them.

    Attributes:
        scores: Probabilities, shape (n, classes), float32. Models that give logits are recorded
            after a softmax.
        labels: True classes, shape (n,), int64.
        ids: One text per image: a path relative to the data folder, or the index in the test set.
        images_sha256: ``images_digest`` of the evaluation images, in this order.
        model_sha256: Digest of the float model's file.
        class_names: Class names in score order.
        noise_scores: Probabilities for the same images after ``with_noise``, shape (n, classes),
            float32; None where nobody asked the model.
        probe_scores: Probabilities for the pictures that ``edgecnn.data.patterns.probes`` makes,
            shape (m, classes), float32; None where nobody asked the model.
        probes_sha256: ``images_digest`` of those pictures; empty where there are no scores of them.
    """

    scores: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    ids: Sequence[str]
    images_sha256: str
    model_sha256: str
    class_names: Sequence[str]
    noise_scores: npt.NDArray[np.float32] | None = None
    probe_scores: npt.NDArray[np.float32] | None = None
    probes_sha256: str = ""

    @classmethod
    def asked(
        cls,
        score: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]],
        images: Images,
        *,
        probes: npt.NDArray[np.uint8],
        model_sha256: str,
        class_names: Sequence[str],
    ) -> Reference:
        """Ask a float model for all that a reference holds.

        Args:
            score: The model: pixels, shape (n, height, width, channels), to probabilities, shape
                (n, classes).
            images: The evaluation images.
            probes: Generated pictures, shape (m, height, width, channels).
            model_sha256: Digest of the model's file.
            class_names: Class names in score order.

        Raises:
            EdgeError: Whatever ``score`` raises.
        """
        return cls(
            scores=score(images.pixels),
            labels=images.labels,
            ids=images.ids,
            images_sha256=images_digest(images.pixels),
            model_sha256=model_sha256,
            class_names=class_names,
            noise_scores=score(with_noise(images.pixels)),
            probe_scores=score(probes),
            probes_sha256=images_digest(probes),
        )

    def write(self, path: Path) -> None:
        """Save as ``.npz``, atomically.

        Raises:
            WorkspaceError: If the file cannot be written.
        """
        more: dict[str, npt.NDArray[Any]] = {}
        if self.noise_scores is not None:
            more["noise_scores"] = self.noise_scores.astype(np.float32)
        if self.probe_scores is not None:
            more["probe_scores"] = self.probe_scores.astype(np.float32)
            more["probes_sha256"] = np.asarray(self.probes_sha256, dtype=np.str_)
        with atomic_file(path) as file:
            np.savez_compressed(
                file,
                scores=self.scores.astype(np.float32),
                labels=self.labels.astype(np.int64),
                ids=np.asarray(self.ids, dtype=np.str_),
                class_names=np.asarray(self.class_names, dtype=np.str_),
                digests=np.asarray([self.images_sha256, self.model_sha256], dtype=np.str_),
                **more,  # type: ignore[arg-type]  # none of them is called allow_pickle
            )


def read_reference(path: Path) -> Reference:
    """Load what ``Reference.write`` saved; no pickles are opened.

    Raises:
        WorkspaceError: If the file is missing or damaged.
    """
    has_read(path)
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            images_sha256, model_sha256 = (str(text) for text in stored["digests"])
            reference = Reference(
                scores=stored["scores"],
                labels=stored["labels"],
                ids=[str(text) for text in stored["ids"]],
                images_sha256=images_sha256,
                model_sha256=model_sha256,
                class_names=[str(text) for text in stored["class_names"]],
                noise_scores=stored.get("noise_scores"),
                probe_scores=stored.get("probe_scores"),
                probes_sha256=str(stored.get("probes_sha256", "")),
            )
    except _UNREADABLE as error:
        raise WorkspaceError(
            f"cannot read the reference scores {path} ({error})",
            observed=f"{type(error).__name__}: {error}",
            expected=f"the scores that train or convert writes to {path.name}",
            remedy="make them again: edgecnn convert SOURCE (or edgecnn train RECIPE)",
        ) from error
    rows = reference.labels.size
    kinds = (reference.scores.dtype.kind, reference.labels.dtype.kind, reference.labels.ndim)
    if (
        kinds != ("f", "i", 1)
        or reference.scores.shape != (rows, len(reference.class_names))
        or len(reference.ids) != rows
        or not _fits(reference.noise_scores, rows, len(reference.class_names))
        or not _fits(reference.probe_scores, None, len(reference.class_names))
    ):
        shapes = {
            "scores": reference.scores,
            "scores under noise": reference.noise_scores,
            "scores of generated pictures": reference.probe_scores,
        }
        told = ", ".join(f"{name} {one.shape}" for name, one in shapes.items() if one is not None)
        raise WorkspaceError(
            f"the reference scores {path} do not fit together",
            observed=f"{told}, {rows} labels, {len(reference.ids)} ids",
            expected="a row of float scores for each label and id, a column for each class",
            remedy="make them again: edgecnn convert SOURCE (or edgecnn train RECIPE)",
        )
    return reference


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureScores:
    """The float model's answers to pictures without labels, saved once for later verifications.

    Attributes:
        scores: Probabilities, shape (m, classes), float32.
        images_sha256: ``images_digest`` of the pictures, in this order.
        model_sha256: Digest of the float model's file.
    """

    scores: npt.NDArray[np.float32]
    images_sha256: str
    model_sha256: str

    def write(self, path: Path) -> None:
        """Save as ``.npz``, atomically.

        Raises:
            WorkspaceError: If the file cannot be written.
        """
        with atomic_file(path) as file:
            np.savez_compressed(
                file,
                scores=self.scores.astype(np.float32),
                digests=np.asarray([self.images_sha256, self.model_sha256], dtype=np.str_),
            )


def read_picture_scores(path: Path) -> PictureScores | None:
    """Load what ``PictureScores.write`` saved; None where there is nothing that can be used.

    The model is asked again then: nobody loses more than a minute.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            images_sha256, model_sha256 = (str(text) for text in stored["digests"])
            scores = stored["scores"]
    except _UNREADABLE:
        return None
    has_read(path)
    if scores.ndim != 2 or not _fits(scores, None, scores.shape[1]):
        return None
    return PictureScores(scores=scores, images_sha256=images_sha256, model_sha256=model_sha256)


def _fits(scores: npt.NDArray[Any] | None, rows: int | None, classes: int) -> bool:
    """Tell whether scores that may be missing are numbers of this shape, where they are there."""
    if scores is None:
        return True
    if scores.dtype.kind != "f" or scores.ndim != 2 or not np.isfinite(scores).all():
        return False
    return scores.shape[1] == classes and rows in (None, len(scores)) and len(scores) > 0


def with_noise(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return images of which every value is one grey level higher or lower, by chance.

    That is the smallest change that a picture can have everywhere: less than any camera's noise.
    At the ends of the scale a value stays where it is.

    Args:
        pixels: Shape (n, height, width, channels), uint8.

    Returns:
        The same shape; always the same for the same pixels and version of numpy.

    Raises:
        DataError: If there is no room for it.
    """
    random = np.random.default_rng(_NOISE_SEED)
    noisy = room_for(len(pixels), pixels.shape[1:])
    for index, picture in enumerate(pixels):
        up = random.integers(0, 2, picture.shape, dtype=np.uint8).astype(bool)
        noisy[index] = np.where(up, picture + (picture < 255), picture - (picture > 0))
    return noisy


def check_scores(scores: npt.NDArray[Any], *, model: str) -> None:
    """Refuse NaN and infinity in a model's answers.

    Args:
        scores: Shape (n, classes).
        model: What to call the model in the error.

    Raises:
        ScoreError: If any score is not finite.
    """
    bad = int(np.count_nonzero(~np.isfinite(scores).all(axis=-1)))
    if bad:
        raise ScoreError(
            f"{model} answers with scores that are not numbers",
            observed=f"NaN or infinity for {bad} of {len(scores)} images",
            expected="finite scores",
            remedy="train again with a lower learning rate, or check the model's weights for NaN",
        )


def images_digest(images: npt.NDArray[np.uint8]) -> str:
    """Return the SHA-256 of images and their shape; the order counts."""
    digest = hashlib.sha256(repr(images.shape).encode())
    # In parts, which it is all the same to: a copy of all may be too large.
    for part in parts_of(images):
        digest.update(np.ascontiguousarray(images[part]).data)
    return digest.hexdigest()


_AT_ONCE: Final = 256
_AT_ONCE_BYTES: Final = 4 * 2**20


def images_at_once(shape: Sequence[int]) -> int:
    """Return how many images a float model is asked about at once: fewer of large ones.

    A network's first layers take some ten times the memory of its images, and several of them are
    there at a time: 256 images of 160 x 160 pixels through EfficientNet-Lite0 took 11.6 GB and
    three times as long as 32 (2.1 GB). A whole build with 27 at once took 3.1 GB, with 13 2.5 GB
    and no longer.

    Args:
        shape: Height, width and channels.
    """
    return min(_AT_ONCE, max(1, _AT_ONCE_BYTES // (4 * math.prod(shape))))
