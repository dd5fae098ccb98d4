"""Which epoch a training ships: the one that its validation figures say, to the bit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn import train
from edgecnn.build.workspace import Workspace
from edgecnn.data import Dataset
from edgecnn.progress import NO_PROGRESS
from edgecnn.recipe.load import Recipe, parse_recipe
from edgecnn.train.class_weights import weights_for
from edgecnn.train.saved import score_saved

pytestmark = pytest.mark.slow  # trains whole networks


@pytest.fixture(scope="module")
def contrary(stripes: Dataset) -> Dataset:
    """Validation images with each other's labels: the more is learnt, the worse they are told."""
    labels = 1 - stripes.validation.labels
    return dataclasses.replace(
        stripes, validation=dataclasses.replace(stripes.validation, labels=labels)
    )


def recipe(**settings: Any) -> Recipe:
    """A network with batch normalization and averaged weights: all that a model may differ in."""
    return parse_recipe(
        {
            "model": {"name": "stripes", "architecture": "resnet8"},
            "augment": {"preset": "light"},
            "train": {
                "epochs": 6,
                "patience": 2,
                "precision": "float32",
                "deterministic": True,
                "ema": 0.5,
                "optimizer": {"name": "adam", "learning_rate": 0.01},
                **settings,
            },
        },
        source="test",
    )


# The rate grows until it destroys what the first epoch has learnt.
COLLAPSES: dict[str, Any] = {
    "epochs": 8,
    "patience": 3,
    "optimizer": {
        "name": "adam",
        "learning_rate": 5.0,
        "warmup_epochs": 2,
        "schedule": "constant",
    },
}


class Listener:
    """A progress that keeps what was said, and interrupts when a text comes."""

    def __init__(self, until: str = "never") -> None:
        self.said: list[str] = []
        self.until = until

    def task(self, description: str, total: int) -> Any:
        return NO_PROGRESS.task(description, total)

    def message(self, text: str) -> None:
        self.said.append(text)
        if text.startswith(self.until):
            raise KeyboardInterrupt


def run(recipe: Recipe, folder: Path, dataset: Dataset, progress: Any = NO_PROGRESS) -> Any:
    return train.run(recipe, Workspace(folder), dataset, recipe_source="test", progress=progress)


def validated(folder: Path, dataset: Dataset) -> tuple[float, float]:
    """Return accuracy and loss of a saved model on the validation images."""
    scores, labels = (
        score_saved(folder / "model.keras", dataset.validation.pixels),
        (dataset.validation.labels),
    )
    own = scores[np.arange(len(labels)), labels].astype(np.float64)
    return float((scores.argmax(axis=1) == labels).mean()), float(-np.log(own).mean())


@pytest.fixture(scope="module")
def built(stripes: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Listener]:
    folder, listener = tmp_path_factory.mktemp("best") / "build", Listener()
    run(recipe(**COLLAPSES), folder, stripes, listener)
    return folder, listener


def test_the_saved_model_has_the_figures_of_the_best_epoch(
    built: tuple[Path, Listener], stripes: Dataset
) -> None:
    folder, listener = built
    selection = json.loads((folder / "metrics.json").read_text())["selection"]
    assert selection["rule"] == "best"
    assert selection["ended"] == "no better validation"
    assert selection["epoch"] == selection["best_epoch"] == selection["epochs_trained"] - 3
    assert selection["epochs_trained"] < selection["epochs_asked"]
    accuracy, loss = validated(folder, stripes)
    assert accuracy == pytest.approx(selection["val_accuracy"], abs=1e-6)
    assert loss == pytest.approx(selection["val_loss"], rel=1e-3)
    said = "\n".join(listener.said)
    assert "no better validation in 3 epochs (train.patience)" in said
    assert f"the model is that of epoch {selection['epoch']} of" in said


