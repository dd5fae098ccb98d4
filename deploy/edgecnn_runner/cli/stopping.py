"""How a service is asked to end: SIGTERM is noted, and what was begun is finished."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Stop:
    """Whether it is to end, and a wait that ends as soon as it is.

    A ``threading.Event`` will not do: a signal handler that sets it can find its lock taken by the
    very thread that it interrupted, and wait forever.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._asked = False

    def __bool__(self) -> bool:
        return self._asked

    def ask(self) -> None:
        """Ask for the end; from a signal handler, too."""
        if not self._asked:
            self._asked = True
            os.write(self._writer, b"\0")

    def wait(self, seconds: float) -> None:
        """Return after so many seconds, or at once when the end is asked for."""
        select.select([self._reader], [], [], seconds)

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._reader)
        os.close(self._writer)


@contextlib.contextmanager
def stop_on_sigterm() -> Iterator[Stop]:
    """Have SIGTERM ask for the end, in place of ending the process.

    Yields:
        What is asked. Only the main thread can have signals; elsewhere nobody asks.
    """
    with contextlib.closing(Stop()) as stop:
        if threading.current_thread() is not threading.main_thread():
            yield stop
            return

        def asked(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's
            stop.ask()

        before = signal.signal(signal.SIGTERM, asked)
        try:
            yield stop
        finally:
            signal.signal(signal.SIGTERM, before)
