"""Accuracy of ``edgecnn init`` and ``train`` on few photos: what people get who bring their own.

Of each class 60 photos are for training and validation, all others for the test, split by runs of
20 neighbouring photos of the sorted names: neighbours often show one object. Each draw takes other
runs. The recipe is the one that ``edgecnn init`` writes for those photos; only the size of the
images is set. Not part of ``run_all.py``: five draws take up to an hour.

    python tests/benchmarks/own_photos.py FOLDER

FOLDER holds a folder per class, for example TrashNet's (https://github.com/garythung/trashnet).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from measure import machine, versions

GOAL_ACCURACY: Final = 0.66
"""Share of the test photos classified right, in the mean of the draws."""
GOAL_SECONDS: Final = 600.0
"""For one training on two idle cores."""
RUN: Final = 20
TRAINING: Final = 60
DRAWS: Final = 5
_IN_TWO_CLASSES: Final = 6
"""Photos of TrashNet that another class has, too."""


def run(photos: Path, *, draws: range, size: int, settings: list[str]) -> dict[str, Any]:
    """Train on each draw.

    Args:
        photos: A folder per class.
        draws: Seeds of the splits.
        size: Side of the images, pixels.
        settings: Keys of the recipe to override, as ``--set`` takes them.

    Returns:
        JSON-ready: a row per draw, the mean, and whether the goals are met.
    """
    rows = []
    for draw in draws:
        with tempfile.TemporaryDirectory(prefix="edgecnn-photos-") as folder:
            rows.append(_train(photos, Path(folder) / "photos", draw, size, settings))
        print(json.dumps({k: v for k, v in rows[-1].items() if k != "recipe"}), file=sys.stderr)
    accuracies = [row["accuracy"] for row in rows]
    mean, longest = statistics.mean(accuracies), max(row["seconds"] for row in rows)
    return {
        "name": f"own photos: {TRAINING} a class, {size}x{size} pixels",
        "mean_accuracy": mean,
        "deviation": statistics.stdev(accuracies) if len(rows) > 1 else None,
        "longest_seconds": longest,
        "goals": {"mean_accuracy": GOAL_ACCURACY, "seconds": GOAL_SECONDS},
        "met": mean >= GOAL_ACCURACY and longest <= GOAL_SECONDS,
        "draws": rows,
    }


def split(count: int, generator: np.random.Generator) -> tuple[list[int], list[int]]:
    """Return which of a class's photos are for training and which for the test.

    Args:
        count: Of the class, in the order of their names.
        generator: Draws the runs.
    """
    runs = [range(first, min(first + RUN, count)) for first in range(0, count, RUN)]
    # The last run may be shorter, and would leave fewer photos for training.
    whole = [index for index, one in enumerate(runs) if len(one) == RUN]
    drawn = set(generator.permutation(whole)[: TRAINING // RUN].tolist())
    chosen: list[int] = []
    rest: list[int] = []
    for index, one in enumerate(runs):
        (chosen if index in drawn else rest).extend(one)
    return chosen, rest


def _train(
    photos: Path, project: Path, draw: int, size: int, settings: list[str]
) -> dict[str, Any]:
    generator = np.random.default_rng(draw)
    counts = {"train": 0, "test": 0}
    for kind in sorted(path for path in photos.iterdir() if path.is_dir()):
        files = sorted(path for path in kind.iterdir() if path.is_file())
        for part, indices in zip(counts, split(len(files), generator), strict=True):
            target = project / "images" / part / kind.name
            target.mkdir(parents=True)
            for index in indices:
                (target / files[index].name).write_bytes(files[index].read_bytes())
            counts[part] += len(indices)
    _edgecnn("init", project)
    options = [f"data.image_size={size}", *settings]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    told = _edgecnn("train", project, "--json", *(f"--set={option}" for option in options))
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    metrics = json.loads(told)
    manifest = json.loads((Path(metrics["build"]) / "manifest.json").read_text("utf-8"))
    # A picture that stands in two classes is left out of training and test.
    left_out = counts["test"] - metrics["test"]["images"]
    if not 0 <= left_out <= _IN_TWO_CLASSES:
        raise RuntimeError(f"{metrics['test']['images']} of {counts['test']} photos were tested")
    return {
        "draw": draw,
        "accuracy": metrics["test"]["accuracy"],
        "test_images": metrics["test"]["images"],
        "left_out": left_out,
        "selection": metrics["selection"],
        "pace": metrics["pace"],
        "parameters": metrics["parameters"],
        "seconds": seconds,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "recipe": {key: manifest["recipe"][key] for key in ("model", "augment", "train")},
    }


def _edgecnn(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "edgecnn", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def main() -> int:
    """Print the result as JSON; end with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="a folder per class")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--first", type=int, default=0, help="seed of the first draw")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--set", action="append", default=[], help="a key of the recipe to try")
    arguments = parser.parse_args()
    draws = range(arguments.first, arguments.first + arguments.draws)
    result = run(arguments.photos, draws=draws, size=arguments.size, settings=arguments.set)
    tools = versions("tensorflow", "keras", "numpy")
    load = os.getloadavg()
    told = {"machine": machine(), "load": load, "tools": tools, "results": [result]}
    print(json.dumps(told, indent=1))
    return 0 if result["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
