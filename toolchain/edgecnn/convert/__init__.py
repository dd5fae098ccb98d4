"""Float models to TFLite and ONNX files that explain themselves.

TensorFlow is imported when ``run`` is called, not before.
"""

from __future__ import annotations

from edgecnn.build.keras_settings import choose_backend
from edgecnn.convert.result import Conversion, VariantRow
from edgecnn.convert.runtimes import parse_runtime
from edgecnn.convert.source.paths import Source, find_source
from edgecnn.convert.source.png_copies import png_copy
from edgecnn.convert.source.reference_model import ReferenceModel
from edgecnn.convert.stage import LoadedSource, key, load, run

__all__ = [
    "Conversion",
    "LoadedSource",
    "ReferenceModel",
    "Source",
    "VariantRow",
    "find_source",
    "key",
    "load",
    "parse_runtime",
    "png_copy",
    "run",
]

# Before any module of this package imports TensorFlow or Keras, which read it once.
choose_backend()
