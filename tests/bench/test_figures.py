from __future__ import annotations

import dataclasses

import pytest

from bench.reports import made_artifact, made_device, made_threads, not_measured
from edgecnn.bench.report.device_facts import device_facts, device_title
from edgecnn.bench.report.figures import row_labels, rows_by_latency
from edgecnn.bench.results import Conditions


def test_rows_are_sorted_by_their_median_and_the_unmeasured_are_last() -> None:
    rows = (not_measured(), *made_device().rows)
    found = rows_by_latency(made_device(rows=rows))
    assert [one.number for one in found] == list(range(1, 8))
    assert [one.index for one in found] == [4, 6, 1, 2, 5, 3, 0]
    assert found[-1].figures is None
    with pytest.raises(ValueError, match="onnx-fp16"):
        _ = found[-1].measured


def test_figures_are_of_the_chosen_number_of_threads() -> None:
    row = dataclasses.replace(made_device().rows[0], chosen=2)
    (found,) = rows_by_latency(made_device(rows=(row,)))
    assert [threads for threads, _ in found.by_threads] == [1, 2, 4]
    assert found.measured == dict(found.by_threads)[2]


def test_labels_say_no_more_than_tells_rows_apart() -> None:
    one = made_artifact("tflite-fp32", 1, 0.9, 1)
    other = dataclasses.replace(one, runtime="tflite-runtime 2.14.0")
    third = made_artifact("tflite-int8", 1, 0.9, 1)
    assert row_labels([one, third]) == ["tflite-fp32", "tflite-int8"]
    assert row_labels([one, other, third]) == [
        "tflite-fp32, ai-edge-litert 2.1.0", "tflite-fp32, tflite-runtime 2.14.0", "tflite-int8",
    ]  # fmt: skip
    changed = dataclasses.replace(third, sha256="cd" * 32)
    assert row_labels([third, changed, one]) == [
        "tflite-int8, abababab", "tflite-int8, cdcdcdcd", "tflite-fp32",
    ]  # fmt: skip
    renamed = dataclasses.replace(third, file="b.tflite")
    assert row_labels([third, renamed]) == ["tflite-int8, toy-int8.tflite", "tflite-int8, b.tflite"]
    elsewhere = dataclasses.replace(third, model="big")
    assert row_labels([third, elsewhere]) == ["toy tflite-int8", "big tflite-int8"]


def test_unlike_cores_and_partly_taken_graphs_are_told() -> None:
    partly = dataclasses.replace(
        made_threads(1000.0), kernels="XNNPACK; builtin: QUANTIZE, SOFTMAX"
    )
    builtin = dataclasses.replace(made_threads(1000.0), kernels="builtin")
    rows = (
        made_artifact("tflite-fp32", 1, 0.9, 1, by_threads=(made_threads(9.0),), chosen=1),
        made_artifact("tflite-int8", 1, 0.9, 1, by_threads=(partly,), chosen=1),
        made_artifact("tflite-int16x8", 1, 0.9, 1, by_threads=(builtin,), chosen=1),
        made_artifact("onnx-fp32", 1, 0.9, 1),
    )
    before = {
        "governors": ["schedutil", "schedutil", "performance"],
        "frequencies_hz": [
            {"current": 1_800_000_000, "least": 408_000_000, "most": 1_800_000_000},
            {"current": 1_800_000_000, "least": 408_000_000, "most": 1_800_000_000},
            {"current": 2_400_000_000, "least": 408_000_000, "most": 2_400_000_000},
        ],
        "temperatures_c": {"big": 44.0, "little": 51.25},
        "throttled": 0x50000,
    }
    conditions = Conditions(before=before, after={}, during=({"temperatures_c": {"big": 83.5}}, {}))
    facts = dict(device_facts(made_device(rows=rows, conditions=conditions)))
    assert facts["XNNPACK"] == (
        "whole graph: tflite-fp32; all but QUANTIZE, SOFTMAX: tflite-int8; not used: tflite-int16x8"
    )
    assert facts["Governor"] == "schedutil, performance"
    assert facts["Clock"] == (
        "1,800 MHz of 408 MHz to 1,800 MHz; 2,400 MHz of 408 MHz to 2,400 MHz"
    )
    assert facts["Temperature"] == "51.2 °C before, 83.5 °C at most"
    assert facts["Throttled bits"] == "0x50000 before"
    assert facts["Load, 1 minute"] == "not told"


def test_a_device_without_a_board_is_named_by_its_processor() -> None:
    machine = {"model": None, "processor": "AMD EPYC"}
    assert (
        device_title(made_device("local", machine=machine, conditions=None)) == "local (AMD EPYC)"
    )
    assert device_title(made_device("local", machine={}, conditions=None)) == "local"
