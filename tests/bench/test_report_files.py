from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.measured import at, row
from edgecnn.bench import read_bench, write_bench
from edgecnn.bench.results import (
    BenchReport,
    Conditions,
    DeviceBench,
    Settings,
    Sustained,
    SustainedPoint,
)
from edgecnn.errors import ArtifactError, DeviceConnectionError, RowError, WorkspaceError

LOST = DeviceConnectionError("it was lost", observed="x", expected="y", remedy="z")
REPORT = BenchReport(
    settings=Settings(sustain=2),
    devices=(
        DeviceBench(
            device="local",
            machine={"cores": 2},
            system="Debian",
            conditions=Conditions(before={"load": 0.1}, after={}, during=({"throttled": 0},)),
            rows=(row(at(1, (1, 2), (3,)), at(2)),),
            seconds=1.5,
            sustained=Sustained(
                file="a.tflite",
                runtime_name="litert",
                threads=1,
                points=(SustainedPoint(n=9, median_ns=5, p90_ns=6, temperature_c=50.5),),
            ),
        ),
        DeviceBench(device="ssh://pi@host", error=RowError.of(LOST)),
    ),
    versions={"edgecnn": "0.1.0"},
    created="2026-01-01T00:00:00Z",
)


def test_a_report_reads_back_the_same(tmp_path: Path) -> None:
    write_bench(tmp_path / "bench.json", REPORT)
    assert read_bench(tmp_path / "bench.json") == REPORT


def test_an_error_reads_back_as_its_own_class() -> None:
    error = REPORT.devices[1].error
    assert error is not None
    assert type(error.to_error()) is DeviceConnectionError
    assert error.to_error().to_dict() == LOST.to_dict()
    assert type(RowError.of(ArtifactError("x", remedy="y")).to_error()) is ArtifactError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"schema": 1}', "ValidationError"),
        ('{"schema": 99}', "schema 99"),
        ("[" * 100_000, "RecursionError"),
    ],
)
def test_a_damaged_report(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text(text)
    with pytest.raises(WorkspaceError) as caught:
        read_bench(tmp_path / "bench.json")
    assert said in str(caught.value.observed)
    with pytest.raises(WorkspaceError, match="cannot read"):
        read_bench(tmp_path / "none.json")


def test_a_report_is_json_that_others_can_read(tmp_path: Path) -> None:
    write_bench(tmp_path / "bench.json", REPORT)
    values = json.loads((tmp_path / "bench.json").read_text())
    assert values["schema"] == 1
    assert values["devices"][0]["rows"][0]["by_threads"][0]["turns"] == [[1, 2], [3]]
