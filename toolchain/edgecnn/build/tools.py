"""Which versions of which tools are installed, from package metadata alone."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
from typing import Final

from edgecnn import __version__

# A tool and the names it is distributed under.
_DISTRIBUTIONS: Final = {
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tf-nightly"),
    "keras": ("keras",),
    "tf2onnx": ("tf2onnx",),
    "onnx": ("onnx",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "ai-edge-litert": ("ai-edge-litert",),
    "ai-edge-quantizer": ("ai-edge-quantizer",),
    "numpy": ("numpy",),
    "scipy": ("scipy",),
}


def tool_versions(*tools: str) -> dict[str, str]:
    """Return tool name to installed version, without importing any of them.

    Args:
        tools: Names of the tools that matter, keys of the table above.

    Returns:
        ``edgecnn`` first; tools that are not installed are left out.
    """
    found = {tool: _installed(tool) for tool in tools}
    return {
        "edgecnn": __version__,
        **{tool: version for tool, version in found.items() if version is not None},
    }


@functools.cache
def _installed(tool: str) -> str | None:
    for name in _DISTRIBUTIONS[tool]:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return None
