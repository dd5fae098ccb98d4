"""Adding up the weights of a graph."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.modelfile.types import Tensor


class Weights:
    """Sums over weights, as a reader meets them."""

    def __init__(self) -> None:
        self.dtypes: Counter[str] = Counter()
        self.bytes = 0
        self._nonfinite: dict[str, None] = {}
        self._seen: set[object] = set()

    @property
    def parameters(self) -> int:
        """Elements of all weights."""
        return sum(self.dtypes.values())

    @property
    def nonfinite(self) -> tuple[str, ...]:
        """Names of weights that hold NaN or infinity."""
        return tuple(self._nonfinite)

    def add(
        self,
        tensor: Tensor,
        *,
        elements: int,
        size: int,
        values: NDArray[Any] | None,
        key: object,
    ) -> None:
        """Count one weight; values that several tensors share count once.

        Args:
            tensor: The weight.
            elements: How many numbers it holds.
            size: Its bytes in the file.
            values: Its numbers, if they are real ones that may be NaN.
            key: What tells shared values: equal keys are the same bytes of the file.
        """
        if key in self._seen:
            return
        self._seen.add(key)
        self.dtypes[tensor.dtype] += elements
        self.bytes += size
        if values is None:
            return
        # A sum is finite if all its terms are, and takes no array of the weight's size; only a
        # sum that is not (which overflow can cause, too) needs the longer look.
        with np.errstate(all="ignore"):
            total = values.sum(dtype=np.float64)
        if not np.isfinite(total) and not np.isfinite(values).all():
            self._nonfinite[tensor.name] = None
