from __future__ import annotations

import importlib.metadata
import subprocess
import sys

from edgecnn import __version__
from edgecnn.build.tools import tool_versions


def test_versions_are_those_that_are_installed() -> None:
    assert tool_versions("numpy", "ai-edge-litert") == {
        "edgecnn": __version__,
        "numpy": importlib.metadata.version("numpy"),
        "ai-edge-litert": importlib.metadata.version("ai-edge-litert"),
    }


def test_asking_for_versions_imports_none_of_the_tools() -> None:
    tools = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert", "numpy")
    code = (
        f"import sys, edgecnn.build.tools; print(*edgecnn.build.tools.tool_versions(*{tools}));"
        "sys.exit(bool({'tensorflow', 'keras', 'onnx', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"edgecnn", *tools}
