from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn import train
from edgecnn.build.reference import images_digest, read_reference
from edgecnn.build.workspace import Workspace
from edgecnn.data import Dataset
from edgecnn.errors import RecipeError, TrainingError, WorkspaceError
from edgecnn.files import file_digest
from edgecnn.progress import NO_PROGRESS
from edgecnn.recipe.load import Recipe, parse_recipe
from edgecnn.train.architectures import build_network
from edgecnn.train.saved import save_float32

pytestmark = pytest.mark.slow  # trains or converts whole networks


def recipe(**settings: Any) -> Recipe:
    optimizer = settings.pop("optimizer", {"name": "adam", "learning_rate": 0.01})
    return parse_recipe(
        {
            "model": {"name": "stripes", "architecture": "tiny_cnn"},
            "augment": settings.pop("augment", {}),
            "train": {
                "epochs": 2,
                "batch_size": 10,
                "precision": "float32",
                "optimizer": optimizer,
                **settings,
            },
        },
        source="test",
    )


STEPS = 7


class Messages:
    """A progress that keeps the messages and counts the steps."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.notes: list[str] = []
        self.total = 0
        self.done = 0

    def task(self, description: str, total: int) -> Any:
        import contextlib

        self.total += total
        return contextlib.nullcontext(self)

    def message(self, text: str) -> None:
        self.said.append(text)

    def advance(self, steps: int = 1) -> None:
        self.done += steps

    def note(self, text: str) -> None:
        self.notes.append(text)


def run(recipe: Recipe, folder: Path, dataset: Dataset, progress: Any = NO_PROGRESS) -> Any:
    return train.run(
        recipe, Workspace(folder), dataset, recipe_source="recipe.toml", progress=progress
    )


def history_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


@pytest.fixture(scope="module")
def built(stripes: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Messages]:
    folder = tmp_path_factory.mktemp("train") / "build"
    progress = Messages()
    result = run(recipe(precision="auto", epochs=6), folder, stripes, progress)
    return folder, result, progress


def test_a_training_leaves_every_file_listed_in_its_manifest_and_no_other(
    built: tuple[Path, Any, Messages],
) -> None:
    folder, result, _ = built
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["stages"]["train"]["files"]) == set(result.files) == set(manifest["files"])
    assert {path.name for path in folder.iterdir()} == {*result.files, "manifest.json"}
    assert set(result.files) == {
        "model.keras",
        "labels.txt",
        "splits.json",
        "history.csv",
        "curves.png",
        "metrics.json",
        "reference.npz",
        "training.json",
        "training.html",
    }
    assert manifest["recipe"]["model"]["name"] == "stripes"
    assert {"tensorflow", "keras", "edgecnn"} <= set(manifest["tools"])


def test_the_stage_is_up_to_date_until_a_setting_or_an_image_changes(
    built: tuple[Path, Any, Messages], stripes: Dataset
) -> None:
    workspace = Workspace(built[0])
    used = recipe(precision="auto", epochs=6)
    assert workspace.stage_is_current("train", train.key(used, stripes))
    longer = recipe(precision="auto", epochs=7)
    assert not workspace.stage_is_current("train", train.key(longer, stripes))
    fewer = Dataset(
        name=stripes.name,
        class_names=stripes.class_names,
        train=stripes.train.take(range(60)),
        validation=stripes.validation,
        test=stripes.test,
    )
    assert not workspace.stage_is_current("train", train.key(used, fewer))


def test_where_the_data_lies_does_not_change_the_key(stripes: Dataset) -> None:
    def at(path: str) -> Recipe:
        return parse_recipe(
            {"model": {"name": "a"}, "data": {"name": "folder", "path": path}}, source="test"
        )

    assert train.key(at("/one"), stripes) == train.key(at("/two"), stripes)


def test_it_learns_and_says_so_everywhere_alike(
    built: tuple[Path, Any, Messages], stripes: Dataset
) -> None:
    folder, result, _ = built
    assert result.test_accuracy > 0.9
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] == result.test_accuracy
    assert metrics["parameters"] == result.parameters
    assert metrics["precision"]["name"] == result.precision
    assert metrics["machine"]["cores"] >= 1
    reference = read_reference(folder / "reference.npz")
    right = reference.scores.argmax(axis=1) == stripes.test.labels
    assert right.mean() == result.test_accuracy
    rows = history_of(folder)
    assert len(rows) == result.epochs == 6
    assert float(rows[-1]["val_accuracy"]) > 0.9
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


def test_the_reference_is_what_the_saved_float32_file_answers(
    built: tuple[Path, Any, Messages], stripes: Dataset
) -> None:
    from edgecnn.train.backend import keras

    folder, _, _ = built
    model = keras.models.load_model(folder / "model.keras")
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    reference = read_reference(folder / "reference.npz")
    floats = stripes.test.pixels.astype(np.float32)
    np.testing.assert_allclose(np.asarray(model(floats)), reference.scores, atol=1e-6)
    assert reference.model_sha256 == file_digest(folder / "model.keras")
    assert reference.images_sha256 == images_digest(stripes.test.pixels)
    assert tuple(reference.class_names) == ("across", "down")
    assert tuple(reference.ids) == stripes.test.ids


def test_progress_counts_every_step_and_names_what_matters(
    built: tuple[Path, Any, Messages],
) -> None:
    _, _, progress = built
    assert progress.done == progress.total == 6 * STEPS
    # The epochs of a small network take no time; the first and the last are always told.
    epochs = [text for text in progress.said if text.startswith("epoch ")]
    assert epochs[0].startswith("epoch 1/6:")
    assert epochs[-1].startswith("epoch 6/6:")
    for word in ("loss", "%", "validation", "images/s", "left"):
        assert word in epochs[0]
        assert word in progress.notes[-1]
    assert max(map(len, epochs)) <= 80


@pytest.mark.slow
def test_equal_recipes_give_equal_files_when_deterministic(
    stripes: Dataset, tmp_path: Path
) -> None:
    settings = recipe(augment={"crop": 1, "flip": True}, deterministic=True)
    for name in ("one", "two"):
        run(settings, tmp_path / name, stripes)
    for name in ("model.keras", "splits.json", "labels.txt"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    scores = [read_reference(tmp_path / name / "reference.npz").scores for name in ("one", "two")]
    np.testing.assert_array_equal(scores[0], scores[1])


def test_a_loss_that_is_not_a_number_is_a_training_error(stripes: Dataset, tmp_path: Path) -> None:
    # Every step multiplies the weights by 1 - 10 * 0.99.
    wild = recipe(optimizer={"name": "adamw", "learning_rate": 10, "weight_decay": 0.99}, epochs=50)
    with pytest.raises(TrainingError, match=r"diverged in epoch \d+") as caught:
        run(wild, tmp_path / "build", stripes)
    assert "learning_rate" in caught.value.remedy
    assert not (tmp_path / "build" / "model.keras").exists()
    assert not (tmp_path / "build" / "manifest.json").exists()


class Interrupting(Messages):
    """As if the user typed Ctrl-C when ``epoch`` is over: in the next one, or at the very end."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def advance(self, steps: int = 1) -> None:
        super().advance(steps)
        if self.done > self.epoch * STEPS:
            raise KeyboardInterrupt

    def message(self, text: str) -> None:
        super().message(text)
        if text.startswith(f"epoch {self.epoch}/{self.epoch}:"):
            raise KeyboardInterrupt