def test_the_last_epoch_ships_where_that_is_asked_for_and_has_its_own_figures(
    contrary: Dataset, tmp_path: Path
) -> None:
    run(recipe(select="last"), tmp_path / "build", contrary)
    metrics = json.loads((tmp_path / "build" / "metrics.json").read_text())
    selection = metrics["selection"]
    assert (selection["rule"], selection["epoch"]) == ("last", selection["epochs_trained"])
    accuracy, loss = validated(tmp_path / "build", contrary)
    assert accuracy == pytest.approx(selection["val_accuracy"], abs=1e-6)
    assert loss == pytest.approx(selection["val_loss"], rel=1e-3)
    # 70 images in batches of 8, over which the averages are computed.
    assert metrics["pace"]["batch_size"] == 8
    assert metrics["batch_norm_images"] == 70


def test_killed_after_its_best_epoch_and_at_its_end_a_training_gives_the_same_model(
    built: tuple[Path, Listener], stripes: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "build"
    for until in ("epoch 1/8", "stopped after"):
        with pytest.raises(KeyboardInterrupt):
            run(recipe(**COLLAPSES), folder, stripes, Listener(until))
    again = Listener()
    result = run(recipe(**COLLAPSES), folder, stripes, again)
    assert any("resuming after epoch" in text for text in again.said)
    whole = json.loads((built[0] / "metrics.json").read_text())["selection"]
    assert (result.epochs, result.shipped_epoch) == (whole["epochs_trained"], whole["epoch"])
    assert (folder / "model.keras").read_bytes() == (built[0] / "model.keras").read_bytes()


def test_classes_that_are_weighted_are_named_with_their_weights(
    stripes: Dataset, tmp_path: Path
) -> None:
    few = np.flatnonzero((stripes.train.labels == 0) | (np.arange(len(stripes.train)) < 20))
    uneven = dataclasses.replace(stripes, train=stripes.train.take(few))
    listener = Listener()
    run(recipe(epochs=1, patience=0), tmp_path / "build", uneven, listener)
    metrics = json.loads((tmp_path / "build" / "metrics.json").read_text())
    weights = metrics["class_weights"]
    assert weights["down"] / weights["across"] == pytest.approx(3.5)
    (told,) = [text for text in listener.said if "weight" in text]
    assert "across (35 images) 0.64" in told
    assert "down (10 images) 2.25" in told
    assert weights_for(recipe(class_weights="none"), uneven) is None
    assert weights_for(recipe(), stripes) is None


def test_a_model_that_0_1_trained_is_kept_until_a_recipe_asks_for_more(tmp_path: Path) -> None:
    from edgecnn.commands.train import TrainRequest, train

    def of(**settings: Any) -> Recipe:
        return parse_recipe(
            {
                "model": {"name": "kept", "architecture": "tiny_cnn"},
                "data": {"name": "digits"},
                "train": {"epochs": 1, "batch_size": 64, **settings},
            },
            source="test",
        )

    workspace, listener = Workspace(tmp_path / "build"), Listener()
    # Stated, 0.1's defaults make its training, with its key; see test_earlier.
    as_then = {"select": "last", "patience": 0, "optimizer": {"schedule": "constant"}}
    train(TrainRequest(recipe=of(**as_then), out=workspace.folder))
    before = workspace.path(Workspace.MODEL).stat().st_mtime_ns
    train(TrainRequest(recipe=of(), out=workspace.folder), progress=listener)
    assert workspace.path(Workspace.MODEL).stat().st_mtime_ns == before
    (note,) = [text for text in listener.said if text.startswith("note: edgecnn 0.1")]
    assert "train.select = best (was last)" in note
    assert note.endswith("--set train.select=best")
    assert "train: up to date" in listener.said
    train(TrainRequest(recipe=of(select="best"), out=workspace.folder))
    assert workspace.path(Workspace.MODEL).stat().st_mtime_ns != before
    assert json.loads(workspace.path(Workspace.METRICS).read_text())["selection"]["rule"] == "best"
