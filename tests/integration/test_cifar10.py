"""The real data set: a short training, every variant, a verdict on 2,000 test images."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from command import edgecnn
from edgecnn.recipe.load import VARIANTS

pytestmark = [
    pytest.mark.long,  # ten minutes of two cores; the released models' tests use the data set, too
    pytest.mark.cifar10,
    pytest.mark.skipif("EDGECNN_DATA" not in os.environ, reason="EDGECNN_DATA is not set"),
]

RECIPE = Path(__file__).parents[2] / "models" / "seed_cnn" / "recipe-notebook.toml"
EXACT = ("tflite-fp32", "tflite-fp16", "onnx-fp32", "onnx-fp16")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the notebook's network for two epochs and convert it to all eight variants."""
    folder = tmp_path_factory.mktemp("cifar10") / "build"
    done = edgecnn("train", RECIPE, "--out", folder, "--set", "train.epochs=2")
    assert done.code == 0, done.err
    chosen = [part for variant in VARIANTS for part in ("--variant", variant)]
    done = edgecnn("convert", folder, *chosen)
    assert done.code == 0, done.err
    return folder


def test_the_network_is_the_notebooks_and_learns(build: Path) -> None:
    metrics = json.loads((build / "metrics.json").read_text())
    assert metrics["parameters"] == 1_676_842
    assert metrics["train_images"] == 40_000
    assert metrics["validation_images"] == 10_000
    assert metrics["test"]["images"] == 10_000
    assert metrics["test"]["accuracy"] > 0.45


def test_every_variant_gets_a_verdict_on_2000_images(build: Path) -> None:
    done = edgecnn("verify", build, "--images", "2000", "--json")
    assert done.code in (0, 4), done.err  # 2,000 images may be too few to decide, but none fails
    rows = {row["variant"]: row for row in done.json()["rows"]}
    assert set(rows) == set(VARIANTS)
    for variant, row in rows.items():
        assert row["verdict"] in ("PASS", "INCONCLUSIVE"), (variant, row["error"])
        assert row["metrics"]["images"] == 2000
        if variant in EXACT:
            assert row["metrics"]["agreement"] >= 0.998, variant
            assert row["verdict"] == "PASS"


def test_int8_is_integer_throughout_and_a_quarter_of_the_size(build: Path) -> None:
    inspected = edgecnn("inspect", build / "seed_cnn-int8.tflite", "--json").json()
    operators = {entry["name"] for entry in inspected["operators"]}
    assert operators <= {
        "CONV_2D", "MAX_POOL_2D", "FULLY_CONNECTED", "RESHAPE", "SOFTMAX", "QUANTIZE",
    }  # fmt: skip
    assert inspected["macs"] == pytest.approx(23.9e6, rel=0.01)
    small = (build / "seed_cnn-int8.tflite").stat().st_size
    assert small < 0.26 * (build / "seed_cnn-fp32.tflite").stat().st_size
