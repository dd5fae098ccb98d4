"""``--runtime NAME==VERSION``: the runtime that a device has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from edgecnn.build.tools import tool_versions
from edgecnn.errors import UsageError
from edgecnn.modelfile import RUNTIMES, Graph, loads


@dataclass(frozen=True, kw_only=True)
class TargetRuntime:
    """A runtime that artifacts have to load in.

    Attributes:
        name: A key of ``edgecnn.modelfile.RUNTIMES``.
        version: For example ``2.14.0``.
    """

    name: str
    version: str

    def __str__(self) -> str:
        """Return ``NAME==VERSION``."""
        return f"{self.name}=={self.version}"

    def refuses(self, graph: Graph) -> str | None:
        """Return why this runtime cannot load a converted model; None if it can."""
        return loads(graph, self.name, self.version)


def parse_runtime(text: str) -> TargetRuntime:
    """Read ``NAME==VERSION``.

    Args:
        text: For example ``tflite-runtime==2.14.0``.

    Returns:
        The runtime.

    Raises:
        UsageError: If it is not of that form, or names a runtime that edgecnn does not know.
    """
    found = re.fullmatch(r"\s*([a-z-]+)\s*==\s*(\d+(?:\.\d+)*[a-z0-9.+-]*)\s*", text)
    if found is None or found[1] not in RUNTIMES:
        raise UsageError(
            "--runtime is not a runtime and its version",
            observed=text,
            expected=f"NAME==VERSION, NAME one of {', '.join(RUNTIMES)}",
            remedy="for example --runtime tflite-runtime==2.14.0; pip list on the device shows it",
        )
    return TargetRuntime(name=found[1], version=found[2])


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
