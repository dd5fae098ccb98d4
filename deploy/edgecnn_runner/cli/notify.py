"""Tell the service manager that a service is ready, alive, and ending, as sd_notify(3) does.

One datagram for each message to the socket that ``NOTIFY_SOCKET`` names. No library is needed for
it, and where no service manager asks for it, nothing is sent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Final

from edgecnn_runner.guard import notify_address

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
