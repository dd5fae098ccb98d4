from __future__ import annotations

import dataclasses
import itertools
import re

import pytest

from bench.reports import (
    made_artifact,
    made_device,
    made_sustained,
    many_artifacts,
    not_measured,
)
from edgecnn.bench.report.distribution_chart import distribution_chart
from edgecnn.bench.report.figures import rows_by_latency
from edgecnn.bench.report.pareto_chart import HEIGHT_PX, boxes_at, pareto_chart
from edgecnn.bench.report.sustained_chart import sustained_chart
from edgecnn.bench.results import ArtifactBench, Sustained, SustainedPoint, ThreadBench


def with_times(row: ArtifactBench, *turns: tuple[int, ...]) -> ArtifactBench:
    bench: ThreadBench = dataclasses.replace(row.by_threads[0], turns=turns)
    return dataclasses.replace(row, by_threads=(bench,), chosen=bench.threads)


def test_distributions_stand_in_order_on_a_common_axis() -> None:
    chart = distribution_chart(rows_by_latency(made_device()))
    assert chart is not None
    assert len(chart.strips) == 6
    medians = [strip.median for strip in chart.strips]
    assert medians == sorted(medians)
    for strip in chart.strips:
        assert 0 <= strip.low <= strip.p10 <= strip.median <= strip.p90 <= strip.p99 <= 100
        assert strip.p99 <= strip.high <= 100
    assert [place for place, _ in chart.tick_texts] == sorted(p for p, _ in chart.tick_texts)


def test_percentiles_are_where_the_times_are() -> None:
    row = made_artifact("tflite-fp32", 1, 0.9, 1)
    times = tuple(range(1000, 2000))
    chart = distribution_chart(rows_by_latency(made_device(rows=(with_times(row, times),))))
    assert chart is not None
    (strip,) = chart.strips
    assert strip.n == 1000
    assert (strip.slowest_ns, strip.off) == (1999, False)
    # On a logarithmic axis, p90 of these is nearer to the end than the median to the beginning.
    assert strip.high - strip.p90 < strip.median - strip.low
    assert all(mark is None or 0 <= mark <= 100 for mark in strip.shape_marks)


def test_a_rare_slow_run_squeezes_nothing_and_is_told() -> None:
    row = made_artifact("tflite-fp32", 1, 0.9, 1)
    times = tuple(range(1000, 1200)) * 5
    slow = with_times(row, (*times, 5_000_000))
    chart = distribution_chart(rows_by_latency(made_device(rows=(slow,))))
    assert chart is not None
    (strip,) = chart.strips
    assert strip.off
    assert strip.high == 100
    assert strip.p90 - strip.low > 10
    assert (strip.beyond, strip.slowest_ns) == (1, 5_000_000)


def test_the_shape_is_a_histogram_of_all_runs_on_its_axis() -> None:
    """Two equal heaps of runs are two equal towers."""
    row = made_artifact("tflite-fp32", 1, 0.9, 1)
    chart = distribution_chart(
        rows_by_latency(made_device(rows=(with_times(row, (1000, 1000, 1000, 1040, 1040, 1040)),)))
    )
    assert chart is not None
    path = chart.strips[0].shape
    assert re.fullmatch(r"M0 100(H[\d.]+V[\d.]+)*H100V100Z", path)
    heights = [float(one) for one in re.findall(r"V([\d.]+)", path)]
    assert heights.count(0.0) == 2


def test_nothing_measured_is_no_chart() -> None:
    rows = rows_by_latency(made_device(rows=(not_measured(),)))
    assert distribution_chart(rows) is None
    assert pareto_chart(rows) is None


def test_faster_is_left_and_more_accurate_is_higher() -> None:
    rows = rows_by_latency(made_device())
    chart = pareto_chart(rows, front={0, 3}, chosen=3)
    assert chart is not None
    marks = {mark.row.label: mark for mark in chart.marks}
    assert marks["tflite-int8"].x < marks["tflite-fp32"].x < marks["onnx-fp32"].x
    assert marks["tflite-fp32"].y < marks["tflite-int8-dynamic"].y < marks["tflite-int8"].y
    kinds = {label: mark.kind for label, mark in marks.items()}
    assert kinds["tflite-int8"] == "chosen"
    assert kinds["tflite-fp32"] == "front"
    assert kinds["onnx-fp32"] == "behind"
    assert kinds["onnx-int8"] == "unproven"


def test_areas_are_as_sizes() -> None:
    rows = rows_by_latency(
        made_device(
            rows=(
                made_artifact("tflite-fp32", 900, 0.9, 1_000_000),
                made_artifact("tflite-int8", 400, 0.9, 250_000),
            )
        )
    )
    chart = pareto_chart(rows)
    assert chart is not None
    large, small = chart.marks
    assert large.radius**2 / small.radius**2 == pytest.approx(4, rel=0.05)


