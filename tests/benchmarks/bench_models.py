"""How long the files of builds take, interleaved: python tests/benchmarks/bench_models.py BUILD...

For each build, the files of four variants; all of them take turns on one thread, an image of the
model's size at a time, through the runner's ``Session.classify``. Prints medians and the ratios
int8 to fp32, and writes them, with machine and versions, to BUILD/latency.json, from where
``.ci/release-model`` takes them. Files that take turns with larger ones find the processor's caches
full of those: compare models by a run of all of them, and the files of one model by a run of its
own, which is closer to a device that runs one.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from measure import machine

from edgecnn_runner.runtimes.quiet import without_native_chatter
from edgecnn_runner.session import Session

VARIANTS = ("tflite-fp32", "tflite-int8", "onnx-fp32", "onnx-int8")
# What a released model is to keep: int8 to fp32, for each format.
GOALS = {"tflite": 1 / 3, "onnx": 0.8}
WARM_UP = 100


def artifacts(build: Path) -> dict[str, Path]:
    """Return the files of a build to measure, by variant."""
    rows = json.loads((build / "manifest.json").read_text(encoding="utf-8"))["variants"]
    made = {row["variant"]: build / row["file"] for row in rows if row["file"]}
    return {variant: made[variant] for variant in VARIANTS if variant in made}


def model_of(build: Path) -> str:
    """Return the name of a build's model."""
    manifest = json.loads((build / "manifest.json").read_text(encoding="utf-8"))
    return str(manifest["recipe"]["model"]["name"])


def measure(paths: Sequence[Path], runs: int) -> dict[Path, list[int]]:
    """Return nanoseconds of each run of each file; each round runs all, in an order of its own."""
    with without_native_chatter():
        sessions = {path: Session.open(path, threads=1) for path in paths}
    image = np.random.default_rng(0)
    pixels = {
        path: image.integers(
            0, 256, (s.contract.input.height, s.contract.input.width, s.contract.input.channels),
            dtype=np.uint8,
        )
        for path, s in sessions.items()
    }  # fmt: skip
    samples: dict[Path, list[int]] = {path: [] for path in paths}
    order, shuffle = list(paths), random.Random(0)
    for run in range(-WARM_UP, runs):
        shuffle.shuffle(order)
        for path in order:
            classify, one = sessions[path].classify, pixels[path]
            begin = time.perf_counter_ns()
            classify(one)
            elapsed = time.perf_counter_ns() - begin
            if run >= 0:
                samples[path].append(elapsed)
    return samples


def facts(
    build: Path, samples: dict[Path, list[int]], runs: int, beside: Sequence[str]
) -> dict[str, Any]:
    """Return what is recorded of one build; ``beside`` names the models that took turns with it."""
    files = artifacts(build)
    medians = {variant: median(samples[path]) / 1e3 for variant, path in files.items()}
    ratios = [
        {
            "format": kind,
            "ratio": medians[f"{kind}-int8"] / medians[f"{kind}-fp32"],
            "goal": goal,
        }
        for kind, goal in GOALS.items()
        if {f"{kind}-int8", f"{kind}-fp32"} <= set(medians)
    ]
    return {
        "machine": machine(),
        "versions": ", ".join(sorted({Session.open(path).runtime for path in files.values()})),
        "threads": 1,
        "runs": runs,
        "beside": list(beside),
        "rows": [
            {"variant": variant, "file": files[variant].name, "median_us": medians[variant]}
            for variant in files
        ],
        "ratios": ratios,
    }


def main() -> None:
    """Measure the builds named on the command line, together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("builds", nargs="+", type=Path)
    parser.add_argument("--runs", type=int, default=2000)
    given = parser.parse_args()
    paths = [path for build in given.builds for path in artifacts(build).values()]
    samples = measure(paths, given.runs)
    for build in given.builds:
        others = [model_of(other) for other in given.builds if other != build]
        found = facts(build, samples, given.runs, others)
        (build / "latency.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        for row in found["rows"]:
            print(f"{row['file']:<28} {row['median_us']:>8.1f} us")
        for row in found["ratios"]:
            word = "met" if row["ratio"] <= row["goal"] else "MISSED"
            print(
                f"  {row['format']} int8 to fp32: {row['ratio']:.3f}, goal {row['goal']:.3f} {word}"
            )


if __name__ == "__main__":
    main()
