"""A training that kills itself with SIGKILL after some steps; run as a script by a test.

    python interrupted.py BUILD_FOLDER STEPS ARCHITECTURE [TEACHER]

STEPS 0 means never. Prints what the training said.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgecnn import train
from edgecnn.build.workspace import Workspace
from edgecnn.data import load_dataset
from edgecnn.progress import ProgressTask
from edgecnn.recipe.load import parse_recipe

# Everything with a state or a random choice: dropout, normalization, averages, each augmentation.
RECIPE: dict[str, Any] = {
    "model": {"name": "interrupted", "architecture": "seed_cnn"},
    "data": {"name": "digits", "test": 0.6, "validation": 0.5},
    "augment": {"crop": 2, "flip": True, "cutout": 2, "mixup": 0.2},
    "train": {
        "epochs": 4,
        "batch_size": 16,
        "deterministic": True,
        "label_smoothing": 0.1,
        "ema": 0.9,
        "optimizer": {
            "name": "adamw",
            "weight_decay": 0.001,
            "schedule": "cosine",
            "warmup_epochs": 1,
        },
    },
}


class Killer:
    """A progress that ends the process after some steps, as a power cut would."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    @contextlib.contextmanager
    def task(self, description: str, total: int) -> Iterator[ProgressTask]:
        yield self

    def message(self, text: str) -> None:
        print(text, flush=True)

    def note(self, text: str) -> None:
        pass

    def advance(self, steps: int = 1) -> None:
        self.steps -= steps
        if -steps < self.steps <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    RECIPE["model"]["architecture"] = sys.argv[3]
    if sys.argv[4:]:
        RECIPE["train"]["distillation"] = {"teacher": sys.argv[4]}
    recipe = parse_recipe(RECIPE, source="interrupted.py")
    steps = int(sys.argv[2])
    train.run(
        recipe,
        Workspace(Path(sys.argv[1])),
        load_dataset(recipe.data),
        recipe_source="interrupted.py",
        progress=Killer(steps if steps else 10**9),
    )


if __name__ == "__main__":
    main()
