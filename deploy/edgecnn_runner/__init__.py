"""Runs verified edgecnn model files: stdlib, numpy, one runtime, and Pillow to decode files.

>>> from edgecnn_runner import Classifier                       # doctest: +SKIP
>>> Classifier("model.tflite").classify("photo.jpg").label      # doctest: +SKIP
'cat'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgecnn_runner.classifier import Classifier as Classifier

__version__ = "0.2.0"

__all__ = ["Classifier", "__version__"]


def __getattr__(name: str) -> Any:  # a module attribute can be anything
    # PEP 562: whoever only reads a contract does not pay for numpy and the runtime.
    if name == "Classifier":
        from edgecnn_runner.classifier import Classifier

        return Classifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
