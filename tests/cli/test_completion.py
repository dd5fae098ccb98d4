"""Completion in real shells: installed by the command's own option, then used by the tab key."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # in processes of their own

PROGRAMS = Path(sys.executable).parent
START = {"bash": ["bash", "-i"], "zsh": ["zsh", "-i"]}


class Shell:
    """An interactive shell on a terminal of its own."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.shown = ""

    def types(self, text: str) -> None:
        os.write(self._number, text.encode())

    def shows(self, pattern: str, *, seconds: float = 60) -> bool:
        end = time.monotonic() + seconds
        while not re.search(pattern, self.shown):
            ready, _, _ = select.select([self._number], [], [], max(0, end - time.monotonic()))
            if not ready:
                return False
            part = os.read(self._number, 4096).decode(errors="replace")
            self.shown += re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>])|[\x08\r]", "", part)
        return True


def environment(home: Path, shell: str) -> dict[str, str]:
    return {
        "HOME": str(home), "SHELL": f"/bin/{shell}", "TERM": "xterm", "PS1": "ready> ",
        "PATH": f"{PROGRAMS}:/usr/bin:/bin", "ZDOTDIR": str(home), "LANG": "C.UTF-8",
    }  # fmt: skip


@contextlib.contextmanager
def opened(shell: str, home: Path) -> Iterator[Shell]:
    process, number = pty.fork()
    if process == 0:
        os.chdir(home)
        os.execvpe(START[shell][0], START[shell], environment(home, shell))
    try:
        found = Shell(number)
        found.types("echo read''y\n")
        assert found.shows(r"\nready\b"), found.shown
        yield found
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(number)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_tab_key_completes_commands_and_options(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    (tmp_path / f".{shell}rc").touch()  # or zsh asks a newcomer what should be in it
    with opened(shell, tmp_path) as found:
        found.types("edgecnn --show-completion\n")
        assert found.shows(f"_EDGECNN_COMPLETE=complete_{shell}"), found.shown
        found.types("edgecnn --install-completion\n")
        assert found.shows(f"{shell} completion installed"), found.shown
        # The shell is killed below: not before the command has come to its end.
        found.types("echo end''ed\n")
        assert found.shows(r"\nended\b"), found.shown
    with opened(shell, tmp_path) as found:
        found.types("edgecnn pri\t")
        assert found.shows("edgecnn privacy"), found.shown
        found.types("--whe\t")
        assert found.shows("--wheels"), found.shown
        assert "Traceback" not in found.shown


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"_EDGECNN_COMPLETE": "complete_bash", "COMP_WORDS": 'edgecnn "', "COMP_CWORD": "1"}, 0),
        ({"_EDGECNN_COMPLETE": "complete_bash", "COMP_WORDS": "edgecnn x y", "COMP_CWORD": "2"}, 0),
        ({"_EDGECNN_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "edgecnn --log-file "}, 0),
        ({"_EDGECNN_COMPLETE": "complete_bash"}, 1),
        ({"_EDGECNN_COMPLETE": "complete_bash", "COMP_WORDS": "edgecnn", "COMP_CWORD": "x"}, 1),
    ],
)
def test_a_line_that_makes_no_sense_is_completed_to_nothing(
    variables: dict[str, str], code: int
) -> None:
    done = subprocess.run(
        [PROGRAMS / "edgecnn"], capture_output=True, text=True, env={**os.environ, **variables},
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize("command", ["demo", "build", "train", "convert", "verify", "package"])
def test_out_has_a_short_name(command: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAMS / "edgecnn", command, "--help"], capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    assert re.search(r"--out +-o +FOLDER", done.stdout)
