"""``repair = true`` in a recipe: a build judges its int8 files, and is up to date afterwards."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest

from edgecnn.build.verdict import CandidateVerdict, Judge
from edgecnn.build.workspace import Workspace
from edgecnn.card import card, collect_results
from edgecnn.commands import build as building
from edgecnn.commands.build import BuildRequest, build
from edgecnn.progress import NO_PROGRESS, ProgressTask
from edgecnn.recipe.load import Recipe, parse_recipe

pytestmark = pytest.mark.slow


def recipe(*, max_drop: float = 5.0, repair: bool = True) -> Recipe:
    return parse_recipe(
        {
            "model": {"name": "digits", "architecture": "tiny_cnn"},
            "data": {"name": "digits", "test": 0.33},
            "train": {"epochs": 8, "batch_size": 64, "optimizer": {"name": "adam"}},
            "convert": {"variants": ["tflite-int8", "onnx-int8"], "repair": repair},
            "limits": {"max_drop": max_drop, "min_agreement": 90.0, "max_class_drop": 20.0},
        },
        source="test",
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("build"))


def test_a_healthy_network_is_judged_left_alone_and_then_up_to_date(workspace: Workspace) -> None:
    first = build(BuildRequest(recipe=recipe(), out=workspace.folder))
    assert set(first.stages.values()) == {"made"}
    assert first.error is None
    assert [row["repair"]["outcome"] for row in first.variants] == ["not needed"] * 2
    again = build(BuildRequest(recipe=recipe(), out=workspace.folder))
    assert set(again.stages.values()) == {"up to date"}
    assert again.variants == first.variants


def test_other_limits_are_another_conversion(workspace: Workspace) -> None:
    done = build(BuildRequest(recipe=recipe(max_drop=6.0), out=workspace.folder))
    assert done.stages == {"train": "up to date", "convert": "made", "verify": "made"}


def test_a_build_that_was_repaired_gets_its_card(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[None] = []

    def made_up(recipe: Recipe) -> Judge:
        """Miss until all seven calibrations for TFLite are through; then be content."""

        def judge(reference: Any, noisy: Any, scores: Any, labels: Any) -> CandidateVerdict:
            calls.append(None)
            fine = len(calls) > 7
            return CandidateVerdict(verdict="PASS", misses=not fine, holds=fine, text="as I say")

        return judge

    monkeypatch.setattr(building, "judge_of", made_up)
    done = build(BuildRequest(recipe=recipe(max_drop=7.0), out=workspace.folder))
    assert {row["variant"]: row["status"] for row in done.variants} == {
        "tflite-int8": "replaced",
        "tflite-int8-mixed": "made",
        "onnx-int8": "made",
    }
    assert done.error is None
    assert {row.variant: row.verdict for row in done.parity.rows} == {
        "tflite-int8": "NOT MADE",
        "tflite-int8-mixed": "PASS",
        "onnx-int8": "PASS",
    }
    results = collect_results(workspace)
    variants = [row["variant"] for row in results["artifacts"]]
    assert variants == ["tflite-int8-mixed", "onnx-int8"]
    assert "its int8-mixed TFLite file" in card(results)


def test_a_repair_that_is_undone_is_told(workspace: Workspace) -> None:
    said: list[str] = []

    class Listener:
        def task(self, description: str, total: int) -> AbstractContextManager[ProgressTask]:
            return NO_PROGRESS.task(description, total)

        def message(self, text: str) -> None:
            said.append(text)

    done = build(
        BuildRequest(recipe=recipe(repair=False), out=workspace.folder), progress=Listener()
    )
    assert {row["variant"]: row["status"] for row in done.variants} == {
        "tflite-int8": "made",
        "onnx-int8": "made",
    }
    (note,) = [text for text in said if "repair" in text]
    assert note.startswith("note: a repair put other files in the place of tflite-int8; ")
    assert not list(workspace.folder.glob("*mixed*"))
