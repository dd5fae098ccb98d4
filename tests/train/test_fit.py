"""How the training loop sets Keras up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecnn.data import Dataset
from edgecnn.progress import NO_PROGRESS
from edgecnn.recipe.load import parse_recipe
from edgecnn.train.architectures import build_network
from edgecnn.train.checkpoint import CheckpointFolder
from edgecnn.train.fit import fit

pytestmark = pytest.mark.slow  # trains or converts whole networks


def test_xla_is_off_where_it_was_measured_to_be_slower(stripes: Dataset, tmp_path: Path) -> None:
    recipe = parse_recipe(
        {"model": {"name": "net"}, "train": {"epochs": 1, "batch_size": 10}}, source="test"
    )
    network: Any = build_network(
        "tiny_cnn",
        shape=stripes.shape,
        classes=len(stripes.class_names),
        precision="float32",
        seed=0,
    )
    checkpoints = CheckpointFolder(root=tmp_path, key="test")
    fit(network, stripes, recipe, checkpoints=checkpoints, progress=NO_PROGRESS)
    # Keras compiles its training step with XLA, or not, by this alone.
    assert network.jit_compile is False
