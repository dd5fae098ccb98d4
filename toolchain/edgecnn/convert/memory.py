"""Estimates the memory that a conversion takes, and how much of it this machine has.

A large network is best told of before the work: a process that asks for more than there is is
killed without a word, minutes later.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from edgecnn.convert.source.onnx_file import read_proto
from edgecnn.convert.source.paths import Source
from edgecnn.errors import EdgeError
from edgecnn.report.text import size_text

_LIBRARIES: Final = 700_000_000
"""Bytes that TensorFlow, Keras, tf2onnx and ONNX Runtime take by themselves."""
_COPIES: Final = 23
"""Copies of the weights that there are at the peak."""
_COPIES_OF_ONNX: Final = 31
"""Likewise of an ONNX source, of which a copy in Keras is made."""
_SMALLEST: Final = 50_000_000
"""Weights below this are not looked at: they need less than two gigabytes."""
_UNLIMITED: Final = 2**60
"""Version 1 of control groups says a number like this where there is no limit."""


def needed_bytes(weights: int, kind: str) -> int:
    """Return about how much memory a conversion takes at its peak.

    Measured as (peak - libraries) / weights, rounded up, with TensorFlow 2.21, Keras 3.15, tf2onnx
    1.17 and ONNX Runtime 1.32: ConvNeXt-Tiny (112 MB of float32 weights) 22.4 while its graph is
    made, which every file is made of; ResNet-50V2 (94 MB) 12 then, 19 for TFLite and 15 for ONNX;
    torchvision's ResNet-50 as an ONNX source (94 MB) 30.6. Neither fewer variants nor one at a
    time would take less: what a variant needs is given back before the next.

    Args:
        weights: Bytes of the source's weights.
        kind: As ``Source`` has it.

    Returns:
        Bytes.
    """
    return _LIBRARIES + (_COPIES_OF_ONNX if kind == "onnx" else _COPIES) * weights


def available_bytes(root: Path = Path("/")) -> int | None:
    """Return how much more memory this process can have; None where that is not known.

    Free memory, with what the system holds that it can give up and with free swap space; less
    where a control group, such as a container's, has a limit.

    Args:
        root: The root of the file system, for tests.
    """
    facts = _facts(root / "proc/meminfo")
    if "MemAvailable" not in facts:
        return None  # not Linux
    free = 1024 * (facts["MemAvailable"] + facts.get("SwapFree", 0))
    return min([free, *_left_in_groups(root)])


def memory_warning(source: Source, root: Path = Path("/")) -> str | None:
    """Return what to say before a conversion for which memory will hardly suffice.

    Args:
        source: What will be converted; of an ONNX network the names of other files are read.
        root: The root of the file system, for tests.

    Returns:
        A sentence; None if there is enough, or if it is not known.
    """
    weights, available = _bytes_of(source), available_bytes(root)
    if available is None or weights < _SMALLEST:
        return None
    needed = needed_bytes(weights, source.kind)
    if needed <= available:
        return None
    return (
        f"memory will hardly suffice: {size_text(weights)} of weights take about "
        f"{size_text(needed)}, and {size_text(available)} are free; end other "
        "programs, raise the limit of the container, add swap space, or convert on a machine "
        "with more memory"
    )


def _bytes_of(source: Source) -> int:
    """Return the bytes of a source's files: its weights, and little else."""
    path = source.path if source.weights is None else source.weights
    try:
        if source.kind == "saved_model":
            return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        size = path.stat().st_size
        if source.kind == "onnx" and size < _SMALLEST:  # else the weights are inside
            size += sum((path.parent / name).stat().st_size for name in read_proto(path)[1])
        return size
    except (OSError, EdgeError):
        return 0  # whoever loads it says what is wrong with it


def _left_in_groups(root: Path) -> list[int]:
    """Return what each control group of this process with a limit has left."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    left = []
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            place, limit, used = root / "sys/fs/cgroup", "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            place = root / "sys/fs/cgroup/memory"
            limit, used = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        # In a container the path may be the host's, and its own group the root of what it sees.
        parts = Path(path).parts[1:]
        for group in (place.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)):
            most, now = _number(group / limit), _number(group / used)
            if most is not None and now is not None and most < _UNLIMITED:
                held = _facts(group / "memory.stat")
                files = held.get("total_inactive_file", held.get("inactive_file", 0))
                left.append(max(0, most - now + files))
    return left


def _facts(path: Path) -> dict[str, int]:
    """Return the numbers of a file of lines such as ``MemFree:  12 kB``; none if there is none."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return {}
    cells = [line.replace(":", " ").split() for line in lines]
    return {cell[0]: int(cell[1]) for cell in cells if len(cell) > 1 and cell[1].isdecimal()}


def _number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return int(text) if text.isdecimal() else None
