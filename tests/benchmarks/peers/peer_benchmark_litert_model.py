"""LiteRT's own ``benchmark_litert_model``, the program that comes with ai-edge-litert.

Its own function loads, warms up and times; it is called as it is for each turn. It reports rounded
milliseconds, so the raw times are taken where it sorts them. What it times is the run alone, with
random bytes that were written before: no image goes in, no answer is read.
"""

from __future__ import annotations

import builtins
import contextlib
import io
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from peers.bare_interpreter import bare
from peers.serving import Loaded, main

_WARMUP = 5  # its own default


def load(path: Path, threads: int) -> Loaded:
    """Find the program; the answers are the interpreter's, since it gives none."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_litert.tools import benchmark_litert_model as program

    given = SimpleNamespace(
        model=str(path), signature="", use_cpu=True, no_cpu=False, use_gpu=False, use_npu=False,
        require_full_delegation=False, dispatch_library_path="", compiler_plugin_path="",
        runtime_path="", warmup_runs=_WARMUP, num_threads=threads, result_json="", verbose=False,
    )  # fmt: skip

    def measure(count: int) -> Sequence[int]:
        given.num_runs = count
        return raw_times(program, given)

    return Loaded(
        classify=bare(Interpreter, path, threads),
        version=f"ai-edge-litert {metadata.version('ai-edge-litert')}",
        details=f"times the run alone, on random bytes; loads and warms up ({_WARMUP} runs) anew "
        "in each turn",
        measure=measure,
    )


def raw_times(program: Any, given: Any) -> list[int]:
    """Run the program's own measurement and return its times in nanoseconds.

    Args:
        program: The module.
        given: What its command line would give.

    Raises:
        RuntimeError: If it did not sort its times, or not as many as it was asked for.
    """
    seen: list[list[float]] = []

    def watched(values: Sequence[float], **options: Any) -> list[float]:
        seen.append(list(values))
        return builtins.sorted(values, **options)

    program.sorted = watched
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            program.run_benchmark(given)
    finally:
        del program.sorted
    if len(seen) != 1 or len(seen[0]) != given.num_runs:
        raise RuntimeError(f"it sorted {[len(one) for one in seen]} times, not {given.num_runs}")
    return [round(1e6 * milliseconds) for milliseconds in seen[0]]


if __name__ == "__main__":
    main(load)
