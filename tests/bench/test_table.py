from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.reports import (
    EVIL,
    made_artifact,
    made_device,
    made_report,
    many_artifacts,
    not_measured,
    unreachable,
)
from edgecnn.bench.judge.judgement import judge_bench
from edgecnn.bench.report.table import bar
from edgecnn.bench.results import BenchReport, Conditions
from edgecnn.cli.bench import print_bench


def printed(report: BenchReport, width: int = 80) -> list[str]:
    buffer = io.StringIO()
    print_bench(Console(file=buffer, width=width, highlight=False), judge_bench(report))
    found = buffer.getvalue().splitlines()
    assert max(map(len, found)) <= width
    return found


def test_a_device_fits_80_columns_with_whole_names() -> None:
    found = printed(made_report(made_device(rows=(*made_device().rows, not_measured()))))
    rows = [line for line in found if line.startswith((" tflite-", " onnx-"))]
    names = [line.split()[0] for line in rows]
    assert names == [
        "tflite-int8", "onnx-int8", "tflite-fp32", "tflite-fp16", "onnx-fp32",
        "tflite-int8-dynamic", "onnx-fp16",
    ]  # fmt: skip
    assert "█" in rows[0]
    assert "182" in rows[0]
    assert "243.0 kB" in rows[0]
    assert "PASS" in rows[0]
    below = found[found.index(rows[0]) + 1]
    for text in ("ai-edge-litert 2.1.0", "189", "54.00 MB", "91.93", "★ ship"):
        assert text in below
    assert "onnxruntime does not" in " ".join(found)
    assert any(line.startswith("Ship tflite-int8 with litert") for line in found)


def test_bars_grow_with_the_median() -> None:
    found = printed(made_report())
    lengths = [line.count("█") for line in found if line.startswith((" tflite-", " onnx-"))]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_every_device_has_its_block_also_those_that_failed() -> None:
    invalid = Conditions(before={}, after={}, warnings=("the governor is x",), invalid="throttled")
    found = printed(
        made_report(made_device("local"), made_device(conditions=invalid), unreachable())
    )
    text = "\n".join(found)
    assert found[0].startswith("local (Raspberry Pi 4 Model B Rev 1.4), Debian")
    for part in (
        "INVALID: throttled", "warning: the governor is x", "ssh://pi@gone cannot be reached",
        "connection refused", "switch it on",
    ):  # fmt: skip
        assert part in text
    assert text.count("★ ship") == 1
    # What is invalid is said before what is made of it.
    assert text.index("INVALID") < text.index("Nothing is recommended")


def test_names_are_no_markup() -> None:
    odd = made_artifact("tflite-[red]x[/red]", 500, 0.9, 1000, model=EVIL)
    text = "".join(
        "".join(printed(made_report(made_device("[bold]a[/bold]", rows=(odd,))))).split()
    )
    assert "[red]x[/red]" in text
    assert "[bold]a[/bold]" in text


def test_forty_artifacts_are_forty_rows() -> None:
    found = printed(made_report(made_device(rows=many_artifacts(40))))
    assert sum(line.startswith(" tflite-variant-") for line in found) == 40


@pytest.mark.parametrize(
    ("median", "p90", "expected"),
    [
        (0.5, 1.0, "████───┤"),
        (1.0, 1.0, "████████"),
        (0.0, 0.0, "▏"),
        (0.25, 0.375, "██┤"),
    ],
)
def test_a_bar_ends_at_the_median_and_its_whisker_at_p90(
    median: float, p90: float, expected: str
) -> None:
    assert bar(median, p90, 8) == expected
