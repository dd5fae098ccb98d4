"""What a bundle adds to its model."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.package.pi.debian import write_archive
from edgecnn.package.pi.documents import write_documents
from edgecnn.package.pi.platforms import choose_platform
from edgecnn.package.pi.tree import BundlePlan, lay_out, write_manifest
from edgecnn.package.privacy.claims import Checked
from edgecnn.package.privacy.note import write_note
from edgecnn.package.privacy.pi import SERVICE, unchecked
from edgecnn.package.proven import find_proven

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize("model", ["resnet8", "wren", "seed_cnn"])
@pytest.mark.parametrize("runtime", ["litert", "onnxruntime"])
def test_without_its_libraries_a_bundle_is_little_more_than_its_model(
    tmp_path: Path, model: str, runtime: str
) -> None:
    """At most 1.15 times the model's file and 172 kB, compressed.

    It was 150 kB before the runner knew sixteen resize rules, ranges by mean and deviation and
    HEIC, which add 11 kB of its source, 160 kB before it could say what is not proven, 162 kB
    before it could collect frames and guard that it keeps no others, and 170 kB before it took
    files of one output and files that another program made.
    """
    variant = "onnx-int8" if runtime == "onnxruntime" else "tflite-int8"
    plan = BundlePlan(
        proven=find_proven(MODELS / model, None, [variant]),
        platform=choose_platform("bookworm", runtime),
        version="1.0",
        wheels=[],
    )
    folder = tmp_path / "bundle"
    folder.mkdir()
    lay_out(plan, folder)
    write_documents(plan, folder, date=0)
    service = SERVICE.judged(folder / f"service/edgecnn-{model}.service")
    outcomes = (*unchecked("x" * 200), service)  # as long as what is seen in a real check
    write_note(
        plan,
        folder,
        Checked(
            subject="0" * 64, architecture="x86_64", bundle_architecture="aarch64",
            setting="its twin", outcomes=outcomes,
        ),
    )  # fmt: skip
    write_manifest(plan, folder)
    archive = tmp_path / "bundle.tar.gz"
    write_archive(folder, archive, name="bundle", date=0)
    limit = 1.15 * plan.proven.files[0].path.stat().st_size + 172e3
    assert archive.stat().st_size <= limit
