"""Artifacts on corrupted images: real files, through the real runtimes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn import verify
from edgecnn.build.reference import Reference, images_digest, read_reference
from edgecnn.build.workspace import Workspace
from edgecnn.data import Dataset
from edgecnn.devices import choose_device
from edgecnn.errors import ArtifactError, UsageError
from edgecnn.files import write_json
from edgecnn.recipe.sections import CorruptionSettings, Limits
from edgecnn.verify import exit_error
from edgecnn.verify.corruptions.images import CONDITIONS, corrupt_all
from edgecnn.verify.evaluation import balanced_subset
from edgecnn.verify.results import ArtifactRow
from edgecnn_runner.session import Session
from verify import runs, test_run

pytestmark = pytest.mark.slow  # verifies whole builds

dataset, build = test_run.dataset, test_run.build  # a build's four files, 300 images

EASY = test_run.EASY
GATED = EASY.model_copy(update={"max_corruption_drop": 60.0})
SOME = CorruptionSettings(images=120, seed=4)


def rows_of(report: verify.ParityReport) -> dict[str, ArtifactRow]:
    return {row.variant: row for row in report.rows if row.verdict != "NOT MADE"}


def rewrite(
    build: Workspace, change: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
) -> None:
    """Let the float model have answered otherwise."""
    old = read_reference(build.path(build.REFERENCE))
    Reference(
        scores=change(old.scores),
        labels=old.labels,
        ids=old.ids,
        images_sha256=old.images_sha256,
        model_sha256=old.model_sha256,
        class_names=old.class_names,
    ).write(build.path(build.REFERENCE))


def test_they_are_reported_and_the_verdicts_stay(build: Workspace, dataset: Dataset) -> None:
    plain = runs.run(build, dataset, limits=EASY)
    report = runs.run(build, dataset, limits=EASY, corruptions=SOME)
    assert "max_corruption_drop" not in report.limits
    assert report.corrupted is not None
    assert (report.corrupted.images, report.corrupted.seed) == (120, 4)
    for variant, row in rows_of(report).items():
        before = rows_of(plain)[variant]
        assert (row.metrics, row.judgement) == (before.metrics, before.judgement)
        assert before.corruptions is None
        assert row.corruptions is not None
        found = row.corruptions.conditions
        assert [(one.kind, one.severity) for one in found] == list(CONDITIONS)
        assert {one.paired.images for one in found} == {120}
        assert {one.outcome for one in found} == {None}
    assert verify.read_report(build.path(build.PARITY)) == report
    page = build.path(build.REPORT).read_text(encoding="utf-8")
    assert page.count("<h3>Under corruptions</h3>") == 4
    assert page.count('alt="low light, severity 3"') == 1


def test_the_counts_are_those_of_the_files_on_the_corrupted_images(
    build: Workspace, dataset: Dataset
) -> None:
    report = runs.run(build, dataset, limits=EASY, corruptions=SOME)
    chosen = balanced_subset(dataset.test.labels, dataset.test.ids, 120, 4)
    images = dataset.test.take(chosen)
    assert report.corrupted is not None
    assert report.corrupted.images_sha256 == images_digest(images.pixels)
    assert dataset.test.ids[report.corrupted.example] == report.corrupted.example_id
    row = rows_of(report)["tflite-int8"]
    assert row.corruptions is not None
    changed = 0
    for one in row.corruptions.conditions:
        pixels = corrupt_all(
            images.pixels, images.ids, kind=one.kind, severity=one.severity, seed=4
        )
        decisions = []
        for file in ("rgb-fp32.tflite", "rgb-int8.tflite"):
            with Session.open(build.path(file)) as session:
                decisions.append(session.predict(pixels).argmax(axis=1))
        reference, artifact = decisions
        was, now = reference == images.labels, artifact == images.labels
        assert one.reference_right == was.sum()
        assert one.right == now.sum()
        assert one.paired.lost == (was & ~now).sum()
        assert one.disagreements == (reference != artifact).sum()
        changed += one.disagreements
    assert changed > 0  # else all of this would hold of any two files


def test_what_stands_in_is_of_the_same_format_and_never_the_file_itself(
    build: Workspace, dataset: Dataset
) -> None:
    report = runs.run(build, dataset, limits=EASY, corruptions=SOME)
    stand_ins = {
        variant: row.corruptions.stand_in
        for variant, row in rows_of(report).items()
        if row.corruptions is not None
    }
    assert {variant: one.variant for variant, one in stand_ins.items()} == {
        "tflite-fp32": "onnx-fp32",
        "tflite-int8": "tflite-fp32",
        "onnx-fp32": "tflite-fp32",
        "onnx-int8": "onnx-fp32",
    }
    one = stand_ins["onnx-int8"]
    assert (one.file, one.images, one.disagreements) == ("rgb-fp32.onnx", 120, 0)
    assert 0 < one.max_score_change < 1e-5
    assert one.runtime.startswith("onnxruntime ")


def test_a_limit_makes_a_criterion_of_them(build: Workspace, dataset: Dataset) -> None:
    report = runs.run(build, dataset, limits=GATED, corruptions=SOME)
    assert report.limits["max_corruption_drop"] == 60
    for row in rows_of(report).values():
        assert row.verdict == "PASS"
        assert row.criterion("corruption_drop").outcome == "met"
        assert row.corruptions is not None
        assert {one.outcome for one in row.corruptions.conditions} == {"met"}
    assert verify.read_report(build.path(build.PARITY)) == report
    tight = EASY.model_copy(update={"max_corruption_drop": 2})
    row = rows_of(runs.run(build, dataset, limits=tight, corruptions=SOME))["tflite-fp32"]
    assert row.verdict == "INCONCLUSIVE"
    assert row.judgement is not None
    assert [one.outcome for one in row.judgement.criteria] == [*["met"] * 3, "undecided"]
    assert row.needed is not None
    assert row.needed.images is None
    # 120 images without a change of sides still leave 3 points open; 200 would leave less than 2.
    assert 150 < (row.needed.corruption_images or 0) < 250
    tight = EASY.model_copy(update={"max_corruption_drop": 0.5})
    row = rows_of(runs.run(build, dataset, limits=tight, corruptions=SOME))["tflite-fp32"]
    assert row.needed is not None
    assert row.needed.uncertain
    assert row.needed.corruption_images is None  # from 436 to more than ten times as many


def test_a_limit_alone_corrupts_nothing(build: Workspace, dataset: Dataset) -> None:
    """What asks for corrupted images is the caller; the recipe's limit makes it ask."""
    report = runs.run(build, dataset, limits=GATED)
    assert report.corrupted is None
    assert "max_corruption_drop" not in report.limits


