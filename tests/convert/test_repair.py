"""Repairs whose judge is made up: what is tried, in which order, and what becomes of the build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert.networks import dataset, residual
from edgecnn.build.verdict import CandidateVerdict, Judge
from edgecnn.build.workspace import Workspace
from edgecnn.convert import Conversion, Source, VariantRow, find_source, key, run
from edgecnn.convert import to_tflite as converter
from edgecnn.convert.runtimes import TargetRuntime
from edgecnn.errors import ConversionError
from edgecnn.files import file_digest
from edgecnn.modelfile import Graph
from edgecnn.modelfile.precision import find_precision
from edgecnn.quiet import captured_log
from edgecnn.recipe.load import Recipe, parse_recipe

pytestmark = pytest.mark.slow  # converts whole networks

DATA = dataset()


def recipe(*variants: str, repair: bool = True, max_drop: float = 1.0, **limits: float) -> Recipe:
    return parse_recipe(
        {
            "model": {"name": "net"},
            "convert": {"variants": list(variants), "repair": repair},
            "calibration": {"images": 12},
            "limits": {"max_drop": max_drop, **limits},
        },
        source="test",
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    path = tmp_path_factory.mktemp("float") / "net.keras"
    with captured_log():
        residual(softmax=True).save(path)
    return find_source(path)


def verdict(*, misses: bool) -> CandidateVerdict:
    words = "FAIL" if misses else "PASS"
    return CandidateVerdict(verdict=words, misses=misses, holds=not misses, text=words)


def judging(answer: Callable[[int], bool]) -> Judge:
    """A judge that misses by the number of the call, from 0; whatever the scores are."""
    calls = 0

    def judge(reference: Any, noisy: Any, scores: Any, labels: Any) -> CandidateVerdict:
        nonlocal calls
        assert reference.shape == noisy.shape == scores.shape == (len(DATA.validation), 5)
        assert (reference != noisy).any()
        assert np.array_equal(labels, DATA.validation.labels), "no image but validation images"
        calls += 1
        return verdict(misses=answer(calls - 1))

    return judge


def repaired(
    source: Source, folder: Path, judge: Judge, *variants: str, runtime: str | None = None
) -> tuple[Workspace, Conversion]:
    workspace = Workspace(folder / "build")
    asked = recipe(*variants)
    return workspace, run(source, asked, workspace, DATA, judge=judge, runtime=runtime)


def repair_of(row: VariantRow) -> dict[str, Any]:
    assert row.repair is not None
    return dict(row.repair)


BOTH = ("tflite-int8", "onnx-int8")


def test_what_does_not_miss_is_left_as_it_is(source: Source, tmp_path: Path) -> None:
    workspace, result = repaired(source, tmp_path, judging(lambda call: False), *BOTH)
    plain = Workspace(tmp_path / "plain")
    run(source, recipe(*BOTH), plain, DATA, judge=None)
    for row in result.rows:
        assert row.status == "made"
        assert repair_of(row)["outcome"] == "not needed"
        assert [one["what"] for one in repair_of(row)["tried"]] == ["as it was made"]
        assert row.file is not None
        assert file_digest(workspace.path(row.file)) == file_digest(plain.path(row.file))
    assert not list(workspace.folder.glob("calibration-*"))


def test_only_the_two_int8_variants_are_judged(source: Source, tmp_path: Path) -> None:
    def never(reference: Any, noisy: Any, scores: Any, labels: Any) -> CandidateVerdict:
        raise AssertionError

    variants = ("tflite-fp32", "tflite-int8-dynamic", "tflite-int16x8", "onnx-fp16")
    _, result = repaired(source, tmp_path, never, *variants)
    assert [row.repair for row in result.rows] == [None] * 4


@pytest.mark.parametrize("variant", BOTH)
def test_the_first_other_calibration_that_holds_is_taken(
    source: Source, tmp_path: Path, variant: str
) -> None:
    workspace, result = repaired(source, tmp_path, judging(lambda call: call < 2), variant)
    (row,) = result.rows
    repair = repair_of(row)
    assert (row.status, repair["outcome"]) == ("made", "recalibrated")
    assert [one["holds"] for one in repair["tried"]] == [False, False, True]
    # More images before others, as they cost the most of the cheapest kind of change.
    assert "40 images of seed 0" in repair["tried"][1]["what"]
    assert "12 images of seed 1" in repair["tried"][2]["what"]
    assert workspace.path(Workspace.calibration_of(variant)).is_file()
    assert result.exit_error() is None


@pytest.mark.parametrize("variant", BOTH)
def test_only_when_no_calibration_helps_are_layers_kept(
    source: Source, tmp_path: Path, variant: str
) -> None:
    whole = {"tflite-int8": 1 + 6, "onnx-int8": 1 + 7}[variant]
    _, result = repaired(source, tmp_path, judging(lambda call: call < whole), variant)
    replaced, mixed = result.rows
    assert (replaced.variant, replaced.status, replaced.file) == (variant, "replaced", None)
    assert (mixed.variant, mixed.status) == (f"{variant}-mixed", "made")
    tried = repair_of(mixed)["tried"]
    assert not any("in float" in one["what"] for one in tried[:whole])
    assert all("in float" in one["what"] for one in tried[whole:])
    assert repair_of(mixed)["kept"]
    assert result.exit_error() is None, "what is replaced is no failure"


@pytest.mark.parametrize("variant", BOTH)
def test_where_nothing_helps_the_first_file_stays_and_the_row_says_why(
    source: Source, tmp_path: Path, variant: str
) -> None:
    workspace, result = repaired(source, tmp_path, judging(lambda call: True), variant)
    (row,) = result.rows
    repair = repair_of(row)
    assert (row.status, repair["outcome"]) == ("made", "nothing helps")
    assert "multiply-accumulates in float" in repair["reason"] or "tried holds" in repair["reason"]
    assert len(repair["tried"]) < 90, "the search is bounded"
    assert row.file is not None
    plain = Workspace(tmp_path / "plain")
    run(source, recipe(variant), plain, DATA, judge=None)
    assert file_digest(workspace.path(row.file)) == file_digest(plain.path(row.file))
    assert not list(workspace.folder.glob("*mixed*"))


def test_a_way_that_fails_is_told_and_the_next_is_tried(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgecnn.convert.repair import candidates

    def broken(deployable: Any, precision: str, calibration: Any) -> bytes:
        if precision == "int8":
            raise ConversionError("it broke", observed="a fault", expected="none", remedy="mend it")
        return converter.to_tflite(deployable, precision, calibration)

    monkeypatch.setattr(candidates, "to_tflite", broken)
    _, result = repaired(source, tmp_path, judging(lambda call: call < 1), "tflite-int8")
    tried = repair_of(result.rows[0])["tried"]
    assert [one["result"] for one in tried] == [
        "FAIL", "it broke: a fault", "it broke: a fault", "PASS",
    ]  # fmt: skip


def test_what_a_devices_runtime_cannot_load_is_no_repair(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_mixture(target: TargetRuntime, graph: Graph) -> str | None:
        del target
        return "too new" if find_precision(graph).name == "int8-mixed" else None

    monkeypatch.setattr(TargetRuntime, "refuses", no_mixture)
    judge = judging(lambda call: True)
    _, result = repaired(source, tmp_path, judge, "tflite-int8", runtime="ai-edge-litert==2.1.0")
    (row,) = result.rows
    mixtures = [one for one in repair_of(row)["tried"] if "in float" in one["what"]]
    assert mixtures
    assert {one["result"] for one in mixtures} == {"too new"}
    assert (row.status, repair_of(row)["outcome"]) == ("made", "nothing helps")


def test_limits_belong_to_the_key_of_a_conversion_that_repairs(source: Source) -> None:
    def of(**given: Any) -> str:
        return key(source, recipe("tflite-int8", **given), DATA)

    assert of(repair=False) == of(repair=False, max_drop=2.0)
    assert len({of(), of(max_drop=2.0), of(min_agreement=90.0), of(max_class_drop=9.0)}) == 4
    assert of() != of(repair=False)
    # By these no candidate is judged: verify alone is to be done again.
    assert of() == of(max_gap_increase=4.0) == of(max_corruption_drop=3.0)


def test_a_repair_takes_the_place_of_a_sound_file_that_missed(
    source: Source, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "build")
    run(source, recipe("tflite-int8", repair=False), workspace, DATA)
    assert workspace.path("net-int8.tflite").is_file()
    _, result = repaired(source, tmp_path, judging(lambda call: call < 7), "tflite-int8")
    assert [row.status for row in result.rows] == ["replaced", "made"]
    assert not workspace.path("net-int8.tflite").exists()
    assert workspace.path("net-int8-mixed.tflite").is_file()
    # And back: with a judge that is content, the integer file and no record of its own.
    _, result = repaired(source, tmp_path, judging(lambda call: False), "tflite-int8")
    assert not list(workspace.folder.glob("*mixed*"))
    assert workspace.path("net-int8.tflite").is_file()
