"""Run a program in a network namespace without interfaces, and see each of its system calls.

strace sees what native code does, too, which the runner's own guard cannot. Under user-mode
emulation it sees the emulator's calls, which are the program's, translated.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# A question mark lets strace go on where an architecture lacks the call.
_WATCHED: Final = (
    "%network", "?open", "openat", "?openat2", "?creat", "?rename", "renameat", "?renameat2",
    "?unlink", "unlinkat", "?rmdir", "?mkdir", "mkdirat", "?mknod", "mknodat", "?link", "linkat",
    "?symlink", "symlinkat", "truncate", "?chmod", "fchmodat", "?chown", "?lchown", "fchownat",
    "?utimensat", "?utime", "?utimes", "setxattr", "?lsetxattr", "execve", "?execveat",
    "?io_uring_setup", "mount", "ptrace",
)  # fmt: skip
_CALL: Final = re.compile(r"(?P<name>[a-z_0-9]+)\((?P<arguments>.*?)\)?\s+= (?P<result>-?\d+|\?)")
_UNFINISHED: Final = re.compile(r"(?P<name>[a-z_0-9]+)\((?P<arguments>.*)")
_TIMEOUT_S: Final = 300


@dataclass(frozen=True, kw_only=True)
class SystemCall:
    """One system call.

    Attributes:
        name: Its name.
        arguments: As strace shows them, descriptors with their paths.
        failed: Whether the kernel refused it.
    """

    name: str
    arguments: str
    failed: bool


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A program's run.

    Attributes:
        name: What it was for.
        code: Its exit code.
        stdout: What it printed.
        stderr: What it said.
        calls: Those of all its processes that concern the network, files or programs.
    """

    name: str
    code: int
    stdout: str
    stderr: str
    calls: tuple[SystemCall, ...]


def why_not(root: Path | None = None) -> str | None:
    """Say why nothing can be traced here; None if it can.

    Args:
        root: The system to run in, if it is not this one.
    """
    if sys.platform != "linux":
        return f"system calls are traced on Linux only, and this is {sys.platform}"
    for program, package in (("strace", "strace"), ("unshare", "util-linux")):
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian, Ubuntu: sudo apt install {package})"
    if root is not None and os.geteuid() != 0:
        return "running in another system's folder needs root"
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as name:
        try:
            run = _run("a first look", ["/bin/true"], Path(name), {"PATH": "/usr/bin:/bin"}, root)
        except (OSError, subprocess.SubprocessError) as error:
            return f"strace or unshare does not work here: {error}"
    if run.code != 0 or not any(call.name == "execve" for call in run.calls):
        said = " ".join(run.stderr.split())[-300:] or f"exit code {run.code}"
        return f"a namespace without interfaces, or tracing in it, is not to be had here: {said}"
    return None


def traced(
    name: str,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    root: Path | None = None,
) -> Traced:
    """Run a program to its end.

    Args:
        name: What it is for.
        command: The program and its arguments, as paths of the system it runs in.
        environment: All of its environment.
        root: The folder of the system to run in; None for this one.

    Raises:
        subprocess.TimeoutExpired: If it does not end.
        OSError: If strace cannot be run.
    """
    with tempfile.TemporaryDirectory(prefix="edgecnn-trace-") as folder:
        return _run(name, command, Path(folder), environment, root)


def _run(
    name: str,
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    root: Path | None,
) -> Traced:
    apart = ["unshare", "--net"]
    if root is not None:
        apart += ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", f"--root={root}"]
        apart += ["--wd=/"]
    elif os.geteuid() != 0:
        apart += ["--user", "--map-root-user"]
    # One file for each process, so that no two share a line; with each descriptor's path.
    trace = ["strace", "-ff", "-qq", "-y", "-s", "4096", "-e", f"trace={','.join(_WATCHED)}"]
    done = subprocess.run(  # noqa: S603 - fixed programs, no shell
        [*trace, "-e", "signal=none", "-o", str(folder / "trace"), "--", *apart, "--", *command],
        env=dict(environment),
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_TIMEOUT_S,
        check=False,
    )
    program = os.path.basename(command[0])  # noqa: PTH119 - as execve has it
    calls = tuple(
        call
        for path in sorted(folder.glob("trace.*"))
        for call in _of_program([*_calls(path)], program)
    )
    return Traced(
        name=name, code=done.returncode, stdout=done.stdout, stderr=done.stderr, calls=calls
    )


def _of_program(calls: Sequence[SystemCall], program: str) -> Sequence[SystemCall]:
    """Leave out what unshare does before it starts the program."""
    for index, call in enumerate(calls):
        if call.name == "execve" and not call.failed:
            path = call.arguments.split('"')[1]
            if os.path.basename(path) == program:  # noqa: PTH119
                return calls[index:]
            if os.path.basename(path) != "unshare":  # noqa: PTH119
                return calls
    return [] if any(call.name == "execve" for call in calls) else calls


def _calls(path: Path) -> Iterator[SystemCall]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        found = _CALL.match(line)
        if found is not None:
            failed = found["result"].startswith("-")
            yield SystemCall(name=found["name"], arguments=found["arguments"], failed=failed)
            continue
        cut = _UNFINISHED.match(line)  # the process ended within the call
        if cut is not None:
            yield SystemCall(name=cut["name"], arguments=cut["arguments"], failed=False)
