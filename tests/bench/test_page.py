from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from bench.reports import (
    EVIL,
    made_artifact,
    made_device,
    made_report,
    made_sustained,
    many_artifacts,
    not_measured,
    unreachable,
)
from edgecnn.bench.judge.judgement import EarlierBench, Judging, judge_bench
from edgecnn.bench.judge.recommend import DeviceLimits
from edgecnn.bench.report.page import render_page
from edgecnn.bench.results import (
    BenchReport,
    Conditions,
    DeviceBench,
    OperatorTime,
    Profile,
)
from html_page import HtmlPage, assert_self_contained


def render(report: BenchReport, judging: Judging | None = None) -> str:
    html = render_page(judge_bench(report, judging))
    assert_self_contained(html)
    return html


def page_of(*devices: DeviceBench, **changes: Any) -> HtmlPage:
    return HtmlPage(render(made_report(*devices, **changes)))


@pytest.fixture(scope="module")
def page() -> HtmlPage:
    rows = (*made_device().rows, not_measured())
    return page_of(made_device(rows=rows, sustained=made_sustained()))


def lines(page: HtmlPage) -> list[str]:
    return [line.strip() for line in page.text.splitlines() if line.strip()]


def test_what_to_ship_comes_first(page: HtmlPage) -> None:
    found = lines(page)
    assert found[0] == "Bench of toy"
    assert found[1] == "Bench report for toy"
    assert found[2].startswith("Ship tflite-int8 with litert, 4 threads: 182 ")
    # Then what is slower than float32, and only then the rest.
    assert "tflite-int8-dynamic with litert is slower than float32" in " ".join(found[3:6])


def test_why_the_others_lost_is_said_of_each(page: HtmlPage) -> None:
    words = page.words
    assert "Why not the others" in words
    for name in ("tflite-fp32", "tflite-fp16", "tflite-int8-dynamic", "onnx-fp32"):
        assert re.search(rf"{name} It takes \d\.\d+ times as long as tflite-int8", words), name
    assert "onnx-int8 No candidate: it failed verification." in words


def test_every_artifact_has_a_row_the_fastest_first(page: HtmlPage) -> None:
    table = page.words[page.words.index("Artifact Latency Median, µs") :]
    names = ("tflite-int8", "onnx-int8", "tflite-fp32", "tflite-fp16", "onnx-fp32")
    places = [table.index(f"{number} {name} ") for number, name in enumerate(names, start=1)]
    assert places == sorted(places)
    for text in ("ship this", "54.00 MB", "243.0 kB", "91.93", "PASS", "FAIL", "NOT VERIFIED"):
        assert text in table
    assert "onnxruntime does not start (observed: ImportError: libx). Remedy: pip install" in table


def test_every_figure_is_there(page: HtmlPage) -> None:
    head = (
        "Artifact Runs Min Median p90 p99 MAD First Load Start Decode Preprocess MACs GMAC/s "
        "Warm-up Kernels"
    ).replace(" ", r"\s*")
    assert re.search(head, page.text)
    for text in ("12,500,000", "4.20 ms", "409 ms", "9.10 ms", "310 µs", "XNNPACK"):
        assert text in page.text


def test_distributions_have_a_strip_and_a_shape_for_each_row(page: HtmlPage) -> None:
    strips = page.of_class("div", "strip")
    assert len(strips) == 6
    assert len(page.of_class("path", "outline")) == 6
    labels = [svg.get("aria-label") or "" for svg in page.all("svg")]
    assert sum("fastest" in one and "p99" in one and "slowest" in one for one in labels) == 6
    assert "240 runs" in page.text


def test_threads_temperature_and_clock_are_drawn(page: HtmlPage) -> None:
    for count in ("1 thread", "2 threads", "4 threads"):
        assert count in page.text
    for text in ("Latency, µs", "Temperature, °C", "Clock, MHz", "1,500 → 1,200"):
        assert text in page.text
    assert len(page.of_class("polyline", "whole")) == 3
    assert len(page.of_class("rect", "throttled")) == 3


