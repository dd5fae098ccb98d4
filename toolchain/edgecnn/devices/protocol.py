"""The words that are exchanged with the program on a device, which ``on_device/bootstrap`` is.

The code that is sent is the very runner and installer that this workstation has. What comes back
is not trusted: every line, every blob and their sum are bounded, and JSON is checked before it is
used.
"""

from __future__ import annotations

import functools
import io
import json
import secrets
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final, TypeVar

from edgecnn.devices.types import printable
from edgecnn.errors import ArtifactError, DeviceError

_LONGEST_LINE: Final = 4 << 20
_MOST_CHATTER: Final = 1 << 20
_MOST_TEXT: Final = 500
_REMEDY: Final = (
    "try again; check that the address starts a plain Python on the device; if it stays, please "
    "report it in the project's issue tracker"
)
_T = TypeVar("_T")
_KINDS: Final = frozenset({"progress", "phase", "error", "failed", "done"})


_DATE: Final = (1980, 1, 1, 0, 0, 0)


@functools.cache
def bootstrap() -> bytes:
    """Return the first program, ``on_device/bootstrap``."""
    return (resources.files("edgecnn.devices.on_device") / "bootstrap.py").read_bytes()


@functools.cache
def code_zip() -> bytes:
    """Return the modules that the tasks import, as a ZIP that goes on ``sys.path``."""
    packages = {
        "edgecnn_runner": "edgecnn_runner",
        "edgecnn_installer": "edgecnn_installer",
        "edgecnn/devices/on_device": "edgecnn.devices.on_device",
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        # The toolchain's own packages would import what a device does not have.
        for empty in ("edgecnn/__init__.py", "edgecnn/devices/__init__.py"):
            archive.writestr(zipfile.ZipInfo(empty, _DATE), b"")
        for folder, package in packages.items():
            for name, text in _modules(resources.files(package), folder):
                entry = zipfile.ZipInfo(name, _DATE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, text)
    return data.getvalue()


def _modules(package: Traversable, folder: str) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the text of each module, also of sub-packages, in a fixed order."""
    for entry in sorted(package.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".py"):
            yield f"{folder}/{entry.name}", entry.read_bytes()
        elif entry.is_dir() and (entry / "__init__.py").is_file():
            yield from _modules(entry, f"{folder}/{entry.name}")


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
                    raise _unsaid("more than a megabyte that our program did not send")
                return False
            del self._data[:place]
            self.begun = True
        end = self._data.find(b"\n")
        if end < 0:
            if len(self._data) > _LONGEST_LINE:
                raise _unsaid("a line without an end")
            return False
        line = bytes(self._data[:end])
        del self._data[: end + 1]
        if not line.startswith(mark):
            raise _unsaid(f"{line[:60]!a} between two frames")
        self._header = _checked(line[len(mark) :])
        self._wanted = sum(self._header["blobs"])
        self._left = (self.largest if self._left is None else self._left) - self._wanted
        if self._left < 0:
            raise _unsaid(f"more than {self.largest} bytes")
        return True


def _unsaid(observed: str) -> DeviceError:
    return nonsense("the device", "answers what our program there does not say", observed)


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
        raise _unsaid(f"{line[:60]!a}")
    return header


def nonsense(
    device: str,
    says: str,
    observed: str,
    *,
    expected: str = "what our program there says",
    remedy: str = _REMEDY,
) -> DeviceError:
    """Return the error of a device whose answer cannot be true.

    Args:
        device: What to call it.
        says: What it does, for example "sends scores that do not fit".
        observed: What is wrong with it.
        expected: What would have been right.
        remedy: What to do.
    """
    return DeviceError(
        f"{device} {says}", observed=observed[:_MOST_TEXT], expected=expected, remedy=remedy
    )


def other_file(
    device: str, did_not: str, file: str, *, observed: object, expected: str
) -> ArtifactError:
    """Return the error of a device that worked with another file than the one it was sent.

    Args:
        device: What to call it.
        did_not: What was asked of it, for example "run".
        file: The file's name.
        observed: The SHA-256 that the device tells.
        expected: That of the file.
    """
    return ArtifactError(
        f"{device} did not {did_not} the file that was sent",
        observed=f"{file}, sha256 {plain(str(observed)[:100])}",
        expected=f"sha256 {expected}",
        remedy="try again; if it stays, the device's memory or disk is at fault",
    )


def checked_values(
    kind: type[_T], values: object, device: str, says: str, *, remedy: str = _REMEDY
) -> _T:
    """Return what a device says as a value of a type, its texts fit to be shown.

    Args:
        kind: The type, a dataclass.
        values: What came.
        device: What to call the device in errors.
        says: What the device does, for example "describes itself in a way that makes no sense".
        remedy: What to do.

    Raises:
        DeviceError: If it is no such value.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(plain(values))
    except ValidationError as error:
        first = error.errors()[0]
        observed = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise nonsense(device, says, observed, remedy=remedy) from error
    except RecursionError as error:
        raise nonsense(device, says, "no end of lists in lists", remedy=remedy) from error


def plain(value: Any) -> Any:
    """Return JSON from a device with texts that are fit to be shown, and of bounded length."""
    if isinstance(value, str):
        return printable(value, most=_MOST_TEXT)
    if isinstance(value, Mapping):
        return {printable(str(key), most=_MOST_TEXT): plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value
