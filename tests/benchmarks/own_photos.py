"""Accuracy of ``edgecnn init`` and ``train`` on few photos: what people get who bring their own.

Of each class 60 photos, or ``--count``, are for training and validation, all others for the test,
split by runs of 20 neighbouring photos of the sorted names: neighbours often show one object. Each
draw takes other runs. The recipe is the one that ``edgecnn init`` writes for those photos; only the
size of the images is set. Not part of ``run_all.py``: five draws take some minutes, and with
``--from-scratch`` up to an hour.

    python tests/benchmarks/own_photos.py FOLDER [--count 150] [--size 224] [--from-scratch]

FOLDER holds a folder per class, for example TrashNet's (https://github.com/garythung/trashnet).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from measure import machine, versions

GOALS: Final = {(60, 160): 0.82, (60, 224): 0.83, (150, 160): 0.86}
"""Share of the test photos classified right, in the mean of the draws, by photos a class and size,
with a pretrained network."""
GOAL_FROM_SCRATCH: Final = 0.66
GOAL_SECONDS: Final = 600.0
"""For one training on two idle cores."""
RUN: Final = 20
DRAWS: Final = 5
_IN_TWO_CLASSES: Final = 6
"""Photos of TrashNet that another class has, too."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is trained on each draw.

    Attributes:
        photos: A folder per class.
        count: Photos of each class for training and validation.
        size: Side of the images, pixels.
        from_scratch: Whether no pretrained network is used.
        settings: Keys of the recipe to override, as ``--set`` takes them.
    """

    photos: Path
    count: int
    size: int
    from_scratch: bool
    settings: list[str]


def run(trial: Trial, draws: range) -> dict[str, Any]:
    """Train on each draw.

    Args:
        trial: What is trained.
        draws: Seeds of the splits.

    Returns:
        JSON-ready: a row per draw, the mean, and whether the goals are met.
    """
    rows = []
    for draw in draws:
        with tempfile.TemporaryDirectory(prefix="edgecnn-photos-") as folder:
            rows.append(_train(trial, Path(folder) / "photos", draw))
        print(json.dumps({k: v for k, v in rows[-1].items() if k != "recipe"}), file=sys.stderr)
    accuracies = [row["accuracy"] for row in rows]
    mean, longest = statistics.mean(accuracies), max(row["seconds"] for row in rows)
    goal = GOALS.get((trial.count, trial.size))
    if trial.from_scratch:
        goal = GOAL_FROM_SCRATCH
    how = "from scratch" if trial.from_scratch else "on a pretrained network"
    return {
        "name": f"own photos: {trial.count} a class, {trial.size}x{trial.size} pixels, {how}",
        "mean_accuracy": mean,
        "deviation": statistics.stdev(accuracies) if len(rows) > 1 else None,
        "longest_seconds": longest,
        "goals": {"mean_accuracy": goal, "seconds": GOAL_SECONDS},
        "met": (goal is None or mean >= goal) and longest <= GOAL_SECONDS,
        "draws": rows,
    }


def split(count: int, training: int, generator: np.random.Generator) -> tuple[list[int], list[int]]:
    """Return which of a class's photos are for training and which for the test.

    Args:
        count: Of the class, in the order of their names.
        training: How many of them are for training.
        generator: Draws the runs.
    """
    runs = [range(first, min(first + RUN, count)) for first in range(0, count, RUN)]
    # The last run may be shorter, and would leave fewer photos for training.
    whole = [index for index, one in enumerate(runs) if len(one) == RUN]
    drawn = set(generator.permutation(whole)[: math.ceil(training / RUN)].tolist())
    chosen: list[int] = []
    rest: list[int] = []
    for index, one in enumerate(runs):
        (chosen if index in drawn else rest).extend(one)
    # Of the last run drawn a part may do; what is left of it is on neither side.
    return chosen[:training], rest


def _train(trial: Trial, project: Path, draw: int) -> dict[str, Any]:
    generator = np.random.default_rng(draw)
    counts = {"train": 0, "test": 0}
    for kind in sorted(path for path in trial.photos.iterdir() if path.is_dir()):
        files = sorted(path for path in kind.iterdir() if path.is_file())
        for part, indices in zip(counts, split(len(files), trial.count, generator), strict=True):
            target = project / "images" / part / kind.name
            target.mkdir(parents=True)
            for index in indices:
                (target / files[index].name).write_bytes(files[index].read_bytes())
            counts[part] += len(indices)
    _edgecnn("init", project, *(["--from-scratch"] if trial.from_scratch else []))
    options = [f"data.image_size={trial.size}", *trial.settings]
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
        **{key: metrics.get(key) for key in ("selection", "pace", "transfer")},
        "parameters": metrics["parameters"],
        "seconds": seconds,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "recipe": {
            key: manifest["recipe"][key] for key in ("model", "augment", "transfer", "train")
        },
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
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--count", type=int, default=60, help="photos of each class")
    parser.add_argument("--from-scratch", action="store_true")
    parser.add_argument("--set", action="append", default=[], help="a key of the recipe to try")
    arguments = parser.parse_args()
    draws = range(arguments.first, arguments.first + arguments.draws)
    trial = Trial(
        photos=arguments.photos,
        count=arguments.count,
        size=arguments.size,
        from_scratch=arguments.from_scratch,
        settings=arguments.set,
    )
    result = run(trial, draws)
    tools = versions("tensorflow", "keras", "numpy")
    load = os.getloadavg()
    told = {"machine": machine(), "load": load, "tools": tools, "results": [result]}
    print(json.dumps(told, indent=1))
    return 0 if result["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
