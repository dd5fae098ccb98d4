"""What `make bench` says and exits with; the measuring itself is no test's business."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

# The real end of main, fed with figures that were not measured.
CODE = """
import sys
import run_all
names = ("fast", "slow: one", "slow: two")
results = [
    {"name": name, "ratio": ratio, "goal": 1.05, "runs": 9, "met": ratio <= 1.05}
    for name, ratio in zip(names, map(float, sys.argv[1:]), strict=True)
]
print(run_all.table(results))
sys.exit(run_all.complaint(results))
"""


def ended(*ratios: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CODE, *map(str, ratios)],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )


def test_missed_goals_are_named_and_exit_1() -> None:
    done = ended(1.0, 1.2, 3.0)
    assert done.returncode == 1
    assert done.stdout.count("MISSED") == 2
    assert done.stderr.splitlines() == [
        "goals missed: 2", "  slow: one: 1.200, goal 1.05", "  slow: two: 3.000, goal 1.05",
    ]  # fmt: skip


def test_goals_that_are_met_exit_0() -> None:
    done = ended(1.0, 1.05, 0.5)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "MISSED" not in done.stdout
