"""A build with the real model files of resnet8 and verdicts on made-up answers."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

from edgecnn.build.workspace import Workspace
from edgecnn.files import file_digest
from edgecnn.recipe.sections import Limits
from edgecnn.verify.results import ArtifactRow
from verify.synthetic import make_report, make_row

RESNET8 = Path(__file__).parents[2] / "models/resnet8"
FILES = {"tflite-int8": "resnet8-int8.tflite", "onnx-int8": "resnet8-int8.onnx"}
LIMITS = Limits(max_drop=2, min_agreement=95, max_class_drop=8)
WRONG = {"PASS": 0, "INCONCLUSIVE": 7, "FAIL": 200}
"""Of 600 images."""


def judged_build(folder: Path, **verdicts: str) -> Workspace:
    """Make a build.

    Args:
        folder: Where to; made.
        verdicts: A variant, with ``_`` for ``-``, to what its verdict is to be.
    """
    folder.mkdir(parents=True)
    shutil.copy(RESNET8 / "golden.npz", folder)
    rows: list[ArtifactRow] = []
    variants = []
    for name, verdict in verdicts.items():
        variant = name.replace("_", "-")
        file = folder / FILES[variant]
        shutil.copy(RESNET8 / file.name, file)
        row = make_row(variant, WRONG[verdict], limits=LIMITS)
        assert row.verdict == verdict
        digest, size = file_digest(file), file.stat().st_size
        rows.append(dataclasses.replace(row, file=file.name, bytes=size, sha256=digest))
        variants.append(
            {"variant": variant, "status": "made", "file": file.name, "bytes": size,
             "sha256": digest, "reason": None}
        )  # fmt: skip
    report = make_report(rows=tuple(rows))
    (folder / Workspace.PARITY).write_text(json.dumps(report.to_dict()))
    manifest = {"schema": 1, "stages": {}, "files": {}, "variants": variants}
    (folder / Workspace.MANIFEST).write_text(json.dumps(manifest))
    return Workspace(folder)
