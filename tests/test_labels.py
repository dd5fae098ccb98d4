"""Label files: one class a line, and every mistake named."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.build.artifact import write_labels
from edgecnn.errors import LabelsError
from edgecnn_runner.labels import read_labels


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    names = ("ash", "Eiche", "Ölbaum")
    write_labels(tmp_path / "labels.txt", names)
    assert read_labels(tmp_path / "labels.txt") == names


def test_windows_line_ends_and_trailing_blank_lines_are_fine(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(b"ash\r\noak\r\n\r\n\r\n")
    assert read_labels(tmp_path / "labels.txt") == ("ash", "oak")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"ash\n\noak\n", "blank lines: 2"),
        (b"ash\noak\nash\n", "twice: ash"),
        (b"ash\n", "not at least 2"),
        (b"", "not at least 2"),
        (b"\xff\xfe\x00", "cannot read"),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "labels.txt").write_bytes(data)
    with pytest.raises(LabelsError, match=says):
        read_labels(tmp_path / "labels.txt")


def test_a_missing_file_is_a_labels_error(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="cannot read"):
        read_labels(tmp_path / "nowhere.txt")
