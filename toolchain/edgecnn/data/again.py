"""Reads images of a data folder once more, brought to the model's size by other rules."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.folder import id_of
from edgecnn.errors import DataError
from edgecnn.recipe.load import Data

_WORKERS: Final = 4

Pixels = npt.NDArray[np.uint8]


def folder_of(section: Data, data: str | None) -> Path | None:
    """Return the folder whose image files a data set was read from; None where there are none.

    Args:
        section: The recipe's ``data`` section.
        data: What the command line named in place of its folder.
    """
    if section.name != "folder":
        return None  # images of one size, in files of their own kind
    return section.path if data is None else Path(data)


class FolderAgain:
    """Reads image files of a data folder by other resize rules.

    Each file is decoded once for all rules: that is what takes long with large photos.

    Args:
        root: The data folder; ids are paths relative to it.
        shape: Height, width and channels that images are brought to.
    """

    def __init__(self, root: Path, shape: tuple[int, int, int]) -> None:
        self._root, self._shape = root, shape
        self._odd: dict[str, Path] | None = None

    def __call__(self, ids: Sequence[str], rules: Sequence[str]) -> Mapping[str, Pixels]:
        """Read some images.

        Args:
            ids: Their names, as ``Images.ids`` has them.
            rules: Names of resize rules; see ``edgecnn_runner.contract.parse_resize``.

        Returns:
            Rule to images, shape (n, height, width, channels), uint8.

        Raises:
            DataError: If a file is gone.
            ImageError: If a file cannot be read any more.
        """
        from edgecnn_runner.images.decode import read_image
        from edgecnn_runner.images.preprocess import prepare

        height, width, channels = self._shape
        found = {rule: np.empty((len(ids), *self._shape), np.uint8) for rule in rules}

        def read(index: int) -> None:
            rgb = read_image(self.path_of(ids[index]))
            for rule in rules:
                found[rule][index] = prepare(
                    rgb, height=height, width=width, channels=channels, rule=rule
                )

        # As in ``folder``: the decoder's threads would leave the filters of warnings changed.
        with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=_WORKERS) as pool:
            list(pool.map(read, range(len(ids))))
        return found

    def copies(
        self, ids: Sequence[str], rule: str, copy: Callable[[Path], bytes | None]
    ) -> tuple[npt.NDArray[np.int64], Pixels]:
        """Read copies of some images that another decoder made.

        Args:
            ids: Their names.
            rule: Name of the resize rule.
            copy: Makes an image file of an image file; None where it makes none.

        Returns:
            Which of the images there are copies of, shape (m,), and these, shape (m, height,
            width, channels), uint8.

        Raises:
            DataError: If a file is gone.
            ImageError: If a copy cannot be read.
        """
        from edgecnn_runner.images.decode import read_image
        from edgecnn_runner.images.preprocess import prepare

        height, width, channels = self._shape
        which, found = [], []
        for index, name in enumerate(ids):
            data = copy(self.path_of(name))
            if data is not None:
                which.append(index)
                found.append(
                    prepare(
                        read_image(data), height=height, width=width, channels=channels, rule=rule
                    )
                )
        pixels = np.stack(found) if found else np.empty((0, *self._shape), np.uint8)
        return np.asarray(which, np.int64), pixels

    def path_of(self, name: str) -> Path:
        """Return the file of an id.

        Raises:
            DataError: If it is gone.
        """
        path = self._root / name
        if path.is_file():
            return path
        if self._odd is None:
            # A name that is no UTF-8 was written otherwise in the id.
            self._odd = {
                id_of(file.relative_to(self._root)): file
                for place, _, names in os.walk(self._root, followlinks=True)
                for file in (Path(place, one) for one in names)
            }
        if name not in self._odd:
            raise DataError(
                f"the image {path} is gone",
                observed="no file there",
                expected="the file that was read a moment ago",
                remedy="run the command again, and leave the data as they are meanwhile",
            )
        return self._odd[name]