def test_the_device_is_described(page: HtmlPage) -> None:
    words = page.words
    for text in (
        "Board Raspberry Pi 4 Model B Rev 1.4", "Processor Cortex-A72", "Cores 4",
        "Kernel Linux 6.6.31-v8+", "Python 3.11.2", "Governor performance",
        "Clock 1,500 MHz of 600 MHz to 1,500 MHz", "0.12 before, 0.12 after",
        "48.2 °C before", "61.0 °C after",
        "System Debian GNU/Linux 12 (bookworm)", "ai-edge-litert 2.1.0, onnxruntime 1.23.0",
        "XNNPACK whole graph: tflite-fp32, tflite-fp16, tflite-int8-dynamic, tflite-int8",
    ):  # fmt: skip
        assert text in words, text


def test_tells_how_and_of_what(page: HtmlPage) -> None:
    for text in (
        "50 runs, 1 s, threads 1, 2, 4, all; 5 starts; seed 0", "2026-01-02T03:04:05Z",
        "python 3.11.2", "ab" * 32, "At least 50 runs and 1 s of each file",
    ):  # fmt: skip
        assert text in page.words, text


def test_no_label_and_no_link_is_left_without_its_end(page: HtmlPage) -> None:
    described = [one["aria-labelledby"] for one in page.all("article")]
    assert described == [one["id"] for one in page.all("h2") if one.get("id")]


def test_names_are_shown_and_not_obeyed() -> None:
    artifact = made_artifact(
        f"tflite-{EVIL}", 500, 0.9, 1000, model=EVIL, file=EVIL, runtime=EVIL, runtime_name=EVIL
    )
    device = made_device(EVIL, rows=(artifact, made_artifact("tflite-fp32", 900, 0.9, 2000)))
    machine = dict.fromkeys(device.machine, EVIL)
    conditions = Conditions(before={"board": EVIL}, after={}, warnings=(EVIL,), invalid=EVIL)
    html = render(
        made_report(
            device,
            dataclasses.replace(device, machine=machine, conditions=conditions, system=EVIL),
            unreachable(EVIL),
            versions={"edgecnn": EVIL},
        )
    )
    assert "<script" not in html
    assert "alert(1)" in html
    page = HtmlPage(html)
    assert EVIL in page.text
    assert not page.all("img")


def test_a_failed_device_has_its_reason_and_the_others_their_figures() -> None:
    page = page_of(made_device(), unreachable())
    words = page.words
    assert words.count("There is a recommendation for 1 of 2 devices.") == 1
    for text in (
        "ssh://pi@gone cannot be reached",
        "Observed: connection refused",
        "Remedy: switch",
    ):
        assert text in words
    assert [one["href"] for one in page.all("a")] == ["#device-1", "#device-2"]
    assert [one["id"] for one in page.all("article")] == ["device-1", "device-2"]
    assert len(page.of_class("table", "artifacts")) == 1


def test_invalid_figures_and_doubts_stand_out_before_any_figure() -> None:
    conditions = Conditions(
        before={}, after={}, warnings=("the governor is ondemand",), invalid="it was throttled"
    )
    page = page_of(made_device(conditions=conditions))
    words = page.words
    assert words.index("Invalid. Do not use these figures: it was throttled") < words.index(
        "Median,"
    )
    assert words.index("Doubtful: the governor is ondemand") < words.index("Median,")
    assert "Nothing is recommended." in words
    assert "ship this" not in words


def test_one_artifact_alone_needs_no_plot() -> None:
    page = page_of(made_device(rows=made_device().rows[:1]))
    assert not page.of_class("section", "pareto")
    assert len(page.of_class("div", "strip")) == 1


def test_without_accuracy_size_stands_in_its_place() -> None:
    rows = tuple(
        dataclasses.replace(row, accuracy=None, verdict=None) for row in made_device().rows
    )
    words = page_of(made_device(rows=rows)).words
    assert "Latency against size" in words
    assert "No accuracy is known" in words
    assert "Why none of these" in words
    assert "not verified" in words