def test_the_line_joins_what_no_pass_is_better_than() -> None:
    chart = pareto_chart(rows_by_latency(made_device()))
    assert chart is not None
    marks = {mark.row.label: mark for mark in chart.marks}
    assert chart.front[0] == (marks["tflite-int8"].x, marks["tflite-int8"].y)
    assert chart.front[-1] == (marks["tflite-fp32"].x, marks["tflite-fp32"].y)
    # A failed one is faster than float32 and not on it, whatever its accuracy.
    corners = {x for x, _ in chart.front}
    assert marks["onnx-int8"].x not in corners
    heights = [y for _, y in chart.front]
    assert heights == sorted(heights, reverse=True)


def test_a_failed_one_does_not_squeeze_the_others() -> None:
    chart = pareto_chart(rows_by_latency(made_device()))
    assert chart is not None
    off = [mark for mark in chart.marks if mark.off]
    assert [mark.row.label for mark in off] == ["onnx-int8"]
    assert off[0].y == HEIGHT_PX
    proven = [mark.y for mark in chart.marks if not mark.off]
    assert max(proven) - min(proven) > HEIGHT_PX / 2
    assert any(label.text == "onnx-int8 (87.1 %)" for label in chart.names)


def test_labels_of_forty_artifacts_do_not_meet() -> None:
    chart = pareto_chart(rows_by_latency(made_device(rows=many_artifacts(40))))
    assert chart is not None
    assert len(chart.marks) == 40
    for labels, widths in ((chart.names, (600, 1060)), (chart.numbers, (230, 640))):
        assert len(labels) > 20
        for width in widths:
            boxes = [boxes_at(label, width) for label in labels]
            for one, other in itertools.combinations(boxes, 2):
                apart = one[2] <= other[0] or other[2] <= one[0]
                assert apart or one[3] <= other[1] or other[3] <= one[1]
    assert all(label.text.isdecimal() for label in chart.numbers)
    assert chart.numbered


def test_rows_without_accuracy_are_named_beside_the_plot() -> None:
    rows = (*made_device().rows, made_artifact("tflite-odd", 500, None, 1000, None))
    chart = pareto_chart(rows_by_latency(made_device(rows=rows)))
    assert chart is not None
    assert chart.of_accuracy
    assert [one.label for one in chart.unknown] == ["tflite-odd"]
    assert len(chart.marks) == 6


def test_without_any_accuracy_smaller_is_higher() -> None:
    rows = (
        made_artifact("tflite-fp32", 900, None, 1_000_000, None),
        made_artifact("tflite-int8", 400, None, 250_000, None),
    )
    chart = pareto_chart(rows_by_latency(made_device(rows=rows)))
    assert chart is not None
    assert not chart.of_accuracy
    marks = {mark.row.label: mark for mark in chart.marks}
    assert marks["tflite-int8"].y < marks["tflite-fp32"].y
    assert not chart.front


def test_a_steady_load_has_a_panel_for_each_thing_that_is_known() -> None:
    chart = sustained_chart(made_sustained(300))
    assert chart is not None
    assert [panel.name for panel in chart.panels] == ["Latency", "Temperature", "Clock"]
    assert [len(panel.lines) for panel in chart.panels] == [2, 1, 1]
    assert chart.seconds == 300
    assert chart.slower == pytest.approx(430 / 366, rel=0.01)
    ((start, width),) = chart.throttled
    assert 40 < start < 60
    assert start + width == pytest.approx(100, abs=0.05)


def test_an_hour_is_thinned_out_and_keeps_its_shape() -> None:
    chart = sustained_chart(made_sustained(3600))
    assert chart is not None
    for panel in chart.panels:
        for line in panel.lines:
            assert sum(len(piece.split()) for piece in line) <= 400
    # The clock falls once: high at first, low at last.
    heights = [float(one.split(",")[1]) for one in chart.panels[2].lines[0][0].split()]
    assert heights[0] < heights[-1]
    assert len({round(one) for one in heights}) == 2


def test_a_device_that_tells_no_temperature_has_no_panel_for_it() -> None:
    points = tuple(SustainedPoint(n=10, median_ns=1000, p90_ns=1100) for _ in range(30))
    chart = sustained_chart(Sustained(file="a", runtime_name="litert", threads=1, points=points))
    assert chart is not None
    assert [panel.name for panel in chart.panels] == ["Latency"]
    assert chart.throttled == ()


def test_a_line_is_broken_where_nothing_was_told() -> None:
    points = tuple(
        SustainedPoint(
            n=10, median_ns=1000, p90_ns=1100, temperature_c=None if 10 <= n < 20 else 50.0 + n
        )
        for n in range(30)
    )
    chart = sustained_chart(Sustained(file="a", runtime_name="litert", threads=1, points=points))
    assert chart is not None
    (temperature,) = [panel for panel in chart.panels if panel.name == "Temperature"]
    assert len(temperature.lines[0]) == 2


def test_bits_since_the_start_of_the_system_are_not_throttling_now() -> None:
    points = tuple(
        SustainedPoint(n=10, median_ns=1000, p90_ns=1100, throttled=bits)
        for bits in (0x50000, 0x50000, 0x50005, 0x50000)
    )
    chart = sustained_chart(Sustained(file="a", runtime_name="litert", threads=1, points=points))
    assert chart is not None
    assert chart.throttled == ((50.0, 25.0),)


def test_one_second_is_no_plot() -> None:
    assert sustained_chart(None) is None
    assert sustained_chart(made_sustained(1)) is None
