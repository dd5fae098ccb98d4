"""The log: steps, files, external commands and their times; silent until somebody listens.

It is the standard library's ``logging``, below the logger ``edgecnn``. Of an external command its
arguments are logged, with what looks like a password in them left out; never what it is fed, its
environment, or what is in a file.
"""

from __future__ import annotations

import contextlib
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

LOG: Final = logging.getLogger("edgecnn")
LOG.addHandler(logging.NullHandler())

_LONGEST: Final = 200  # characters of an argument: a program may be one
_SECRET: Final = re.compile(
    r"(://)[^/@\s]+(@)|(\b\w*(?i:token|passw(?:or)?d|secret|api.?key)\w*[=:])\S+"
)
_SECRET_OPTION: Final = re.compile(r"-.*(?i:token|passw(?:or)?d|secret|api.?key)")


def step(text: str, *, shown: bool = False) -> None:
    """Log one line.

    Args:
        text: What is done, or was found.
        shown: Whether the terminal shows it already.
    """
    LOG.info("%s", text, extra={"shown": shown})


def has_read(path: Path) -> None:
    """Log that a file is read on which the result depends."""
    LOG.info("read %s", path)


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Log the begin of the block, its end, and how long it took."""
    begun = time.monotonic()
    LOG.info("%s: begins", what)
    try:
        yield
    except BaseException as error:
        LOG.info("%s: %s after %.2f s", what, type(error).__name__, time.monotonic() - begun)
        raise
    LOG.info("%s: done in %.2f s", what, time.monotonic() - begun)


def shown_command(command: Sequence[object]) -> str:
    """Return a command as a list of its arguments, long ones cut, passwords left out."""
    told, before = [], ""
    for part in map(str, command):
        part_told = _SECRET.sub(r"\1\3***\2", part)
        told.append("***" if _SECRET_OPTION.fullmatch(before) else part_told)
        before = part
    return str([f"{part[:_LONGEST]}..." if len(part) > _LONGEST else part for part in told])


class _Own(threading.local):
    """Whether this thread logs the command that it starts itself."""

    command = False


_own = _Own()


def log_children() -> None:
    """Log the processes that libraries start, too; from now on, and for good."""

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen" and not _own.command:
            LOG.info("run %s", shown_command(arguments[1]))

    sys.addaudithook(heard)


@contextlib.contextmanager
def timed_command(command: Sequence[object]) -> Iterator[list[object]]:
    """Log an external command: its arguments before, how it ended and its time after.

    Args:
        command: The program and its arguments.

    Yields:
        A list that the exit code is to be appended to, once there is one.
    """
    begun, ended = time.monotonic(), list[object]()
    LOG.info("run %s", shown_command(command))
    _own.command = True
    try:
        yield ended
        how = f"exit code {ended[0]}"
    except BaseException as error:
        how = type(error).__name__
        raise
    finally:
        _own.command = False
        LOG.info("%s: %s after %.2f s", command[0], how, time.monotonic() - begun)


def run_program(
    command: Sequence[str],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    fed: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program of this machine to its end, without a shell, and log it.

    Args:
        command: The program and its arguments.
        timeout_s: When it is given up.
        env: All of its environment; None for this process's.
        cwd: Its folder; None for this process's.
        fed: Its standard input; None for none.

    Returns:
        Its exit code and what it said; bytes that are no UTF-8 are replaced.

    Raises:
        OSError: If it cannot be started.
        subprocess.TimeoutExpired: If it does not end in time.
    """
    with timed_command(command) as ended:
        done = subprocess.run(  # noqa: S603 - each caller's program is fixed, and no shell
            command,
            env=None if env is None else dict(env),
            cwd=cwd,
            input=fed,
            stdin=subprocess.DEVNULL if fed is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
        ended.append(done.returncode)
    return done
