"""A profile in words, in the terminal and in HTML."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from edgecnn.bench.report.profile_view import profile_view, profile_views
from edgecnn.bench.results import (
    ArtifactBench,
    BenchReport,
    DeviceBench,
    OperatorTime,
    Profile,
    Settings,
)
from edgecnn.cli.bench import print_profiles
from edgecnn.report import page_environment

TIMED = Profile(
    operators=(
        OperatorTime(
            name="Conv_1;Relu", type="QLinearConv", macs=2_000_000, mac_share=1.0,
            total_ns=400_000, median_ns=40_000, share=0.8,
        ),
        OperatorTime(
            name="<Add>", type="QLinearAdd", count=2, macs=0, mac_share=0.0,
            total_ns=90_000, median_ns=10_000, share=0.2,
        ),
    ),
    runtime="onnxruntime 1.32.0", kernels="CPUExecutionProvider", threads=2, runs=10,
    plain_ns=45_000, profiled_ns=70_000,
)  # fmt: skip
COUNTED = Profile(
    operators=(OperatorTime(name="a", type="CONV_2D", macs=640, mac_share=1.0),),
    lacks="no time per operator: R does not tell Python", runtime="R", kernels="K", plain_ns=5000,
)  # fmt: skip
FAILED = Profile(lacks="it does not start")


def report(*profiles: Profile | None) -> BenchReport:
    rows = tuple(
        ArtifactBench(
            model="m", variant="v", file=f"{n}.onnx", sha256="0", bytes=1, profile=profile
        )
        for n, profile in enumerate(profiles)
    )
    device = DeviceBench(device="local", rows=rows)
    return BenchReport(settings=Settings(), devices=(device,), versions={}, created="")


def printed(width: int, *profiles: Profile | None) -> str:
    text = io.StringIO()
    print_profiles(Console(file=text, width=width), report(*profiles))
    return text.getvalue()


def html(*profiles: Profile | None) -> str:
    views = profile_views(report(*profiles))
    return page_environment("edgecnn.bench").get_template("profile.html.j2").render(profiles=views)


def test_times_shares_and_rates_are_as_measured() -> None:
    view = profile_view(TIMED, device="local", file="a.onnx")
    first, second = view.lines
    assert (first.name, first.time, first.share_text, first.macs, first.rate) == (
        "Conv_1", "40.0 µs", "80.0 %", "2.00 M", "50.0",
    )  # fmt: skip
    assert (second.type, second.macs, second.rate, second.bar) == ("QLinearAdd x2", "", "", 25)
    assert "2 threads: 45.0 µs" in view.notes[0]
    assert "70.0 µs" in view.notes[1]


def test_without_times_the_share_is_that_of_macs_and_the_lack_is_told() -> None:
    view = profile_view(COUNTED, device="local", file="a.tflite")
    assert not view.timed
    assert (view.lines[0].time, view.lines[0].share_text) == ("\u2013", "100.0 %")
    assert view.notes[-1] == "No time per operator: R does not tell Python."


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_terminals_figures_are_never_cut(width: int) -> None:
    text = printed(width, TIMED)
    assert all(len(line) <= width for line in text.splitlines())
    for figure in ("40.0 µs", "80.0 %", "2.00 M", "50.0", "20.0 %"):
        assert figure in text


def test_every_profile_is_shown_and_rows_without_one_are_not() -> None:
    text = printed(100, TIMED, None, COUNTED, FAILED)
    assert [f"{n}.onnx on local" in text for n in range(4)] == [True, False, True, True]
    assert "It does not start." in text
    assert "MAC share" in text


def test_the_page_shows_the_same_and_escapes_names() -> None:
    page = html(TIMED, None, COUNTED, FAILED)
    assert page.count("<details") == 3
    assert "&lt;Add&gt;" in page
    assert "<Add>" not in page
    for words in ("40.0 µs", "share of MACs", "no profile", "It does not start."):
        assert words in page


def test_the_page_needs_no_other_file() -> None:
    assert "http" not in html(TIMED)
    assert "src=" not in html(TIMED)
