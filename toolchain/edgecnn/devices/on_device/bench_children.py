"""Starts the processes that measure, waits for them, and says how one ended that died."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecnn.devices.on_device.libraries import RuntimePlace

# What one is told to import is compiled already, see ``Children``; nothing is written.
_PROGRAM = (
    "import sys,json;a=json.loads(sys.argv[1]);sys.path[0:0]=a['first'];sys.path+=a['last'];"
    "from edgecnn.devices.on_device.bench_child import main;main(a)"
)
_MOST_STDERR = 2000
DIED = "the runtime ends its process with this file"
# ``bench_child.LONGEST_STEP_S``, which cannot be imported where there is no numpy.
_LONGEST_STEP_S = 120


class Child:
    """A process that measures.

    Attributes:
        begun_ns: The clock just before it was started.
    """

    def __init__(self, process: subprocess.Popen[bytes], begun_ns: int, errors: Path) -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe: for the type checker
        self.begun_ns = begun_ns
        self._process, self._errors = process, errors
        self._out = process.stdout.fileno()

    def read(self, most: int, tick: Callable[[], object]) -> bytes:
        """Return what it says next; empty at its end.

        Args:
            most: Bytes.
            tick: Called once a second meanwhile.
        """
        while not select.select([self._out], [], [], 1.0)[0]:
            tick()
        return os.read(self._out, most)

    def rest(self, tick: Callable[[], object]) -> bytes:
        """Return all that it still says."""
        parts = []
        while part := self.read(1 << 16, tick):
            parts.append(part)
        return b"".join(parts)

    def drain(self, tick: Callable[[], object]) -> bytes:
        """Return all that it still says, with an eye on it twice a second only.

        To be woken by each word would take the core that it measures on.
        """
        os.set_blocking(self._out, False)
        parts = []
        while True:
            time.sleep(0.5)
            tick()
            with contextlib.suppress(BlockingIOError):
                while part := os.read(self._out, 1 << 16):
                    parts.append(part)
                return b"".join(parts)

    def ending(self) -> str | None:
        """Wait for its end; return in words how it failed, None if it did not."""
        code = self._process.wait()
        if code == 0:
            return None
        if code == -signal.SIGALRM:
            return f"a run or the loading took longer than {_LONGEST_STEP_S} s, and was ended"
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            said = f"ended by {name}"
            if code == -signal.SIGKILL:
                said += "; the kernel does that when memory runs out"
            return said
        try:
            text = self._errors.read_bytes()[-_MOST_STDERR:].decode("utf-8", "replace").strip()
        except OSError:
            text = ""
        return f"exit code {code}: {(text.splitlines() or ['it says nothing'])[-1][:500]}"


class Children:
    """Starts processes with the code that was sent.

    It is unpacked and compiled once, as in an installed bundle: to compile it again in each
    process would count as the time to start.

    Args:
        folder: The private folder; ``code.zip`` lies in it.
        last: Folders for the end of a process's path.
        tick: Called once a second while code is compiled.
    """

    def __init__(
        self, folder: Path, last: Sequence[str], tick: Callable[[], object] = lambda: None
    ) -> None:
        self._folder, self._last, self._tick = folder, [*last], tick
        self._code = folder / "code"
        with zipfile.ZipFile(folder / "code.zip") as archive:
            archive.extractall(self._code)
        self._compiled: set[str] = set()

    def _compile(self, place: RuntimePlace) -> None:
        if place.python in self._compiled:
            return
        self._compiled.add(place.python)
        command = [place.python, "-I", "-m", "compileall", "-qq", str(self._code)]
        with (
            contextlib.suppress(OSError),  # its start will tell
            subprocess.Popen(  # noqa: S603 - a Python of this device, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process,
        ):
            while True:
                try:
                    process.wait(1)
                    return
                except subprocess.TimeoutExpired:
                    self._tick()

    @contextlib.contextmanager
    def started(self, place: RuntimePlace, asked: Mapping[str, Any]) -> Iterator[Child]:
        """Have a process do something; it is gone with the block.

        Args:
            place: Its Python.
            asked: What it is to do: the argument of ``bench_child.main``.

        Raises:
            OSError: If the Python cannot be started.
        """
        self._compile(place)
        first = [str(self._code), *([place.libraries] if place.libraries else [])]
        told = json.dumps({**asked, "first": first, "last": self._last})
        errors = self._folder / "errors"
        with errors.open("wb") as file:
            begun_ns = time.perf_counter_ns()
            process = subprocess.Popen(  # noqa: S603 - a Python of this device, no shell
                [place.python, "-I", "-B", "-c", _PROGRAM, told],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
                bufsize=0,
            )
        with process:
            try:
                yield Child(process, begun_ns, errors)
            finally:
                process.kill()