def test_a_finished_checkpoint_only_needs_its_files_written(
    stripes: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "build"
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), folder, stripes, Interrupting(2))
    assert not (folder / "manifest.json").exists()
    progress = Messages()
    result = run(recipe(), folder, stripes, progress)
    assert (result.resumed_from, result.epochs, progress.total) == (2, 2, 0)
    assert not (folder / "checkpoint").exists()


def test_an_interrupt_keeps_the_checkpoint_and_the_next_run_goes_on(
    stripes: Dataset, tmp_path: Path
) -> None:
    settings = recipe(epochs=4)
    folder = tmp_path / "build"
    with pytest.raises(KeyboardInterrupt):
        run(settings, folder, stripes, Interrupting(2))
    assert (folder / "checkpoint").is_dir()
    progress = Messages()
    result = run(settings, folder, stripes, progress)
    assert (result.resumed_from, result.epochs) == (2, 4)
    assert any("resuming after epoch 2" in text for text in progress.said)
    rows = history_of(folder)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]


def test_a_finished_checkpoint_with_averaged_weights_gives_the_average(
    stripes: Dataset, tmp_path: Path
) -> None:
    settings = recipe(ema=0.9, deterministic=True)
    run(settings, tmp_path / "whole", stripes)
    with pytest.raises(KeyboardInterrupt):
        run(settings, tmp_path / "killed", stripes, Interrupting(2))
    run(settings, tmp_path / "killed", stripes)
    models = [(tmp_path / name / "model.keras").read_bytes() for name in ("whole", "killed")]
    assert models[0] == models[1]
    run(recipe(deterministic=True), tmp_path / "plain", stripes)
    assert (tmp_path / "plain" / "model.keras").read_bytes() != models[0]


