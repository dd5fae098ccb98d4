"""The saved float model: written whole, the same bytes for the same weights, and scored as saved.

This module imports TensorFlow; ``run`` imports it when a training begins.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.reference import check_scores, images_at_once
from edgecnn.files import wrap_os_errors, write_whole
from edgecnn.train.architectures import build_network
from edgecnn.train.backend import keras

# The earliest time a ZIP entry can have; with the real one no two files would be equal.
_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)


def save_float32(
    network: Any,
    path: Path,
    *,
    shape: tuple[int, int, int],
    classes: int,
    dropout: float = 1.0,
    scratch: Path | None = None,
) -> None:
    """Save a trained network as a float32 model, whatever it was trained in.

    A model keeps the precision it was built with, so it is built again under float32 and given
    the trained weights; those are float32 already.

    Args:
        network: A Keras model made by ``build_network`` (untyped).
        path: Where to, ending in ``.keras``; replaced if it exists.
        shape: Height, width and channels the network was built with.
        classes: Its number of outputs.
        dropout: What it was built with.
        scratch: A folder for the draft that Keras writes, by default that of ``path``; the
            draft is deleted.

    Raises:
        WorkspaceError: If the file cannot be written.
    """
    plain = build_network(
        network.name, shape=shape, classes=classes, precision="float32", seed=0, dropout=dropout
    )
    plain.set_weights(network.get_weights())
    save_keras(plain, path, scratch=scratch)


def save_keras(model: Any, path: Path, *, scratch: Path | None = None) -> None:
    """Save a float32 model: whole, and the same bytes for the same weights.

    Args:
        model: A Keras model (untyped).
        path: Where to, ending in ``.keras``; replaced if it exists.
        scratch: A folder for the draft that Keras writes, by default that of ``path``; the
            draft is deleted.

    Raises:
        WorkspaceError: If the file cannot be written.
    """
    scratch = path.parent if scratch is None else scratch
    with wrap_os_errors(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
    with (
        wrap_os_errors(scratch),
        tempfile.TemporaryDirectory(prefix="model.", dir=scratch) as folder,
    ):
        draft = Path(folder) / "model.keras"
        with warnings.catch_warnings():
            # Keras converts variables in a way that numpy 2 wants changed.
            warnings.simplefilter("ignore", DeprecationWarning)
            model.save(draft)
        data = _normalized(draft)
    write_whole(path, data)


def _normalized(path: Path) -> bytes:
    """Return a Keras file's bytes without what differs from one saving to the next.

    That is the time, and the memory addresses that Keras takes as names of shared objects; they
    become 0, 1, 2 and so on.
    """
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(path) as source,
        zipfile.ZipFile(buffer, "w", compression=zipfile.ZIP_STORED) as target,
    ):
        for name in sorted(source.namelist()):
            data = source.read(name)
            if name == "metadata.json":
                metadata = json.loads(data)
                metadata.pop("date_saved", None)
                data = json.dumps(metadata, sort_keys=True).encode()
            elif name == "config.json":
                data = _renumbered(data.decode()).encode()
            target.writestr(zipfile.ZipInfo(name, date_time=_NO_TIME), data)
    return buffer.getvalue()


def _renumbered(config: str) -> str:
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"{match[1]}{numbers.setdefault(match[2], len(numbers))}"

    return re.sub(r'("shared_object_id": )(\d+)', number, config)


def score_saved(path: Path, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return what a saved model says about images, computed in float32.

    Args:
        path: A ``.keras`` file that ``save_float32`` wrote.
        pixels: Raw pixels, shape (n, height, width, channels), uint8.

    Returns:
        Class probabilities, shape (n, classes).

    Raises:
        ScoreError: If any is not a finite number.
    """
    model = keras.models.load_model(path, compile=False)
    # Called directly: predict() would trace a graph first, which takes longer than it saves.
    size = images_at_once(pixels.shape[1:])
    parts = [
        np.asarray(model(pixels[first : first + size], training=False), dtype=np.float32)
        for first in range(0, len(pixels), size)
    ]
    scores = np.concatenate(parts)
    check_scores(scores, model=str(path))
    return scores
