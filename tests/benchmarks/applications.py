"""Converts every network of ``keras.applications`` and compares each file with Keras's own scores.

The networks are found by looking into ``keras.applications``, not by a list here. Each gets five
classes and random weights, as ``network_weights.py`` sets them. ``edgecnn convert`` makes the files
of ``VARIANTS``, and each file's scores of photos that neither weights nor calibration have seen are
compared with Keras's own scores of them: made by Keras, by the network's own ``preprocess_input``,
with no edgecnn in it.

    python tests/benchmarks/applications.py FOLDER [--only NAME ...] [--again] [--last-minute 13:20]

FOLDER holds a folder per class, for example TrashNet's (https://github.com/garythung/trashnet).
The smallest networks come first. Each runs in processes of its own with a limit of time and memory,
and its entry is written as soon as it is made: an interrupted run goes on where it was. ``--again``
makes entries anew. The result is written beside this file; the manual's table is made of it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
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

from edgecnn.recipe.load import DEFAULT_VARIANTS
from edgecnn_runner.session import Session

HERE: Final = Path(__file__).parent
RESULTS: Final = Path(__file__).with_suffix(".json")
VARIANTS: Final = (*DEFAULT_VARIANTS, "onnx-fp16")
"""``tflite-int16x8`` is left out: on a workstation its kernels take minutes for a few photos."""
CLASSES: Final = 5
TRAINING: Final = 8
"""Photos of each class to set the weights by and to calibrate with."""
HELD: Final = 10
"""Photos of each class to compare the scores on."""
LARGEST_SIDE: Final = 224
SMALLEST_PUBLISHED: Final = {"MobileNet": 128, "MobileNetV2": 96}
"""Where Keras has weights for smaller images than the constructor's default, the smallest.

