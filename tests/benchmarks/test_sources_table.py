"""The table of sources says what was recorded, and the record is whole and good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sources_table import markdown_table

from edgecnn.report.text import DASH

RECORD = Path(__file__).with_name("sources.json")
VARIANTS = (
    "tflite-fp32", "tflite-fp16", "tflite-int8-dynamic", "tflite-int8", "onnx-fp32", "onnx-fp16",
    "onnx-int8",
)  # fmt: skip
# Of probabilities: rounding; rounding to 11 bits; to 8 bits.
BOUNDS = {"fp32": 1e-4, "fp16": 1e-2, "dynamic": 0.05, "int8": 0.05}


@pytest.fixture(scope="module")
def found() -> Any:
    return json.loads(RECORD.read_text(encoding="utf-8"))


def test_every_source_is_in_the_record(found: Any) -> None:
    from sources import SOURCES

    assert list(found["sources"]) == list(SOURCES)


def test_every_variant_answers_as_the_sources_own_framework(found: Any) -> None:
    for name, entry in found["sources"].items():
        assert entry["plain"]["reference"]["difference"] < 1e-4, name
        assert tuple(entry["plain"]["variants"]) == VARIANTS, name
        for variant, row in entry["plain"]["variants"].items():
            assert row["status"] == "made", (name, variant)
            assert row["difference"] <= BOUNDS[variant.rpartition("-")[2]], (name, variant)
            assert row["agreement"] >= 0.99, (name, variant)


def test_what_int8_spoils_is_repaired_in_every_source(found: Any) -> None:
    for name, entry in found["sources"].items():
        for variant in ("tflite-int8", "onnx-int8"):
            rows = entry["repaired"]["variants"]
            row = rows.get(f"{variant}-mixed") or rows[variant]
            assert row["status"] == "made", (name, variant)
            assert row["agreement"] >= 0.95, (name, variant)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", ["Keras 3, .keras", "ONNX of tf2onnx, NHWC"])
def test_a_source_is_converted_as_the_record_says(name: str) -> None:
    from sources import results_of

    entry = results_of(name)
    for variant, row in entry["plain"]["variants"].items():
        assert row["status"] == "made", (variant, row)
        assert row["difference"] <= BOUNDS[variant.rpartition("-")[2]], variant
    for row in entry["repaired"]["variants"].values():
        assert row["status"] in ("made", "replaced"), row
        assert row.get("agreement", 1) >= 0.95, row


def test_the_table_says_what_is_missing() -> None:
    record = {
        "sources": {
            "a": {
                "plain": {
                    "reference": {"difference": 1e-7},
                    "variants": {
                        "tflite-fp32": {"status": "made", "agreement": 1.0, "difference": 2e-7},
                        "tflite-int8": {"status": "made", "agreement": 0.975, "difference": 0.031},
                        "onnx-fp32": {"status": "failed", "reason": "x"},
                    },
                },
                "repaired": {"variants": {"tflite-int8": {"status": "replaced"}}},
            }
        },
        "machine": {"processor": "P", "cores": 2},
        "tools": {"keras": "3"},
        "date": "2026-12-03",
        "images": 180,
    }
    row = markdown_table(record).splitlines()[2]
    assert row.split(" | ") == [
        "| a", "< 1e-05", "100.0 %, < 1e-05", DASH, DASH, "97.5 %, 0.03", "**failed**", DASH,
        DASH, "**replaced**", f"{DASH} |",
    ]  # fmt: skip