def test_validation_images_can_be_trained_on_and_then_there_are_no_figures_of_them(
    stripes: Dataset, tmp_path: Path
) -> None:
    progress = Messages()
    folder = tmp_path / "build"
    run(recipe(include_validation=True), folder, stripes, progress)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["train_images"], metrics["validation_images"]) == (90, 0)
    assert progress.total == 2 * 9
    assert {row["val_accuracy"] for row in history_of(folder)} == {""}
    assert not any("validation" in text for text in progress.said + progress.notes)


def test_a_checkpoint_of_another_recipe_is_not_continued(stripes: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    with pytest.raises(KeyboardInterrupt):
        run(recipe(epochs=4), folder, stripes, Interrupting(1))
    progress = Messages()
    result = run(recipe(), folder, stripes, progress)
    assert result.resumed_from == 0
    assert any("starting afresh" in text for text in progress.said)


def test_settings_are_checked_before_anything_is_written(stripes: Dataset, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"augment\.crop"):
        run(recipe(augment={"crop": 8}), tmp_path / "build", stripes)
    assert not (tmp_path / "build").exists()


def test_a_build_folder_that_cannot_be_made_is_a_workspace_error(
    stripes: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError):
        run(recipe(), tmp_path / "file" / "build", stripes)


def test_importing_the_stage_imports_no_tensorflow() -> None:
    code = (
        "import sys, edgecnn.train; heavy = {'tensorflow', 'keras', 'matplotlib', 'scipy'};"
        "sys.exit(' '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def train_in_a_process(
    folder: Path, steps: int, *arguments: str
) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).with_name("interrupted.py")
    return subprocess.run(
        [sys.executable, str(script), str(folder), str(steps), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "architecture",
    [
        pytest.param("seed_cnn", marks=pytest.mark.long),
        "wren",
        pytest.param("resnet8 distilled", marks=pytest.mark.long),
    ],
)
def test_killed_twice_in_mid_epoch_it_ends_with_the_weights_of_an_undisturbed_run(
    tmp_path: Path, architecture: str
) -> None:
    network = architecture.split()
    if len(network) > 1:
        path, shape = tmp_path / "teacher.keras", (8, 8, 1)
        teacher = build_network("tiny_cnn", shape=shape, classes=10, precision="float32", seed=3)
        save_float32(teacher, path, shape=shape, classes=10)
        network[1] = str(path)
    whole = train_in_a_process(tmp_path / "whole", 0, *network)
    assert whole.returncode == 0, whole.stderr
    assert whole.stderr == ""
    # 22 steps an epoch, reported 8 at a time: killed in the second epoch, then in the third.
    killed = [
        train_in_a_process(tmp_path / "killed", 30, *network),
        train_in_a_process(tmp_path / "killed", 32, *network),
    ]
    assert [done.returncode for done in killed] == [-signal.SIGKILL] * 2
    assert "resuming after epoch 1," in killed[1].stdout
    last = train_in_a_process(tmp_path / "killed", 0, *network)
    assert last.returncode == 0, last.stderr
    assert "resuming after epoch 2," in last.stdout
    for name in ("model.keras", "splits.json"):
        whole_file, resumed = (tmp_path / run / name for run in ("whole", "killed"))
        assert whole_file.read_bytes() == resumed.read_bytes(), name
    losses = [[row["loss"] for row in history_of(tmp_path / run)] for run in ("whole", "killed")]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 4
