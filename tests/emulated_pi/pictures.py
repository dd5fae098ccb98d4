"""Pictures to classify, and what the runner says of them on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecnn.data.cifar10 import find_cifar10, read_batches
from edgecnn.data.types import Images
from edgecnn.verify.evaluation import balanced_subset
from emulated_pi.bundles import RESNET8

needs_cifar10 = pytest.mark.skipif(
    not os.environ.get("EDGECNN_DATA"), reason="needs CIFAR-10: set EDGECNN_DATA"
)


def some_cifar10(count: int) -> Images:
    """Return test images of CIFAR-10, as many of each class."""
    folder = find_cifar10(root=None, path=None)
    test = read_batches(folder, ("test_batch",), prefix="test")
    return test.take(balanced_subset(test.labels, test.ids, count, seed=0))


def write_photos(folder: Path) -> list[str]:
    """Write JPEG files of sizes and directions that cameras have; return their names.

    Generated ones, and real ones where CIFAR-10 is at hand.
    """
    photos = {"noise": np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)}
    across, down = np.meshgrid(np.linspace(0, 255, 640), np.linspace(0, 255, 480))
    photos["sky"] = np.stack((across / 2, down, 255 - down), axis=-1).astype(np.uint8)
    if os.environ.get("EDGECNN_DATA"):
        for number, pixels in enumerate(some_cifar10(10).pixels):
            photos[f"cifar{number}"] = np.kron(pixels, np.ones((8, 8, 1), np.uint8))
    for name, pixels in photos.items():
        exif = Image.Exif()
        exif[0x0112] = 6 if name == "sky" else 1  # turned by a quarter
        Image.fromarray(pixels).save(folder / f"{name}.jpg", quality=90, exif=exif)
    return [f"{name}.jpg" for name in photos]


def run_here(*arguments: str | Path, cwd: Path | None = None) -> Any:
    """Run ``edgecnn-run`` on this machine; return its JSON."""
    command = [sys.executable, "-m", "edgecnn_runner", *map(str, arguments), "--json"]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def classified_here(
    folder: Path, names: Sequence[str], model: str = "resnet8-int8.tflite"
) -> dict[str, dict[str, Any]]:
    """Return the name of each picture and what this machine says of it."""
    rows = run_here("classify", RESNET8 / model, *names, "--top", "10", cwd=folder)
    return {row["image"]: row for row in rows}
