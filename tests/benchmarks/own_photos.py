"""Accuracy of ``edgecnn init`` and ``build`` on few photos: what people get who bring their own.

Of each class 60 photos, or ``--count``, are for training and validation, all others for the test,
split by runs of 20 neighbouring photos of the sorted names: neighbours often show one object. Each
draw takes other runs. The recipe is the one that ``edgecnn init`` writes for those photos; only the
size of the images is set, and only files in int8 are made. With ``--test 40`` each class has so
many test photos, and all files are made: that is for the time of a whole build. Not part of
``run_all.py``: five draws take some twenty minutes, and with ``--from-scratch`` up to an hour.

    python tests/benchmarks/own_photos.py FOLDER [--count 150] [--size 224] [--from-scratch]
    python tests/benchmarks/own_photos.py FOLDER --test 40 --draws 1    # the time of a whole build

FOLDER holds a folder per class, for example TrashNet's (https://github.com/garythung/trashnet).
The result is written beside this file, in the place of an earlier one of the same name.
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
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from measure import machine, versions
from watched import children, memory_of

from edgecnn.errors import ParityFailError, ParityInconclusiveError

GOALS: Final = {(60, 160): 0.82, (60, 224): 0.83, (150, 160): 0.86}
"""Share of the test photos classified right, in the mean of the draws, by photos a class and size,
with a pretrained network."""
GOAL_FROM_SCRATCH: Final = 0.66
GOAL_LOSS: Final = 0.015
"""Accuracy, 0..1, that an int8 file may lose in the mean of the draws."""
GOAL_SECONDS: Final = 180.0
"""From ``build`` to the verdicts: 300 photos to learn from and 200 to test, on two idle cores."""
GOAL_BYTES: Final = 3_000_000_000
"""Memory of all processes of a build together."""
RESULTS: Final = Path(__file__).with_suffix(".json")
INT8: Final = ("tflite-int8", "onnx-int8")
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
        test: Test photos of each class at most; None for all that are left. With a number, all the
            files are made that ``init`` asks for.
        settings: Keys of the recipe to override, as ``--set`` takes them.
    """

    photos: Path
    count: int
    size: int
    from_scratch: bool
    settings: list[str]
    test: int | None = None

    @property
    def name(self) -> str:
        """What the result is called."""
        how = "from scratch" if self.from_scratch else "on a pretrained network"
        name = f"own photos: {self.count} a class, {self.size}x{self.size} pixels, {how}"
        return name if self.test is None else f"{name}, {self.test} test photos a class"


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
    mean = statistics.mean(accuracies)
    loss = {
        one: mean - statistics.mean(row["int8"][one]["accuracy"] for row in rows) for one in INT8
    }
    found: dict[str, Any] = {
        "name": trial.name,
        "mean_accuracy": mean,
        "deviation": statistics.stdev(accuracies) if len(rows) > 1 else None,
        "mean_loss": loss,
        "longest_seconds": max(row["seconds"] for row in rows),
        "most_memory_bytes": max(row["memory_bytes"] for row in rows),
    }
    if trial.test is not None:
        goals: dict[str, float | None] = {"seconds": GOAL_SECONDS, "memory_bytes": GOAL_BYTES}
        met = found["longest_seconds"] <= GOAL_SECONDS
        met &= found["most_memory_bytes"] <= GOAL_BYTES
    else:
        goal = GOALS.get((trial.count, trial.size))
        if trial.from_scratch:
            goal = GOAL_FROM_SCRATCH
        goals = {"mean_accuracy": goal, "mean_loss": GOAL_LOSS}
        met = (goal is None or mean >= goal) and max(loss.values()) <= GOAL_LOSS
    return {**found, "goals": goals, "met": met, "draws": rows}


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
            if part == "test" and trial.test is not None:
                indices = generator.permutation(indices)[: trial.test].tolist()
            for index in indices:
                (target / files[index].name).write_bytes(files[index].read_bytes())
            counts[part] += len(indices)
    _edgecnn("init", project, *(["--from-scratch"] if trial.from_scratch else []))
    options = [f"data.image_size={trial.size}", *trial.settings]
    if trial.test is None:
        options.append(f"convert.variants={json.dumps(INT8)}")
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with _Memory() as memory:
        told = _edgecnn("build", project, "--json", *(f"--set={option}" for option in options))
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    built = json.loads(told)
    build = Path(built["build"])
    metrics = json.loads((build / "metrics.json").read_text("utf-8"))
    manifest = json.loads((build / "manifest.json").read_text("utf-8"))
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
        "int8": {
            row["variant"]: {
                "accuracy": row["metrics"]["artifact"]["accuracy"],
                "agreement": row["metrics"]["agreement"],
                "verdict": row["verdict"],
            }
            for row in built["parity"]["rows"]
            if row["variant"] in INT8
        },
        "verdicts": {row["variant"]: row["verdict"] for row in built["parity"]["rows"]},
        "memory_bytes": memory.most,
        "seconds": seconds,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "recipe": {
            key: manifest["recipe"][key] for key in ("model", "augment", "transfer", "train")
        },
    }


# Verdicts that are not a PASS are a result, too.
_ENDS: Final = (0, ParityFailError.exit_code, ParityInconclusiveError.exit_code)


def _edgecnn(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "edgecnn", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in _ENDS:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


class _Memory:
    """The most memory that this process's children had together, looked at five times a second.

    Attributes:
        most: Sum of their proportional set sizes, bytes; 0 where the system does not tell.
    """

    def __init__(self) -> None:
        self.most = 0
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Memory:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._ended.wait(0.2):
            self.most = max(self.most, memory_of([*children(os.getpid())]))


def main() -> int:
    """Print the result as JSON; end with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="a folder per class")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--first", type=int, default=0, help="seed of the first draw")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--count", type=int, default=60, help="photos of each class")
    parser.add_argument("--test", type=int, help="test photos of each class; default all others")
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
        test=arguments.test,
    )
    result = {
        "machine": machine(),
        "load": os.getloadavg(),
        "tools": versions("tensorflow", "keras", "numpy"),
        **run(trial, draws),
    }
    print(json.dumps({key: value for key, value in result.items() if key != "draws"}, indent=1))
    if not arguments.set and (arguments.draws == DRAWS or arguments.test is not None):
        record(result)
    return 0 if result["met"] else 1


def record(result: dict[str, Any]) -> None:
    """Write a result into the file beside this one, in the place of an earlier one of its name."""
    others = json.loads(RESULTS.read_text("utf-8"))["results"] if RESULTS.is_file() else []
    others = [one for one in others if one["name"] != result["name"]]
    results = sorted([*others, result], key=lambda one: str(one["name"]))
    RESULTS.write_text(json.dumps({"results": results}, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
