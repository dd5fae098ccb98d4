from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecnn_runner.errors import ArtifactError, remedy_for_reading
from edgecnn_runner.files import describe
from edgecnn_runner.formats.container import read_container


def test_nothing_is_described_by_what_exists(tmp_path: Path) -> None:
    found = describe(tmp_path / "a" / "b" / "model.tflite")
    assert found == f"nothing there; the last folder on the way that exists is {tmp_path}"


def test_a_folder_a_pipe_and_a_file_are_told_apart(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"1234")
    (tmp_path / "file").chmod(0o640)
    assert describe(tmp_path).startswith("a folder, drwx")
    assert describe(tmp_path / "pipe").startswith("a device, a pipe or a socket, p")
    assert describe(tmp_path / "file").startswith(f"4 bytes, -rw-r----- of {os.geteuid()}:")


def test_a_path_that_cannot_be_is_described(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert describe(tmp_path / "file" / "model") == "Not a directory"
    assert "null" in describe(tmp_path / "a\0b")


@pytest.fixture
def unreadable() -> Iterator[Path]:
    """A file that may not be read, whoever runs the tests: root becomes an ordinary user."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        path = Path(name) / "model.tflite"
        path.write_bytes(b"model")
        path.chmod(0)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        try:
            yield path
        finally:
            if is_root:
                os.seteuid(0)


def test_a_file_that_may_not_be_read_is_told_with_its_mode(unreadable: Path) -> None:
    with pytest.raises(ArtifactError, match="Permission denied") as caught:
        read_container(unreadable)
    assert str(caught.value.observed).startswith("5 bytes, ---------- of ")
    assert f"read by {os.geteuid()}:" in str(caught.value.observed)
    assert caught.value.remedy.startswith("let this user read it: chmod a+r")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (FileNotFoundError(2, "No such file or directory"), "check the path"),
        (ValueError("embedded null byte"), "check the path"),
        (IsADirectoryError(21, "Is a directory"), "name a file in that folder"),
        (PermissionError(13, "Permission denied"), "chmod a+r"),
    ],
)
def test_each_cause_has_its_remedy(error: Exception, remedy: str) -> None:
    assert remedy in remedy_for_reading(error)
