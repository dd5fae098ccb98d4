"""From the start of the process to the first result, and the most memory, against the least.

    python tests/benchmarks/bench_start.py [--runs N] [--json]

An installed bundle of resnet8 classifies one JPEG; beside it, in turn, the shortest script that
does so with the same libraries, compiled likewise (``minimal_start``). What is timed is the first
byte of the answer; memory is the process's peak, as the kernel counted it.
"""

from __future__ import annotations

import argparse
import compileall
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from measure import machine, versions
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from edgecnn_runner.runtimes.telemetry import OPT_OUT
from package.bundle_here import make_bundle_here

GOAL: Final = 1.10
RUNTIMES: Final = ("litert", "onnxruntime")
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **OPT_OUT}


# A process begins with the memory of the one that starts it, which must therefore be small.
_PEAK: Final = """
import os, resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def seconds_to_answer(command: Sequence[str]) -> float:
    """Run a program; return the time until the first byte of its answer."""
    begin = time.perf_counter()
    with subprocess.Popen(
        command, env=_ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        seconds = time.perf_counter() - begin
        process.stdout.read()
    if process.returncode != 0 or not first:
        sys.exit(f"{command} ended with {process.returncode}")
    return seconds


def peak_kib(command: Sequence[str]) -> int:
    """Run a program; return the most memory that it had resident, in kibibytes."""
    small = ["python3.11", "-I", "-S", "-c", _PEAK, *command]
    done = subprocess.run(small, env=_ENVIRONMENT, capture_output=True, text=True, check=True)
    return int(done.stdout)


def measured(runtime: str, folder: Path, runs: int) -> list[dict[str, Any]]:
    """Compare one runtime's bundle with the script."""
    bundle, prefix = folder / f"bundle-{runtime}", folder / f"prefix-{runtime}"
    make_bundle_here(bundle, runtime)
    subprocess.run(
        [str(bundle / "install.sh"), "--prefix", str(prefix)], check=True, capture_output=True
    )
    libraries = folder / f"lib-{runtime}"
    shutil.copytree(bundle / "lib", libraries)
    compileall.compile_dir(str(libraries), quiet=2)
    image = folder / "image.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    Image.fromarray(noise).save(image)
    (model,) = (bundle / "models").glob("resnet8-int8.*")
    ours = [str(prefix / "resnet8/current/bin/edgecnn-run"), "classify", str(image)]
    script = str(Path(__file__).parent / "minimal_start.py")
    bare = ["python3.11", "-I", script, str(libraries), str(model), str(image)]
    results = []
    measures: tuple[tuple[str, str, Callable[[Sequence[str]], float]], ...] = (
        ("to the first result", "s", seconds_to_answer),
        ("peak memory", "KiB", peak_kib),
    )
    for what, unit, measure in measures:
        sides: tuple[list[float], list[float]] = ([], [])
        for run in range(-2, runs):
            for which in (0, 1) if run % 2 else (1, 0):
                value = measure((ours, bare)[which])
                if run >= 0:
                    sides[which].append(value)
        ratio = statistics.median(sides[0]) / statistics.median(sides[1])
        results.append(
            {
                "name": f"bundle, {runtime}: {what}, to a script of {_lines(script)} lines",
                "runs": runs,
                "ours": statistics.median(sides[0]),
                "bare": statistics.median(sides[1]),
                "unit": unit,
                "ratio": ratio,
                "goal": GOAL,
                "met": ratio <= GOAL,
            }
        )
    return results


def _lines(script: str) -> int:
    return len(Path(script).read_text(encoding="utf-8").splitlines())


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="edgecnn-bench-") as name:
        for runtime in RUNTIMES:
            results += measured(runtime, Path(name), options.runs)
    if options.json:
        facts = {"machine": machine(), "tools": versions("numpy"), "results": results}
        print(json.dumps(facts, indent=1))
    else:
        for result in results:
            print(f"{result['name']}: {result['ratio']:.3f} (goal {result['goal']:.2f})")
    sys.exit(not all(result["met"] for result in results))


if __name__ == "__main__":
    main()
