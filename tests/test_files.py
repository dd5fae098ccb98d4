"""What the operating system refuses is told with what was seen, what is needed, what to do."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecnn.errors import WorkspaceError
from edgecnn.files import wrap_os_errors, write_whole


def refusal(action: Callable[[], object], path: Path) -> WorkspaceError:
    with pytest.raises(WorkspaceError) as caught, wrap_os_errors(path):
        action()
    error = caught.value
    assert error.problem.startswith(f"cannot write {path}: ")
    assert error.observed
    assert error.expected
    return error


def says(error: WorkspaceError, *, observed: str, expected: str, remedy: str) -> None:
    assert observed in str(error.observed)
    assert expected in str(error.expected)
    assert remedy in error.remedy
    assert "--out FOLDER" in error.remedy
    assert re.search(r"\d [kMG]B free on its disk$", str(error.observed))


def test_a_missing_folder_is_named_with_how_to_make_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    error = refusal(lambda: write_whole(path, "x"), path)
    says(
        error,
        observed=f"there is no folder {tmp_path / 'a'};",
        expected="a folder that exists",
        remedy=f"make {tmp_path / 'a' / 'b'}",
    )


def test_a_file_where_a_folder_is_needed_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    for path in (tmp_path / "a" / "file", tmp_path / "a" / "b" / "file"):
        says(
            refusal(lambda path=path: write_whole(path, "x"), path),  # type: ignore[misc]
            observed=f"{tmp_path / 'a'} is not a folder",
            expected="a folder there",
            remedy=f"move {tmp_path / 'a'} away",
        )
    error = refusal((tmp_path / "a").mkdir, tmp_path / "a")
    says(error, observed="(EEXIST)", expected="a folder there", remedy="away")


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    link = tmp_path / "build"
    link.symlink_to(tmp_path / "gone")
    error = refusal(lambda: link.mkdir(parents=True, exist_ok=True), link)
    says(error, observed="a link to nothing", expected="a folder", remedy="remove that link")


def test_a_folder_where_a_file_is_needed_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.mkdir()
    error = refusal(lambda: write_whole(path, "x"), path)
    says(error, observed=f"{path} is a folder", expected="a file", remedy=f"move {path} away")
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.keras"]


def test_a_name_that_is_too_long_says_how_long_it_is(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 150)
    error = refusal(lambda: write_whole(path, "x"), path)
    says(error, observed="300 bytes", expected="takes", remedy="choose a shorter name")


def test_no_right_to_write_says_so(read_only_folder: Path) -> None:
    path = read_only_folder / "file"
    error = refusal(lambda: write_whole(path, "x"), path)
    says(error, observed="(EACCES)", expected="that you may write", remedy="the right to write")


@pytest.mark.parametrize(
    ("number", "expected", "remedy"),
    [
        (errno.ENOSPC, "enough free space", "free some space, or write elsewhere"),
        (errno.EDQUOT, "disk quota", "free some of your quota"),
        (errno.EROFS, "a file system that can be written", "mount it writable"),
        (errno.ENOLCK, "file locks", "use a local disk"),
        (errno.EIO, "can be written", "check the disk"),
    ],
)
def test_each_refusal_has_a_remedy_that_fits(
    tmp_path: Path, number: int, expected: str, remedy: str
) -> None:
    def action() -> None:
        raise OSError(number, os.strerror(number))

    error = refusal(action, tmp_path / "file")
    says(error, observed=f"({errno.errorcode[number]})", expected=expected, remedy=remedy)


def test_a_deleted_current_folder_is_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    error = refusal(lambda: Path("build").mkdir(parents=True), Path("build"))
    assert "the current folder was deleted" in str(error.observed)
    assert error.remedy.startswith("cd to such a folder")


def test_another_way_to_name_another_place_replaces_the_option(tmp_path: Path) -> None:
    with (
        pytest.raises(WorkspaceError, match=r"free some space, or name another folder$"),
        wrap_os_errors(tmp_path, elsewhere="name another folder"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
