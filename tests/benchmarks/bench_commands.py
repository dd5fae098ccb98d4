"""`edgecnn --help`: at most 0.4 s from process start to process end."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any, Final

from measure import machine, versions

GOAL_MS: Final = 400
RUNS: Final = 15


def milliseconds(*arguments: str) -> float:
    """Return how long a Python process with these arguments takes."""
    begin = time.perf_counter_ns()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return (time.perf_counter_ns() - begin) / 1e6


def run() -> list[dict[str, Any]]:
    """Measure, in turn with an empty Python process."""
    ours, empty = [], []
    for _ in range(RUNS):
        ours.append(milliseconds("-m", "edgecnn", "--help"))
        empty.append(milliseconds("-c", "pass"))
    help_ms, empty_ms = statistics.median(ours), statistics.median(empty)
    return [
        {
            "name": "edgecnn --help, whole process, to an empty Python process",
            "runs": RUNS,
            "ours_ms": help_ms,
            "bare_ms": empty_ms,
            "ratio": help_ms / empty_ms,
            # The goal is a time, so here it depends on the machine.
            "goal": GOAL_MS / empty_ms,
            "met": help_ms <= GOAL_MS,
        }
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    results = run()
    if as_json:
        facts = {"machine": machine(), "tools": versions("typer", "rich"), "results": results}
        print(json.dumps(facts, indent=1))
    else:
        print(f"{results[0]['name']}: {results[0]['ours_ms']:.0f} ms (goal {GOAL_MS} ms)")
