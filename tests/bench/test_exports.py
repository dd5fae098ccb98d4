from __future__ import annotations

import csv
import dataclasses
import io
import re
from pathlib import Path

import pytest

from bench.reports import (
    EVIL,
    made_artifact,
    made_device,
    made_report,
    not_measured,
    unreachable,
)
from edgecnn.bench.judge.judgement import EarlierBench, JudgedBench, Judging, judge_bench
from edgecnn.bench.report.csv import COLUMNS, csv_text, write_csv
from edgecnn.bench.report.exports import write_exports
from edgecnn.bench.report.figures import figures_of
from edgecnn.bench.report.markdown import bench_markdown, write_bench_markdown
from edgecnn.bench.results import BenchReport, Conditions
from edgecnn.errors import WorkspaceError


def rows_of(judged: JudgedBench) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(csv_text(judged)), strict=True)
    rows = list(reader)
    assert reader.fieldnames == list(COLUMNS)
    assert all(None not in row and None not in row.values() for row in rows)
    return rows


@pytest.fixture(scope="module")
def judged() -> JudgedBench:
    rows = (*made_device().rows, not_measured())
    return judge_bench(made_report(made_device(rows=rows), unreachable()))


def test_csv_has_a_row_for_each_number_of_threads_and_each_failure(judged: JudgedBench) -> None:
    rows = rows_of(judged)
    assert len(rows) == 6 * 3 + 1 + 1
    assert rows[-2]["error"] == "onnxruntime does not start (ImportError: libx)"
    assert rows[-2]["median_ns"] == ""
    assert rows[-1]["device"] == "ssh://pi@gone"
    assert rows[-1]["error"] == "ssh://pi@gone cannot be reached (connection refused)"


def test_csv_holds_the_figures_to_the_last_digit(judged: JudgedBench) -> None:
    device = judged.report.devices[0]
    row = device.rows[3]
    (best,) = [one for one in row.by_threads if one.threads == 4]
    figures = figures_of(row, best)
    (found,) = [
        one for one in rows_of(judged) if (one["variant"], one["threads"]) == ("tflite-int8", "4")
    ]
    assert {name: found[name] for name in ("chosen", "recommended", "front")} == {
        "chosen": "1", "recommended": "1", "front": "1",
    }  # fmt: skip
    for name, value in (
        ("median_ns", figures.times.median_ns),
        ("p90_ns", figures.times.p90_ns),
        ("p99_ns", figures.times.p99_ns),
        ("min_ns", figures.times.min_ns),
        ("max_ns", max(best.samples_ns)),
        ("mad_ns", figures.times.mad_ns),
        ("runs", 240),
        ("turns", 12),
        ("first_ns", best.first_ns),
        ("load_ns", 4_200_000),
        ("start_median_ns", 409_000_000),
        ("decode_median_ns", 9_100_000),
        ("preprocess_median_ns", 310_000),
        ("peak_memory_bytes", 54_000_000),
        ("file_bytes", 243_000),
        ("macs", 12_500_000),
        ("macs_per_second", figures.macs_per_second),
        ("cores", 4),
        ("warmup_runs", 60),
    ):
        assert found[name] == str(value), name
    assert float(found["accuracy"]) == 0.9193
    assert found["governors"] == "performance"
    assert found["board"] == "Raspberry Pi 4 Model B Rev 1.4"


def test_only_one_row_of_a_device_is_recommended(judged: JudgedBench) -> None:
    rows = rows_of(judged)
    assert sum(row["recommended"] == "1" for row in rows) == 1
    assert sum(row["chosen"] == "1" for row in rows) == 6


def test_units_are_in_the_names_and_every_column_is_explained() -> None:
    assert all(meaning for meaning in COLUMNS.values())
    assert not [name for name in COLUMNS if re.search(r"latency|(?<!run)time|memory$|size$", name)]


def test_csv_keeps_odd_names_and_defuses_formulas() -> None:
    names = ('a,"b"\nc', "=cmd|' /C calc'!A0", "@SUM(1)", "-1", "+1")
    rows = tuple(
        made_artifact("tflite-fp32", 500, 0.9, 1000, file=name, threads=(1,)) for name in names
    )
    found = rows_of(judge_bench(made_report(made_device(rows=rows))))
    assert [row["file"] for row in found] == [
        names[0], "'=cmd|' /C calc'!A0", "'@SUM(1)", "'-1", "'+1",
    ]  # fmt: skip