def test_a_device_that_tells_little_is_shown_all_the_same() -> None:
    bare = made_device(machine={}, system="", conditions=None)
    assert "Ship tflite-int8" in page_of(bare).words
    silent = made_device(machine={}, system="", conditions=Conditions(before={}, after={}))
    assert page_of(silent).words.count("not told") >= 10


def test_nothing_measured_at_all_is_a_page_too() -> None:
    words = page_of(made_device(rows=(not_measured(),))).words
    assert "Nothing is recommended" in words
    assert "1 not measured" in words


def test_a_steady_load_that_failed_has_its_reason() -> None:
    sustained = dataclasses.replace(made_sustained(), points=(), error=not_measured().error)
    words = page_of(made_device(sustained=sustained)).words
    assert "It was not measured to the end: onnxruntime does not start" in words


def test_what_got_worse_since_the_baseline_is_listed() -> None:
    before = made_report(made_device(rows=made_device().rows[:2]))
    slower = tuple(
        dataclasses.replace(
            row,
            by_threads=tuple(
                dataclasses.replace(
                    one,
                    turns=tuple(tuple(2 * sample for sample in turn) for turn in one.turns),
                )
                for one in row.by_threads
            ),
        )
        for row in before.devices[0].rows[:1]
    )
    now = made_report(made_device(rows=(*slower, *before.devices[0].rows[1:])))
    judging = Judging(baseline=EarlierBench(report=before, source="old/bench.json"))
    page = HtmlPage(render(now, judging))
    words = page.words
    assert "Worse than in old/bench.json: tflite-fp32 with litert on ssh://pi@pi4." in words
    assert "2.00 times" in words or "2.0 times" in words
    assert page.of_class("li", "missed")
    same = HtmlPage(render(before, judging))
    assert "Nothing got worse by more than 5 %" in same.words
    assert not same.of_class("li", "missed")


def test_time_per_operator_stands_with_its_device() -> None:
    profile = Profile(
        operators=(OperatorTime(name="<b>conv</b>", type="Conv", median_ns=3000, share=1.0),),
        runtime="onnxruntime 1.23.0",
        kernels="CPUExecutionProvider",
        threads=1,
        runs=100,
        plain_ns=2500,
        profiled_ns=3100,
    )
    row = dataclasses.replace(made_device().rows[4], profile=profile)
    page = page_of(made_device("local", rows=(row,)), made_device("ssh://pi@other"))
    assert "Per operator" in page.words
    assert "<b>conv</b>" in page.text
    assert len(page.of_class("details", "profile")) == 1
    assert page.words.index("<b>conv</b>") < page.words.index("ssh://pi@other (Rasp", 800)


def test_limits_are_told() -> None:
    judging = Judging(limits=DeviceLimits(size_bytes=1000))
    words = HtmlPage(render(made_report(), judging)).words
    assert "Nothing keeps the limits (size 1.0 kB)" in words


def test_forty_artifacts_on_three_devices_are_well_below_three_megabytes() -> None:
    rows = many_artifacts(40)
    html = render(made_report(*(made_device(f"ssh://pi@{index}", rows=rows) for index in range(3))))
    assert len(html.encode()) < 1_500_000
    assert len(HtmlPage(html).of_class("div", "strip")) == 120


def test_the_size_of_the_page_does_not_depend_on_the_number_of_runs() -> None:
    """A small network runs 100,000 times in a second."""
    few, many = (
        len(
            render(
                made_report(
                    made_device(
                        rows=(
                            made_artifact("tflite-fp32", 9, 0.9, 1000, turns=20, runs=runs),
                            made_artifact("tflite-int8", 4, 0.9, 500, turns=20, runs=runs),
                        )
                    )
                )
            )
        )
        for runs in (10, 2500)
    )
    assert many < 1.2 * few
    assert many < 100_000
