"""How all benchmarks here measure: interleaved, raw samples kept, medians, the machine named."""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two ways of doing one thing, timed in turn.

    Attributes:
        name: What was compared.
        ours_ns: Samples of ours, nanoseconds.
        bare_ns: Samples of the bare way, nanoseconds; the i-th was taken next to our i-th.
        goal: What the ratio of the medians, ours to bare, is to be at most.
    """

    name: str
    ours_ns: Sequence[int]
    bare_ns: Sequence[int]
    goal: float

    def __post_init__(self) -> None:
        """Refuse samples that were not taken in turn."""
        if len(self.ours_ns) != len(self.bare_ns):
            raise ValueError(f"{len(self.ours_ns)} samples to {len(self.bare_ns)}: not in turn")

    @property
    def ratio(self) -> float:
        """Ratio of the medians, ours to bare."""
        return statistics.median(self.ours_ns) / statistics.median(self.bare_ns)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "name": self.name,
            "runs": len(self.ours_ns),
            "ours_ms": statistics.median(self.ours_ns) / 1e6,
            "bare_ms": statistics.median(self.bare_ns) / 1e6,
            "ratio": self.ratio,
            "goal": self.goal,
            "met": self.ratio <= self.goal,
        }


def compare(
    name: str,
    ours: Callable[[], object],
    bare: Callable[[], object],
    *,
    runs: int,
    goal: float,
    warmup: int = 1,
) -> Comparison:
    """Time two functions in turn, changing which goes first."""
    samples: dict[int, list[int]] = {0: [], 1: []}
    functions = (ours, bare)
    gc.collect()
    gc.disable()
    try:
        for run in range(-warmup, runs):
            for which in (0, 1) if run % 2 else (1, 0):
                begin = time.perf_counter_ns()
                functions[which]()
                elapsed = time.perf_counter_ns() - begin
                if run >= 0:
                    samples[which].append(elapsed)
    finally:
        gc.enable()
    return Comparison(name=name, ours_ns=samples[0], bare_ns=samples[1], goal=goal)


def machine() -> Mapping[str, object]:
    """Name the processor, cores and system."""
    processor = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    except OSError:
        pass  # not Linux
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def versions(*packages: str) -> Mapping[str, str]:
    """Return the installed versions of packages."""
    return {package: metadata.version(package) for package in packages}
