"""What a pretrained network makes of pictures, each computed once and kept in the build.

The store knows a picture by its pixels. So mirrored copies are pictures like others, a photo that
is added later is the only one computed, and a run that was killed goes on where it was.

Nothing here imports TensorFlow: the network is passed in as a function.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.reference import images_at_once
from edgecnn.files import atomic_file, wrap_os_errors

Pixels = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float32]

_SAVED_EVERY: Final = 256
_KEY_DIGITS: Final = 16


@dataclass(frozen=True, kw_only=True)
class FeatureStore:
    """The features of pictures by one network, in a folder of the build.

    Attributes:
        folder: Where; made if need be.
        key: Digest of the network, its weights and what it takes.
        width: Features a picture.
    """

    folder: Path
    key: str
    width: int
    _rows: dict[bytes, Features] = field(default_factory=dict)

    @property
    def place(self) -> Path:
        """The folder of this network's features."""
        return self.folder / self.key[:_KEY_DIGITS]

    def get(
        self,
        pictures: Pixels,
        compute: Callable[[Pixels], Features],
        *,
        advance: Callable[[int], None] = lambda _: None,
    ) -> Features:
        """Return the features of pictures, computing and keeping those that are not there yet.

        Args:
            pictures: Shape (n, height, width, channels), uint8.
            compute: Gives the features of a batch of them, shape (batch, ``width``).
            advance: Told how many pictures are done, as they are.

        Returns:
            Shape (n, ``width``), float32.

        Raises:
            WorkspaceError: If they cannot be kept.
        """
        self._read()
        keys = [hashlib.sha256(one.tobytes()).digest() for one in pictures]
        missing = list({key: at for at, key in enumerate(keys) if key not in self._rows}.values())
        advance(len(keys) - len(missing))
        for first in range(0, len(missing), _SAVED_EVERY):
            part = missing[first : first + _SAVED_EVERY]
            rows = []
            for batch in _batches(part, images_at_once(pictures.shape[1:])):
                rows.append(compute(pictures[batch]))
                advance(len(batch))
            self._keep([keys[at] for at in part], np.concatenate(rows))
        return np.stack([self._rows[key] for key in keys])

    def _read(self) -> None:
        if self._rows or not self.place.is_dir():
            return
        for path in sorted(self.place.glob("*.npz")):
            try:
                with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                    keys, rows = stored["keys"], stored["features"]
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
                continue  # torn by a crash; computed again
            fits = rows.dtype == np.float32 and rows.shape[1:] == (self.width,)
            if fits and keys.dtype == np.uint8 and keys.shape == (len(rows), 32):
                self._rows.update(zip(map(bytes, keys), rows, strict=True))

    def _keep(self, keys: list[bytes], rows: Features) -> None:
        with wrap_os_errors(self.place):
            self.place.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(b"".join(keys)).hexdigest()
        with atomic_file(self.place / f"{digest[:_KEY_DIGITS]}.npz") as file:
            digests = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), -1)
            np.savez(file, keys=digests, features=rows)
        self._rows.update(zip(keys, rows, strict=True))


def _batches(indices: list[int], size: int) -> Iterator[list[int]]:
    for first in range(0, len(indices), size):
        yield indices[first : first + size]
