"""What ``edgecnn bench`` leaves for people, from real measurements as a user makes them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from bench.reports import made_report
from command import edgecnn
from edgecnn.bench.judge.judgement import judge_bench
from edgecnn.bench.report.exports import write_exports
from edgecnn.cli.bench import print_reports
from edgecnn.commands.bench import BenchResult
from html_page import HtmlPage, assert_self_contained

MODEL = Path(__file__).parents[2] / "models/resnet8"
QUICK = ("--runs", "10", "--seconds", "0", "--starts", "1", "--threads", "1", "--quiet")


def test_what_was_written_is_named(tmp_path: Path) -> None:
    judged = judge_bench(made_report())
    place = tmp_path / "bench-partial.json"
    out = io.StringIO()
    written = write_exports(judged, place, csv=tmp_path / "a.csv")
    result = BenchResult(judged=judged, file=place, reports=tuple(written))
    print_reports(Console(file=out, width=80), result)
    assert out.getvalue().split() == [
        "report:", str(tmp_path / "bench-partial.html"), "report:", str(place),
        "report:", str(tmp_path / "a.csv"),
    ]  # fmt: skip
    assert (tmp_path / "bench-partial.html").exists()
    write_exports(judged, None, markdown=tmp_path / "a.md")
    assert (tmp_path / "a.md").read_text("utf-8").startswith("## Bench: Ship tflite-int8")


@pytest.mark.slow
def test_a_real_bench_leaves_page_csv_and_markdown(tmp_path: Path) -> None:
    done = edgecnn(
        "bench", MODEL, *QUICK, "--out", tmp_path / "out", "--csv", tmp_path / "b.csv",
        "--markdown", tmp_path / "b.md", "--sustain", "3", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    values = done.json()
    headline = values["recommendations"][0]["headline"]
    html = (tmp_path / "out/bench.html").read_text("utf-8")
    assert_self_contained(html)
    page = HtmlPage(html)
    assert headline in page.words
    assert "Steady load" in page.words
    rows = values["devices"][0]["rows"]
    assert len(page.of_class("div", "strip")) == len(rows)
    with (tmp_path / "b.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    medians = [row["by_threads"][0]["summary"]["median_ns"] for row in rows]
    assert [int(line["median_ns"]) for line in table] == medians
    assert headline.split(":")[0] in (tmp_path / "b.md").read_text("utf-8")
    for row in rows:
        assert row["sha256"] in html


@pytest.mark.slow
def test_what_cannot_be_written_is_told_after_the_figures(tmp_path: Path) -> None:
    done = edgecnn("bench", MODEL, *QUICK, "--csv", tmp_path / "absent" / "b.csv")
    assert done.code == 29, done.err
    assert "median" in done.out
    assert "name a file elsewhere: --csv FILE" in " ".join(done.err.split())
