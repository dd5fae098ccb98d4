"""Does ``edgecnn bench`` tell what a bare loop tells, and the same twice?

    python tests/benchmarks/bench_bench.py [--json]

Runs of ``bench`` of two released files, which take turns in it, alternate with bare loops, each of
one file alone in a process of its own. Ratios are the larger to the smaller, so that neither side
may be off: of bench to the bare loop beside it, the median of all pairs; of two runs of ``bench``
one after the other, the largest of all.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgecnn.bench import Settings, plan, run
from edgecnn_runner.session import Session

MODELS = Path(__file__).parents[2] / "models"
FILES = (MODELS / "resnet8/resnet8-int8.tflite", MODELS / "wren/wren-int8.tflite")
PAIRS = 7
SECONDS = 1.0
BARE_GOAL, AGAIN_GOAL = 1.02, 1.03


def bare_loop(path: Path) -> float:
    """Return the median of a plain loop of one file, nanoseconds."""
    clock, samples = time.perf_counter_ns, list[int]()
    with Session.open(path) as session:
        spec = session.contract.input
        shape = (spec.height, spec.width, spec.channels)
        image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        for seconds in (0.5, SECONDS):  # the first is the warm-up
            samples = []
            end = clock() + int(seconds * 1e9)
            while clock() < end:
                begin = clock()
                session.classify(image)
                samples.append(clock() - begin)
    return median(samples)


def bare_alone(path: Path) -> float:
    """Return what ``bare_loop`` does in a process of its own."""
    command = [sys.executable, __file__, "--bare", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def by_bench(paths: Sequence[Path]) -> list[float]:
    """Return the medians of one run of ``bench``, nanoseconds."""
    settings = Settings(threads=(1,), starts=1, seconds=SECONDS)
    (device,) = run(plan(paths, {}), [None], settings, versions={}, created="").devices
    if device.error is not None:
        raise device.error.to_error()
    best = {row.file: row.best for row in device.rows if row.runtime_name == "litert"}
    return [median(one.samples_ns) for one in (best[path.name] for path in paths) if one]


def apart(one: float, other: float) -> float:
    """Return the larger to the smaller."""
    return max(one, other) / min(one, other)


def measure(pairs: int = PAIRS) -> list[dict[str, Any]]:
    """Return the ratios in the form of the other benchmarks."""
    ours: list[list[float]] = [[] for _ in FILES]
    bare: list[list[float]] = [[] for _ in FILES]
    for turn in range(pairs):
        for which in ("ours", "bare") if turn % 2 else ("bare", "ours"):
            if which == "ours":
                for samples, one in zip(ours, by_bench(FILES), strict=True):
                    samples.append(one)
            else:
                for samples, path in zip(bare, FILES, strict=True):
                    samples.append(bare_alone(path))
    results = []
    for path, of_bench, of_loop in zip(FILES, ours, bare, strict=True):
        pairs_of = [one / other for one, other in zip(of_bench, of_loop, strict=True)]
        again = [apart(one, other) for one, other in itertools.pairwise(of_bench)]
        for name, ratio, goal in (
            ("median by bench, to a bare loop", apart(median(pairs_of), 1.0), BARE_GOAL),
            ("median by bench, to bench again", max(again), AGAIN_GOAL),
        ):
            results.append(
                {
                    "name": f"{path.name}: {name}",
                    "runs": pairs,
                    "ours_ms": median(of_bench) / 1e6,
                    "bare_ms": median(of_loop if goal == BARE_GOAL else of_bench) / 1e6,
                    "ratio": ratio,
                    "goal": goal,
                    "met": ratio <= goal,
                    "all": {"bench_ns": of_bench, "bare_ns": of_loop},
                }
            )
    return results


def main() -> int:
    """Print the ratios; return 1 if one is beyond its goal."""
    parser = argparse.ArgumentParser(description="Compare bench with a bare loop and itself.")
    parser.add_argument("--bare", type=Path, metavar="FILE", help="only run a bare loop")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.bare is not None:
        print(bare_loop(options.bare))
        return 0
    results = measure()
    if options.json:
        print(json.dumps({"results": results}, indent=1))
    else:
        for result in results:
            print(f"{result['name']:<60} {result['ratio']:.3f}  goal {result['goal']}")
    return int(any(not result["met"] for result in results))


if __name__ == "__main__":
    sys.exit(main())
