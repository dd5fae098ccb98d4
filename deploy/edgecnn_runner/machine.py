"""Which machine this is, since no latency means anything without it."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any


def describe_machine() -> dict[str, Any]:
    """Return JSON-ready facts: model, processor, cores, system, Python, numpy.

    A device whose Python has no numpy is a machine, too: None stands for it then.
    """
    return {
        "model": _board(),
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": _numpy_version(),
    }


def peak_memory_bytes() -> int | None:
    """Return the most memory this process has had resident; None where the system hides it."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in kibibytes, macOS in bytes (getrusage(2)).
    return peak if sys.platform == "darwin" else peak * 1024


def _numpy_version() -> str | None:
    try:
        import numpy as np
    except ImportError:
        return None
    return np.__version__


def _board() -> str | None:
    """The board's name as its firmware gives it: ``Raspberry Pi 4 Model B Rev 1.4``."""
    return _first_line(Path("/proc/device-tree/model"))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model"):
            return value.strip()
    return platform.processor() or platform.machine()


def _first_line(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.strip("\0\n ") or None
