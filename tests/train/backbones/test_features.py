"""The store of features in a build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.errors import WorkspaceError
from edgecnn.train.backbones.features import FeatureStore

KEY = "0123456789abcdef" * 4


def pictures(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)


class Network:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, pixels: Any) -> Any:
        self.seen += len(pixels)
        return pixels.reshape(len(pixels), -1)[:, :5].astype(np.float32)


def store(folder: Path, key: str = KEY) -> FeatureStore:
    return FeatureStore(folder=folder, key=key, width=5)


def test_each_picture_is_computed_once_and_comes_back_in_order(tmp_path: Path) -> None:
    pixels, network = pictures(600), Network()
    doubled = np.concatenate([pixels, pixels[::-1]])
    done: list[int] = []
    found = store(tmp_path).get(doubled, network, advance=done.append)
    assert network.seen == 600
    assert sum(done) == 1200
    assert np.array_equal(found, doubled.reshape(1200, -1)[:, :5])
    again = store(tmp_path).get(doubled, network)
    assert network.seen == 600
    assert np.array_equal(again, found)


def test_only_new_pictures_are_computed_later(tmp_path: Path) -> None:
    network = Network()
    store(tmp_path).get(pictures(50), network)
    store(tmp_path).get(np.concatenate([pictures(50), pictures(7, seed=1)]), network)
    assert network.seen == 57


def test_another_network_does_not_take_them(tmp_path: Path) -> None:
    network = Network()
    store(tmp_path).get(pictures(5), network)
    store(tmp_path, key="f" * 64).get(pictures(5), network)
    assert network.seen == 10


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    network = Network()

    def stopping(pixels: Any) -> Any:
        if network.seen:
            raise KeyboardInterrupt
        return network(pixels)

    with pytest.raises(KeyboardInterrupt):
        store(tmp_path).get(pictures(600), stopping)
    kept, network.seen = network.seen, 0
    assert 0 < kept < 600
    store(tmp_path).get(pictures(600), network)
    assert network.seen == 600 - kept


@pytest.mark.parametrize("damage", ["cut", "other", "width"])
def test_a_damaged_file_is_computed_again(tmp_path: Path, damage: str) -> None:
    network = Network()
    found = store(tmp_path).get(pictures(5), network)
    (file,) = store(tmp_path).place.iterdir()
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-40])
    elif damage == "other":
        file.write_bytes(b"no archive")
    else:
        np.savez(file, keys=np.zeros((5, 32), np.uint8), features=np.zeros((5, 4), np.float32))
    assert np.array_equal(store(tmp_path).get(pictures(5), network), found)
    assert network.seen == 10


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError):
        store(tmp_path / "file").get(pictures(2), Network())
