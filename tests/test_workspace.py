"""Build folders: files whole or not at all, and what is up to date."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.build.workspace import Workspace
from edgecnn.errors import WorkspaceError
from edgecnn.files import atomic_file, canonical_digest, write_json, write_whole


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "build")
    workspace.create()
    return workspace


def test_an_interrupted_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, "old")
    with pytest.raises(RuntimeError, match="midway"), atomic_file(path) as file:  # noqa: PT012
        file.write(b"new, but only hal")
        raise RuntimeError("midway")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_an_error_with_a_remedy_and_leaves_the_old_file(tmp_path: Path) -> None:
    # A file-size limit fails the write in the kernel just as a full disk does.
    path = tmp_path / "file"
    write_whole(path, "old")
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from edgecnn.files import write_whole\n"
        "from edgecnn.errors import WorkspaceError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_whole(Path(sys.argv[1]), b'x' * 5000)\n"
        "except WorkspaceError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert "cannot write" in done.stdout
    assert "remedy:" in done.stdout
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_no_space_left_names_the_remedy() -> None:
    from edgecnn.files import wrap_os_errors

    with (
        pytest.raises(WorkspaceError, match="free some space") as caught,
        wrap_os_errors(Path("/dev/full")),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC


def test_a_missing_folder_is_a_workspace_error(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="cannot write"):
        write_whole(tmp_path / "nowhere" / "file", "text")


def test_a_read_only_folder_is_a_workspace_error(read_only_folder: Path) -> None:
    with pytest.raises(WorkspaceError, match="--out FOLDER"):
        write_whole(read_only_folder / "file", "text")
    assert not list(read_only_folder.iterdir())


def test_a_read_only_file_system_is_a_workspace_error() -> None:
    # /proc takes no new files from anyone, root included.
    if not Path("/proc/self").exists():
        pytest.skip("no /proc on this system")
    with pytest.raises(WorkspaceError, match="cannot write"):
        write_whole(Path("/proc/edgecnn-test"), "text")


def test_a_stage_is_current_until_its_key_or_a_file_changes(workspace: Workspace) -> None:
    write_whole(workspace.path("a"), "1")
    assert not workspace.stage_is_current("train", "k")
    workspace.record_stage("train", key="k", files=["a"], entries={"recipe": {"x": 1}})
    assert workspace.stage_is_current("train", "k")
    assert not workspace.stage_is_current("train", "other")
    assert not workspace.stage_is_current("convert", "k")
    write_whole(workspace.path("a"), "2")
    assert not workspace.stage_is_current("train", "k")
    workspace.path("a").unlink()
    assert not workspace.stage_is_current("train", "k")


def test_recording_a_stage_again_forgets_the_files_it_no_longer_makes(
    workspace: Workspace,
) -> None:
    for name in ("a", "b", "c"):
        write_whole(workspace.path(name), name)
    workspace.record_stage("train", key="k", files=["c"], entries={})
    workspace.record_stage("convert", key="k", files=["a", "b"], entries={})
    workspace.record_stage("convert", key="k2", files=["b"], entries={})
    assert sorted(workspace.manifest()["files"]) == ["b", "c"]
    assert workspace.stage_is_current("train", "k")


def test_what_a_killed_run_left_half_written_is_cleared_away_when_old(tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in (".a.x1.part", ".b.x2.part", "mine.part"))
    for path in (old, young, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (0, 0))
    Workspace(tmp_path).create()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".b.x2.part", "mine.part"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"schema": 99}',
        '{"schema": 1}',
        '{"schema": 1, "stages": [], "files": {}, "variants": []}',
        '{"schema": 1, "stages": {"train": 3}, "files": {}, "variants": []}',
        '{"schema": 1, "stages": {}, "files": {"a": null}, "variants": []}',
        '{"schema": 1, "stages": {}, "files": {}, "variants": [3]}',
        # Names that leave the folder: stages delete and hash what a manifest names.
        '{"schema": 1, "stages": {"x": {"key": "k", "files": ["../a"]}}, "files": {}, '
        '"variants": []}',
        '{"schema": 1, "stages": {}, "files": {"/etc/passwd": {"sha256": "", "bytes": 0}}, '
        '"variants": []}',
        '{"schema": 1, "stages": {}, "files": {}, "variants": [{"variant": "tflite-int8", '
        '"status": "made", "file": "../x.tflite"}]}',
    ],
)
def test_a_damaged_manifest_says_what_to_do(workspace: Workspace, text: str) -> None:
    workspace.path(Workspace.MANIFEST).write_text(text)
    with pytest.raises(WorkspaceError, match="build again"):
        workspace.manifest()


def test_json_is_the_same_bytes_for_equal_values_and_refuses_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"x": 1, "y": [1.5]})
    write_json(tmp_path / "b", {"y": [1.5], "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert json.loads((tmp_path / "a").read_text()) == {"x": 1, "y": [1.5]}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "c", {"x": float("nan")})
    assert not (tmp_path / "c").exists()


def test_canonical_digests_ignore_order_and_see_values() -> None:
    assert canonical_digest({"a": 1, "b": 2}) == canonical_digest({"b": 2, "a": 1})
    assert canonical_digest({"a": 1}) != canonical_digest({"a": 2})
