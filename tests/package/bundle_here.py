"""A bundle of resnet8 with this machine's own libraries, so that it runs here."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.package.pi.documents import write_documents
from edgecnn.package.pi.platforms import ARCHITECTURES, Platform, choose_platform
from edgecnn.package.pi.tree import BundlePlan, lay_out, write_manifest
from edgecnn.package.pi.wheels import collect_wheels
from edgecnn.package.proven import Proven, find_proven
from edgecnn.package.unproven import Unproven
from edgecnn_runner.collect import Terms

RESNET8 = Path(__file__).parents[2] / "models/resnet8"
HERE = os.uname().machine

needs_this_platform = [
    pytest.mark.skipif(HERE not in ARCHITECTURES, reason=f"there are no wheels for {HERE}"),
    pytest.mark.skipif(
        shutil.which("python3.11") is None, reason="bookworm's Python, 3.11, is not on PATH"
    ),
]


def platform_here(runtime: str) -> Platform:
    """Return bookworm's platform, but for this machine's processor."""
    return replace(choose_platform("bookworm", runtime), architecture=HERE)


def make_bundle_here(
    folder: Path,
    runtime: str,
    *,
    unproven: Unproven | None = None,
    collect: Terms | None = None,
    proven: Proven | None = None,
) -> BundlePlan:
    """Make an unpacked bundle, without a privacy note.

    Args:
        folder: Where to; made.
        runtime: The runtime in it.
        unproven: What is not proven of its model; None for a PASS.
        collect: What it may collect; None for nothing.
        proven: Its models; None for resnet8's int8 file.

    Returns:
        What it holds, to seal it anew after a change: ``write_manifest(plan, folder)``.
    """
    platform = platform_here(runtime)
    variant = "onnx-int8" if runtime == "onnxruntime" else "tflite-int8"
    proven = proven or find_proven(RESNET8, None, [variant])
    files = tuple(replace(one, unproven=unproven) for one in proven.files)
    plan = BundlePlan(
        proven=replace(proven, files=files),
        platform=platform,
        version="1.0",
        wheels=collect_wheels(platform),
        collect=collect,
    )
    folder.mkdir()
    lay_out(plan, folder)
    write_documents(plan, folder, date=0)
    write_manifest(plan, folder)
    return plan
