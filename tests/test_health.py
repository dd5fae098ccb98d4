"""The doctor's checks: what is found, and the fix for what is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgecnn.commands import doctor as health
from edgecnn.commands.doctor import Check, check_machine, exit_error


def test_nothing_to_fix_is_no_error() -> None:
    assert exit_error([Check(name="a", state="ok", found=""), _note()]) is None


def _note() -> Check:
    return Check(name="b", state="note", found="missing", fix="optional")


def test_every_fix_is_in_the_error() -> None:
    bad = [Check(name=n, state="bad", found="", fix=f"fix {n}") for n in ("x", "y")]
    error = exit_error([*bad, _note()])
    assert error is not None
    assert error.exit_code == 30
    assert "x, y" in str(error)
    assert "fix x; fix y" in str(error)


def test_a_bad_check_always_has_a_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGECNN_DATA", str(tmp_path))
    checks = check_machine()
    assert any(check.state == "bad" for check in checks)
    for check in checks:
        assert check.found
        assert check.fix or check.state != "bad"
    by_name = {check.name: check for check in checks}
    assert by_name["CIFAR-10"].state == "bad"
    assert by_name["ONNX runtime"].found == "onnxruntime starts"


def cifar10(monkeypatch: pytest.MonkeyPatch, place: str) -> Check:
    monkeypatch.setenv("EDGECNN_DATA", place)
    return {check.name: check for check in check_machine()}["CIFAR-10"]


def test_the_data_set_is_looked_for_as_the_loader_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Starting the runtimes takes seconds and says nothing about the data.
    monkeypatch.setattr(health, "_starts", lambda name, *_: _note())
    assert cifar10(monkeypatch, "").state == "note"
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(b"")
    assert cifar10(monkeypatch, str(tmp_path)).state == "bad"
    for number in (1, 2, 3, 5):
        (folder / f"data_batch_{number}").write_bytes(b"")
    lacking = cifar10(monkeypatch, str(tmp_path))
    assert lacking.state == "bad"
    assert "lacks data_batch_4" in lacking.found
    assert lacking.fix
    (folder / "data_batch_4").write_bytes(b"")
    for place in (tmp_path, folder):
        assert cifar10(monkeypatch, str(place)) == Check(
            name="CIFAR-10", state="ok", found=f"in {place}"
        )
    assert cifar10(monkeypatch, "/" + "x" * 5000).state == "bad"


def test_a_broken_numpy_does_not_take_the_check_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_starts", lambda name, *_: _note())
    for name in [name for name in sys.modules if name.startswith("edgecnn.data")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numpy", None)
    check = cifar10(monkeypatch, "/somewhere")
    assert check.state == "bad"
    assert "numpy" in check.found
    assert "numpy" in check.fix


def test_a_deleted_current_folder_is_a_finding_with_a_fix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    checks = check_machine()
    disk = {check.name: check for check in checks}["Disk"]
    assert disk.state == "bad"
    assert disk.fix.startswith("cd to a folder that exists")
    error = exit_error(checks)
    assert error is not None
    assert "Disk: the current folder" in str(error.observed)
    assert disk.fix in error.remedy


TOOLS = {
    "npm": "sudo apt install npm",
    "Chromium": "sudo apt install chromium",
    "Playwright": "pip install playwright",
    "strace": "sudo apt install strace",
}


def test_what_some_commands_need_is_optional_and_its_fix_a_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "_starts", lambda name, *_: _note())
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(health, "_version", lambda package: None)
    found = {check.name: check for check in check_machine()}
    for name, fix in TOOLS.items():
        assert found[name].state == "note"
        assert found[name].found.startswith("not found (optional); for ")
        assert found[name].fix == fix


@pytest.mark.parametrize(
    ("said", "version"),
    [("echo Chromium 156.0.1 built on Debian", "156.0.1"), ("exit 3", "of an unknown version")],
)
def test_a_tool_that_is_there_says_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, version: str
) -> None:
    for name in ("npm", "chromium", "strace"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{said}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(health, "_starts", lambda name, *_: _note())
    found = {check.name: check for check in check_machine()}
    for name in ("npm", "Chromium", "strace"):
        assert found[name].state == "ok"
        assert found[name].found.startswith(f"{version}; for ")
        assert found[name].fix == ""
