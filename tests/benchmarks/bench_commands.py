"""Whole commands: `edgecnn --help` in at most 0.4 s, `edgecnn demo` in at most two minutes.

From process start to process end, each in turn with an empty Python process. The goals are times,
so here they depend on the machine; a demo begins with an empty folder.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, Final

from measure import machine, versions

HELP_RUNS, DEMO_RUNS = 15, 3
HELP_GOAL_MS: Final = 400
DEMO_GOAL_MS: Final = 120_000


def milliseconds(*arguments: str) -> float:
    """Return how long a Python process with these arguments takes."""
    begin = time.perf_counter_ns()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return (time.perf_counter_ns() - begin) / 1e6


def demo_milliseconds() -> float:
    """Return how long the demo takes in a new folder."""
    with tempfile.TemporaryDirectory(prefix="edgecnn-bench-") as folder:
        return milliseconds("-m", "edgecnn", "demo", "--out", f"{folder}/build")


def run() -> list[dict[str, Any]]:
    """Measure both."""
    cases: list[tuple[str, Callable[[], float], int, int]] = [
        (
            "edgecnn --help",
            lambda: milliseconds("-m", "edgecnn", "--help"),
            HELP_RUNS,
            HELP_GOAL_MS,
        ),
        ("edgecnn demo", demo_milliseconds, DEMO_RUNS, DEMO_GOAL_MS),
    ]
    results = []
    for name, command, runs, goal_ms in cases:
        ours, empty = [], []
        for _ in range(runs):
            ours.append(command())
            empty.append(milliseconds("-c", "pass"))
        ours_ms, empty_ms = statistics.median(ours), statistics.median(empty)
        results.append(
            {
                "name": f"{name}, whole process, to an empty Python process",
                "runs": runs,
                "ours_ms": ours_ms,
                "bare_ms": empty_ms,
                "ratio": ours_ms / empty_ms,
                "goal": goal_ms / empty_ms,
                "goal_ms": goal_ms,
                "met": ours_ms <= goal_ms,
            }
        )
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    results = run()
    if as_json:
        facts = {"machine": machine(), "tools": versions("typer", "rich"), "results": results}
        print(json.dumps(facts, indent=1))
    else:
        for result in results:
            print(f"{result['name']}: {result['ours_ms']:,.0f} ms (goal {result['goal_ms']:,} ms)")
