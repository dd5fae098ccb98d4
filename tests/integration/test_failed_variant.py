"""A whole build in which one converter fails: the others are proven, and the exit code says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecnn.build.workspace import Workspace
from edgecnn.commands.build import BuildRequest, build
from edgecnn.convert import payload
from edgecnn.errors import ConversionError
from edgecnn.recipe.load import Recipe, parse_recipe

pytestmark = pytest.mark.slow


def recipe() -> Recipe:
    return parse_recipe(
        {
            "model": {"name": "digits", "architecture": "tiny_cnn"},
            "data": {"name": "digits", "test": 0.33},
            "train": {"epochs": 8, "batch_size": 64, "optimizer": {"name": "adam"}},
            "convert": {"variants": ["onnx-fp32", "tflite-int8"]},
            "limits": {"max_drop": 5.0, "min_agreement": 90.0, "max_class_drop": 20.0},
        },
        source="test",
    )


def breaking(*_: Any, **__: Any) -> bytes:
    raise ConversionError(
        "the converter broke", observed="a fault", expected="none", remedy="mend it"
    )


def test_the_others_are_proven_and_the_failure_is_told_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path / "build")
    with monkeypatch.context() as broken:
        broken.setattr(payload, "onnx_fp32", breaking)
        first = build(BuildRequest(recipe=recipe(), out=workspace.folder))
    again = build(BuildRequest(recipe=recipe(), out=workspace.folder))
    assert set(first.stages.values()) == {"made"}
    assert set(again.stages.values()) == {"up to date"}
    for result in (first, again):
        states = {row["variant"]: row["status"] for row in result.variants}
        assert states == {"onnx-fp32": "failed", "tflite-int8": "made"}
        verdicts = {row.variant: row.verdict for row in result.parity.rows}
        assert verdicts["tflite-int8"] == "PASS"
        assert verdicts["onnx-fp32"] not in ("PASS", "FAIL", "INCONCLUSIVE")
        assert isinstance(result.error, ConversionError)
        assert result.error.exit_code == 27
        assert "the converter broke" in str(result.error)


def test_a_build_of_which_nothing_was_made_has_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload, "onnx_fp32", breaking)
    monkeypatch.setattr(payload, "to_tflite", breaking)
    with pytest.raises(ConversionError, match="2 of 2 variants were not made"):
        build(BuildRequest(recipe=recipe(), out=tmp_path / "build"))
