"""Which versions of which tools made a file."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
from typing import Final

from edgecnn import __version__

__all__ = ["tool_versions"]

# A package and the other names it is distributed under.
_PACKAGES: Final = {
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tf-nightly"),
    "keras": ("keras",),
    "tf2onnx": ("tf2onnx",),
    "onnx": ("onnx",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "numpy": ("numpy",),
}


@functools.cache
def tool_versions() -> dict[str, str]:
    """Return tool name to installed version, without importing any of them."""
    versions = {"edgecnn": __version__}
    for tool, names in _PACKAGES.items():
        for name in names:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                versions.setdefault(tool, importlib.metadata.version(name))
    return versions
