"""Turns, ratios, the choice and the tables, on numbers made for the purpose."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest
from peers.children import PeerError
from peers.environments import ROOT, make, python_of
from peers.judging import FASTER, Candidate, choose, compared, goal, measured, yardstick
from peers.released import read_released
from peers.table import markdown_tables, text_table
from peers.turns import Taken, take_turns


class Clocked:
    """Takes turns whose lengths are known; writes down when it was asked."""

    def __init__(self, name: str, log: list[str], fails_at: int | None = None) -> None:
        self.name, self.log, self.fails_at = name, log, fails_at
        self.asked = 0

    def go(self, count: int) -> tuple[int, ...]:
        self.log.append(self.name)
        self.asked += 1
        if self.asked == self.fails_at:
            raise PeerError("it has ended")
        return tuple(range(1000 * self.asked, 1000 * self.asked + count))


def turns_of(median: float, *, spread: float = 0.01, turns: int = 40) -> Taken:
    draw = random.Random(repr((median, spread)))

    def turn() -> tuple[int, ...]:
        return tuple(int(draw.gauss(median, spread * median)) for _ in range(20))

    return Taken([turn() for _ in range(turns)])


def test_everyone_has_one_turn_a_round_in_changing_order() -> None:
    log: list[str] = []
    taken = take_turns(
        {name: Clocked(name, log) for name in "abcd"}, rounds=12, runs=3, warmup=2, pause_s=0
    )
    rounds = [tuple(log[start : start + 4]) for start in range(0, len(log), 4)]
    assert len(rounds) == 14
    assert all(sorted(one) == list("abcd") for one in rounds)
    assert len(set(rounds)) > 3
    # The first two turns of each do not count.
    assert [len(one.turns) for one in taken.values()] == [12] * 4
    assert taken["a"].turns[0] == (3000, 3001, 3002)


def test_one_that_fails_stops_and_the_others_go_on() -> None:
    log: list[str] = []
    children = {"good": Clocked("good", log), "bad": Clocked("bad", log, fails_at=4)}
    taken = take_turns(children, rounds=6, runs=2, warmup=1, pause_s=0)
    assert taken["bad"].problem == "it has ended"
    assert taken["good"].problem is None
    assert len(taken["good"].turns) == 6
    assert log.count("bad") == 4


@pytest.mark.parametrize(
    ("ours", "peer", "expected"),
    [(100_000, 150_000, "ours is faster"), (150_000, 100_000, FASTER)],
)
def test_a_clear_difference_is_shown_with_its_interval(ours: int, peer: int, expected: str) -> None:
    found = compared(turns_of(ours), turns_of(peer))
    assert found["shows"] == expected
    ratio = found["ratio"]
    assert ratio["low"] <= ratio["value"] <= ratio["high"]
    assert ratio["value"] == pytest.approx(ours / peer, rel=0.02)


def test_noise_is_no_difference() -> None:
    found = compared(turns_of(100_000, spread=0.2), turns_of(100_001, spread=0.2000001))
    assert found["shows"] == "no difference shown"


def test_too_few_turns_show_nothing() -> None:
    found = compared(turns_of(100_000, turns=3), turns_of(300_000, turns=3))
    assert found["ratio"]["low"] is None
    assert found["shows"] == "no difference shown"


def test_figures_are_microseconds() -> None:
    found = measured(Taken([(1000, 2000, 3000), (5000, 4000, 9000)]))
    assert (found["n"], found["median_us"], found["min_us"]) == (6, 3.0, 1.0)
    assert found["turn_medians_us"] == [2.0, 5.0]


def candidate(variant: str, verdict: str | None, accuracy: float = 0.9) -> Candidate:
    return Candidate(
        variant=variant, file=variant, sha256=variant, bytes=1000, verdict=verdict,
        accuracy=accuracy,
    )  # fmt: skip


def test_the_fastest_that_passed_is_recommended() -> None:
    candidates = {
        "tflite-int8": candidate("tflite-int8", "PASS"),
        "onnx-int8": candidate("onnx-int8", "PASS"),
        "onnx-fp32": candidate("onnx-fp32", "FAIL"),
        "tflite-fp32": candidate("tflite-fp32", None),
    }
    taken = {
        ("tflite-int8", 1): turns_of(50_000),
        ("onnx-int8", 1): turns_of(80_000),
        ("onnx-fp32", 1): turns_of(10_000),
        ("tflite-fp32", 1): turns_of(10_000),
    }
    assert choose("m", candidates, taken) == ("tflite-int8", 1)
    best = taken["tflite-int8", 1]
    stopped = {**taken, ("tflite-int8", 1): Taken(best.turns, "it has ended")}
    assert choose("m", candidates, stopped) == ("onnx-int8", 1)
    assert choose("m", candidates, {("onnx-fp32", 1): turns_of(10_000)}) is None


def test_more_threads_are_recommended_where_they_are_faster() -> None:
    candidates = {"tflite-int8": candidate("tflite-int8", "PASS")}
    one, slow, fast = turns_of(50_000), turns_of(55_000), turns_of(30_000)
    key = "tflite-int8"
    assert choose("m", candidates, {(key, 1): one, (key, 2): slow}) == (key, 1)
    assert choose("m", candidates, {(key, 1): one, (key, 2): fast}) == (key, 2)


def row(peer: str, value: float | None, shows: str = "ours is faster") -> dict[str, Any]:
    if value is None:
        return {"peer": peer, "variant": "v", "file": "f", "reason": "not | installed"}
    ratio = {"value": value, "low": value - 0.01, "high": value + 0.01}
    return {
        "peer": peer, "variant": "v", "file": "f", "median_us": 50.0, "ratio": ratio,
        "shows": shows,
    }  # fmt: skip


def results(*rows: dict[str, Any], model: str = "resnet8") -> dict[str, Any]:
    about = {
        "model": model,
        "recommended": {
            "variant": "tflite-int8",
            "file": "ours.tflite",
            "version": "R 1",
            "threads": 1,
        },
        "ours": {"median_us": 39.2},
        "rows": list(rows),
    }  # fmt: skip
    tables = [{"threads": 1, "models": [about]}, {"threads": 2, "models": [about]}]
    machine = {"processor": "P", "cores": 2, "python": "3.11.7"}
    return {
        "created": "2026-11-25T00:00:00+00:00", "machine": machine, "load_before": 3.2,
        "quiet": False, "versions": {"numpy": "2"}, "rounds": 5, "runs_per_turn": 40,
        "tables": tables, "yardstick": yardstick(tables), "goal": goal(tables),
    }  # fmt: skip


def test_the_goal_is_missed_by_one_faster_peer_and_names_it() -> None:
    found = results(row("slow", 0.5), row("quick", 1.2, FASTER), row("absent", None))
    assert found["goal"]["met"] is False
    assert found["goal"]["compared"] == 4
    assert len(found["goal"]["faster"]) == 2
    expected = {"peer": "quick", "file": "f", "threads": 2, "model": "resnet8", "ratio": 1.2}
    assert found["goal"]["faster"][1] == expected


def test_the_goal_is_met_without_one_and_open_without_any_comparison() -> None:
    assert results(row("slow", 0.5), row("absent", None))["goal"]["met"] is True
    assert results(row("absent", None))["goal"]["met"] is None


def test_the_yardstick_is_our_resnet8_on_one_thread() -> None:
    found = results(row("slow", 0.5))
    assert found["yardstick"]["ours_us"] == 39.2
    assert found["yardstick"]["beside"] is None
    assert "did not run beside it (it was not built)" in text_table(found)
    assert results(row("slow", 0.5), model="wren")["yardstick"] is None


def test_mlperf_s_network_is_no_peer_and_its_ratio_is_told() -> None:
    found = results(row("slow", 0.5))
    for table in found["tables"]:
        table["models"][0]["yardstick"] = row("MLPerf", 1.1, FASTER)
    assert goal(found["tables"]) == found["goal"]
    found["yardstick"] = yardstick(found["tables"])
    text = text_table(found)
    assert "takes 50.0 µs in the same run" in text
    assert "1.100 (1.090 to 1.110) of it." in text
    assert "on another day" in text


def test_tables_show_every_row_and_mark_a_faster_peer() -> None:
    found = results(row("slow", 0.5), row("quick", 1.2, FASTER), row("absent", None))
    page = markdown_tables(found)
    assert "| quick, `v` | **1.200 (1.190 to 1.210)** |" in page
    assert "| slow, `v` | 0.500 (0.490 to 0.510) |" in page
    assert "| absent, `v` | not run |" in page
    assert page.count("Not run: absent v (not | installed).") == 1
    assert "other work running (load 3.2), so not to be relied on" in page
    assert "Peers on one thread" in page
    assert "Peers on all 2 cores" in page
    assert "A peer is faster in 2 of 4 comparisons: quick (at most 1.200)." in page
    text = text_table(found)
    assert "peer is faster" in text
    assert text.count("not | installed") == 2


def test_released_files_have_the_verdict_of_their_very_digest(tmp_path: Path) -> None:
    found = read_released("resnet8")
    assert set(found.candidates) == {"tflite-int8", "onnx-int8"}
    assert {one.verdict for one in found.candidates.values()} == {"PASS"}
    assert found.images.shape == (5, 32, 32, 3)
    # A file of that name with other bytes has not been verified.
    (tmp_path / "resnet8-fp32.onnx").write_bytes(b"other bytes")
    other = read_released("resnet8", [tmp_path]).candidates["onnx-fp32"]
    assert (other.verdict, other.accuracy) == (None, None)


def test_an_environment_that_is_not_there_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match=r"openvino is not installed; run\.py --install makes"):
        python_of("openvino", root=tmp_path)
    (tmp_path / ".venv-peers-openvino/bin").mkdir(parents=True)
    (tmp_path / ".venv-peers-openvino/bin/python").touch()
    # Nor is one that is half made, or that lacks what it is for.
    with pytest.raises(PeerError, match="is not installed"):
        python_of("openvino", root=tmp_path)
    (tmp_path / ".venv-peers-openvino/bin/python").unlink()
    (tmp_path / ".venv-peers-openvino/bin/python").symlink_to(sys.executable)
    with pytest.raises(PeerError, match="is not installed"):
        python_of("openvino", root=tmp_path)


def test_a_python_that_is_not_there_is_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.version_info", (3, 12, 0))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PeerError, match=r"needs Python 3\.11, which is not on PATH"):
        make("tflite-runtime", root=tmp_path)


def test_the_project_s_own_environment_is_this_one() -> None:
    assert Path(python_of(None)).exists()
    assert (ROOT / "models").is_dir()
