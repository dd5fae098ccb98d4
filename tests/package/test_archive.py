from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from edgecnn.errors import UsageError
from edgecnn.package.pi.debian import source_date, write_archive


def make(folder: Path, mode: int) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/run").write_text("run")
    (folder / "bin/run").chmod(0o700 | mode)
    (folder / "a.txt").write_text("a")
    (folder / "a.txt").chmod(0o600 | mode)
    os.utime(folder / "a.txt", (mode, mode))
    return folder


def test_equal_files_give_equal_bytes(tmp_path: Path) -> None:
    """Whatever their times, their folder's name and the umask that they were made under."""
    for name, mode in (("one", 0), ("two", 0o44)):
        write_archive(make(tmp_path / name, mode), tmp_path / f"{name}.gz", name="b", date=1000)
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
    with tarfile.open(tmp_path / "one.gz") as archive:
        found = {entry.name: entry for entry in archive}
    assert list(found) == ["b", "b/a.txt", "b/bin", "b/bin/run"]
    assert {entry.mtime for entry in found.values()} == {1000}
    assert {(e.uid, e.gid, e.uname, e.gname) for e in found.values()} == {(0, 0, "", "")}
    assert (found["b/bin/run"].mode, found["b/a.txt"].mode) == (0o755, 0o644)


def test_the_time_is_the_one_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert source_date() == 1700000000
    for text in ("", "-1", "now", "1e9", "99999999999"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
        with pytest.raises(UsageError):
            source_date()
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert source_date() > 1700000000
