from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecnn.build.workspace import MANIFEST_SCHEMA, Workspace
from edgecnn.files import write_json
from edgecnn.package.naming import default_variant
from edgecnn.package.pi.stage import _DEFAULT_VARIANT


def build(folder: Path, *rows: dict[str, Any]) -> Workspace:
    manifest = {"schema": MANIFEST_SCHEMA, "stages": {}, "files": {}, "variants": list(rows)}
    write_json(folder / Workspace.MANIFEST, manifest)
    return Workspace(folder)


def row(variant: str, status: str, file: str | None = None) -> dict[str, Any]:
    return {"variant": variant, "status": status, "file": file}


@pytest.mark.parametrize(
    ("runtime", "kind"),
    [("litert", "tflite"), ("tflite-runtime", "tflite"), ("onnxruntime", "onnx")],
)
def test_what_a_repair_put_in_an_int8_files_place_is_what_is_packaged(
    tmp_path: Path, runtime: str, kind: str
) -> None:
    variant = _DEFAULT_VARIANT[runtime]
    replaced = row(f"{kind}-int8", "replaced")
    mixed = row(f"{kind}-int8-mixed", "made", "m")
    assert default_variant(build(tmp_path, replaced, mixed), variant) == f"{kind}-int8-mixed"
    made = row(f"{kind}-int8", "made", "i")
    assert default_variant(build(tmp_path, made), variant) == f"{kind}-int8"
    assert default_variant(None, variant) == f"{kind}-int8", "a released model"
