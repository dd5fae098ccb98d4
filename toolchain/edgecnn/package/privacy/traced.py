"""Run a program in a network namespace without interfaces, and see each of its system calls.

strace sees what native code does, too, which the runner's own guard cannot. Under user-mode
emulation it sees the emulator's calls, which are the program's, translated.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgecnn.log import run_program

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
    done = run_program(
        [*trace, "-e", "signal=none", "-o", str(folder / "trace"), "--", *apart, "--", *command],
        timeout_s=_TIMEOUT_S,
        env=environment,
        cwd="/",
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


_STRING: Final = r'"((?:[^"\\]|\\.)*)"'
_AT: Final = re.compile(rf"(?:AT_FDCWD|-?\d+)<([^>]*)>, (?:{_STRING}|NULL)")
_PLAIN: Final = re.compile(_STRING)
_SUN_PATH: Final = re.compile(rf"sun_path=(@?){_STRING}")
_WRITES: Final = re.compile(r"\b(O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND)\b")
_OPENS: Final = ("open", "openat", "openat2")
# How many of its strings are paths that it changes; the first of a symbolic link's is its target.
_PLAIN_CALLS: Final = {
    "creat": 1, "rename": 2, "unlink": 1, "rmdir": 1, "mkdir": 1, "mknod": 1, "link": 2,
    "truncate": 1, "chmod": 1, "chown": 1, "lchown": 1, "utime": 1, "utimes": 1, "setxattr": 1,
    "lsetxattr": 1, "mount": 2,
}  # fmt: skip
_AT_CALLS: Final = (
    "renameat", "renameat2", "unlinkat", "mkdirat", "mknodat", "linkat", "symlinkat", "fchmodat",
    "fchownat", "utimensat",
)  # fmt: skip


def strange_sockets(calls: Iterable[SystemCall], *, allowed: str | None) -> list[str]:
    """Return the calls that could reach beyond this machine's own service manager.

    Args:
        calls: Of a run.
        allowed: Path of the one socket, of the family AF_UNIX, that may be spoken to.

    Returns:
        As text; empty if there is none. Whether the kernel let it pass does not matter.
    """
    found = []
    for call in calls:
        family = call.arguments.partition(",")[0].strip()
        if call.name in ("socket", "socketpair") and family not in ("AF_UNIX", "AF_LOCAL"):
            found.append(f"{call.name}({family})")
        elif call.name == "io_uring_setup":  # through which sockets can be had unseen
            found.append("io_uring_setup")
        elif call.name in ("connect", "sendto", "sendmsg", "sendmmsg", "bind", "listen"):
            path = _SUN_PATH.search(call.arguments)
            # "@" before it says that the name is an abstract one and no path.
            to = None if path is None else path[1] + _unescaped(path[2])
            if to not in (None, allowed):
                found.append(f"{call.name} to {to}")
            elif call.name in ("bind", "listen") or "AF_INET" in call.arguments:
                found.append(call.name)
    return sorted(set(found))


def written_paths(calls: Iterable[SystemCall], *, root: Path | None = None) -> list[str]:
    """Return the paths that a run made, changed or removed, or tried to; devices left out.

    Args:
        calls: Of a run.
        root: The folder of the system that it ran in; None for this one.

    Returns:
        Absolute paths of that system, in order.
    """
    # strace names descriptors as this machine sees them, and the program as its own system does.
    seen = "" if root is None else str(root)
    paths = {path.removeprefix(seen) or "/" for call in calls for path in _paths(call)}
    return sorted(path for path in paths if not _is_device(path, root))


def _paths(call: SystemCall) -> Iterator[str]:
    if call.name in _OPENS:
        # Only flags count: a file may be called O_CREAT.
        if not _WRITES.search(_PLAIN.sub("", call.arguments)):
            return
        match = _AT.search(call.arguments) if call.name != "open" else None
        yield _joined(match) if match else _absolute(_first(call))
    elif call.name in _AT_CALLS:
        yield from (_joined(match) for match in _AT.finditer(call.arguments))
    elif call.name == "symlink":
        yield _absolute(_unescaped(_PLAIN.findall(call.arguments)[-1]))
    elif call.name in _PLAIN_CALLS:
        for path in _PLAIN.findall(call.arguments)[: _PLAIN_CALLS[call.name]]:
            yield _absolute(_unescaped(path))


def _joined(match: re.Match[str]) -> str:
    """Return the path that a descriptor of a folder and a path from there are together."""
    return os.path.normpath(os.path.join(_unescaped(match[1]), _unescaped(match[2] or "")))  # noqa: PTH118


def _absolute(path: str) -> str:
    """Return a path from the folder that every run begins in, the root."""
    return os.path.normpath(os.path.join("/", path))  # noqa: PTH118


def _first(call: SystemCall) -> str:
    found = _PLAIN.search(call.arguments)
    return _unescaped(found[1]) if found else call.arguments


def _unescaped(text: str) -> str:
    """Undo how strace writes bytes that are no printable ASCII: as C does."""
    if "\\" not in text:
        return text
    raw = text.encode("ascii", "replace").decode("unicode_escape").encode("latin-1", "replace")
    return os.fsdecode(raw)


def _is_device(path: str, root: Path | None) -> bool:
    place = path if root is None else f"{root}/{path}"
    try:
        return stat.S_ISCHR(os.stat(place).st_mode)  # noqa: PTH116 - any bytes
    except (OSError, ValueError):
        return False


def other_programs(calls: Iterable[SystemCall], *, allowed: Iterable[str]) -> list[str]:
    """Return the programs that a run started, or tried to, beyond those it may.

    Args:
        calls: Of a run.
        allowed: File names of programs.
    """
    known = set(allowed)
    tried = {_first(call) for call in calls if call.name in ("execve", "execveat")}
    return sorted(path for path in tried if os.path.basename(path) not in known)  # noqa: PTH119
