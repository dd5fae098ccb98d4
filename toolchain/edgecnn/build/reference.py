"""The reference: the float model's scores on the evaluation images, saved once.

Parity compares every artifact with these scores, so that ``verify`` needs no TensorFlow. The
digest of the evaluation images binds the scores to the images they were computed on.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.errors import ScoreError, WorkspaceError
from edgecnn.files import atomic_file
from edgecnn.log import has_read

# All that numpy and zipfile raise on a damaged archive.
_UNREADABLE: Final = (
    OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, struct.error,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """The float model's answers on n evaluation images.

    Attributes:
        scores: Probabilities, shape (n, classes), float32. Models that give logits are recorded
            after a softmax.
        labels: True classes, shape (n,), int64.
        ids: One text per image: a path relative to the data folder, or the index in the test set.
        images_sha256: ``images_digest`` of the evaluation images, in this order.
        model_sha256: Digest of the float model's file.
        class_names: Class names in score order.
    """

    scores: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    ids: Sequence[str]
    images_sha256: str
    model_sha256: str
    class_names: Sequence[str]

    def write(self, path: Path) -> None:
        """Save as ``.npz``, atomically.

        Raises:
            WorkspaceError: If the file cannot be written.
        """
        with atomic_file(path) as file:
            np.savez_compressed(
                file,
                scores=self.scores.astype(np.float32),
                labels=self.labels.astype(np.int64),
                ids=np.asarray(self.ids, dtype=np.str_),
                class_names=np.asarray(self.class_names, dtype=np.str_),
                digests=np.asarray([self.images_sha256, self.model_sha256], dtype=np.str_),
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
    ):
        raise WorkspaceError(
            f"the reference scores {path} do not fit together",
            observed=f"scores {reference.scores.shape}, {rows} labels, {len(reference.ids)} ids",
            expected="a row of float scores for each label and id, a column for each class",
            remedy="make them again: edgecnn convert SOURCE (or edgecnn train RECIPE)",
        )
    return reference


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
    digest.update(np.ascontiguousarray(images).tobytes())
    return digest.hexdigest()
