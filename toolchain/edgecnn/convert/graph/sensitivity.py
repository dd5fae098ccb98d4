"""Changes the weights of a network a little, to measure how far its scores follow.

TensorFlow's graph and ONNX's hold their weights in forms of their own; what is done to the numbers,
and how the answers are compared, is the same for both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.patterns import patterns

Array = npt.NDArray[Any]
Scores = npt.NDArray[np.float32]

_PICTURES: Final = 20
_TINY: Final = float(np.finfo(np.float32).tiny)


def largest_magnitude(value: Array) -> float:
    """Return the largest finite magnitude of real numbers; 0 if there are none."""
    if not np.issubdtype(value.dtype, np.floating):
        return 0.0
    finite = np.abs(value[np.isfinite(value)])
    return float(finite.max()) if finite.size else 0.0


def clipped(value: Array, limit: float) -> Array:
    """Return numbers clipped to a magnitude; an infinity stays one, since float16 has it, too."""
    return np.where(np.isfinite(value), np.clip(value, -limit, limit), value)


def last_bits_moved(value: Array, random: np.random.Generator) -> Array:
    """Return float32 numbers, each moved up or down by its last bit; a zero is exact, and stays."""
    away = np.where(random.random(value.shape) < 0.5, np.inf, -np.inf)
    return np.where(value == 0, value, np.nextafter(value, away.astype(np.float32)))


def share_changed(
    shape: tuple[int, int, int],
    answers: Callable[[Array], Scores],
    changed: Callable[[Array], Scores],
) -> float:
    """Return by how much scores differ on generated pictures, as a share of the largest score.

    Args:
        shape: Height, width and channels of a picture.
        answers: The network: pixels (n, height, width, channels) to scores (n, classes).
        changed: The same with other weights.
    """
    pictures = patterns(_PICTURES, shape=shape, seed=0)
    scores = answers(pictures)
    difference = np.abs(changed(pictures) - scores).max()
    return float(difference / max(float(np.abs(scores).max()), _TINY))
