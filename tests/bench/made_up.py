"""Benches that nobody ran: rows and devices with known medians and known noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecnn.bench.results import (
    ArtifactBench,
    BenchReport,
    Conditions,
    DeviceBench,
    Settings,
    ThreadBench,
)

MACHINE = {
    "model": "Raspberry Pi 5 Model B Rev 1.0",
    "processor": "Cortex-A76",
    "architecture": "aarch64",
    "cores": 4,
    "system": "Linux 6.6",
    "python": "3.11.2",
    "numpy": "1.26.4",
}


def threads_of(
    median_ns: float,
    *,
    threads: int = 1,
    noise: float = 0.01,
    turns: int = 20,
    runs: int = 30,
    seed: int = 0,
    memory: int | None = 40_000_000,
    **changes: Any,
) -> ThreadBench:
    """Return a measurement whose turns and whose runs within a turn both differ by ``noise``."""
    rng = np.random.default_rng(seed)
    logs = noise * (rng.standard_normal((turns, 1)) + rng.standard_normal((turns, runs)))
    # The median of all, by nearest rank, is what was asked for, so that tests can name it.
    middle = np.sort(logs, axis=None)[(logs.size + 1) // 2 - 1]
    times = median_ns * np.exp(logs - middle)
    values: dict[str, Any] = {
        "threads": threads,
        "turns": tuple(tuple(round(time) for time in turn) for turn in times.tolist()),
        "warmup": 30,
        "stable": True,
        "first_ns": int(3 * median_ns),
        "load_ns": 900_000,
        "starts_ns": (90_000_000, 91_000_000),
        "peak_memory_bytes": memory,
        "kernels": "XNNPACK",
    }
    return ThreadBench(**values | changes)


def row(
    variant: str,
    median_ns: float | None,
    *,
    accuracy: float | None = 0.88,
    size: int = 1_700_000,
    runtime: str = "litert",
    verdict: str | None = "PASS",
    memory: int | None = 40_000_000,
    noise: float = 0.01,
    seed: int | None = None,
    by_threads: Sequence[ThreadBench] = (),
    **changes: Any,
) -> ArtifactBench:
    """Return one artifact's row at one thread, or at those given; not measured without a median."""
    if median_ns is not None:
        # Another seed for each row, as noise has no reason to repeat.
        own = sum(map(ord, variant + runtime)) if seed is None else seed
        by_threads = (threads_of(median_ns, noise=noise, seed=own, memory=memory),)
    values: dict[str, Any] = {
        "model": "seed_cnn",
        "variant": variant,
        "file": f"seed_cnn-{variant}",
        "sha256": "ab" * 32,
        "bytes": size,
        "macs": 23_900_000,
        "runtime": f"{runtime} 2.3.0",
        "runtime_name": runtime,
        "verdict": verdict,
        "accuracy": accuracy,
        "by_threads": tuple(by_threads),
        "chosen": by_threads[0].threads if by_threads else None,
    }
    return ArtifactBench(**values | changes)


def conditions(invalid: str | None = None) -> Conditions:
    """Return conditions without warnings."""
    return Conditions(before={}, after={}, invalid=invalid)


def device(*rows: ArtifactBench, name: str = "local", **changes: Any) -> DeviceBench:
    """Return a device with these rows."""
    values: dict[str, Any] = {
        "device": name,
        "machine": MACHINE,
        "system": "Debian 12",
        "conditions": conditions(),
        "rows": rows,
    }
    return DeviceBench(**values | changes)


def report(*devices: DeviceBench, **changes: Any) -> BenchReport:
    """Return a report of these devices."""
    values: dict[str, Any] = {
        "settings": Settings(),
        "devices": devices,
        "versions": {"edgecnn": "0.1.0"},
        "created": "2026-11-25T12:00:00+00:00",
    }
    return BenchReport(**values | changes)