def test_they_are_part_of_the_stages_key(build: Workspace, dataset: Dataset) -> None:
    def key(limits: Limits = EASY, **options: Any) -> str:
        return runs.key(build, dataset, limits=limits, **options)

    # A build that is verified without them stays up to date when a limit is not used.
    assert key() == key(GATED)
    keys = {
        key(),
        key(corruptions=SOME),
        key(corruptions=CorruptionSettings(images=121, seed=4)),
        key(corruptions=CorruptionSettings(images=120, seed=5)),
        key(GATED, corruptions=SOME),
    }
    assert len(keys) == 5
    runs.run(build, dataset, limits=GATED, corruptions=SOME)
    assert build.stage_is_current("verify", key(GATED, corruptions=SOME))


def test_a_single_file_is_compared_with_another_file_of_its_build(
    build: Workspace, dataset: Dataset
) -> None:
    report = runs.run(
        build, dataset, limits=EASY, artifacts=["rgb-int8.onnx"], corruptions=SOME, partial=True
    )
    (row,) = report.rows
    assert row.corruptions is not None
    assert row.corruptions.stand_in.variant == "onnx-fp32"


def test_a_build_without_a_float32_file_is_refused_before_anything_runs(
    build: Workspace, dataset: Dataset
) -> None:
    manifest = build.manifest()
    manifest["variants"] = [
        row for row in manifest["variants"] if not row["variant"].endswith("fp32")
    ]
    write_json(build.path(build.MANIFEST), manifest)
    before = test_run.contents(build.folder)
    with pytest.raises(UsageError, match="no float32 file") as raised:
        runs.run(build, dataset, limits=EASY, corruptions=SOME)
    assert raised.value.observed == "only tflite-int8, onnx-int8"
    assert "--variant tflite-fp32" in raised.value.remedy
    assert test_run.contents(build.folder) == before


