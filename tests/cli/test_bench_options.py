"""``edgecnn bench`` with limits, a baseline, and two files to compare, as a user calls it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.made_up import device, report, row
from command import edgecnn
from edgecnn.bench import write_bench


@pytest.fixture
def benches(tmp_path: Path) -> tuple[Path, Path]:
    """Return an earlier bench and one in which int8 is twice as slow."""
    paths = tmp_path / "before.json", tmp_path / "now.json"
    for path, median in zip(paths, (100_000, 200_000), strict=True):
        write_bench(path, report(device(row("tflite-int8", median), row("tflite-fp32", 300_000))))
    return paths


def test_compare_tells_what_got_slower_and_exits_39(benches: tuple[Path, Path]) -> None:
    done = edgecnn("bench", "--compare", *benches)
    assert done.code == 39, done.err
    assert "regression" in done.out
    assert "100 µs, 200 µs" in done.out
    assert "Worse than in" in done.err
    assert max(map(len, done.out.splitlines())) <= 100


def test_compare_passes_the_other_way_round_or_if_it_is_allowed(
    benches: tuple[Path, Path],
) -> None:
    assert edgecnn("bench", "--compare", *benches[::-1]).code == 0
    assert edgecnn("bench", "--compare", *benches, "--max-regression", "150%").code == 0


def test_compare_as_json(benches: tuple[Path, Path]) -> None:
    done = edgecnn("bench", "--compare", *benches, "--json")
    assert done.code == 39
    assert done.json()["passed"] is False


@pytest.mark.parametrize(
    ("arguments", "observed"),
    [
        (["--max-latency", "5"], "5"),
        (["--max-size", "big"], "big"),
        (["--max-memory", "0MB"], "0MB"),
        (["--max-regression", "5%"], "--max-regression 5% alone"),
        (["--compare", "a.json", "b.json"], "model.tflite"),
        (["--compare", "a.json"], "--compare"),
    ],
)
def test_a_mistake_is_said_before_anything_is_measured(arguments: list[str], observed: str) -> None:
    done = edgecnn("bench", "model.tflite", *arguments)
    assert done.code == 2
    assert observed in done.err


def test_a_baseline_that_cannot_be_read_is_said_before_anything_is_measured(
    tmp_path: Path,
) -> None:
    damaged = tmp_path / "bench.json"
    damaged.write_text("{")
    done = edgecnn("bench", "no-such-model.tflite", "--baseline", damaged)
    assert done.code == 29
    assert "cannot read the measurements" in done.err


def test_nothing_to_measure_is_a_usage_error() -> None:
    done = edgecnn("bench")
    assert done.code == 2
    assert "nothing to measure" in done.err
