"""The figures of a real, finished build."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command import edgecnn
from edgecnn.build.workspace import Workspace
from edgecnn.card import card, collect_results
from edgecnn.errors import WorkspaceError
from edgecnn.files import file_digest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card") / "build"
    recipe = folder.parent / "recipe.toml"
    recipe.write_text(
        '[model]\nname = "small"\narchitecture = "tiny_cnn"\n[data]\nname = "digits"\n'
        '[train]\nepochs = 12\noptimizer = {name = "adam", learning_rate = 0.003}\n'
        '[convert]\nvariants = ["tflite-int8", "onnx-int8"]\n'
        "[limits]\nmax_drop = 5.0\nmin_agreement = 90.0\nmax_class_drop = 20.0\n"
    )
    assert edgecnn("build", str(recipe), "--out", str(folder)).code == 0
    return folder


def test_every_figure_is_the_one_its_stage_recorded(build: Path) -> None:
    results = collect_results(Workspace(build))
    metrics = json.loads((build / "metrics.json").read_text())
    parity = json.loads((build / "parity.json").read_text())
    assert results["float"]["accuracy"] == metrics["test"]["accuracy"]
    assert results["float"]["sha256"] == file_digest(build / "model.keras")
    assert [row["file"] for row in results["artifacts"]] == ["small-int8.tflite", "small-int8.onnx"]
    for row, verified in zip(results["artifacts"], parity["rows"], strict=True):
        assert row["sha256"] == file_digest(build / row["file"])
        assert row["verdict"] == verified["verdict"]
        cells = row["confusion"]
        assert sum(count for *_, count in cells) == metrics["test"]["images"]
        right = sum(count for true, predicted, count in cells if true == predicted)
        assert right / metrics["test"]["images"] == pytest.approx(row["accuracy"])
    assert str(build.parent) not in json.dumps(results)
    assert json.loads(json.dumps(results)) == results
    assert "small-int8.tflite" in card(results)


def test_a_file_that_was_changed_after_its_verification_has_no_figures(
    build: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "build"
    copy.mkdir()
    for path in build.iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    changed = copy / "small-int8.tflite"
    changed.write_bytes(changed.read_bytes() + b"\0")
    with pytest.raises(WorkspaceError, match="not the file that was verified") as caught:
        collect_results(Workspace(copy))
    assert caught.value.observed == file_digest(changed)


def test_a_build_without_verdicts_has_no_figures(build: Path, tmp_path: Path) -> None:
    copy = tmp_path / "build"
    copy.mkdir()
    (copy / "manifest.json").write_bytes((build / "manifest.json").read_bytes())
    with pytest.raises(WorkspaceError, match="not a finished build"):
        collect_results(Workspace(copy))