The others take the constructor's default, at most 224 pixels: networks that were published with up
to 600 are used with 224, too, and larger images make no other graph.
"""


def side_of(name: str, default: int | None) -> int:
    """Return the side of the images that a network is tried with, pixels.

    Args:
        name: Of the network.
        default: What its constructor takes without a word; None for any size.
    """
    return SMALLEST_PUBLISHED.get(name, min(default or LARGEST_SIDE, LARGEST_SIDE))


def write_photos(photos: Path, folder: Path, side: int) -> None:
    """Write photos of five classes at their final size, so that nothing resizes them again.

    Args:
        photos: A folder per class.
        folder: Gets ``train`` and ``test``, each with a folder per class of PNG files.
        side: Pixels.
    """
    if folder.exists():
        return
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    kinds = sorted(path for path in photos.iterdir() if path.is_dir())[:CLASSES]
    if len(kinds) < CLASSES:
        raise SystemExit(f"{photos} has {len(kinds)} folders of classes; {CLASSES} are needed")
    for kind in kinds:
        files = sorted(path for path in kind.iterdir() if path.is_file())
        # Spread, since neighbours often show one object; no photo is in both.
        places = np.linspace(0, len(files) - 1, TRAINING + HELD).round().astype(int)
        for index, place in enumerate(places):
            # Every other one, as long as there are photos to train on.
            trains = index % 2 == 0 and index < 2 * TRAINING
            target = unfinished / ("train" if trains else "test") / kind.name
            target.mkdir(parents=True, exist_ok=True)
            with Image.open(files[place]) as photo:
                whole = ImageOps.exif_transpose(photo).convert("RGB")
                ImageOps.fit(whole, (side, side)).save(target / f"{index:02}.png")
    unfinished.rename(folder)


def pixels_of(folder: Path) -> npt.NDArray[np.uint8]:
    """Return the images of class folders, in the order of classes and names.

    Returns:
        Shape (n, side, side, 3), uint8.
    """
    files = sorted(folder.glob("*/*.png"))
    return np.stack([np.asarray(Image.open(file)) for file in files])


def compare(
    build: Path, held: Path, own: Mapping[str, npt.NDArray[np.floating[Any]]]
) -> dict[str, dict[str, Any]]:
    """Compare each file of a build with Keras's own scores.

    Args:
        build: What ``edgecnn convert`` made.
        held: Class folders of images that nothing was made of.
        own: ``scores``: Keras's probabilities of them, shape (n, classes).

    Returns:
        Variant to its row: status, bytes, reason, agreement and largest difference.
    """
    pixels, expected = pixels_of(held), own["scores"]
    manifest = json.loads((build / "manifest.json").read_text("utf-8"))
    rows: dict[str, dict[str, Any]] = {}
    for row in manifest["variants"]:
        rows[row["variant"]] = {key: row[key] for key in ("status", "bytes", "reason")}
        if row["file"] is None:
            continue
        with Session.open(build / row["file"]) as session:
            answers = session.predict(pixels)
        rows[row["variant"]] |= difference(answers, expected)
    return rows


def difference(
    answers: npt.NDArray[np.floating[Any]], expected: npt.NDArray[np.floating[Any]]
) -> dict[str, Any]:
    """Return how far probabilities are from others of the same images.

    Returns:
        ``agreement``: share of the images with the same best class. ``largest_difference`` and
        ``median_difference``: of the scores, 0..1; the median is of each image's largest.
    """
    each = np.abs(answers.astype(np.float64) - expected).max(axis=1)
    return {
        "agreement": float((answers.argmax(axis=1) == expected.argmax(axis=1)).mean()),
        "largest_difference": float(each.max()),
        "median_difference": float(np.median(each)),
    }


def run(name: str, facts: Mapping[str, Any], photos: Path, work: Path, limits: Limits) -> Any:
    """Make one network, convert it, and compare its files.

    Args:
        name: Of the network in ``keras.applications``.
        facts: What ``network_weights.py survey`` says of it.
        photos: A folder per class.
        work: For what is made; this network's folder in it goes again.
        limits: Of each of the two processes.

    Returns:
        The network's entry, JSON-ready.
    """
    side = side_of(name, facts["side"])
    images, folder = work / f"photos-{side}", work / name
    write_photos(photos, images, side)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    entry: dict[str, Any] = {
        "parameters": facts["parameters"],
        "side": side,
        "default_side": facts["side"],
        **begun(os.getloadavg()[0]),
    }
    try:
        program = HERE / "network_weights.py"
        made = watched([sys.executable, program, "make", name, str(side), images, folder], limits)
        if made.code != 0:
            return {**entry, "not_run": reason("making the network", made, limits)}
        told = json.loads(made.out.splitlines()[-1])
        entry |= {"made": made.took(), **told}
        build = folder / "build"
        command = [
            *(sys.executable, "-m", "edgecnn", "convert", folder / "model.keras", "--json"),
            *("--data", images, "--out", build, "--input-range", told["input_range"]),
            *("--min-accuracy", "0"),
            *(word for variant in VARIANTS for word in ("--variant", variant)),
        ]
        done = watched(command, limits)
        if done.ended:
            return {**entry, "not_run": reason("edgecnn convert", done, limits)}
        entry["convert"] = of_convert(done)
        if (build / "manifest.json").exists():
            with np.load(folder / "own.npz") as own:
                entry["variants"] = compare(build, images / "test", own)
        else:
            entry["convert"]["error"] = said(done)
        return entry
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # a gigabyte of some


def record(name: str, entry: Mapping[str, Any], networks: Mapping[str, Any]) -> None:
    """Write one network's entry beside the others' that are there."""
    head = {
        "images": {"classes": CLASSES, "training": TRAINING * CLASSES, "held": HELD * CLASSES},
        "variants": list(VARIANTS),
        "listed": {one: facts["parameters"] for one, facts in networks.items()},
    }
    write_entry(RESULTS, name, entry, head)


def _by_size(item: tuple[str, Mapping[str, Any]]) -> tuple[int, str]:
    return item[1]["parameters"], item[0]


def survey(work: Path) -> dict[str, Any]:
    """Return what ``keras.applications`` lists: side and parameters by name, found once."""
    file = work / "survey.json"
    if not file.exists():
        done = subprocess.run(
            [sys.executable, str(HERE / "network_weights.py"), "survey"],
            check=True,
            capture_output=True,
            text=True,
        )
        file.write_text(done.stdout.splitlines()[-1])
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def main() -> int:
    """Run the networks that have no entry yet; end with 1 where ``convert`` crashed."""
    parser = options(__doc__, work=Path("build/applications"), gigabytes=8)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    networks = survey(arguments.work)
    return run_each(
        [name for name, _ in sorted(networks.items(), key=_by_size)],
        arguments,
        RESULTS,
        lambda name: run(
            name, networks[name], arguments.photos, arguments.work, limits_of(arguments)
        ),
        lambda name, entry: record(name, entry, networks),
    )


if __name__ == "__main__":
    sys.exit(main())
