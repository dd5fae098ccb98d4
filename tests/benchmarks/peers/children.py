"""The parent's side: processes that are ready and wait for their turn; see ``serving``."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

_LONGEST_LINE: Final = 64 << 20
_BENCHMARKS: Final = Path(__file__).parents[1]


class PeerError(Exception):
    """A peer cannot take part, or no longer; the text says why."""


class Child:
    """A peer in a process of its own.

    Args:
        command: The program and its arguments; ``peers`` is on its path.
        longest_s: Seconds that it may take to be ready, or for one turn.
        end_s: Seconds that it may take to end.
        path: Folders for the front of its path, besides ``tests/benchmarks``.

    Raises:
        PeerError: If it does not become ready.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        longest_s: float = 120.0,
        end_s: float = 5.0,
        path: Sequence[str] = (),
    ) -> None:
        self._longest_s, self._end_s = longest_s, end_s
        self._data = b""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_BENCHMARKS), *path])}
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=environment,
            )
        except OSError as error:
            self._stderr.close()
            raise PeerError(f"{command[0]} cannot be started: {error.strerror}") from error
        try:
            ready = self._answer().get("ready")
            if not isinstance(ready, dict) or not isinstance(ready.get("classes"), list):
                raise PeerError("it does not say that it is ready")
        except BaseException:
            self.close()
            raise
        self.ready: dict[str, Any] = ready

    def go(self, count: int) -> tuple[int, ...]:
        """Let it take a turn.

        Args:
            count: Timed runs.

        Returns:
            As many raw times, nanoseconds.

        Raises:
            PeerError: If it answers anything else, or not at all.
        """
        self._say(f"go {count}")
        times = self._answer().get("times")
        if (
            not isinstance(times, list)
            or len(times) != count
            or not all(type(one) is int and one > 0 for one in times)
        ):
            raise PeerError(f"it does not answer {count} times")
        return tuple(times)

    def close(self) -> None:
        """Let it end; make it, if it does not."""
        with contextlib.suppress(PeerError):
            self._say("quit")
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                self._process.send_signal(number)
            try:
                self._process.wait(self._end_s)
            except subprocess.TimeoutExpired:
                continue
            break
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._stderr.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise PeerError(f"it has ended{self._last_words()}") from error

    def _answer(self) -> dict[str, Any]:
        line = self._line()
        try:
            values = json.loads(line)
        except ValueError as error:
            raise PeerError(f"it answers {line[:80]!a}") from error
        if not isinstance(values, dict):
            raise PeerError(f"it answers {line[:80]!a}")
        if "error" in values:
            raise PeerError(str(values["error"]))
        return values

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        end = time.monotonic() + self._longest_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._data:
                left = end - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise PeerError(f"it said nothing for {self._longest_s:g} s")
                data = os.read(self._process.stdout.fileno(), 1 << 16)
                if not data or len(self._data) > _LONGEST_LINE:
                    raise PeerError(f"it has ended{self._last_words()}")
                self._data += data
        line, _, self._data = self._data.partition(b"\n")
        return line

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self._end_s)
        self._stderr.seek(0)
        said = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
        return f": {said[-1][:300]}" if said else ""
