"""`make bench`: every ratio the project promises, each measured in a process of its own.

Prints a table and writes everything measured to build/bench.json. Meant for a quiet machine: the
first line tells how loaded it was. Exits 1 when a goal is missed, and names it.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from measure import machine, versions
from seed_artifact import seed_tflite

from edgecnn.package.privacy.browser import why_no_browser
from edgecnn.package.web.vendor import read_vendor

HERE = Path(__file__).parent
OUT = Path("build/bench.json")


def measured(script: str, *arguments: str) -> dict[str, Any]:
    """Run one benchmark and return the JSON it prints."""
    command = [sys.executable, str(HERE / script), *arguments, "--json"]
    # A benchmark that misses its goal exits 1, and has printed its figures all the same.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        facts: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        sys.exit(f"{script} failed:\n{done.stderr}")
    return facts


def runner_results(artifact: Path) -> list[dict[str, Any]]:
    """Return the runner's two ratios in the form of the others."""
    names = {
        "classify": "runner: image to class and score, to bare invoke()",
        "predict": "verify: prediction loop of 10,000 images, to bare set, invoke, get",
    }
    return [
        {
            "name": names[entry["name"]],
            "runs": entry["samples"],
            "ours_ms": entry["runner_ns"] / 1e6,
            "bare_ms": entry["bare_ns"] / 1e6,
            "ratio": entry["ratio"],
            "goal": entry["limit"],
            "met": entry["ratio"] <= entry["limit"],
        }
        for entry in measured("bench_runner.py", str(artifact))["ratios"]
    ]


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the ratios beside their goals, a line each."""
    width = max(len(result["name"]) for result in results)
    lines = [f"{'ours to bare, medians of interleaved runs':<{width}}  ratio   goal  runs"]
    for result in results:
        mark = "" if result["met"] else "  MISSED"
        figures = f"{result['ratio']:6.3f} {result['goal']:6.2f} {result['runs']:5}"
        lines.append(f"{result['name']:<{width}} {figures}{mark}")
    return "\n".join(lines)


def complaint(results: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what to exit with: the goals that were missed, None if there are none."""
    missed = [
        f"  {result['name']}: {result['ratio']:.3f}, goal {result['goal']:.2f}"
        for result in results
        if not result["met"]
    ]
    return "\n".join([f"goals missed: {len(missed)}", *missed]) if missed else None


def main() -> None:
    """Measure and print."""
    here = machine()
    vendor = read_vendor()
    tools = {
        **versions("tensorflow", "ai-edge-litert", "onnxruntime", "tf2onnx", "numpy"),
        vendor.package: vendor.version,
    }
    print(", ".join(f"{key} {value}" for key, value in here.items()))
    print(", ".join(f"{name} {version}" for name, version in tools.items()), flush=True)
    with tempfile.TemporaryDirectory(prefix="edgecnn-bench-") as folder:
        artifact = seed_tflite(Path(folder))
        results = measured("bench_commands.py")["results"] + runner_results(artifact)
        results += measured("bench_convert.py")["results"] + measured("bench_train.py")["results"]
        results += measured("bench_start.py")["results"]
        results += measured("bench_bench.py")["results"]
        no_browser = why_no_browser()
        if no_browser is None:
            results += measured("bench_web.py")["results"]
        else:
            print(f"the web app is not measured: {no_browser}")
        if platform.machine() == "x86_64":
            results += measured("bench_train.py", "--instructions", "AVX2")["results"]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"machine": here, "tools": tools, "results": results}, indent=1))
    print(f"\n{table(results)}\n\nall figures: {OUT}")
    sys.exit(complaint(results))


if __name__ == "__main__":
    main()
