"""The log: who may read it, what is in it, and what is not."""

from __future__ import annotations

import json
import os
import pty
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from command import edgecnn
from edgecnn.log import LOG, run_program, shown_command, timed
from edgecnn.progress import NO_PROGRESS

FILE = Path(__file__).parents[2] / "models/resnet8/resnet8-int8.tflite"
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (INFO|ERROR) .*")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO", LOG.name)
    return caplog


def test_a_command_is_logged_with_its_arguments_its_code_and_its_time(
    lines: pytest.LogCaptureFixture,
) -> None:
    done = run_program([sys.executable, "-c", "import sys; sys.exit(3)"], timeout_s=60)
    assert done.returncode == 3
    first, last = lines.messages
    assert first.startswith("run [")
    assert "sys.exit(3)" in first
    assert re.search(r"exit code 3 after \d+\.\d\d s$", last)


def test_a_command_that_cannot_be_run_or_does_not_end_is_logged_as_that(
    lines: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(FileNotFoundError):
        run_program(["/no/such/program"], timeout_s=60)
    assert "FileNotFoundError after" in lines.messages[-1]
    with pytest.raises(subprocess.TimeoutExpired):
        run_program([sys.executable, "-c", "import time; time.sleep(9)"], timeout_s=0.2)
    assert "TimeoutExpired after" in lines.messages[-1]


def test_what_a_command_is_fed_and_its_environment_are_not_logged(
    lines: pytest.LogCaptureFixture,
) -> None:
    code = "import os; print(os.environ['HIDDEN'], input())"
    done = run_program(
        [sys.executable, "-c", code], timeout_s=60, env={"HIDDEN": "fish"}, fed="bird\n"
    )
    assert done.stdout == "fish bird\n"
    assert "fish" not in lines.text
    assert "bird" not in lines.text


@pytest.mark.parametrize(
    ("command", "secret"),
    [
        (["npm", "--registry=https://me:tiger@host/"], "tiger"),
        (["docker", "-e", "API_TOKEN=tiger"], "tiger"),
        (["curl", "--password", "tiger"], "tiger"),
        (["curl", "--client-secret=tiger"], "tiger"),
    ],
)
def test_passwords_in_arguments_are_left_out(command: list[str], secret: str) -> None:
    shown = shown_command([*command, "--key", "pi.pem"])
    assert secret not in shown
    assert "***" in shown
    assert "pi.pem" in shown


def test_messages_and_tasks_of_any_progress_reach_the_log(
    lines: pytest.LogCaptureFixture,
) -> None:
    NO_PROGRESS.message("a summary")
    with NO_PROGRESS.task("look at images", 1200):
        pass
    with pytest.raises(ValueError, match="x"), timed("fail"):
        raise ValueError("x")
    assert lines.messages[0] == "a summary"
    assert lines.messages[1] == "look at images (1,200): begins"
    assert re.fullmatch(r"look at images \(1,200\): done in \d+\.\d\d s", lines.messages[2])
    assert lines.messages[4].startswith("fail: ValueError after")


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False])
def test_the_options_stand_before_and_after_the_commands_name(
    tmp_path: Path, *, before: bool
) -> None:
    log = tmp_path / "log.txt"
    options: list[str | Path] = ["--verbose", "--log-file", log]
    words: list[str | Path] = [*options, "inspect"] if before else ["inspect", *options]
    done = edgecnn(*words, FILE, "--json")
    assert done.code == 0, done.err
    json.loads(done.out)  # nothing else
    told = log.read_text().splitlines()
    assert all(ISO.fullmatch(line) for line in told), told
    assert "inspect" in told[0]
    assert "exit code 0 after" in told[-1]
    assert [line.split(" ", 1)[1] for line in done.err.splitlines()] == [
        line.split(" ", 2)[2] for line in told
    ]
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.slow
def test_without_the_options_nothing_is_said_and_a_file_is_appended_to(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("mine\n")
    log.chmod(0o644)
    assert edgecnn("inspect", FILE, "--json").err == ""
    done = edgecnn("inspect", tmp_path / "none\nsuch.tflite", "--log-file", log)
    assert done.code == 10
    mine, *told = log.read_text().splitlines()
    assert mine == "mine"
    assert all(ISO.fullmatch(line) for line in told), told
    assert any(" ERROR " in line and "none\\nsuch.tflite" in line for line in told)
    assert stat.S_IMODE(log.stat().st_mode) == 0o644


@pytest.mark.slow
def test_a_log_file_that_cannot_be_opened_is_a_usage_error(tmp_path: Path) -> None:
    done = edgecnn("inspect", FILE, "--log-file", tmp_path / "none/log.txt", "--json")
    assert done.code == 2
    assert "cannot be opened" in done.err
    assert json.loads(done.out)["exit_code"] == 2


@pytest.mark.slow
def test_a_full_disk_ends_the_log_and_not_the_command() -> None:
    done = edgecnn("inspect", FILE, "--log-file", "/dev/full", "--json")
    assert done.code == 0, done.err
    json.loads(done.out)
    assert done.err == "note: the log file /dev/full cannot be written any more\n"


CODE = """
import subprocess, sys
from edgecnn.cli.log import start_log
from edgecnn.cli.progress import terminal_progress
start_log(verbose=True, file=None)
from edgecnn.log import LOG
with terminal_progress().task("a bar", 3) as bar:
    for number in range(3):
        LOG.info("line %d of the log", number)
        bar.advance()
    terminal_progress().message("said once")
    subprocess.run([sys.executable, "-c", ""])
"""


@pytest.mark.slow
def test_lines_of_the_log_are_whole_beside_a_bar() -> None:
    """On a terminal, where the bar is drawn again below each line."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", CODE], stderr=theirs, env={**os.environ, "TERM": "xterm"}
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # how a terminal ends
            pass
    os.close(ours)
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    rows = [row.strip() for line in text.split("\n") for row in line.split("\r") if row.strip()]
    for number in range(3):
        assert sum(row.endswith(f" line {number} of the log") for row in rows) == 1, rows
    assert sum("said once" in row for row in rows) == 1
    assert any(re.fullmatch(r"\d\d:\d\d:\d\d run \['.*python.*'-c', ''\]", row) for row in rows)
    assert any("a bar" in row and "%" in row for row in rows)
