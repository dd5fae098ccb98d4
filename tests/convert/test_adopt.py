"""Files that another program made, put into a build; without TensorFlow."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.build.reference import Reference, images_digest, read_reference
from edgecnn.build.workspace import Workspace
from edgecnn.convert.adopt import Adoption, ForeignFile, read_foreign, run
from edgecnn.data import Dataset, Images
from edgecnn.errors import WorkspaceError
from edgecnn.recipe.load import Recipe, parse_recipe
from edgecnn_runner.foreign import foreign_contract
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.golden import read_golden
from edgecnn_runner.session import Session
from runner.fixture_files import FIXTURES, RGB_LABELS

TFLITE, ONNX = FIXTURES / "foreign-int8.tflite", FIXTURES / "foreign-nchw.onnx"


def contract_of(path: Path) -> Any:
    precision = {"foreign-int8.tflite": "int8", "foreign-logits.tflite": "fp32"}
    made = foreign_contract(path, labels=RGB_LABELS, input_range="0..255")
    form = path.suffix[1:]
    return dataclasses.replace(made, variant=f"{form}-{precision.get(path.name, 'fp32')}")


@pytest.fixture(scope="module")
def files() -> dict[str, ForeignFile]:
    paths = (TFLITE, ONNX, FIXTURES / "foreign-logits.tflite")
    return {path.name: read_foreign(path, contract_of(path)) for path in paths}


@pytest.fixture(scope="module")
def ask() -> Iterator[Any]:
    path = FIXTURES / "foreign-logits.tflite"
    with Session.open(path, contract=contract_of(path)) as session:
        yield session.predict


def dataset(seed: int = 3) -> Dataset:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (40, 12, 16, 3), np.uint8)
    test = Images(
        pixels=pixels,
        labels=np.arange(40, dtype=np.int64) % len(RGB_LABELS),
        ids=tuple(f"{index}.png" for index in range(40)),
    )
    none = test.take([])
    return Dataset(
        name="folder", class_names=RGB_LABELS, train=none, validation=none, test=test, seed=0
    )


def recipe(name: str = "other") -> Recipe:
    found = parse_recipe(
        {"model": {"name": name}, "data": {"name": "folder", "path": "x", "test": 1.0}},
        source="test",
    )
    return found.model_copy(update={"model": found.model.model_copy(update={"architecture": None})})


def adoption(
    ask: Any, *files: ForeignFile, name: str = "other", sha256: str = "ab" * 32, seed: int = 3
) -> Adoption:
    data = dataset(seed)
    reference = Reference(
        scores=ask(data.test.pixels),
        labels=data.test.labels,
        ids=data.test.ids,
        images_sha256=images_digest(data.test.pixels),
        model_sha256=sha256,
        class_names=data.class_names,
    )
    source = {"path": "m", "kind": "model", "origin": "adopted", "sha256": sha256}
    return Adoption(
        files=files,
        recipe=recipe(name),
        dataset=data,
        reference=reference,
        source=source,
        ask=ask,
    )


def test_a_model_s_bytes_stay_as_they_are(
    tmp_path: Path, files: dict[str, ForeignFile], ask: Any
) -> None:
    build = Workspace(tmp_path / "build")
    done = run(adoption(ask, files[TFLITE.name], files[ONNX.name]), build)
    assert done.variants == ("tflite-foreign-int8", "onnx-foreign-fp32")
    for row, original in zip(done.rows, (TFLITE, ONNX), strict=True):
        held = read_container(build.path(str(row.file)))
        assert held.payload == original.read_bytes()
        assert held.data.startswith(original.read_bytes())
        assert held.contract is not None
        assert held.contract.labels == RGB_LABELS
        assert held.contract.variant == row.variant
        assert held.contract.calibration_sha256 is None
        assert held.contract.adopted == {
            "file": original.name,
            "made_by": files[original.name].made_by,
            "calibration": "not known",
        }
        assert row.to_dict()["adopted"] == held.contract.adopted
    manifest = build.manifest()
    assert set(manifest["stages"]) == {"adopt"}
    assert {row["file"] for row in manifest["variants"]} <= set(manifest["files"])
    assert read_reference(build.path(Workspace.REFERENCE)).model_sha256 == "ab" * 32


def test_the_archive_of_other_metadata_stays_behind_the_model(
    tmp_path: Path, files: dict[str, ForeignFile], ask: Any
) -> None:
    buffer = io.BytesIO(TFLITE.read_bytes())
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", "theirs\n" * 50)
    path = tmp_path / "metadata.tflite"
    path.write_bytes(buffer.getvalue())
    file = read_foreign(path, contract_of(TFLITE))
    build = Workspace(tmp_path / "build")
    (row,) = run(adoption(ask, file), build).rows
    held = read_container(build.path(str(row.file)))
    assert held.payload == path.read_bytes()
    assert held.contract is not None
    with zipfile.ZipFile(io.BytesIO(held.payload)) as theirs:
        assert theirs.read("labels.txt") == b"theirs\n" * 50
    with zipfile.ZipFile(build.path(str(row.file))) as ours:
        assert ours.namelist() == ["edgecnn/contract.json", "labels.txt"]


def test_a_further_file_comes_beside_those_that_are_there(
    tmp_path: Path, files: dict[str, ForeignFile], ask: Any
) -> None:
    build = Workspace(tmp_path / "build")
    run(adoption(ask, files[TFLITE.name]), build)
    first = build.path("other-foreign-int8.tflite").read_bytes()
    done = run(adoption(ask, files[ONNX.name], name="another"), build)
    assert [row.variant for row in done.rows] == ["tflite-foreign-int8", "onnx-foreign-fp32"]
    # The build's own name, and not the further file's.
    assert done.rows[1].file == "other-foreign-fp32.onnx"
    assert build.path("other-foreign-int8.tflite").read_bytes() == first
    golden = read_golden(build.path(Workspace.GOLDEN))
    assert set(golden.scores) == {row.variant for row in done.rows}


def test_another_model_of_the_same_precision_gets_a_number(
    tmp_path: Path, files: dict[str, ForeignFile], ask: Any
) -> None:
    buffer = io.BytesIO(TFLITE.read_bytes())
    buffer.seek(0, io.SEEK_END)
    buffer.write(b"other bytes behind it")
    path = tmp_path / "second.tflite"
    path.write_bytes(buffer.getvalue())
    second = read_foreign(path, contract_of(TFLITE))
    done = run(adoption(ask, files[TFLITE.name], second), Workspace(tmp_path / "build"))
    assert done.variants == ("tflite-foreign-int8", "tflite-foreign-2-int8")


def test_the_same_model_again_replaces_its_contract(
    tmp_path: Path, files: dict[str, ForeignFile], ask: Any
) -> None:
    build = Workspace(tmp_path / "build")
    run(adoption(ask, files[TFLITE.name]), build)
    given = files[TFLITE.name]
    renamed = dataclasses.replace(
        given, contract=dataclasses.replace(given.contract, resize="stretch-bilinear-1")
    )
    done = run(adoption(ask, renamed, name="another"), build)
    assert [(row.variant, row.file) for row in done.rows] == [
        ("tflite-foreign-int8", "other-foreign-int8.tflite")
    ]
    held = read_container(build.path("other-foreign-int8.tflite"))
    assert held.contract is not None
    assert held.contract.resize == "stretch-bilinear-1"
    assert len(list(build.folder.glob("*.tflite"))) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sha256": "cd" * 32}, "compared with another float model"),
        ({"seed": 4}, "judged on other images"),
    ],
)
def test_what_is_compared_with_something_else_needs_a_build_of_its_own(
    tmp_path: Path, files: dict[str, ForeignFile], ask: Any, change: Any, says: str
) -> None:
    build = Workspace(tmp_path / "build")
    run(adoption(ask, files[TFLITE.name]), build)
    before = build.path(Workspace.MANIFEST).read_bytes()
    with pytest.raises(WorkspaceError, match=says) as caught:
        run(adoption(ask, files[ONNX.name], **change), build)
    assert "--out FOLDER" in caught.value.remedy
    assert build.path(Workspace.MANIFEST).read_bytes() == before


@pytest.mark.parametrize("stage", ["train", "convert"])
def test_a_build_that_edgecnn_made_takes_no_other_files(
    tmp_path: Path, files: dict[str, ForeignFile], ask: Any, stage: str
) -> None:
    build = Workspace(tmp_path / "build")
    build.create()
    build.record_stage(stage, key="0" * 64, files=[], entries={})
    with pytest.raises(WorkspaceError, match="a build is of one maker"):
        run(adoption(ask, files[TFLITE.name]), build)


def test_without_a_float_model_golden_vectors_are_the_files_own_answers(
    tmp_path: Path, files: dict[str, ForeignFile], ask: Any
) -> None:
    alone = dataclasses.replace(adoption(ask, files[TFLITE.name]), ask=None)
    done = run(alone, Workspace(tmp_path / "build"))
    assert any("scores given stand in" in note for note in done.notes)


def test_who_made_a_file_is_one_line_of_text(files: dict[str, ForeignFile]) -> None:
    file = files[TFLITE.name]
    said = dataclasses.replace(
        file, graph=dataclasses.replace(file.graph, description="a\nb\x1b[31m\u202e" + "x" * 500)
    )
    assert said.made_by.startswith("a b [31m x")
    assert len(said.made_by) <= 120
    empty = dataclasses.replace(file, graph=dataclasses.replace(file.graph, description=" \n"))
    assert empty.made_by == "not stated"
