"""Whole verifications that explain: real networks, one of them hard to quantize."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert.networks import dataset, pixels
from edgecnn import verify
from edgecnn.build.workspace import Workspace
from edgecnn.data import Dataset, Images
from edgecnn.verify import ParityReport
from edgecnn.verify.layers.explaining import MOST_IMAGES
from edgecnn.verify.report.page import render_report
from layers.hard_networks import (
    SECOND,
    SHAPE,
    checkers,
    coarse_weights,
    converted,
    one_wide_channel,
    plain_then_checkered,
    recipe,
    sound,
)
from verify import runs

pytestmark = pytest.mark.slow  # converts whole networks

VARIANTS = ("tflite-fp32", "tflite-int8", "onnx-fp32", "onnx-int8", "onnx-fp16")
REDUCED = {"tflite-int8", "onnx-int8", "onnx-fp16"}
INT8 = {"tflite-int8", "onnx-int8"}
DATA = dataset(SHAPE)


def explained(workspace: Workspace, data: Dataset = DATA, **options: Any) -> ParityReport:
    limits = recipe(VARIANTS).limits
    return runs.run(workspace, data, limits=limits, **({"explain": True} | options))


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return converted(sound(), tmp_path_factory.mktemp("sound"), VARIANTS)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return converted(one_wide_channel(), tmp_path_factory.mktemp("wide"), VARIANTS)


def copied(workspace: Workspace, tmp_path: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(workspace.folder, tmp_path / "build")))


def test_a_sound_network_has_no_layer_below_the_limit(control: Workspace) -> None:
    report = explained(control)
    found = {row.variant: row.layers for row in report.rows if row.layers is not None}
    assert found.keys() == REDUCED
    for layers in found.values():
        assert (layers.reason, layers.first, layers.cause) == ("", None, None)
        assert layers.diagnosis.startswith("No layer is below 10 dB")
        assert layers.images == len(DATA.test)
        assert layers.unmatched == ()
        assert min(layers.ratios_db) > 20


def first_layers(report: ParityReport) -> dict[str, tuple[str, str | None]]:
    """The name of the first layer below the limit, and the cause, of each int8 file."""
    found: dict[str, tuple[str, str | None]] = {}
    for row in report.rows:
        if row.variant in INT8:
            assert row.layers is not None
            assert row.layers.first is not None, row.layers.diagnosis
            name = row.layers.layers[row.layers.first].name
            found[row.variant] = (name, row.layers.cause)
            assert f", {row.layers.first + 1} of " in row.layers.diagnosis
    return found


@pytest.mark.parametrize(
    ("make", "cause"), [(one_wide_channel, "channels"), (coarse_weights, "weights")]
)
def test_the_layer_that_was_made_hard_is_the_first_below_the_limit(
    make: Callable[[], Any], cause: str, tmp_path: Path
) -> None:
    report = explained(converted(make(), tmp_path, VARIANTS))
    found = first_layers(report)
    assert found.keys() == INT8
    for variant, (name, told) in found.items():
        assert name.startswith(SECOND[variant.partition("-")[0]])
        assert told == cause
    # Floats of 16 bits have a range for each value.
    (half,) = [row.layers for row in report.rows if row.variant == "onnx-fp16"]
    assert half is not None
    assert half.first is None


def test_images_beyond_the_calibrated_range_are_told_as_saturation(tmp_path: Path) -> None:
    data = plain_then_checkered()
    report = explained(converted(checkers(), tmp_path, VARIANTS, data), data)
    for name, cause in first_layers(report).values():
        assert name.startswith("Relu_1")
        assert cause == "saturation"
    for row in report.rows:
        if row.variant in INT8:
            assert row.layers is not None
            assert "cut off" in row.layers.diagnosis
            assert "calibrate" in row.layers.diagnosis


def test_it_reads_back_as_it_was_written(wide: Workspace, tmp_path: Path) -> None:
    report = explained(wide, out=tmp_path / "out")
    path = tmp_path / "out" / "parity.json"
    again = verify.read_report(path)
    assert again == report
    values = json.loads(path.read_text())
    (row,) = [one for one in values["rows"] if one["variant"] == "tflite-int8"]
    assert row["layers"]["layers"][1]["name"].startswith(SECOND["tflite"])
    assert isinstance(row["layers"]["layers"][1]["snr_db"], float)
    # What an earlier version wrote has no such entry.
    for one in values["rows"]:
        del one["layers"]
    path.write_text(json.dumps(values))
    assert all(one.layers is None for one in verify.read_report(path).rows)


def test_the_page_shows_the_plot_and_the_diagnosis(wide: Workspace, tmp_path: Path) -> None:
    report = explained(wide, out=tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count('<section class="layers">') == len(REDUCED)
    for row in report.rows:
        if row.layers is not None:
            assert row.layers.diagnosis in page
    assert page.count("<polyline") == 2 * len(REDUCED)
    (first,) = [row.layers for row in report.rows if row.variant == "tflite-int8"]
    assert first is not None
    low = sum(ratio < first.limit_db for ratio in first.ratios_db)
    section = page.split('<section class="layers">')[1].split("</section>")[0]
    assert section.count('<circle class="low"') == low >= 2
    assert section.count('<circle class="whole"') == len(first.layers)
    assert f"<summary>All {len(first.layers)} layers</summary>" in section
    plain = render_report(explained(wide, explain=False, out=tmp_path / "2"), DATA.test.pixels)
    assert "Layer by layer" not in plain


def test_verdicts_and_the_builds_own_record_are_the_same_with_and_without(
    control: Workspace, tmp_path: Path
) -> None:
    workspace = copied(control, tmp_path)
    plain = explained(workspace, explain=False)
    key = runs.key(workspace, DATA, limits=recipe(VARIANTS).limits)
    assert workspace.stage_is_current("verify", key)
    report = explained(workspace)
    assert workspace.stage_is_current("verify", key)
    assert verify.read_report(workspace.path(Workspace.PARITY)).rows[1].layers is not None
    without = [dataclasses.replace(row, layers=None) for row in report.rows]
    assert tuple(without) == plain.rows


def test_two_explanations_are_the_same_bytes(control: Workspace, tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        report = explained(control, out=tmp_path / name)
        written.append([row.to_dict() for row in report.rows])
    assert written[0] == written[1]


def test_without_the_float_file_the_row_says_what_to_do(control: Workspace, tmp_path: Path) -> None:
    workspace = copied(control, tmp_path)
    path = workspace.path(Workspace.MANIFEST)
    manifest = json.loads(path.read_text())
    manifest["variants"] = [row for row in manifest["variants"] if row["variant"] != "tflite-fp32"]
    path.write_text(json.dumps(manifest))
    report = explained(workspace, out=tmp_path / "out")
    found = {row.variant: row.layers for row in report.rows}
    assert found["tflite-int8"] is not None
    assert "edgecnn convert SOURCE --variant tflite-fp32" in found["tflite-int8"].reason
    assert found["tflite-int8"].layers == ()
    assert found["onnx-int8"] is not None
    assert found["onnx-int8"].reason == ""
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "The layers were not compared: there is no tflite-fp32" in page
    assert {row.verdict for row in report.rows} == {row.verdict for row in explained(control).rows}


def test_a_float_file_that_is_not_the_builds_is_not_compared_with(
    control: Workspace, wide: Workspace, tmp_path: Path
) -> None:
    workspace = copied(control, tmp_path)
    shutil.copyfile(wide.folder / "net-fp32.tflite", workspace.path("net-fp32.tflite"))
    report = explained(workspace, artifacts=["net-int8.tflite"], partial=True)
    (row,) = report.rows
    assert row.judgement is not None
    assert row.layers is not None
    assert "is not what this build wrote" in row.layers.reason


def test_one_file_is_compared_with_the_float_file_beside_it(
    control: Workspace, tmp_path: Path
) -> None:
    workspace = copied(control, tmp_path)
    report = explained(workspace, artifacts=["net-int8.onnx"], partial=True, images=10)
    (row,) = report.rows
    assert row.layers is not None
    assert row.layers.against == "net-fp32.onnx"
    assert row.layers.images == 10
    assert len(row.layers.layers) == 8


def test_a_float_file_alone_says_why_there_is_nothing_to_explain(
    control: Workspace, tmp_path: Path
) -> None:
    workspace = copied(control, tmp_path)
    alone: dict[str, Any] = {"artifacts": ["net-fp32.onnx"], "partial": True}
    (row,) = explained(workspace, **alone).rows
    assert row.layers is not None
    assert row.layers.reason.startswith("a float32 file is itself what others are compared with")
    page = workspace.path(Workspace.PARTIAL_REPORT).read_text()
    assert f"The layers were not compared: {row.layers.reason}." in page
    (silent,) = explained(workspace, **alone, explain=False).rows
    assert silent.layers is None
    both = explained(workspace, artifacts=["net-fp32.onnx", "net-int8.onnx"], partial=True).rows
    assert [one.layers is None for one in both] == [True, False]


def test_no_more_images_are_used_than_it_says(tmp_path: Path) -> None:
    test = Images(
        pixels=pixels(100, SHAPE, 7),
        labels=np.arange(100, dtype=np.int64) % len(DATA.class_names),
        ids=tuple(f"test/{index}" for index in range(100)),
    )
    many = dataclasses.replace(DATA, test=test)
    workspace = converted(sound(), tmp_path, ("tflite-fp32", "tflite-int8"), many)
    (row,) = [one for one in explained(workspace, many).rows if one.variant == "tflite-int8"]
    assert row.layers is not None
    assert row.layers.images == MOST_IMAGES < len(many.test)
