"""Turn off what a runtime would report about its use.

ONNX Runtime's packages for Linux and macOS count inferences, sessions and models from 2026 on, keep
an identifier of the device in ``~/.cache/Microsoft``, and send both to its makers. Both names below
turn all of that off when they are set before the library is loaded; which one is heard depends on
its version (microsoft/onnxruntime, pull requests 27379 and 29843).
"""

from __future__ import annotations

import os
from typing import Final

OPT_OUT: Final = {"ORT_DISABLE_TELEMETRY": "1", "ORT_TELEMETRY_DISABLED": "1"}
"""Environment variables, and what they are set to."""


def no_telemetry() -> None:
    """Opt out for this process and those it starts; call it before a runtime is imported."""
    os.environ.update(OPT_OUT)
