"""Remedies for builds of files that edgecnn did not make: commands that work for them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from edgecnn.build.workspace import Workspace
from edgecnn.errors import PackageError
from edgecnn.package.proven import find_proven
from edgecnn.package.refusals import Wanted
from edgecnn.package.request import PackageRequest
from package.judged_build import judged_build


def changed(build: Workspace, **entries: Any) -> Wanted:
    path = build.path(Workspace.MANIFEST)
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
    request = PackageRequest(source=build.folder)
    return Wanted(request=request, place=build.folder, workspace=build, rows={})


def test_adopted_files_are_taken_in_again_as_they_were(tmp_path: Path) -> None:
    build = judged_build(tmp_path / "build", tflite_int8="PASS")
    rows = build.manifest()["variants"]
    rows[0]["adopted"] = {"file": "my other.tflite", "made_by": "x", "calibration": "not known"}
    wanted = changed(
        build,
        stages={"adopt": {"key": "0" * 64, "files": [], "finished": ""}},
        variants=rows,
        recipe={"model": {"name": "m"}, "data": {"name": "folder", "path": "/my images"}},
        source={
            "path": "/m.h5", "kind": "model", "origin": "adopted", "sha256": "ab",
            "files_range": "0..1", "files_layout": "NCHW", "said_range": None,
        },
    )  # fmt: skip
    assert shlex.split(wanted.convert) == [
        "edgecnn", "adopt", "my other.tflite", "--reference", "/m.h5", "--data", "/my images",
        "--labels", str(build.path(Workspace.LABELS)), "--input-range", "0..1", "--layout", "NCHW",
        "--out", str(build.folder),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "source", "asks"),
    [
        ({"name": "m", "architecture": None}, {}, True),
        ({"name": "m", "architecture": None}, {"unseen": {"data": True}}, False),
        ({"name": "m", "architecture": "tiny_cnn"}, {}, False),
        ({"name": "m", "architecture": None, "backbone": "wren"}, {}, False),
    ],
)
def test_a_repair_of_a_model_made_elsewhere_needs_new_pictures(
    tmp_path: Path, model: dict[str, Any], source: dict[str, Any], asks: bool
) -> None:
    build = judged_build(tmp_path / "build", tflite_int8="FAIL")
    changed(build, recipe={"model": model, "data": {}}, source=source)
    request = PackageRequest(source=build.folder)
    with pytest.raises(PackageError) as caught:
        find_proven(build.folder, build, ["tflite-int8"], request)
    assert "--repair" in caught.value.remedy
    assert ("--repair --unlabelled FOLDER" in caught.value.remedy) == asks
