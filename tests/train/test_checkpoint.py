from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import WorkspaceError
from edgecnn.train.checkpoint import Checkpoint, CheckpointFolder
from edgecnn.train.history import Epoch


def epoch(number: int) -> Epoch:
    return Epoch(
        epoch=number,
        lr=0.1 / 3,
        loss=1.0 / number,
        accuracy=0.5,
        val_loss=1.1,
        val_accuracy=0.4,
        images_per_second=1000.5,
        seconds=2.25,
    )


def checkpoint(epochs: int) -> Checkpoint:
    return Checkpoint(
        history=tuple(epoch(number) for number in range(1, epochs + 1)),
        arrays=(
            np.full((3, 2), epochs, np.float32),
            np.asarray(epochs * 100, np.int64),
            np.asarray([1, epochs], np.uint32),
        ),
        best=(np.full(2, -epochs, np.float32), np.asarray([[epochs / 3]], np.float32)),
    )


def folder(tmp_path: Path, key: str = "a" * 64) -> CheckpointFolder:
    return CheckpointFolder(root=tmp_path / "checkpoint", key=key)


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    folder(tmp_path).write(checkpoint(2))
    found = folder(tmp_path).read()
    assert found is not None
    assert found.history == checkpoint(2).history
    for kind in ("arrays", "best"):
        pairs = zip(getattr(found, kind), getattr(checkpoint(2), kind), strict=True)
        for got, expected in pairs:
            assert got.dtype == expected.dtype
            np.testing.assert_array_equal(got, expected)


def test_two_generations_are_kept_and_the_newest_counts(tmp_path: Path) -> None:
    place = folder(tmp_path)
    for epochs in range(1, 12):
        place.write(checkpoint(epochs))
    assert sorted(path.name for path in place.folder.iterdir()) == [
        "epoch-000010.npz",
        "epoch-000011.npz",
    ]
    found = place.read()
    assert found is not None
    assert found.epochs == 11


@pytest.mark.parametrize("damage", ["empty", "half", "flipped", "pickle"])
def test_a_torn_newest_generation_falls_back_to_the_one_before(tmp_path: Path, damage: str) -> None:
    place = folder(tmp_path)
    place.write(checkpoint(1))
    place.write(checkpoint(2))
    newest = place.folder / "epoch-000002.npz"
    data = bytearray(newest.read_bytes())
    if damage == "flipped":
        # In the values of the first array; every array has a checksum of its own.
        data[data.index(np.full(6, 2, np.float32).tobytes()) + 5] ^= 0x10
    newest.write_bytes(
        {"empty": b"", "half": bytes(data[: len(data) // 2]), "pickle": b"\x80\x04N."}.get(
            damage, bytes(data)
        )
    )
    found = place.read()
    assert found is not None
    assert found.epochs == 1


def test_nothing_is_found_in_an_empty_place(tmp_path: Path) -> None:
    assert folder(tmp_path).read() is None
    assert not folder(tmp_path).has_others()


def test_another_training_is_noticed_and_left_alone(tmp_path: Path) -> None:
    other = folder(tmp_path, "b" * 64)
    other.write(checkpoint(7))
    assert folder(tmp_path).read() is None
    assert folder(tmp_path).has_others()
    folder(tmp_path).write(checkpoint(1))
    found = other.read()
    assert found is not None
    assert found.epochs == 7
    folder(tmp_path).discard()
    assert folder(tmp_path).read() is None
    assert other.read() is not None
    other.discard()
    assert not (tmp_path / "checkpoint").exists()


def test_what_no_training_can_go_on_from_is_deleted_with_ones_own(tmp_path: Path) -> None:
    torn = folder(tmp_path, "b" * 64)
    torn.write(checkpoint(1))
    torn.write(checkpoint(2))
    for path in torn.folder.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    moved = folder(tmp_path, "c" * 64)
    moved.write(checkpoint(1))
    moved.folder.rename(moved.folder.with_name("elsewhere"))
    (torn.root / ".DS_Store").write_bytes(b"")
    (torn.root / "link").symlink_to(tmp_path)
    folder(tmp_path).write(checkpoint(1))
    folder(tmp_path).discard()
    assert not torn.root.exists()
    assert tmp_path.exists()


def test_a_torn_newest_generation_of_another_training_does_not_lose_the_one_before(
    tmp_path: Path,
) -> None:
    other = folder(tmp_path, "b" * 64)
    other.write(checkpoint(1))
    other.write(checkpoint(2))
    (other.folder / "epoch-000002.npz").write_bytes(b"")
    folder(tmp_path).discard()
    found = other.read()
    assert found is not None
    assert found.epochs == 1


def test_a_checkpoint_of_another_key_in_this_folder_is_not_taken(tmp_path: Path) -> None:
    # Same first 16 digits, which name the folder.
    folder(tmp_path, "a" * 16 + "b" * 48).write(checkpoint(3))
    assert folder(tmp_path).read() is None


def test_a_read_only_folder_is_a_workspace_error(read_only_folder: Path) -> None:
    with pytest.raises(WorkspaceError):
        folder(read_only_folder).write(checkpoint(1))


def test_a_file_in_the_way_is_a_workspace_error(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text("")
    with pytest.raises(WorkspaceError):
        folder(tmp_path).write(checkpoint(1))
