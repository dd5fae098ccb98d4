"""One process at a time writes a build; a killed one leaves no lock behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgecnn.build.lock import LOCK_FILE, build_lock
from edgecnn.errors import BuildInUseError, WorkspaceError

HOLDER = """
import sys
from pathlib import Path
from edgecnn.build.lock import build_lock
with build_lock(Path(sys.argv[1])):
    print("has it", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process_has(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "has it\n"
            yield process
        finally:
            process.kill()


def test_a_build_is_locked_against_another_process_which_is_named(tmp_path: Path) -> None:
    with another_process_has(tmp_path / "build") as holder:
        with pytest.raises(BuildInUseError) as caught, build_lock(tmp_path / "build"):
            pass
        error = caught.value
        assert str(tmp_path / "build") in error.problem
        assert re.fullmatch(rf"process {holder.pid} on \S+ since \d{{4}}-.*", str(error.observed))
        assert f"kill {holder.pid}" in error.remedy
        assert "--out FOLDER" in error.remedy
        # A lock on one build says nothing about another.
        with build_lock(tmp_path / "other"):
            pass


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_holder_leaves_nothing_in_the_way(tmp_path: Path, by: signal.Signals) -> None:
    with another_process_has(tmp_path) as holder:
        holder.send_signal(by)
        holder.wait()
        assert (tmp_path / LOCK_FILE).exists()
        with build_lock(tmp_path):
            assert (tmp_path / LOCK_FILE).read_text().startswith(f"{os.getpid()} on ")
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_of_a_lock_nor_of_folders_made_for_it(tmp_path: Path) -> None:
    with build_lock(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b" / LOCK_FILE).is_file()
    assert not list(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="midway"), build_lock(tmp_path / "a" / "b"):  # noqa: PT012
        (tmp_path / "a" / "model").write_text("x")
        raise RuntimeError("midway")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["model"]


def test_threads_that_take_turns_all_succeed_and_never_overlap(tmp_path: Path) -> None:
    # Each removes the folder it made, so they meet in every order of open, lock and unlink.
    folder, inside, most, turns = tmp_path / "build", 0, 0, []

    def work() -> None:
        nonlocal inside, most
        done = 0
        while done < 40:
            try:
                with build_lock(folder):
                    inside += 1
                    most = max(most, inside)
                    done += 1
                    inside -= 1
            except BuildInUseError:
                continue
        turns.append(done)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert turns == [40] * 4
    assert most == 1
    # A folder made by one and locked by the next is nobody's to remove.
    assert not folder.exists() or not list(folder.iterdir())


def test_a_note_that_is_no_text_is_not_shown(tmp_path: Path) -> None:
    with another_process_has(tmp_path):
        (tmp_path / LOCK_FILE).write_bytes(b"\x1b[31m\x00\xff")
        with pytest.raises(BuildInUseError) as caught, build_lock(tmp_path):
            pass
    assert caught.value.observed == "a process that has not said its number yet"
    assert caught.value.remedy.startswith("wait for its end, or")


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "build" / LOCK_FILE).symlink_to(victim)
    with pytest.raises(WorkspaceError, match="cannot write"), build_lock(tmp_path / "build"):
        pass
    assert victim.read_text() == "precious"


def test_a_read_only_build_is_refused_for_writing_and_open_for_reading(
    read_only_folder: Path,
) -> None:
    with (
        pytest.raises(WorkspaceError, match="--out FOLDER"),
        build_lock(read_only_folder),
    ):
        pass
    with build_lock(read_only_folder, unless_read_only=True):
        assert not list(read_only_folder.iterdir())


def test_reading_a_read_only_build_that_somebody_is_writing_is_refused(
    read_only_folder: Path,
) -> None:
    if os.getuid() != 0:
        pytest.skip("needs a second user: only root can be two")
    os.seteuid(0)
    with another_process_has(read_only_folder):  # as root, who writes everywhere
        os.seteuid(65534)
        with (
            pytest.raises(BuildInUseError),
            build_lock(read_only_folder, unless_read_only=True),
        ):
            pass
        os.seteuid(0)


def test_a_file_where_the_folder_should_be_is_a_workspace_error(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("")
    for folder in (tmp_path / "build", tmp_path / "build" / "inner"):
        with pytest.raises(WorkspaceError, match="is not a folder"), build_lock(folder):
            pass
