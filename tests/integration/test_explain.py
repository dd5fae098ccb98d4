"""``verify --explain`` by the command that a user types, on the demo."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from command import Finished, edgecnn, modules_after
from edgecnn.recipe.load import DEFAULT_VARIANTS
from integration.conftest import record_again

pytestmark = pytest.mark.slow

Demo = tuple[Path, Finished]
REDUCED = [name for name in DEFAULT_VARIANTS if not name.endswith("fp32")]


def copy_of(demo: Demo, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo[0], tmp_path / "build"))


def test_every_reduced_file_of_the_demo_is_explained(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    done = edgecnn("verify", folder, "--explain")
    assert done.code == 0, done.err
    parity = json.loads((folder / "parity.json").read_text())
    found = {row["variant"]: row["layers"] for row in parity["rows"]}
    assert [name for name, layers in found.items() if layers] == REDUCED
    assert found["tflite-int8"]["images"] == 64
    for name in REDUCED:
        assert f"{name} layer by layer against digits-fp32." in done.out
        layers = found[name]
        assert (layers["reason"], layers["unmatched"], layers["first"]) == ("", [], None)
        # Every file of the demo passes.
        assert min(layers["ratios_db"]) > layers["limit_db"] + 20
    assert "Layer by layer" in (folder / "report.html").read_text(encoding="utf-8")
    # It is the build's own verification, and nothing has to be repeated for the next build.
    again = edgecnn("demo", "--out", folder)
    assert "verify: up to date" in again.err


def test_json_has_the_layers_and_a_single_file_is_explained(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    done = edgecnn("verify", folder / "digits-int8.tflite", "--explain", "--json")
    assert done.code == 0, done.err
    (row,) = done.json()["rows"]
    names = [one["name"] for one in row["layers"]["layers"]]
    assert [one["position"] for one in row["layers"]["layers"]] == list(range(len(names)))
    assert row["layers"]["against"] == "digits-fp32.tflite"
    assert row["layers"]["diagnosis"].startswith("No layer is below")


def test_a_build_without_the_float_file_says_so(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["variants"] = [row for row in manifest["variants"] if row["variant"] != "onnx-fp32"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    record_again(folder)
    done = edgecnn("verify", folder, "--explain")
    assert done.code == 0, done.err
    told = " ".join(done.out.split())
    assert "onnx-int8: no layers compared: there is no onnx-fp32" in told
    assert "edgecnn convert SOURCE --variant onnx-fp32" in told
    assert "tflite-int8 layer by layer" in told


def test_what_runs_on_a_device_is_explained_here(demo: Demo, tmp_path: Path) -> None:
    file = copy_of(demo, tmp_path) / "digits-int8.tflite"
    device = f"cmd:{sys.executable}"
    done = edgecnn("verify", file, "--device", device, "--explain", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert "on 64 images, on this machine, the worst of 6" in " ".join(done.out.split())
    (page,) = (tmp_path / "out").glob("report-partial-on-*.html")
    assert "on the workstation and not on cmd:" in page.read_text(encoding="utf-8")


def test_tensorflow_is_not_needed(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    modules, out = modules_after("verify", folder, "--explain")
    assert "layer by layer" in out
    assert "tensorflow" not in modules
    assert "keras" not in modules
