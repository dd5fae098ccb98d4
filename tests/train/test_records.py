"""History, metrics and curves: what a person reads after a training."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edgecnn.train.curves import draw_curves
from edgecnn.train.history import Epoch, history_csv
from edgecnn.train.stage import median_speed, test_metrics, tool_versions

test_metrics.__test__ = False  # type: ignore[attr-defined]  # a function, not a test


def epochs(count: int) -> list[Epoch]:
    return [
        Epoch(
            epoch=number,
            lr=0.001,
            loss=2.0 / number,
            accuracy=1 - 0.6 / number,
            val_loss=2.1 / number,
            val_accuracy=1 - 0.7 / number,
            images_per_second=100.0 * number,
            seconds=1.5,
        )
        for number in range(1, count + 1)
    ]


def test_history_has_the_columns_promised_and_a_row_an_epoch() -> None:
    rows = list(csv.DictReader(io.StringIO(history_csv(epochs(3)))))
    assert list(rows[0]) == [
        "epoch",
        "lr",
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "images_per_second",
        "seconds",
    ]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[2]["loss"]) == pytest.approx(2 / 3, rel=1e-5)


def test_metrics_of_scores_known_by_hand() -> None:
    scores = np.asarray(
        [[0.7, 0.2, 0.1], [0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.0, 1.0, 0.0]], np.float32
    )
    labels = np.asarray([0, 0, 1, 0])
    metrics = test_metrics(scores, labels, ("cat", "dog", "fox"))
    # Row 2 is a tie, which the lowest index wins; row 3 gives the true class nothing.
    assert (metrics["images"], metrics["correct"], metrics["accuracy"]) == (4, 2, 0.5)
    expected = -(math.log(0.7) + 2 * math.log(0.4) + math.log(1e-7)) / 4
    assert metrics["loss"] == pytest.approx(expected, rel=1e-6)
    assert [row["recall"] for row in metrics["classes"]] == [pytest.approx(2 / 3), 0.0, None]
    # Wilson's interval for 2 of 4, from its formula.
    z = 1.959963984540054
    centre, half = (2 + z * z / 2) / (4 + z * z), z * math.sqrt(1 + z * z / 4) / (4 + z * z)
    assert metrics["accuracy_interval"] == pytest.approx([centre - half, centre + half])


def test_speed_is_the_median_without_the_first_epoch() -> None:
    assert median_speed(epochs(1)) == 100
    assert median_speed(epochs(4)) == 300


def test_the_tools_that_decide_the_weights_are_named() -> None:
    assert set(tool_versions()) == {"edgecnn", "tensorflow", "keras", "numpy"}


@pytest.mark.parametrize("count", [1, 2, 60])
def test_curves_are_a_picture_of_useful_size_and_repeatable(count: int) -> None:
    picture = draw_curves(epochs(count), title="a on b", subtitle="97 %")
    image = Image.open(io.BytesIO(picture))
    assert image.format == "PNG"
    assert image.width >= 1000
    colours = image.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    # Both lines are there, in their colours.
    assert {(0, 0x72, 0xB2), (0xD5, 0x5E, 0)} <= {colour for _, colour in colours}
    assert draw_curves(epochs(count), title="a on b", subtitle="97 %") == picture


@pytest.mark.parametrize("count", [1, 2])
def test_curves_of_trainings_without_validation_have_one_line(count: int) -> None:
    history = [replace(row, val_loss=None, val_accuracy=None) for row in epochs(count)]
    picture = Image.open(io.BytesIO(draw_curves(history, title="a on b", subtitle="97 %")))
    colours = picture.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    drawn = {colour for _, colour in colours}
    assert (0, 0x72, 0xB2) in drawn
    assert (0xD5, 0x5E, 0) not in drawn
