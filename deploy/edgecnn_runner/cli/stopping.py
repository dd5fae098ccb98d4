"""Ends a service in order: SIGTERM is noted, and what was begun is finished."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Final

from edgecnn_runner.guard import notify_address


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


# One datagram for each message to the socket that ``NOTIFY_SOCKET`` names. No library is needed for
# it, and where no service manager asks for it, nothing is sent.

_SHARE: Final = 0.4
"""Of the watchdog's time after which it is told again; sd_watchdog_enabled(3) advises half."""


class Notifier:
    """Messages to the service manager.

    Args:
        environment: Where ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are looked for.

    Attributes:
        address: ``NOTIFY_SOCKET``; None where nobody wants to be told.
        pause_s: Seconds within which ``alive`` has to be called again; None if nobody watches.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.address = environment.get("NOTIFY_SOCKET") or None
        self.pause_s: float | None = None
        self._told = -float("inf")
        microseconds = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID") in (None, str(os.getpid()))
        if self.address is not None and meant and microseconds.isdecimal() and int(microseconds):
            self.pause_s = _SHARE * int(microseconds) / 1e6

    def ready(self, status: str) -> None:
        """Say that the service does its work now, and what that is."""
        self._send(f"READY=1\nSTATUS={status}")
        self.alive()

    def alive(self) -> None:
        """Say that the service is not stuck, if it is time to say so again."""
        now = time.monotonic()
        if self.pause_s is not None and now - self._told >= self.pause_s:
            self._told = now
            self._send("WATCHDOG=1")

    def ending(self) -> None:
        """Say that the service ends, and means to."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if self.address is None:
            return
        import socket

        # A manager that cannot be told will act on its own; the work goes on meanwhile.
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.sendto(message.encode(), notify_address(self.address))
        except OSError:
            pass
