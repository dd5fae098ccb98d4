"""``cmd:`` devices: a command that starts Python elsewhere, in a container, a tree, an emulator."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Final

from edgecnn.devices.address import Address
from edgecnn.devices.types import LOADER, Completed, PythonCall, StderrTail, silent
from edgecnn.errors import DeviceError
from edgecnn.log import timed_command

_CHUNK: Final = 1 << 16
_LOOK_S: Final = 0.5
_END_S: Final = 5.0


class CommandDevice:
    """See ``types.Device``. The command chooses Python and user; a call's wishes do not count.

    Args:
        address: A ``cmd`` address.
    """

    def __init__(self, address: Address) -> None:
        self.name = address.text
        self._command = address.command

    def run_python(self, call: PythonCall) -> Completed:
        """See ``types.Device``."""
        command = [*self._command, "-I", "-B", "-c", LOADER]
        with timed_command(command) as ended:
            done = self._run(command, call)
            ended.append(done.code)
        return done

    def _run(self, command: list[str], call: PythonCall) -> Completed:
        try:
            process = subprocess.Popen(  # noqa: S603 - what the user named, no shell
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                # Ctrl-C is for this process, which then ends that one and all it has started.
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceError(
                f"{self.name} cannot be started",
                observed=f"{self._command[0]}: {error.strerror}",
                expected="a program of this machine",
                remedy="check the command: its first word is a program, its last a Python",
            ) from error
        with process:
            try:
                stderr = _Exchange(process, call).run(self.name)
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                _end(process)
            except BaseException:
                _end(process)
                raise
        return Completed(code=process.returncode, stderr=stderr.text())

    def close(self) -> None:
        """See ``types.Device``; each call has a process of its own."""


class _Exchange:
    """Writes the request and reads the answer, whichever is possible, in one thread."""

    def __init__(self, process: subprocess.Popen[bytes], call: PythonCall) -> None:
        assert process.stdin is not None  # noqa: S101 - they are pipes: for the type checker
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        self._process, self._call = process, call
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._parts = _views(call.request)
        self._tail = StderrTail()
        self._selector = selectors.DefaultSelector()

    def run(self, name: str) -> StderrTail:
        with self._selector:
            os.set_blocking(self._stdin.fileno(), False)
            self._selector.register(self._stdin, selectors.EVENT_WRITE, self._write)
            self._selector.register(self._stdout, selectors.EVENT_READ, self._read)
            self._selector.register(self._stderr, selectors.EVENT_READ, self._read_stderr)
            heard = time.monotonic()
            while self._stdout in self._selector.get_map():
                ready = self._selector.select(_LOOK_S)
                self._call.looked()
                moved = [entry.data() for entry, _ in ready]
                if any(moved):
                    heard = time.monotonic()
                elif not ready and self._process.poll() is not None:
                    break  # a program that it left behind may keep its output open for ever
                elif time.monotonic() - heard > self._call.silence_s:
                    raise silent(name, self._call.silence_s, self._tail.text())
            # What it said last; not what a program that it left behind may still say.
            self._stdin.close()
            with contextlib.suppress(BlockingIOError):
                os.set_blocking(self._stderr.fileno(), False)
                self._tail.add(self._stderr.read(_CHUNK) or b"")
        return self._tail

    def _write(self) -> bool:
        if not self._parts:
            self._selector.unregister(self._stdin)  # and left open: see PythonCall
            return False
        try:
            count = os.write(self._stdin.fileno(), self._parts[0][:_CHUNK])
        except BlockingIOError:
            return False
        except BrokenPipeError:
            # It has ended, or refused the rest; what it says about that is to be read.
            self._parts.clear()
            self._selector.unregister(self._stdin)
            return False
        self._parts[0] = self._parts[0][count:]
        if not self._parts[0]:
            del self._parts[0]
        self._call.sent(count)
        return True

    def _read(self) -> bool:
        data = os.read(self._stdout.fileno(), _CHUNK)
        if not data:
            self._selector.unregister(self._stdout)
            return False
        self._call.received(data)
        return True

    def _read_stderr(self) -> bool:
        data = os.read(self._stderr.fileno(), _CHUNK)
        if not data:
            self._selector.unregister(self._stderr)
        self._tail.add(data)
        return False  # whoever only complains is no nearer to an answer


def _views(parts: Sequence[bytes | memoryview]) -> list[memoryview]:
    return [memoryview(part).cast("B") for part in parts if len(part)]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it has started: kindly first, so that it clears up after itself."""
    if process.stdin is not None:
        process.stdin.close()  # a signal that comes just before it reads would not wake it
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            continue
        return
