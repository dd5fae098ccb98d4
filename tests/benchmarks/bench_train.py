"""Training speed to the notebook's own loop: at least 1.5 times the images a second with bfloat16.

Ours: the stage's ``fit``, as a recipe runs it. Bare: the notebook's network in float32, Keras's
``fit`` on float32 arrays, everything else as Keras has it. Both run in one process, an epoch of
one after an epoch of the other; what is timed is the training steps of each epoch, without the
first. Where the processor has no bfloat16 instructions the goal is not to be slower; with
``--instructions AVX2`` that is measured as on a processor that has nothing newer.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from measure import Comparison, machine, versions
from seed_artifact import random_dataset

from edgecnn.data import Dataset, load_dataset
from edgecnn.progress import ProgressTask
from edgecnn.recipe.load import Data, Recipe, parse_recipe
from edgecnn.train.precision import choose_precision

GOAL_BFLOAT16: Final = 1 / 1.5
GOAL_FLOAT32: Final = 1.0
IMAGES: Final = 4096
RUNS: Final = 7
BATCH: Final = 128


def run(
    folder: Path, runs: int = RUNS, images: int = IMAGES, instructions: str | None = None
) -> list[dict[str, Any]]:
    """Compare the notebook's recipe, and the same with augmentation.

    Args:
        folder: For temporary files.
        runs: Epochs of each.
        images: Of an epoch.
        instructions: The newest that oneDNN may use, a value of ONEDNN_MAX_CPU_ISA: only the
            notebook's recipe in float32 is compared then.
    """
    if instructions is not None:
        # Read when TensorFlow is imported, which nothing has done yet.
        os.environ["ONEDNN_MAX_CPU_ISA"] = instructions
    dataset = _dataset(images)
    chosen = choose_precision("auto").name
    goal = GOAL_BFLOAT16 if chosen == "mixed_bfloat16" else GOAL_FLOAT32
    cases = [
        (f"train: {chosen}", {}, "auto", goal),
        (f"train: {chosen}, crop and flip", {"crop": 4, "flip": True}, "auto", goal),
    ]
    if instructions is not None:
        cases = [(f"train: float32 with {instructions} alone", {}, "float32", GOAL_FLOAT32)]
    bare = _bare_epoch(dataset)
    return [
        _compare(
            f"{name}, time of an epoch to the notebook's loop",
            _recipe(augment, precision, epochs=runs + 1),
            dataset,
            bare,
            folder / str(index),
            goal,
        ).to_dict()
        for index, (name, augment, precision, goal) in enumerate(cases)
    ]


def _dataset(images: int) -> Dataset:
    if "EDGECNN_DATA" not in os.environ:
        return random_dataset(train=images)
    whole = load_dataset(Data(name="cifar10"))
    return Dataset(
        name=whole.name,
        class_names=whole.class_names,
        train=whole.train.take(range(images)),
        validation=whole.validation.take(range(100)),
        test=whole.test.take(range(100)),
    )


def _recipe(augment: dict[str, Any], precision: str, *, epochs: int) -> Recipe:
    return parse_recipe(
        {
            "model": {"name": "seed_cnn"},
            "augment": augment,
            "train": {
                "epochs": epochs,
                "patience": 0,
                "batch_size": BATCH,
                "precision": precision,
            },
        },
        source="benchmark",
    )


def _compare(
    name: str,
    recipe: Recipe,
    dataset: Dataset,
    bare: Callable[[], int],
    folder: Path,
    goal: float,
) -> Comparison:
    from edgecnn.train import epoch_log
    from edgecnn.train.architectures import build_network
    from edgecnn.train.checkpoint import CheckpointFolder
    from edgecnn.train.fit import fit

    # Every epoch has to be told here: that is when the bare loop has its turn.
    epoch_log._MESSAGE_SECONDS = -1.0
    turns = _Turns(bare)
    network = build_network(
        "seed_cnn",
        shape=dataset.shape,
        classes=len(dataset.class_names),
        precision=choose_precision(recipe.train.precision).name,
        seed=0,
    )
    history = fit(
        network,
        dataset,
        recipe,
        checkpoints=CheckpointFolder(root=folder, key="benchmark"),
        progress=turns,
    ).history
    if len(turns.samples) != len(history):
        raise RuntimeError(f"{len(history)} epochs of ours, {len(turns.samples)} of the bare loop")
    ours = [round(len(dataset.train) / row.images_per_second * 1e9) for row in history]
    return Comparison(name=name, ours_ns=ours[1:], bare_ns=turns.samples[1:], goal=goal)


class _Turns:
    """A progress that runs an epoch of the bare loop whenever one of ours is done."""

    def __init__(self, bare: Callable[[], int]) -> None:
        self.samples: list[int] = []
        self._bare = bare

    @contextlib.contextmanager
    def task(self, description: str, total: int) -> Iterator[ProgressTask]:
        del description, total
        yield self

    def message(self, text: str) -> None:
        if text.startswith("epoch "):
            self.samples.append(self._bare())

    def advance(self, steps: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def _bare_epoch(dataset: Dataset) -> Callable[[], int]:
    """Return a function that trains an epoch as the notebook does and returns its nanoseconds."""
    from edgecnn.train.backend import keras

    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input(dataset.shape),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    network.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
    pixels = dataset.train.pixels.astype(np.float32) / 255
    labels = keras.utils.to_categorical(dataset.train.labels, len(dataset.class_names))
    begun = ended = 0

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            nonlocal begun
            begun = time.perf_counter_ns()

        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            nonlocal ended
            ended = time.perf_counter_ns()

    clock = Clock()

    def epoch() -> int:
        network.fit(pixels, labels, batch_size=BATCH, verbose=0, callbacks=[clock])
        return ended - begun

    return epoch


def main() -> None:
    """Print the ratios, or everything measured with ``--json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--instructions", metavar="ISA", help="the newest for oneDNN, e.g. AVX2")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgecnn-bench-") as folder:
        results = run(Path(folder), arguments.runs, arguments.images, arguments.instructions)
    if arguments.json:
        tools = versions("tensorflow", "keras", "numpy")
        print(json.dumps({"machine": machine(), "tools": tools, "results": results}, indent=1))
        return
    for result in results:
        ours, bare = (arguments.images / result[name] * 1e3 for name in ("ours_ms", "bare_ms"))
        print(
            f"{result['name']}: {result['ratio']:.2f} (goal {result['goal']:.2f}), "
            f"{ours:,.0f} to {bare:,.0f} images/s ({ours / bare:.2f} times), "
            f"median of {result['runs']} interleaved epochs of {arguments.images:,} images"
        )


if __name__ == "__main__":
    main()
