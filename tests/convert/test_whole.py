"""A conversion into a build that exists: all of it, or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from convert.networks import dataset, plain
from edgecnn.build.staging import PREFIX
from edgecnn.build.workspace import Workspace
from edgecnn.convert import Source, VariantRow, find_source, run
from edgecnn.convert.files import Maker
from edgecnn.errors import ConversionError, WorkspaceError
from edgecnn.quiet import captured_log
from edgecnn.recipe.load import Recipe, parse_recipe
from full_disk import PAGE, leave_free
from verify import runs

pytestmark = pytest.mark.slow  # trains or converts whole networks

DATA = dataset()


def recipe(*variants: str) -> Recipe:
    raw = {"model": {"name": "net"}, "convert": {"variants": list(variants)}}
    return parse_recipe({**raw, "calibration": {"images": 20}}, source="test")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    path = tmp_path_factory.mktemp("float") / "net.keras"
    with captured_log():
        plain().save(path)
    return find_source(path)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "filler"}


def judged(workspace: Workspace) -> set[str]:
    """The variants that verification came to a verdict on."""
    report = runs.run(workspace, DATA, limits=recipe("tflite-fp32").limits)
    return {row.variant for row in report.rows if row.judgement is not None}


def test_a_disk_that_fills_up_at_any_point_leaves_the_build_as_it_was(
    small_disk: Path, source: Source, tmp_path: Path
) -> None:
    again = recipe("tflite-fp16", "onnx-fp32")
    elsewhere = Workspace(tmp_path / "elsewhere")
    run(source, again, elsewhere, DATA)
    new = [path.stat().st_size for path in elsewhere.folder.iterdir() if path.suffix != ".npz"]
    needed = sum(-(-size // PAGE) for size in new) + 1
    workspace = Workspace(small_disk / "build")
    run(source, recipe("tflite-fp32", "onnx-fp32"), workspace, DATA)
    before = contents(workspace.folder)
    told = []
    for pages in (0, 1, 4, *range(needed, needed + 20)):
        leave_free(small_disk, pages * PAGE)
        try:
            run(source, again, workspace, DATA)
        except WorkspaceError as error:
            told.append(str(error))
            assert contents(workspace.folder) == before
        else:
            break
    (small_disk / "filler").unlink()
    # One of the first files, the last, which comes when all others are in place, and then none.
    assert "No space left" in told[0]
    assert Workspace.MANIFEST in told[-1]
    after = contents(workspace.folder)
    assert "net-fp16.tflite" in after
    assert "net-fp32.tflite" not in after


def test_a_build_that_could_not_be_replaced_can_still_be_verified(
    small_disk: Path, source: Source
) -> None:
    workspace = Workspace(small_disk / "build")
    run(source, recipe("tflite-fp32", "tflite-int8"), workspace, DATA)
    leave_free(small_disk, 4 * PAGE)
    before = contents(workspace.folder)
    with pytest.raises(WorkspaceError, match="No space left"):
        run(source, recipe("tflite-fp16", "onnx-fp32"), workspace, DATA)
    assert contents(workspace.folder) == before
    (small_disk / "filler").unlink()
    assert judged(workspace) == {"tflite-fp32", "tflite-int8"}


def test_a_run_killed_between_the_files_and_the_manifest_is_made_up_for(
    source: Source, tmp_path: Path
) -> None:
    workspace, target = Workspace(tmp_path / "build"), recipe("tflite-fp32")
    run(source, target, workspace, DATA)
    done = contents(workspace.folder)
    # As the kill leaves it: one new file in place, one old one aside, the old manifest.
    workspace.path("net-fp32.tflite").write_bytes(b"of a run that was killed")
    (workspace.folder / f"{PREFIX}killed" / "old").mkdir(parents=True)
    workspace.path("golden.npz").rename(workspace.folder / f"{PREFIX}killed" / "old" / "golden.npz")
    entry = workspace.manifest()["stages"]["convert"]
    assert not workspace.stage_is_current("convert", entry["key"])
    run(source, target, workspace, DATA)
    assert contents(workspace.folder) == done


def test_a_refusal_does_not_take_away_an_artifact_that_the_build_has(
    source: Source, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "build")
    variants = ("tflite-int8-dynamic", "tflite-int8")
    run(source, recipe(*variants), workspace, DATA)
    before = contents(workspace.folder)
    with pytest.raises(ConversionError, match="nothing was changed") as caught:
        run(
            source, recipe(*variants, "tflite-fp16"), workspace, DATA,
            runtime="tflite-runtime==2.14.0",
        )  # fmt: skip
    assert "net-int8-dynamic.tflite" in caught.value.problem
    assert "2.17.0" in str(caught.value.observed)
    assert "--out" in caught.value.remedy
    assert contents(workspace.folder) == before
    # Without the variant, what the build has of it goes: that was decided.
    run(source, recipe("tflite-int8"), workspace, DATA, runtime="tflite-runtime==2.14.0")
    assert not workspace.path("net-int8-dynamic.tflite").exists()


def fail(self: Maker, variant: str) -> VariantRow:
    return VariantRow(variant=variant, status="failed", reason="a converter's bug")


def test_a_failure_keeps_a_sound_file_of_the_same_model_alone(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path / "build")
    run(source, recipe("tflite-fp32"), workspace, DATA)
    before = contents(workspace.folder)
    monkeypatch.setattr(Maker, "make", fail)
    with pytest.raises(ConversionError, match="nothing was changed"):
        run(source, recipe("tflite-fp32"), workspace, DATA)
    assert contents(workspace.folder) == before
    # A damaged file is nothing to keep, and a file of another model is none of this one's.
    workspace.path("net-fp32.tflite").write_bytes(before["net-fp32.tflite"][:-1])
    result = run(source, recipe("tflite-fp32"), workspace, DATA)
    assert result.rows[0].status == "failed"
    assert not workspace.path("net-fp32.tflite").exists()


def test_files_of_an_earlier_training_are_not_kept(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path / "build")
    run(source, recipe("tflite-fp32"), workspace, DATA)
    monkeypatch.setattr(Maker, "make", fail)
    result = run(replace(source, sha256="0" * 64), recipe("tflite-fp32"), workspace, DATA)
    assert result.rows[0].status == "failed"
    assert not workspace.path("net-fp32.tflite").exists()
