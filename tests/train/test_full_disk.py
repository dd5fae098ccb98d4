"""A training on a disk that fills up: what was there before stays, and the same command goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn import train
from edgecnn.build.workspace import Workspace
from edgecnn.data import Dataset
from edgecnn.errors import WorkspaceError
from edgecnn.recipe.load import Recipe, parse_recipe
from full_disk import PAGE, leave_free

pytestmark = pytest.mark.slow  # trains or converts whole networks


def recipe(seed: int) -> Recipe:
    raw = {
        "model": {"name": "stripes", "architecture": "tiny_cnn"},
        "train": {"epochs": 1, "batch_size": 10, "precision": "float32", "seed": seed},
    }
    return parse_recipe(raw, source="test")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_disk_that_fills_up_at_any_point_leaves_the_earlier_training(
    small_disk: Path, stripes: Dataset
) -> None:
    workspace = Workspace(small_disk / "build")
    train.run(recipe(1), workspace, stripes, recipe_source="test")
    before = contents(workspace.folder)
    told = []
    # First nothing fits; then a checkpoint, a model, and at last all of it.
    for pages in (0, 24, 36, 48, 60, 400):
        leave_free(small_disk, pages * PAGE)
        try:
            train.run(recipe(2), workspace, stripes, recipe_source="test")
        except WorkspaceError as error:
            told.append(str(error))
            assert contents(workspace.folder) == before
        else:
            break
    assert "No space left" in told[0]
    assert len(told) > 1
    after = contents(workspace.folder)
    assert set(after) == set(before)
    assert after[Workspace.MODEL] != before[Workspace.MODEL]
    assert not workspace.path(Workspace.CHECKPOINT).exists()
