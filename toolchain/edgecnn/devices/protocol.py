"""The words that are exchanged with the program on a device; see ``on_device/bootstrap.py``.

What comes back is not trusted: every line, every blob and their sum are bounded, and JSON is
checked before it is used.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from edgecnn.devices.payload import bootstrap
from edgecnn.errors import DeviceError

_LONGEST_LINE: Final = 4 << 20
_MOST_CHATTER: Final = 1 << 20
_KINDS: Final = frozenset({"progress", "phase", "error", "failed", "done"})


@dataclass(frozen=True, kw_only=True)
class Blob:
    """Bytes that go to the device with a request.

    Attributes:
        name: A name, or a path inside of the folder that the device makes.
        data: The bytes.
        memory: Whether they stay in memory there, and are written to no file.
        executable: Whether the file may be started.
    """

    name: str
    data: bytes | memoryview
    memory: bool = False
    executable: bool = False


@dataclass(frozen=True, kw_only=True)
class Message:
    """A piece of a reply.

    Attributes:
        kind: ``progress``, ``phase``, ``error``, ``failed`` or ``done``.
        values: What it says.
        blobs: What came with it.
    """

    kind: str
    values: Mapping[str, Any]
    blobs: tuple[bytes, ...]


def encode_request(
    task: str, parameters: Mapping[str, Any], blobs: Sequence[Blob], *, any_python: bool
) -> tuple[str, list[bytes | memoryview]]:
    """Return a request's nonce, and its parts with the program in front.

    Args:
        task: A module of ``on_device``.
        parameters: JSON-ready.
        blobs: What goes with it; the code that runs there is one of them.
        any_python: Whether the task can be done by a Python older than the runner's.
    """
    nonce = secrets.token_hex(16)
    header = {
        "nonce": nonce,
        "task": task,
        "parameters": parameters,
        "any_python": any_python,
        "blobs": [
            {
                "name": blob.name,
                "bytes": len(blob.data),
                "memory": blob.memory,
                "executable": blob.executable,
            }
            for blob in blobs
        ],
    }
    program = bootstrap()
    line = json.dumps(header).encode() + b"\n"
    return nonce, [f"{len(program)}\n".encode(), program, line, *(blob.data for blob in blobs)]


def size_of(parts: Sequence[bytes | memoryview]) -> int:
    """Return the number of bytes in all parts."""
    return sum(len(part) for part in parts)


@dataclass
class FrameReader:
    """Cuts what comes from a device into frames.

    Attributes:
        nonce: What each frame begins with.
        largest: Bytes that all blobs of the reply may have together.
        take: Is given each frame, once it is whole.
        begun: Whether a frame has come.
    """

    nonce: str
    largest: int
    take: Callable[[Message], None]
    begun: bool = False
    _data: bytearray = field(default_factory=bytearray)
    _header: Mapping[str, Any] | None = None
    _wanted: int = 0
    _left: int | None = None

    def feed(self, data: bytes) -> None:
        """Take what came.

        Raises:
            DeviceError: If it is nothing that our program sends.
        """
        self._data += data
        while self._next():
            pass

    def _next(self) -> bool:
        if self._header is None and not self._read_header():
            return False
        if len(self._data) < self._wanted:
            return False
        assert self._header is not None  # noqa: S101 - for the type checker
        blobs = []
        for size in self._header["blobs"]:
            blobs.append(bytes(self._data[:size]))
            del self._data[:size]
        frame = Message(
            kind=self._header["kind"], values=self._header["values"], blobs=tuple(blobs)
        )
        self._header = None
        self.take(frame)
        return True

    def _read_header(self) -> bool:
        mark = f"{self.nonce} ".encode()
        if not self.begun:
            place = self._data.find(mark)
            if place < 0:
                if len(self._data) > _MOST_CHATTER:
                    raise _nonsense("more than a megabyte that our program did not send")
                return False
            del self._data[:place]
            self.begun = True
        end = self._data.find(b"\n")
        if end < 0:
            if len(self._data) > _LONGEST_LINE:
                raise _nonsense("a line without an end")
            return False
        line = bytes(self._data[:end])
        del self._data[: end + 1]
        if not line.startswith(mark):
            raise _nonsense(f"{line[:60]!a} between two frames")
        self._header = _checked(line[len(mark) :])
        self._wanted = sum(self._header["blobs"])
        self._left = (self.largest if self._left is None else self._left) - self._wanted
        if self._left < 0:
            raise _nonsense(f"more than {self.largest} bytes")
        return True


def _checked(line: bytes) -> Mapping[str, Any]:
    try:
        header: dict[str, Any] = json.loads(line)
        sizes = header["blobs"]
        fine = (
            header["kind"] in _KINDS
            and isinstance(header["values"], dict)
            and isinstance(sizes, list)
            and all(type(size) is int and size >= 0 for size in sizes)
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        fine = False
    if not fine:
        raise _nonsense(f"{line[:60]!a}")
    return header


def _nonsense(observed: str) -> DeviceError:
    return DeviceError(
        "the device answers what our program there does not say",
        observed=observed,
        expected="a reply of edgecnn's program",
        remedy="check that the address starts a plain Python on the device",
    )