def test_float32_files_that_do_not_follow_the_float_model_answer_for_nobody(
    build: Workspace, dataset: Dataset
) -> None:
    # The decisions stay, so the clean verdicts do; the scores are no longer those of the files.
    rewrite(build, lambda scores: (0.99 * scores + 0.0025).astype(np.float32))
    assert {row.verdict for row in rows_of(runs.run(build, dataset, limits=EASY)).values()} == {
        "PASS"
    }
    report = runs.run(build, dataset, limits=EASY, corruptions=SOME)
    for row in rows_of(report).values():
        assert row.verdict == "ERROR"
        assert row.error is not None
        assert "rgb-fp32.tflite: a score differs by 0.00" in str(row.error.observed)
        assert "rgb-fp32.onnx: a score differs by 0.00" in str(row.error.observed)
    assert isinstance(exit_error(report), ArtifactError)
    assert verify.read_report(build.path(build.PARITY)) == report


def test_a_verdict_of_fail_is_kept_when_nothing_can_stand_in(
    build: Workspace, dataset: Dataset
) -> None:
    rewrite(build, lambda scores: np.roll(scores, 1, axis=1))
    report = runs.run(build, dataset, limits=GATED, corruptions=SOME)
    assert {row.verdict for row in rows_of(report).values()} == {"FAIL"}
    assert {row.corruptions for row in rows_of(report).values()} == {None}


@pytest.mark.parametrize("harm", ["missing", "replaced", "other model"])
def test_a_float32_file_that_is_not_the_builds_own_does_not_stand_in(
    build: Workspace, dataset: Dataset, harm: str
) -> None:
    path = build.path("rgb-fp32.onnx")
    if harm == "missing":
        path.unlink()
    elif harm == "other model":
        test_run.put(build, "rgb-fp32.onnx", source_sha256="00" * 32)
    else:
        manifest = build.manifest()
        manifest["files"]["rgb-fp32.onnx"] = {"sha256": "00" * 32, "bytes": 1}
        write_json(build.path(build.MANIFEST), manifest)
    report = runs.run(build, dataset, limits=EASY, corruptions=SOME)
    rows = rows_of(report)
    assert rows["onnx-fp32"].verdict == "ERROR"
    for variant in ("onnx-int8", "tflite-int8", "tflite-fp32"):
        corruptions = rows[variant].corruptions
        assert corruptions is not None
        assert corruptions.stand_in.variant == "tflite-fp32"


def test_on_a_device_the_files_run_there_and_the_stand_in_here(
    build: Workspace, dataset: Dataset
) -> None:
    here = runs.run(build, dataset, limits=EASY, corruptions=CorruptionSettings(images=20))
    there = runs.run(
        build, dataset, limits=EASY, artifacts=["tflite-int8"], partial=True,
        corruptions=CorruptionSettings(images=20), device=choose_device(f"cmd:{sys.executable}"),
    )  # fmt: skip
    (row,) = there.rows
    assert there.device == f"cmd:{sys.executable}"
    assert row.corruptions == rows_of(here)["tflite-int8"].corruptions


def test_a_device_that_is_lost_is_a_row_with_the_reason(
    build: Workspace, dataset: Dataset, tmp_path: Path
) -> None:
    """It answers the first looks and the clean images, and is gone under corruption."""
    script = tmp_path / "device.sh"
    calls = tmp_path / "calls"
    script.write_text(
        f'#!/bin/sh\necho x >> {calls}\n[ "$(wc -l < {calls})" -le 4 ] || exit 9\n'
        f'exec {sys.executable} "$@"\n'
    )
    script.chmod(0o755)
    report = runs.run(
        build, dataset, limits=EASY, artifacts=["tflite-int8"], partial=True,
        corruptions=CorruptionSettings(images=20), device=choose_device(f"cmd:{script}"),
    )  # fmt: skip
    (row,) = report.rows
    assert row.verdict == "ERROR"
    assert row.error is not None
    assert row.runtime is not None
    assert row.corruptions is None
    assert len(calls.read_text().split()) >= 5
