"""What a conversion asks of a build that was trained here, before it loads a model."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from convert.networks import CLASSES, dataset
from edgecnn.build.artifact import write_labels
from edgecnn.build.workspace import Workspace
from edgecnn.convert import find_source
from edgecnn.convert.earlier import check_same_data, refuse_losses
from edgecnn.convert.result import Status, VariantRow
from edgecnn.errors import ConversionError, DataError, LabelsError, WorkspaceError
from edgecnn.files import write_json

DATA = dataset()


def weights(path: Path) -> None:
    """Write a file that looks like a model until it is loaded."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


@pytest.fixture
def trained(tmp_path: Path) -> Workspace:
    """A build as ``train`` leaves it, as far as it matters here."""
    build = Workspace(tmp_path / "build")
    build.create()
    weights(build.path(build.MODEL))
    write_labels(build.path(build.LABELS), CLASSES)
    write_json(build.path(build.SPLITS), DATA.splits())
    build.record_stage(
        "train", key="k", files=[build.MODEL, build.LABELS, build.SPLITS], entries={}
    )
    return build


def test_the_images_it_was_trained_on_are_taken(trained: Workspace) -> None:
    check_same_data(find_source(trained.folder), DATA)


def test_other_images_or_splits_are_refused(trained: Workspace) -> None:
    other = dataset(train=41)
    with pytest.raises(DataError, match="trained on other images") as caught:
        check_same_data(find_source(trained.folder), other)
    assert other.digest()[:12] in str(caught.value.observed)
    assert "--data" in caught.value.remedy


@pytest.mark.parametrize("record", ["{", "{}", "not json", "[]"])
def test_a_damaged_record_of_the_images_says_so(trained: Workspace, record: str) -> None:
    trained.path(trained.SPLITS).write_text(record)
    with pytest.raises(WorkspaceError, match=r"splits\.json.*is damaged"):
        check_same_data(find_source(trained.folder), DATA)


def test_a_recipe_folder_means_the_build_beside_it(trained: Workspace) -> None:
    folder = trained.folder.parent
    (folder / "recipe.toml").write_text('[model]\nname = "net"\narchitecture = "tiny_cnn"\n')
    assert find_source(folder).path == trained.path(trained.MODEL)
    check_same_data(find_source(folder), DATA)
    with pytest.raises(DataError):
        check_same_data(find_source(folder), dataset(train=41))
    with pytest.raises(LabelsError):
        check_same_data(find_source(folder, labels=CLASSES[::-1]), DATA)


def test_somebody_elses_manifest_beside_a_model_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a web app"}')
    for name in ("model.keras", "net.keras"):
        weights(tmp_path / name)
        source = find_source(tmp_path / name, labels=CLASSES, input_range="0..1")
        check_same_data(dataclasses.replace(source, origin="build"), DATA)


@pytest.mark.parametrize("names", [CLASSES[::-1], CLASSES[:-1], (*CLASSES[:-1], "yak")])
def test_other_labels_are_refused(trained: Workspace, names: Sequence[str]) -> None:
    with pytest.raises(LabelsError, match="trained with"):
        check_same_data(find_source(trained.folder, labels=tuple(names)), DATA)
    check_same_data(find_source(trained.folder, labels=CLASSES), DATA)


def test_other_labels_are_refused_for_released_weights(tmp_path: Path) -> None:
    weights(tmp_path / "net.keras")
    (tmp_path / "recipe.toml").write_text('[model]\nname = "net"\narchitecture = "tiny_cnn"\n')
    with pytest.raises(LabelsError):
        check_same_data(find_source(tmp_path, labels=CLASSES[::-1]), DATA)
    check_same_data(find_source(tmp_path), DATA)


def test_a_model_made_elsewhere_has_no_record(tmp_path: Path) -> None:
    weights(tmp_path / "net.keras")
    source = find_source(tmp_path / "net.keras", labels=CLASSES[::-1], input_range="0..1")
    check_same_data(source, DATA)


def test_the_record_is_what_train_writes(trained: Workspace) -> None:
    assert json.loads(trained.path(trained.SPLITS).read_text())["sha256"] == DATA.digest()


def made(variant: str) -> VariantRow:
    return VariantRow(variant=variant, status="made", file=f"net-{variant[7:]}.tflite")


def not_made(variant: str, status: Status) -> VariantRow:
    return VariantRow(variant=variant, status=status, reason="too old a runtime")


REPLACED = not_made("tflite-int8", "replaced")
MIXED = "tflite-int8-mixed"


@pytest.mark.parametrize(
    ("before", "now", "kept"),
    [
        # What a repair made may no more be lost than what needed none.
        ([REPLACED, made(MIXED)], [not_made("tflite-int8", "refused")], "net-int8-mixed.tflite"),
        ([REPLACED, made(MIXED)], [REPLACED, not_made(MIXED, "failed")], "net-int8-mixed.tflite"),
        ([made("tflite-int8")], [REPLACED, not_made(MIXED, "failed")], "net-int8.tflite"),
        ([made("tflite-int8")], [not_made("tflite-int8", "failed")], "net-int8.tflite"),
        # Either in the other's place, and a variant that is not asked for any more, are decisions.
        ([REPLACED, made(MIXED)], [made("tflite-int8")], None),
        ([made("tflite-int8")], [REPLACED, made(MIXED)], None),
        ([REPLACED, made(MIXED)], [made("tflite-fp32")], None),
    ],
)
def test_a_sound_file_is_not_lost(
    tmp_path: Path, before: list[VariantRow], now: list[VariantRow], kept: str | None
) -> None:
    build = Workspace(tmp_path / "build")
    build.create()
    weights(tmp_path / "net.keras")
    source = find_source(tmp_path / "net.keras", labels=CLASSES, input_range="0..1")
    files = [row.file for row in before if row.file is not None]
    for file in files:
        build.path(file).write_bytes(b"a model")
    entries = {"source": source.to_dict(), "variants": [row.to_dict() for row in before]}
    build.record_stage("convert", key="k", files=files, entries=entries)
    if kept is None:
        refuse_losses(build, source, now)
        return
    with pytest.raises(ConversionError, match="nothing was changed") as caught:
        refuse_losses(build, source, now)
    assert kept in str(caught.value)
    build.path(kept).write_bytes(b"altered")
    refuse_losses(build, source, now)  # there is nothing to lose
