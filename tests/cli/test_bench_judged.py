"""``edgecnn bench`` from files to a recommendation, as a user calls it, with real measurements."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command import edgecnn

MODEL = Path(__file__).parents[2] / "models/resnet8"
QUICK = ("--runs", "10", "--seconds", "0", "--starts", "1", "--threads", "1", "--quiet")

pytestmark = pytest.mark.slow


def test_a_released_model_is_measured_recommended_and_compared(tmp_path: Path) -> None:
    done = edgecnn("bench", MODEL, *QUICK, "--out", tmp_path, "--json", "--max-size", "1MB")
    assert done.code == 0, done.err
    values = done.json()
    recommended = values["recommendations"][0]
    passed = [row["verdict"] == "PASS" for row in values["devices"][0]["rows"]]
    assert len(recommended["candidates"]) == sum(passed) > 0
    assert recommended["headline"].startswith("Ship ")
    assert values["max_drop_points"] == 1.0
    assert values["gate"] is None

    # What it wrote is a baseline. Others may be at work here, so much is allowed.
    allowed = ("--max-regression", "900%")
    done = edgecnn("bench", MODEL, *QUICK, "--baseline", tmp_path / "bench.json", *allowed)
    assert done.code == 0, done.err
    assert "Nothing got worse by more than 900 %" in done.out
    assert "Ship " in done.out

    # The control: a baseline in which everything took a tenth of the time.
    faster = json.loads((tmp_path / "bench.json").read_text())
    for row in faster["devices"][0]["rows"]:
        for one in row["by_threads"]:
            one["turns"] = [[time // 10 for time in turn] for turn in one["turns"]]
    (tmp_path / "faster.json").write_text(json.dumps(faster))
    done = edgecnn("bench", MODEL, *QUICK, "--baseline", tmp_path / "faster.json")
    assert done.code == 39, done.out + done.err


def test_limits_that_nothing_keeps_exit_40_and_show_the_figures_all_the_same(
    tmp_path: Path,
) -> None:
    done = edgecnn("bench", MODEL, *QUICK, "--max-size", "1kB")
    assert done.code == 40, done.err
    assert "Nothing keeps the limits (size 1.0 kB)" in done.out
    assert "is above the limit of 1.0 kB" in " ".join(done.out.split())
