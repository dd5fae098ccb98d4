"""Runs a program within limits of time and memory, and says what it took."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

_BETWEEN_LOOKS: Final = 1.0  # seconds; adding up the pages of a large process takes some hundredths


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one program may take.

    Attributes:
        seconds: Wall time.
        bytes: Memory of it and its children together.
    """

    seconds: float
    bytes: int


@dataclass(kw_only=True)
class Watched:
    """What a program took and said.

    Attributes:
        code: Exit code, negative for a signal.
        ended: Why it was ended: ``time`` or ``memory``; empty where it ended by itself.
        seconds: Wall time.
        cpu_seconds: Of all its threads and children, user and system.
        bytes: The most memory that it and its children held, looked at once a second.
        out: What it printed.
        lines: What it said on standard error: wall and CPU seconds since its start, and a line.
    """

    code: int = 0
    ended: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    bytes: int = 0
    out: str = ""
    lines: list[tuple[float, float, str]] = field(default_factory=list)

    def took(self) -> dict[str, Any]:
        """Return time and memory as JSON-ready values."""
        return {
            "seconds": round(self.seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
            "memory_bytes": self.bytes,
        }


def watched(command: Sequence[str | Path], limits: Limits) -> Watched:
    """Run a program; end it, and what it began, where it goes beyond a limit.

    Args:
        command: The program and its arguments.
        limits: What it may take.
    """
    began, found = time.monotonic(), Watched()
    process = subprocess.Popen(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )

    def read_lines(stream: IO[str]) -> None:
        with stream:
            for line in stream:
                used = _cpu_seconds(process.pid)
                found.lines.append((time.monotonic() - began, used, line.rstrip("\n")))

    def read_out(stream: IO[str]) -> None:
        with stream:
            found.out = stream.read()

    readers = [
        threading.Thread(target=read, args=(stream,), daemon=True)
        for read, stream in ((read_lines, process.stderr), (read_out, process.stdout))
    ]
    for reader in readers:
        reader.start()
    usage = None
    try:
        while usage is None:
            found.bytes = max(found.bytes, memory_of([process.pid, *children(process.pid)]))
            if time.monotonic() - began > limits.seconds:
                found.ended = "time"
            elif found.bytes > limits.bytes:
                found.ended = "memory"
            if found.ended:
                os.killpg(process.pid, signal.SIGKILL)
            next_look = time.monotonic() + _BETWEEN_LOOKS
            while usage is None and time.monotonic() < next_look:
                usage = _usage_if_ended(process)
                time.sleep(0.05)
    finally:
        if usage is None:  # this program is ended: what it began goes with it
            os.killpg(process.pid, signal.SIGKILL)
    for reader in readers:
        reader.join(timeout=10)
    found.code = process.returncode
    found.seconds = time.monotonic() - began
    found.cpu_seconds = usage.ru_utime + usage.ru_stime
    # What the kernel kept of the largest process, between two looks.
    found.bytes = max(found.bytes, 1024 * usage.ru_maxrss)
    return found


def _usage_if_ended(process: subprocess.Popen[str]) -> resource.struct_rusage | None:
    """Return what an ended process used; of a running one nothing."""
    ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    if not ended:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)  # nobody else may wait for it
    return usage


def _cpu_seconds(process: int) -> float:
    try:
        values = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(value) for value in values[11:15]) / os.sysconf("SC_CLK_TCK")


def children(process: int) -> Iterator[int]:
    """Yield a process's children, theirs, and so on."""
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found = [int(one) for one in task.read_text().split()]
        except OSError:
            continue  # it has ended
        for one in found:
            yield one
            yield from children(one)


def memory_of(processes: Sequence[int]) -> int:
    """Return the sum of processes' proportional set sizes, bytes; 0 where the system is silent."""
    found = 0
    for process in processes:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue  # it has ended
        found += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return found


def available() -> int:
    """Return how much memory is available, bytes; 0 where the system does not tell."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    return 0
