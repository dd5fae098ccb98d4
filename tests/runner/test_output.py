from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgecnn_runner.errors import OutputError
from edgecnn_runner.files import atomic_file


def test_the_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "scores.npz"
    with atomic_file(path) as file:
        file.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def fail_halfway(path: Path) -> None:
    with atomic_file(path) as file:
        file.write(b"half")
        raise KeyError


def test_what_was_there_stays_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "scores.npz"
    path.write_bytes(b"before")
    with pytest.raises(KeyError):
        fail_halfway(path)
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["scores.npz"]


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="make the folder first"),
        atomic_file(tmp_path / "missing" / "scores.npz"),
    ):
        pytest.fail("nothing can be written")


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "scores.npz"
    with (
        pytest.raises(OutputError, match="free some space"),
        atomic_file(path),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_folder_is_told(read_only_folder: Path) -> None:
    with (
        pytest.raises(OutputError, match="you may not write there"),
        atomic_file(read_only_folder / "scores.npz"),
    ):
        pytest.fail("nothing can be written")


def test_a_links_target_is_written_and_a_device_stays_one(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with atomic_file(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with atomic_file(tmp_path / "pipe") as file:
        file.write(b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "scores.npz").mkdir()
    with (
        pytest.raises(OutputError, match="cannot write"),
        atomic_file(tmp_path / "scores.npz") as file,
    ):
        file.write(b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["scores.npz"]