def test_csv_says_what_is_doubtful_and_invalid() -> None:
    conditions = Conditions(before={}, after={}, warnings=("one", "two"), invalid="throttled")
    found = rows_of(judge_bench(made_report(made_device(conditions=conditions))))
    assert {row["warnings"] for row in found} == {"one; two"}
    assert {row["invalid"] for row in found} == {"throttled"}
    assert {row["recommended"] for row in found} == {"0"}


def test_markdown_begins_with_what_to_ship(judged: JudgedBench) -> None:
    one = dataclasses.replace(
        judged,
        report=dataclasses.replace(judged.report, devices=judged.report.devices[:1]),
        recommendations=judged.recommendations[:1],
    )
    text = bench_markdown(one)
    assert text.startswith("## Bench: Ship tflite-int8 with litert, 4 threads: 182 ")
    assert "- ⚠️ tflite-int8-dynamic with litert is slower than float32" in text


def test_markdown_has_a_row_for_each_artifact_and_each_device_its_part(judged: JudgedBench) -> None:
    text = bench_markdown(judged)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert sum("| artifact |" in line for line in table) == 2
    assert any(
        line.startswith("| **tflite-int8** ⭐ | ai-edge-litert 2.1.0 | 4 |") for line in table
    )
    assert any(line.startswith("| onnx-fp16 | onnxruntime | \u2013 |") for line in table)
    for block in re.split(r"\n(?!\|)", text):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines() if "|" in line}
        assert len(widths) <= 1
    assert "❌ ssh\\://pi\\@gone cannot be reached (connection refused). Remedy: switch" in text
    assert "- **onnx-int8**: no candidate, it failed verification" in text


def test_markdown_shows_names_and_does_not_obey_them() -> None:
    odd = made_artifact(f"tflite-{EVIL}", 500, 0.9, 1000, runtime=EVIL, runtime_name=EVIL)
    conditions = Conditions(before={"board": EVIL}, after={}, warnings=(f"@you {EVIL}\n# x",))
    device = made_device(EVIL, rows=(odd, made_artifact("onnx-x", 900, 0.9, 1)))
    report = made_report(dataclasses.replace(device, conditions=conditions), unreachable(EVIL))
    text = bench_markdown(judge_bench(report))
    bare = re.sub(r"\\.", "", text)
    for raw in ("<script", "![", "http://", " @you", "`x`"):
        assert raw not in bare
    assert "\n# x" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ") and "tflite-" in line]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {11, 9}


def test_markdown_begins_with_regressions_where_there_is_a_baseline() -> None:
    before: BenchReport = made_report()
    larger = tuple(
        dataclasses.replace(row, bytes=2 * row.bytes) if row.variant == "tflite-fp32" else row
        for row in before.devices[0].rows
    )
    judging = Judging(baseline=EarlierBench(report=before, source="old.json"))
    text = bench_markdown(judge_bench(made_report(made_device(rows=larger)), judging))
    assert text.index("### ❌ Worse than in old.json") < text.index("### ssh")
    assert re.search(r"- ❌ tflite-fp32 .*size 912.0 kB before, now 1.82 MB", text)
    same = bench_markdown(judge_bench(before, judging))
    assert "### ✅ Nothing got worse" in same


def test_files_appear_whole_or_the_reason_is_told(tmp_path: Path, judged: JudgedBench) -> None:
    place = tmp_path / "bench.json"
    table, summary = tmp_path / "b.csv", tmp_path / "b.md"
    written = write_exports(judged, place, csv=table, markdown=summary)
    assert written == (tmp_path / "bench.html", table, summary)
    assert (tmp_path / "bench.html").read_text("utf-8").startswith("<!doctype html>")
    assert table.read_text("utf-8") == csv_text(judged)
    assert summary.read_text("utf-8") == bench_markdown(judged)
    with pytest.raises(WorkspaceError, match="--csv FILE"):
        write_csv(tmp_path, judged)
    with pytest.raises(WorkspaceError, match="--markdown FILE"):
        write_bench_markdown(tmp_path / "absent" / "b.md", judged)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.csv", "b.md", "bench.html"]


def test_without_a_place_there_is_no_page(tmp_path: Path, judged: JudgedBench) -> None:
    assert write_exports(judged, None) == ()
    assert not list(tmp_path.iterdir())
