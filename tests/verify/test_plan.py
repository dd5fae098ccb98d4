from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecnn.build.workspace import MANIFEST_SCHEMA, Workspace
from edgecnn.errors import UsageError
from edgecnn.files import write_json
from edgecnn.verify.plan import plan


@pytest.fixture
def build(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    rows: list[dict[str, Any]] = [
        {"variant": "tflite-fp32", "status": "made", "file": "m-fp32.tflite", "reason": None},
        {"variant": "onnx-int8", "status": "failed", "file": None, "reason": "no such op"},
    ]
    manifest = {"schema": MANIFEST_SCHEMA, "stages": {}, "files": {}, "variants": rows}
    write_json(workspace.path(workspace.MANIFEST), manifest)
    return workspace


def test_every_variant_of_the_manifest_is_a_row(build: Workspace) -> None:
    made, failed = plan(build, None)
    assert (made.variant, made.file, made.path) == (
        "tflite-fp32", "m-fp32.tflite", build.path("m-fp32.tflite"),
    )  # fmt: skip
    assert (failed.variant, failed.path, failed.reason) == ("onnx-int8", None, "no such op")


def test_variants_can_be_named(build: Workspace) -> None:
    (only,) = plan(build, ["tflite-fp32"])
    assert only.path == build.path("m-fp32.tflite")


def test_files_can_be_named_in_the_build_and_elsewhere(build: Workspace, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other" / "x.onnx"
    inside, outside = plan(build, ["y.tflite", str(elsewhere)])
    assert inside.path == build.path("y.tflite")
    assert outside.path == elsewhere


def test_nothing_to_verify_is_an_error(tmp_path: Path, build: Workspace) -> None:
    with pytest.raises(UsageError, match="edgecnn convert SOURCE"):
        plan(Workspace(tmp_path / "empty"), None)
    with pytest.raises(UsageError, match="none of which was made"):
        plan(build, ["onnx-int8"])
