"""The released models: their files, what verification found of each, and images to run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from peers.environments import ROOT
from peers.judging import Candidate
from peers.serving import Image

MODELS: Final = ("seed_cnn", "resnet8", "wren")
REFERENCE: Final = Path("build/peers/mlperf/mlperf-resnet8-int8.tflite")
"""Where MLPerf's network is kept once it was built; below the project."""
FLOATS: Final = ("tflite-fp32", "onnx-fp32")
_IMAGES: Final = 5


@dataclass(frozen=True, kw_only=True)
class Released:
    """One model.

    Attributes:
        name: Its name.
        paths: Its files by variant: the int8 ones are released; others come from a build. For
            ``resnet8`` also ``mlperf-int8``, where there is such a file; see ``mlperf``.
        candidates: Those of the model itself, with what is recorded of them.
        images: A few golden images, uint8, shape (n, height, width, channels).
    """

    name: str
    paths: dict[str, Path]
    candidates: dict[str, Candidate]
    images: Image


def read_released(name: str, builds: Sequence[Path] = (), *, root: Path = ROOT) -> Released:
    """Read what there is of a model.

    Args:
        name: A folder of ``models``.
        builds: Folders with more of its files.
        root: The project.
    """
    folder = root / "models" / name
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    paths, candidates = {}, {}
    for row in results["artifacts"]:
        found = [one / row["file"] for one in (folder, *builds) if (one / row["file"]).is_file()]
        if not found:
            continue
        data = found[0].read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        # What was recorded of another file says nothing about this one.
        same = digest == row["sha256"]
        paths[row["variant"]] = found[0]
        candidates[row["variant"]] = Candidate(
            variant=row["variant"],
            file=found[0].name,
            sha256=digest,
            bytes=len(data),
            verdict=row["verdict"] if same else None,
            accuracy=row["accuracy"] if same else None,
        )
    reference = root / REFERENCE
    if name == "resnet8" and reference.is_file():
        paths["mlperf-int8"] = reference
    with np.load(folder / "golden.npz") as golden:
        images = np.ascontiguousarray(golden["images"][:_IMAGES])
    return Released(name=name, paths=paths, candidates=candidates, images=images)


def convert_floats(name: str, out: Path, *, root: Path = ROOT) -> None:
    """Convert a model's weights to the float32 files, which are not released.

    Args:
        name: A folder of ``models``.
        out: A build folder; one that has them is left as it is.
        root: The project.

    Raises:
        subprocess.CalledProcessError: If that fails; its words are on standard error.
    """
    suffixes = {"tflite-fp32": "tflite", "onnx-fp32": "onnx"}
    if all((out / f"{name}-fp32.{suffix}").is_file() for suffix in suffixes.values()):
        return
    options = [word for variant in FLOATS for word in ("--variant", variant)]
    command = ["convert", str(root / "models" / name), *options, "--out", str(out), "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "edgecnn", *command], check=True, stdout=subprocess.DEVNULL
    )


def build_reference(root: Path = ROOT) -> None:
    """Build MLPerf's network, unless it is there; TensorFlow stays in a process of its own.

    Raises:
        subprocess.CalledProcessError: If that fails.
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "peers.mlperf", str(root / REFERENCE)]
    subprocess.run(command, check=True, capture_output=True, env=environment)
