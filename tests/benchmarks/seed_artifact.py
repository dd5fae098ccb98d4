"""A seed CNN to measure on: the built one if there is one, else an untrained one.

Latency and conversion time do not depend on what the weights are, so benchmarks need no training.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecnn.build.workspace import Workspace
from edgecnn.data.types import Dataset, Images
from edgecnn.recipe.load import Recipe, parse_recipe

SHAPE = (32, 32, 3)
CLASSES = 10
BUILT = Path(__file__).parents[2] / "models" / "seed_cnn" / "build" / "seed_cnn-int8.tflite"


def random_dataset(test: int = 200, train: int = 1000) -> Dataset:
    """Return random images in three splits; good for time, not for accuracy."""
    rng = np.random.default_rng(0)

    def images(name: str, count: int) -> Images:
        return Images(
            pixels=rng.integers(0, 256, (count, *SHAPE), dtype=np.uint8),
            labels=(np.arange(count) % CLASSES).astype(np.int64),
            ids=tuple(f"{name}/{index}" for index in range(count)),
        )

    return Dataset(
        name="folder",
        class_names=tuple(f"class {index}" for index in range(CLASSES)),
        train=images("train", train),
        validation=images("validation", 100),
        test=images("test", test),
    )


def seed_recipe(*variants: str) -> Recipe:
    """Return a recipe of the seed CNN for these variants."""
    raw = {"model": {"name": "seed_cnn"}, "convert": {"variants": list(variants)}}
    return parse_recipe(raw, source="benchmark")


def seed_source(folder: Path) -> Path:
    """Write an untrained seed CNN and return its file."""
    from edgecnn.train.architectures import build_network
    from edgecnn.train.saved import save_float32

    network = build_network("seed_cnn", shape=SHAPE, classes=CLASSES, precision="float32", seed=0)
    path = folder / "seed_cnn.keras"
    save_float32(network, path, shape=SHAPE, classes=CLASSES)
    return path


def seed_tflite(folder: Path) -> Path:
    """Return an int8 TFLite file of the seed CNN."""
    if BUILT.is_file():
        return BUILT
    from edgecnn import convert

    source = convert.find_source(seed_source(folder))
    workspace = Workspace(folder / "build")
    convert.run(source, seed_recipe("tflite-int8"), workspace, random_dataset())
    return workspace.path("seed_cnn-int8.tflite")
