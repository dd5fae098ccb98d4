"""What the processor that runs the tests computes otherwise than others."""

from __future__ import annotations

import platform
from pathlib import Path

__all__ = ["SATURATES"]


def _saturates() -> bool:
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    flags = {
        flag for line in text.splitlines() if line.startswith("flags") for flag in line.split()
    }
    return not flags & {"avx512_vnni", "avx_vnni"}


SATURATES = _saturates()
"""Whether ONNX Runtime's int8 kernels cut sums off here: on x86 without VNNI they add pairs of
products of uint8 and int8 in 16 bits (onnxruntime.ai, "Quantize ONNX models", section on U8S8), so
that an int8 ONNX file gives other scores than on the processor it was proven on. ``verify`` finds
such a file as what it is there; tests of scores that were recorded elsewhere are skipped."""
