"""New files of a build come all together, or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.build.staging import PREFIX, staging
from edgecnn.build.workspace import Workspace
from edgecnn.errors import WorkspaceError

KILLED = """
import os, signal, sys
from pathlib import Path
from edgecnn.build.staging import staging
from edgecnn.build.workspace import Workspace

with staging(Workspace(Path(sys.argv[1]))) as staged:
    staged.path("a").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def build(tmp_path: Path) -> Workspace:
    """A build with the files a and b."""
    (tmp_path / "a").write_text("old a")
    (tmp_path / "b").write_text("old b")
    return Workspace(tmp_path)


def contents(build: Workspace) -> dict[str, str]:
    return {
        path.name: path.read_text() if path.is_file() else "folder"
        for path in build.folder.iterdir()
    }


def test_files_are_put_in_place_when_all_are_made(build: Workspace) -> None:
    with staging(build) as staged:
        staged.path("a").write_text("new a")
        staged.path("c").write_text("new c")
        assert {**contents(build), "a": "old a", "b": "old b"} == contents(build)
        with staged.placed(removed=["b", "gone long ago"]):
            present = contents(build)
            assert (present["a"], present["c"]) == ("new a", "new c")
            assert "b" not in present
    assert contents(build) == {"a": "new a", "c": "new c"}


def change(build: Workspace, *, before: BaseException | None, during: BaseException) -> None:
    """Write a and c and remove b; fail before the files are put in place, or while they are."""
    with staging(build) as staged:
        staged.path("a").write_text("new a")
        staged.path("c").write_text("new c")
        if before is not None:
            raise before
        with staged.placed(removed=["b"]):
            raise during


def test_a_run_that_fails_before_changes_nothing(build: Workspace) -> None:
    with pytest.raises(ZeroDivisionError):
        change(build, before=ZeroDivisionError(), during=AssertionError())
    assert contents(build) == {"a": "old a", "b": "old b"}


@pytest.mark.parametrize("failure", [ZeroDivisionError, KeyboardInterrupt])
def test_a_manifest_that_cannot_be_written_brings_the_old_files_back(
    build: Workspace, failure: type[BaseException]
) -> None:
    with pytest.raises(failure):
        change(build, before=None, during=failure())
    assert contents(build) == {"a": "old a", "b": "old b"}


def test_a_folder_in_the_way_of_a_file_is_not_touched(build: Workspace) -> None:
    (build.folder / "c").mkdir()
    with pytest.raises(WorkspaceError, match="cannot write"):
        change(build, before=None, during=AssertionError("it was put in place"))
    assert contents(build) == {"a": "old a", "b": "old b", "c": "folder"}


def test_what_a_killed_run_left_is_removed_by_the_next(build: Workspace) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(build.folder)], check=False)
    assert done.returncode == -9
    (left,) = build.folder.glob(f"{PREFIX}*")
    assert (left / "new" / "a").read_text() == "half"
    with staging(build):
        assert not left.exists()
    assert contents(build) == {"a": "old a", "b": "old b"}


def test_a_build_that_may_not_be_written_is_a_workspace_error(read_only_folder: Path) -> None:
    with pytest.raises(WorkspaceError, match="cannot write") as caught:
        change(Workspace(read_only_folder), before=AssertionError(), during=AssertionError())
    assert "--out" in caught.value.remedy


@pytest.mark.parametrize("at", range(1, 5))
def test_ctrl_c_between_two_renames_brings_every_file_back(
    build: Workspace, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    replace, calls = Path.replace, 0

    def interrupted(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        done = replace(self, target)
        if calls in (at, at + 1):  # the second one falls into the way back, and waits for its end
            signal.raise_signal(signal.SIGINT)
        return done

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        change(build, before=None, during=ZeroDivisionError())
    monkeypatch.undo()
    assert calls > at
    assert contents(build) == {"a": "old a", "b": "old b"}
