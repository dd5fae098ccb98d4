"""The connections that a server has open, and how many there may be."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Final

__all__ = ["MOST", "Connections"]

MOST: Final = 64
"""A browser opens six to one server; each costs a thread here."""


class Connections:
    """Open connections, no more than ``MOST``.

    Where there would be more, the one that has waited longest for a request ends. Browsers keep
    such for later, and open another where they find one ended. One that is being answered stays.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        # To whether it waits for a request; the one that waits longest comes first.
        self._waits: dict[socket.socket, bool] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._waits)

    def admit(self, connection: socket.socket) -> bool:
        """Take one in; False if there is no room."""
        with self._changing:
            if len(self._waits) >= MOST:
                waiting = next((one for one, waits in self._waits.items() if waits), None)
                if waiting is None:
                    return False
                del self._waits[waiting]
                _end(waiting)
            self._waits[connection] = True
        return True

    def wait(self, connection: socket.socket) -> None:
        """Note that one waits for a request."""
        with self._changing:
            if self._waits.pop(connection, None) is not None:
                self._waits[connection] = True

    def work(self, connection: socket.socket) -> None:
        """Note that one has a request that is to be answered."""
        with self._changing:
            if connection in self._waits:
                self._waits[connection] = False

    def remove(self, connection: socket.socket) -> None:
        """Forget one, before it is closed: its number may be another's then."""
        with self._changing:
            self._waits.pop(connection, None)

    def end(self) -> None:
        """End all of them."""
        with self._changing:
            for connection in self._waits:
                _end(connection)


def _end(connection: socket.socket) -> None:
    """Let whoever reads from a connection find its end."""
    with contextlib.suppress(OSError):
        # Not TLS's own, which would take the encryption from under a thread that is writing.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
