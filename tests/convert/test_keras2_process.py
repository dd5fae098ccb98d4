"""The process of Keras 2 ends with the command that started it, and its folder is gone then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convert.brightness import write_pictures
from convert.keras2 import keras2_environment, with_keras2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/proc/self/environ").exists(), reason="processes are not in /proc"
    ),
]
_LONGEST = 120


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keras2")
    with_keras2(Path(__file__).with_name("make_keras2.py"), folder, "preprocessed")
    return write_pictures(folder)


def workers(temporary: Path) -> list[int]:
    """Return the processes of Keras 2 that were started with a folder for temporary files."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended
        if b"keras2_program.py" in command and f"TMPDIR={temporary}".encode() in variables:
            found.append(int(process.name))
    return found


def started(data: Path, temporary: Path, model: Path, *options: str) -> subprocess.Popen[str]:
    """Start a conversion, as a shell does: in a group of its own, which Ctrl-C reaches."""
    environment = {
        **os.environ, **keras2_environment(), "TMPDIR": str(temporary),
        "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3",
    }  # fmt: skip
    return subprocess.Popen(
        [
            sys.executable, "-m", "edgecnn", "convert", str(model), "--data", str(data / "images"),
            "--labels", str(data / "labels.txt"), "--variant", "tflite-fp32",
            "--out", str(temporary / "build"), *options,
        ],
        env={name: value for name, value in environment.items() if value is not None},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )  # fmt: skip


def wait_for(condition: str, temporary: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a worker runs, and, for ``exported``, until it has exported the model."""
    end = time.monotonic() + _LONGEST
    while time.monotonic() < end and process.poll() is None:
        exported = list(temporary.glob("edgecnn-*/saved_model/saved_model.pb"))
        if workers(temporary) and (condition == "runs" or exported):
            return
        time.sleep(0.02)
    pytest.fail(f"no worker that {condition}: {process.stdout and process.stdout.read()}")


def check_nothing_is_left(temporary: Path) -> None:
    end = time.monotonic() + _LONGEST
    while workers(temporary) and time.monotonic() < end:
        time.sleep(0.1)
    assert workers(temporary) == []
    assert list(temporary.glob("edgecnn-*")) == []


@pytest.mark.parametrize(
    ("number", "when", "whom"),
    [
        (signal.SIGTERM, "runs", "command"),
        pytest.param(signal.SIGTERM, "exported", "command", marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, "runs", "group", marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, "runs", "command", marks=pytest.mark.long),
        pytest.param(signal.SIGINT, "runs", "group", marks=pytest.mark.long),
        pytest.param(signal.SIGINT, "exported", "group", marks=pytest.mark.long),
        pytest.param(signal.SIGINT, "exported", "command", marks=pytest.mark.long),
    ],
)
def test_it_ends_with_a_command_that_is_stopped(
    data: Path, tmp_path: Path, number: signal.Signals, when: str, whom: str
) -> None:
    process = started(data, tmp_path, data / "preprocessed.h5")
    wait_for(when, tmp_path, process)
    if whom == "group":
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    said, _ = process.communicate(timeout=_LONGEST)
    assert process.returncode == (130 if number == signal.SIGINT else -number), said
    assert "Traceback" not in said
    check_nothing_is_left(tmp_path)


@pytest.mark.long
def test_it_ends_with_success_and_with_an_error(data: Path, tmp_path: Path) -> None:
    process = started(data, tmp_path, data / "preprocessed.h5")
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    check_nothing_is_left(tmp_path)
    # The weights of another model, which Keras 2 finds out.
    other = started(
        data, tmp_path, data / "preprocessed.json", "--weights", str(data / "preprocessed.h5"),
        "--input-range", "imagenet",
    )  # fmt: skip
    said, _ = other.communicate(timeout=600)
    assert other.returncode == 2, said  # the range does not fit what the model does
    check_nothing_is_left(tmp_path)
