"""A judged bench: its JSON, what reads back, and what the command ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.made_up import conditions, device, report, row
from edgecnn.bench import exit_error, read_bench, write_bench
from edgecnn.bench.judge.judgement import EarlierBench, Judging, judge_bench
from edgecnn.bench.judge.recommend import DeviceLimits
from edgecnn.bench.report.json import bench_values, judged_values
from edgecnn.bench.results import BenchReport
from edgecnn.errors import BenchRegressionError, NothingFitsError, RowError

INT8 = row("tflite-int8", 100_000, decode_ns=(5, 7, 6), preprocess_ns=())
FP32 = row("tflite-fp32", 300_000, size=6_700_000, macs=None)
ERROR = RowError(error="DeviceError", exit_code=34, problem="no space", remedy="make some")


def whole_numbers(values: Any) -> bool:
    if isinstance(values, dict):
        return all(map(whole_numbers, values.values()))
    return values is None or isinstance(values, int)


def test_summaries_are_whole_numbers_beside_the_raw_times() -> None:
    values = bench_values(report(device(INT8, FP32)))
    first, second = values["devices"][0]["rows"]
    assert first["summary"]["decode"]["median_ns"] == 6
    assert first["summary"]["preprocess"] is None
    figures = first["by_threads"][0]["summary"]
    assert figures["n"] == 600
    assert figures["median_ns"] == 100_000
    assert figures["macs_per_second"] == 239_000_000_000
    assert figures["starts"]["n"] == 2
    assert second["by_threads"][0]["summary"]["macs_per_second"] is None
    for one in (first, second):
        assert whole_numbers(one["summary"])
        assert whole_numbers(one["by_threads"][0]["summary"])


def test_a_written_report_reads_back_the_same(tmp_path: Path) -> None:
    failed = device(row("onnx-int8", None, error=ERROR), name="ssh://pi@a", error=ERROR)
    original = report(device(INT8, FP32), failed, max_drop_points=2.5)
    write_bench(tmp_path / "bench.json", original)
    assert read_bench(tmp_path / "bench.json") == original


def test_what_the_command_prints_as_json_is_a_baseline_too(tmp_path: Path) -> None:
    original = report(device(INT8, FP32))
    judged = judge_bench(original, Judging(baseline=EarlierBench(report=original, source="itself")))
    (tmp_path / "bench.json").write_text(json.dumps(judged_values(judged), allow_nan=False))
    values = json.loads((tmp_path / "bench.json").read_text())
    assert values["recommendations"][0]["chosen"] == 0
    assert values["gate"]["passed"] is True
    assert read_bench(tmp_path / "bench.json") == original


def test_a_file_from_before_summaries_reads_back(tmp_path: Path) -> None:
    values = bench_values(report(device(INT8)))
    del values["max_drop_points"]
    del values["devices"][0]["rows"][0]["summary"]
    (tmp_path / "bench.json").write_text(json.dumps(values))
    assert read_bench(tmp_path / "bench.json") == report(device(INT8))


def fits(bench: BenchReport, limits: DeviceLimits) -> Exception | None:
    return exit_error(judge_bench(bench, Judging(limits=limits)))


def test_without_limits_nothing_to_recommend_is_no_error() -> None:
    assert exit_error(judge_bench(report(device(row("tflite-int8", 1, verdict="FAIL"))))) is None


def test_limits_that_something_keeps_are_no_error() -> None:
    assert fits(report(device(INT8, FP32)), DeviceLimits(latency_ns=200_000)) is None


def test_limits_that_nothing_keeps_say_who_exceeds_which() -> None:
    error = fits(report(device(INT8, FP32)), DeviceLimits(latency_ns=50_000, size_bytes=2_000_000))
    assert isinstance(error, NothingFitsError)
    assert error.exit_code == 40
    assert str(error.observed) == (
        "Nothing keeps the limits (latency 50.0 µs, size 2.00 MB): of 2 candidates, latency "
        "excludes all, size excludes 1. tflite-int8 with litert: Its latency, 100 µs, is above the "
        "limit of 50.0 µs. tflite-fp32 with litert: Its latency, 300 µs, is above the limit of "
        "50.0 µs; its size, 6.70 MB, is above the limit of 2.00 MB."
    )
    assert error.expected == "latency 50.0 µs, size 2.00 MB"


@pytest.mark.parametrize(
    "other",
    [
        device(row("tflite-int8", 1, verdict=None), name="ssh://pi@a"),
        device(INT8, name="ssh://pi@a", conditions=conditions("throttled")),
        device(row("tflite-int8", 900_000_000), name="ssh://pi@a"),
    ],
)
def test_every_device_must_have_something_that_keeps_them(other: Any) -> None:
    error = fits(report(device(INT8), other), DeviceLimits(latency_ns=200_000))
    assert isinstance(error, NothingFitsError)
    assert error.problem == "nothing keeps the limits on ssh://pi@a"


def test_a_device_that_failed_has_an_error_of_its_own() -> None:
    failed = device(name="ssh://pi@a", error=ERROR, conditions=None)
    assert fits(report(device(INT8), failed), DeviceLimits(latency_ns=200_000)) is None


def test_a_regression_comes_before_limits() -> None:
    before = report(device(row("tflite-int8", 50_000)))
    judging = Judging(
        limits=DeviceLimits(latency_ns=1),
        baseline=EarlierBench(report=before, source="before.json"),
    )
    assert isinstance(exit_error(judge_bench(report(device(INT8)), judging)), BenchRegressionError)


def test_accuracies_within_what_verification_allowed_count_as_equal() -> None:
    rows = (
        row("tflite-int8", 100_000, accuracy=0.86),
        row("tflite-fp32", 300_000, accuracy=0.88),
    )
    for points, chosen in ((1.0, 1), (2.5, 0)):
        judged = judge_bench(report(device(*rows), max_drop_points=points))
        assert judged.recommendations[0].chosen == chosen
