"""Compares a converted file with its float file, tensor by tensor.

Both files are run on the same images with every tensor between the operators kept, so an error is
what has piled up to a tensor from the image on, not what its own operator adds. This package
knows files and numbers only; what they mean is said elsewhere.
"""

from __future__ import annotations

from edgecnn.modelfile.layers.compare import compare
from edgecnn.modelfile.layers.tally import MOST_DB, LayerComparison, LayerError

__all__ = ["MOST_DB", "LayerComparison", "LayerError", "compare"]
