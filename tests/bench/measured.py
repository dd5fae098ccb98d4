"""Measurements that nobody took, for tests of what is made of them."""

from __future__ import annotations

from typing import Any

from edgecnn.bench.results import ArtifactBench, ThreadBench


def at(threads: int, *turns: tuple[int, ...], stable: bool = True, **changes: Any) -> ThreadBench:
    """Return one artifact's measurement at a number of threads."""
    values: dict[str, Any] = {
        "threads": threads,
        "turns": turns or ((100,) * 10,),
        "warmup": 30,
        "stable": stable,
        "first_ns": 500,
        "load_ns": 900,
        "starts_ns": (3000, 3100),
        "peak_memory_bytes": 5000,
        "kernels": "XNNPACK",
    }
    return ThreadBench(**values | changes)


def row(*by_threads: ThreadBench, file: str = "a.tflite", **changes: Any) -> ArtifactBench:
    """Return one artifact's row."""
    values: dict[str, Any] = {
        "model": "a",
        "variant": "tflite-int8",
        "file": file,
        "sha256": "ab" * 32,
        "bytes": 100,
        "runtime": "ai-edge-litert 2.3.0",
        "runtime_name": "litert",
        "by_threads": by_threads,
        "chosen": by_threads[0].threads if by_threads else None,
    }
    return ArtifactBench(**values | changes)
