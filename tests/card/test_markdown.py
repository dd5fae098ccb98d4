from __future__ import annotations

import re
from typing import Any

import pytest

from edgecnn.card import card

NAMES = ["cat", "dog", "fox"]


def results(**changes: Any) -> dict[str, Any]:
    """Figures of a model whose numbers all differ, so that none can stand for another."""
    files = [("tflite-fp32", "m-fp32.tflite", 0.9137), ("tflite-int8", "m-int8.tflite", 0.9048)]
    machine = {"processor": "Test CPU", "cores": 6}
    return {
        "model": "m",
        "class_names": NAMES,
        "recipe": {
            "augment": {"crop": 4, "flip": True, "cutout": 0, "mixup": 0.0},
            "train": {
                "batch_size": 96,
                "distillation": {"teacher": "large.keras", "weight": 0.7, "temperature": 3.5},
                "optimizer": {"name": "sgd", "learning_rate": 0.15, "schedule": "cosine"},
            },
        },
        "training": {
            "epochs": 77,
            "train_images": 50_000,
            "validation_images": 0,
            "seconds": 5_290.0,
            "precision": "mixed_bfloat16",
            "machine": machine,
            "tools": {"keras": "3.15.1"},
        },
        "float": {
            "images": 10_000,
            "parameters": 226_570,
            "accuracy": 0.9138,
            "accuracy_interval": [0.9081, 0.9191],
            "recall": {"cat": 0.811, "dog": 0.882, "fox": 0.963},
            "calibration_error": 0.0213,
        },
        "artifacts": [
            {
                "variant": variant,
                "file": file,
                "bytes": 254_321 + index,
                "macs": 28_664_320,
                "verdict": "PASS",
                "accuracy": accuracy,
                "drop": {"estimate": 0.0009, "low": -0.00004, "high": 0.0022},
                "agreement": 0.9876,
                "recall": {"cat": 0.802, "dog": 0.871, "fox": 0.954},
                "worst_class": {"name": "dog", "drop": 0.011},
                "calibration_error": 0.0234,
                "confusion": [[0, 0, 802], [0, 1, 198], [1, 1, 871], [2, 2, 954]],
            }
            for index, (variant, file, accuracy) in enumerate(files)
        ],
        "limits": {"max_drop": 1.0, "min_agreement": 95.0, "max_class_drop": 5.0},
        "versions": {"numpy": "2.4.6"},
        "date": "2026-01-02",
        **changes,
    }


@pytest.mark.parametrize(
    "line",
    [
        "It is right on **91.38 %** of 10,000 test images",
        "90.81 % to 91.91 %); its int8 TFLite file on **90.48 %**.",
        "| parameters | 226,570 |",
        "| multiply-accumulates | 28,664,320 an image |",
        "| worst class | cat: recall 81.1 % |",
        "| calibration error | 2.13 points float, 2.34 int8 |",
        "| `m-int8.tflite` | 254.3 kB | 90.48 % | 0.09 (0.00 to 0.22) | 98.76 % | PASS |",
        "| dog | 88.2 % | 87.1 % |",
        "The int8 file loses most on dog: 1.10 points.",
        "| **cat** | 802 | 198 | 0 |",
        "77 epochs on 50,000 images, validation images included",
        "changed at random: crops from a reflected border of 4 pixels, mirrored left to right.",
        "from the scores of large.keras (Hinton et al. 2015, arXiv:1503.02531;\nweight 0.7, "
        "temperature 3.5).",
        "It took 88 minutes in mixed_bfloat16 on one Test CPU machine with 6 cores",
    ],
)
def test_the_card_says_what_was_recorded(line: str) -> None:
    assert line in card(results())


def test_latencies_stand_beside_their_files_with_machine_and_method() -> None:
    latency = {
        "machine": {"processor": "Other CPU", "cores": 4},
        "versions": "ai-edge-litert 2.3.0",
        "threads": 1,
        "runs": 3_000,
        "rows": [{"file": "m-int8.tflite", "median_us": 207.6}],
    }
    text = card(results(latency=latency))
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    assert rows["m-int8.tflite"].endswith("| PASS | 208 µs |")
    assert rows["m-fp32.tflite"].endswith("| PASS |  |")
    assert "median of 3,000 interleaved runs with 1 thread on one Other CPU machine" in text
    assert "µs" not in card(results())


def test_tables_have_as_many_cells_in_every_row_as_in_their_head() -> None:
    rows = [line for line in card(results()).splitlines() if line.startswith("|")]
    head = 0
    for index, row in enumerate(rows):
        if re.fullmatch(r"[|\s:-]+", row) and "-" in row:
            head = rows[index - 1].count("|")
            assert row.count("|") == head
        elif head and not (index + 1 < len(rows) and "---" in rows[index + 1]):
            assert row.count("|") == head


def test_what_is_said_of_the_model_and_its_data_stands_in_the_card() -> None:
    text = card(results(), about="A small one.\n", data_note="Sixty thousand pictures.")
    assert text.startswith("# m\n\nA small one.\n\n")
    assert "## Data\n\nSixty thousand pictures.\n" in text
    assert "## Data" not in card(results())


def test_it_is_plain_about_people() -> None:
    text = card(results())
    for word in ("consent", "lawful basis", "each group", "no evidence"):
        assert word in text
