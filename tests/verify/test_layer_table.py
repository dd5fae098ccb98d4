from __future__ import annotations

import dataclasses
import io
import re

import numpy as np
import pytest
from rich.console import Console

from edgecnn.modelfile.layers import LayerComparison
from edgecnn.verify.layers.diagnosis import diagnose, ratios_that_count
from edgecnn.verify.layers.explained import Layers
from edgecnn.verify.report.page import render_report
from edgecnn.verify.report.table import render_layers, worst_layers
from edgecnn.verify.results import ParityReport
from verify.synthetic import make_report
from verify.test_diagnosis import layer

FOUND = (
    layer(0, 40), layer(1, 33, channels_db=0.1, storage_channels_db=0.1, spread=652.0),
    layer(2, 3, saturated=0.0123), layer(3, 6), layer(4, 30),
)  # fmt: skip


def explained(**changes: object) -> ParityReport:
    finding = diagnose(LayerComparison(layers=FOUND))
    layers = Layers(
        against="toy-fp32.tflite",
        images=64,
        layers=FOUND,
        ratios_db=ratios_that_count(FOUND),
        first=finding.first,
        diagnosis=finding.sentence,
    )
    report = make_report("FAIL")
    row = dataclasses.replace(report.rows[0], layers=dataclasses.replace(layers, **changes))  # type: ignore[arg-type]
    return dataclasses.replace(report, rows=(row,))


def printed(report: ParityReport, width: int = 80) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width)
    for part in render_layers(report):
        console.print(part)
    return out.getvalue()


def test_the_worst_layers_are_listed_in_network_order() -> None:
    (row,) = explained().rows
    assert row.layers is not None
    listed = worst_layers(row.layers)
    assert [number for number, *_ in listed] == [2, 3, 4]
    assert listed[1] == (3, "CONV_2D Relu_2", "3.0 dB", "3.0 dB", "1.23 %")


def test_a_ratio_that_rounds_to_zero_has_no_sign() -> None:
    (row,) = explained().rows
    assert row.layers is not None
    lost = dataclasses.replace(row.layers.layers[1], snr_db=-0.02, channels_db=-3.0)
    layers = (row.layers.layers[0], lost, *row.layers.layers[2:])
    listed = worst_layers(dataclasses.replace(row.layers, layers=layers))
    assert listed[0][2:4] == ("0.0 dB", "\u22123.0 dB")
    page = render_report(explained(layers=layers), np.zeros((600, 8, 8, 3), np.uint8))
    assert ">0.0</td>" in page
    assert ": 0.0 dB</title>" in page
    assert not re.search(r"-0\.0\b", page)


def test_it_fits_eighty_columns_and_ends_with_the_diagnosis() -> None:
    text = printed(explained())
    assert max(map(len, text.splitlines())) <= 80
    assert "against toy-fp32.tflite on 64 images" in text
    joined = " ".join(text.split())
    assert "The first layer below 10 dB is CONV_2D Relu_1, 2 of 5, at 0.1 dB" in joined
    assert not any(line != line.rstrip() and line.strip() == "" for line in text.splitlines()[:-1])


def test_why_there_are_none_is_printed() -> None:
    text = printed(explained(layers=(), reason="there is no tflite-fp32; make it"))
    assert text.startswith("tflite-int8: no layers compared: there is no tflite-fp32; make it")


def test_where_it_ran_is_told_if_the_files_were_judged_elsewhere() -> None:
    assert "on this machine" not in printed(explained())
    there = dataclasses.replace(explained(), device="ssh://pi")
    assert "64 images, on this machine" in " ".join(printed(there).split())


def test_tensors_without_a_counterpart_are_named() -> None:
    assert "Not compared: Mystery_1" in printed(explained(unmatched=("Mystery_1",)))


@pytest.mark.parametrize("verdict", ["PASS", "ERROR", "NOT MADE"])
def test_nothing_is_printed_where_nothing_was_asked(verdict: str) -> None:
    assert render_layers(make_report(verdict)) == []
