"""``edgecnn convert`` of torchvision's networks by way of ONNX: what comes out, how close it is.

Each network gets random weights whose answers differ, is exported by PyTorch itself, and is
converted by ``edgecnn convert`` to the files below. Each file's scores of photos that neither
weights nor calibration have seen are compared with PyTorch's own scores of them, which were written
before the export. ``tests/convert/onnx/export_torchvision.py`` does PyTorch's part under a Python
that has it, such as Debian's with ``apt install python3-torch python3-torchvision
libopenblas0-pthread``; without the last, its products of matrices are so slow that the export of
``vit_b_16`` takes more than an hour.

    python tests/benchmarks/torchvision_networks.py FOLDER [--only NAME ...] [--again]

FOLDER holds a folder per class, for example TrashNet's (https://github.com/garythung/trashnet).
The smallest networks come first. Each entry is written as soon as it is made: an interrupted run
goes on where it was. ``--again`` makes entries anew. The result is written beside this file; the
manual's table is made of it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from applications import CLASSES, HELD, TRAINING, compare, write_photos
from recorded_runs import (
    begun,
    limits_of,
    of_convert,
    options,
    reason,
    run_each,
    said,
    write_entry,
)
from watched import Limits, watched

HERE: Final = Path(__file__).parent
RESULTS: Final = Path(__file__).with_suffix(".json")
EXPORT: Final = HERE.parent / "convert/onnx/export_torchvision.py"
VARIANTS: Final = (
    "tflite-fp32", "tflite-fp16", "tflite-int8", "onnx-fp32", "onnx-fp16", "onnx-int8",
)  # fmt: skip
NETWORKS: Final = {
    "squeezenet1_1": 224,
    "shufflenet_v2_x0_5": 224,
    "mobilenet_v3_small": 224,
    "mobilenet_v2": 224,
    "mnasnet0_5": 224,
    "resnet18": 96,
    "efficientnet_b0": 96,
    "densenet121": 96,
    "googlenet": 96,
    "convnext_tiny": 96,
    "regnet_y_400mf": 96,
    "mobilenet_v3_large": 96,
    "resnet50": 96,
    "inception_v3": 128,
    "efficientnet_v2_s": 128,
    "alexnet": 224,
    "vit_b_16": 224,
    "vgg11_bn": 224,
}
"""Side of the images, pixels, by name; what PyTorch cannot export for small images has 224.

EfficientNetV2-S with random weights multiplies rounding at 96 pixels so that ONNX Runtime with and
without its optimizations answers differently.
"""
RANGE: Final = ("--input-mean", "0.485,0.456,0.406", "--input-std", "0.229,0.224,0.225")
"""What ``export_torchvision.py`` feeds, as torchvision's weights state it."""


def run(name: str, photos: Path, work: Path, python: Path, limits: Limits) -> dict[str, Any]:
    """Export one network, convert it, and compare its files.

    Args:
        name: In ``NETWORKS``.
        photos: A folder per class.
        work: For what is made; this network's folder in it goes again.
        python: An interpreter that has PyTorch and torchvision.
        limits: Of each process.

    Returns:
        The network's entry, JSON-ready.
    """
    side = NETWORKS[name]
    images, folder = work / f"photos-{side}", work / name
    write_photos(photos, images, side)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    entry: dict[str, Any] = {"side": side, **begun(os.getloadavg()[0])}
    command: list[str | Path]
    try:
        command = [python, EXPORT, name, str(side), images / "train", images / "test", folder]
        made = watched(command, limits)
        if made.code != 0:
            return {**entry, "not_run": reason("the export", made, limits)}
        entry |= json.loads(made.out.splitlines()[-1])
        entry["source_bytes"] = (folder / "model.onnx").stat().st_size
        expected = softmax(np.load(folder / "own.npy", allow_pickle=False))
        counts = np.bincount(expected.argmax(axis=1), minlength=CLASSES)
        entry["largest_class_share"] = float(counts.max() / counts.sum())
        build = folder / "build"
        command = [
            *(sys.executable, "-m", "edgecnn", "convert", folder / "model.onnx", "--json"),
            *("--data", images, "--out", build, *RANGE, "--min-accuracy", "0"),
            *(word for variant in VARIANTS for word in ("--variant", variant)),
        ]
        done = watched(command, limits)
        if done.ended:
            return {**entry, "not_run": reason("edgecnn convert", done, limits)}
        entry["convert"] = of_convert(done)
        if (build / "manifest.json").exists():
            entry["variants"] = compare(build, images / "test", {"scores": expected})
            entry["operators"] = operators(build)
        else:
            entry["convert"]["error"] = said(done)
        return entry
    finally:
        if "not_run" not in entry:
            shutil.rmtree(folder, ignore_errors=True)


def softmax(logits: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[Any]]:
    """Return the probabilities of logits, shape (n, classes)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def operators(build: Path) -> dict[str, dict[str, int]]:
    """Return how often each TFLite file has each operator: turned axes would show here."""
    from ai_edge_litert.interpreter import Interpreter

    found = {}
    for file in sorted(build.glob("*.tflite")):
        counts: dict[str, int] = {}
        for row in Interpreter(model_path=str(file))._get_ops_details():
            if row["op_name"] != "DELEGATE":
                counts[row["op_name"]] = counts.get(row["op_name"], 0) + 1
        found[file.name] = dict(sorted(counts.items()))
    return found


def record(name: str, entry: Mapping[str, Any]) -> None:
    """Write one network's entry beside the others' that are there."""
    head = {
        "images": {"classes": CLASSES, "training": TRAINING * CLASSES, "held": HELD * CLASSES},
        "variants": list(VARIANTS),
    }
    write_entry(RESULTS, name, entry, head, NETWORKS)


def main() -> int:
    """Run the networks that have no entry yet; end with 1 where ``convert`` crashed."""
    parser = options(__doc__, work=Path("build/torchvision"), gigabytes=6)
    parser.add_argument("--python", type=Path, default=Path("/usr/bin/python3"),
                        help="an interpreter that has torch and torchvision")  # fmt: skip
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    return run_each(
        NETWORKS,
        arguments,
        RESULTS,
        lambda name: run(
            name, arguments.photos, arguments.work, arguments.python, limits_of(arguments)
        ),
        record,
    )


if __name__ == "__main__":
    sys.exit(main())
