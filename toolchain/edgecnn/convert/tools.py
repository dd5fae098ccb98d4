"""The tools whose versions decide what a conversion writes."""

from __future__ import annotations

from typing import Final

from edgecnn.build.tools import tool_versions

# ai-edge-litert and onnxruntime also run the artifacts whose answers golden vectors record.
_CONVERTERS: Final = (
    "tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert", "numpy",
)  # fmt: skip
_REPAIRERS: Final = ("ai-edge-quantizer",)


def converter_versions(*, repair: bool = False) -> dict[str, str]:
    """Return tool name to installed version, edgecnn's own first, importing none of them.

    Args:
        repair: Whether the tools of a repair matter, too.
    """
    return tool_versions(*_CONVERTERS, *(_REPAIRERS if repair else ()))
