from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from edgecnn_runner.quiet import without_native_chatter


def test_only_native_information_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    with without_native_chatter():
        os.write(2, b"INFO: Created a delegate.\nWARNING: the sky is falling\n")
    os.write(2, b"INFO: later\n")
    assert capfd.readouterr().err == "WARNING: the sky is falling\nINFO: later\n"


def say_and_fail() -> None:
    with without_native_chatter():
        os.write(2, b"ERROR: broken\n")
        raise RuntimeError


def test_what_was_said_before_a_failure_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError):
        say_and_fail()
    assert capfd.readouterr().err == "ERROR: broken\n"


def test_without_standard_error_the_block_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    ran = []
    with without_native_chatter():
        ran.append(True)
    assert ran


def test_without_a_temporary_folder_the_block_runs_and_nothing_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:  # pytest itself makes temporary files later
        patch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
        with without_native_chatter():
            os.write(2, b"INFO: Created a delegate.\n")
    assert capfd.readouterr().err == "INFO: Created a delegate.\n"
