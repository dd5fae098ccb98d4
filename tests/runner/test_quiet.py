from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import edgecnn_runner
from edgecnn_runner.runtimes.quiet import without_native_chatter
from runner.fixture_files import path_of


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


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="not Linux: a temporary file is used")
def test_nothing_is_written_to_a_disk(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", None)
    with without_native_chatter():
        os.write(2, b"INFO: Created a delegate.\n")
    assert capfd.readouterr().err == ""


def test_without_a_temporary_folder_the_block_runs_and_nothing_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:  # pytest itself makes temporary files later
        patch.delattr(os, "memfd_create", raising=False)
        patch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
        with without_native_chatter():
            os.write(2, b"INFO: Created a delegate.\n")
    assert capfd.readouterr().err == "INFO: Created a delegate.\n"


def test_what_pythons_own_logging_says_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
    with without_native_chatter():
        handler.handle(logging.LogRecord("mine", logging.INFO, "", 0, "started", None, None))
    assert capfd.readouterr().err == "INFO:mine:started\n"


def test_beside_another_thread_the_descriptor_is_left_alone() -> None:
    code = (
        "import os, threading\n"
        "from edgecnn_runner.runtimes.quiet import quiet_while_alone\n"
        "with quiet_while_alone():\n    os.write(2, b'INFO: alone\\n')\n"
        "end = threading.Event()\n"
        "other = threading.Thread(target=end.wait)\n"
        "other.start()\n"
        "with quiet_while_alone():\n    os.write(2, b'INFO: beside another\\n')\n"
        "end.set()\n"
        "other.join()\n"
        "with quiet_while_alone():\n    os.write(2, b'INFO: alone again\\n')\n"
    )
    assert stderr_of(code) == "INFO: beside another\n"


SNIPPET = """
import sys
import numpy as np
from edgecnn_runner import Classifier
result = Classifier(sys.argv[1]).classify(np.zeros((12, 16, 3), np.uint8))
assert result.label.startswith("class")
"""


@pytest.mark.parametrize("name", ["rgb-int8.tflite", "rgb-int8.onnx"])
def test_three_lines_of_somebodys_own_program_say_nothing(name: str) -> None:
    assert stderr_of(SNIPPET, path_of(name)) == ""


def stderr_of(code: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(Path(edgecnn_runner.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr
