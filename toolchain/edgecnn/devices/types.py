"""What a device is to the rest: something that starts Python and exchanges bytes with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from edgecnn.errors import DeviceConnectionError

LOADER: Final = (
    "import sys;b=sys.stdin.buffer;exec(compile(b.read(int(b.readline())),'edgecnn','exec'))"
)
"""What ``python -c`` gets: it reads the program from standard input.

One short line in plain characters comes through every login shell and every wrapper unharmed, a
program as an argument does not.
"""

_MOST_STDERR: Final = 4000


@dataclass(frozen=True, kw_only=True)
class PythonCall:
    """A program to run in a device's Python, and what is exchanged with it.

    Attributes:
        request: What goes to its standard input, in parts; the program is in it, see ``LOADER``.
            Standard input is left open behind them, until the program ends.
        received: Is given what comes from its standard output, as it comes; may raise, which ends
            the program.
        sent: Is given the number of bytes that were passed on since the last time.
        silence_s: Seconds without a byte in either direction after which the program is ended.
        python: The Python to start, where the device lets choose.
        as_root: Whether to start it as root, by sudo, where the device lets choose.
        looked: Is called about twice a second meanwhile; may raise, which ends the program.
    """

    request: Sequence[bytes | memoryview]
    received: Callable[[bytes], None]
    sent: Callable[[int], None]
    silence_s: float
    python: str = "python3"
    as_root: bool = False
    looked: Callable[[], object] = lambda: None


@dataclass(frozen=True, kw_only=True)
class Completed:
    """How a program on a device ended.

    Attributes:
        code: Its exit code; negative for a signal's number; None if that is not known.
        stderr: The end of what it, or what started it, wrote to standard error.
    """

    code: int | None
    stderr: str


class Device(Protocol):
    """A place where Python can be started."""

    name: str
    """The address as it was typed."""

    def run_python(self, call: PythonCall) -> Completed:
        """Start ``python -I -B -c LOADER`` there, exchange bytes, and wait for its end.

        Raises:
            DeviceConnectionError: If the device cannot be reached, is not the one it should be,
                lets nobody in, falls silent, or is lost on the way.
            DeviceError: If the command that starts Python cannot be started.
        """

    def close(self) -> None:
        """Part from the device."""


@dataclass
class StderrTail:
    """The end of what a program says for people, bounded however much it says."""

    data: bytes = field(default=b"")

    def add(self, data: bytes) -> None:
        """Take what came."""
        self.data = (self.data + data)[-_MOST_STDERR:]

    def text(self) -> str:
        """Return it as text; whatever is no text in it cannot reach a terminal."""
        return printable(self.data.decode("utf-8", "replace")).strip()


def printable(text: str, *, most: int = _MOST_STDERR) -> str:
    """Return a device's words without what could steer a terminal, and not too many of them."""
    kept = (letter if letter.isprintable() or letter == "\n" else " " for letter in text[:most])
    return "".join(kept)


def silent(name: str, silence_s: float, said: str) -> DeviceConnectionError:
    """Return the error of a device that gave no sign for too long.

    Args:
        name: What to call it.
        silence_s: For how long.
        said: What it wrote to standard error.
    """
    return DeviceConnectionError(
        f"{name} has fallen silent, and was given up",
        observed=f"nothing for {silence_s:g} s" + (f"; it said: {said[-300:]}" if said else ""),
        expected="a sign of progress within that time",
        remedy="look at what the device is doing, and try again",
    )
