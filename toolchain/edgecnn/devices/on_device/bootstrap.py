"""The first program that a device's Python runs: takes a request, does one task, leaves nothing.

It comes on standard input, is followed there by the request, and needs the standard library only.
Python 3.7 understands it, so that an old Python can be told from a broken one.

Request: a line of JSON, then the bytes of each blob. Reply, on what was standard output: frames,
each a line that begins with the request's nonce, then the frame's blobs. Runtimes chat on
descriptor 1, and login shells before that; the nonce tells their words from ours.

Standard input stays open while the workstation waits. When it ends, nobody does, so the folder is
removed and the process ends, unless it is switching releases: that goes on to its end.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

_LARGEST_HEADER = 8 << 20
_CHUNK = 1 << 20
_OLDEST = (3, 11)
_SPARE_BYTES = 8 << 20
_ENDING = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


class Channel:
    """Frames to the workstation, the request from it."""

    def __init__(self) -> None:
        self.source: BinaryIO = sys.stdin.buffer
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self.nonce = ""

    def request(self) -> dict[str, Any]:
        """Read the request's first line."""
        line = self.source.readline(_LARGEST_HEADER)
        request: dict[str, Any] = json.loads(line)
        self.nonce = str(request["nonce"])
        return request

    def send(self, kind: str, values: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> None:
        """Send a frame.

        Args:
            kind: ``progress``, ``phase``, ``error``, ``failed`` or ``done``.
            values: JSON-ready.
            blobs: Bytes that follow.
        """
        header = {"kind": kind, "values": values, "blobs": [len(blob) for blob in blobs]}
        self._out.write(f"{self.nonce} {json.dumps(header)}\n".encode())
        for blob in blobs:
            self._out.write(blob)
        self._out.flush()


class Call:
    """What a task works with.

    Attributes:
        parameters: The task's own.
        folder: A private folder, removed at the end.
        memory: Blobs by name that were not written anywhere.
        send: Sends a frame to the workstation.
    """

    def __init__(self, parameters: Mapping[str, Any], folder: str, channel: Channel) -> None:
        self.parameters, self.folder, self._channel = parameters, folder, channel
        self.memory: dict[str, bytearray] = {}
        self._protected = False

    def send(self, kind: str, values: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> None:
        """Send a frame; while protected, a workstation that went away does not matter."""
        try:
            self._channel.send(kind, values, blobs)
        except OSError:
            if not self._protected:
                raise

    def protect(self) -> None:
        """From now on, go on to the end, whoever still listens."""
        self._protected = True
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)

    def receive(self, blobs: Sequence[Mapping[str, Any]]) -> None:
        """Take the request's blobs: into memory, or as files of the folder."""
        for blob in blobs:
            if blob["memory"]:
                self.memory[blob["name"]] = data = bytearray(blob["bytes"])
                self._take(blob["bytes"], _into(data))
                continue
            path = Path(self.folder) / blob["name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                self._take(blob["bytes"], file.write)
            path.chmod(0o700 if blob["executable"] else 0o600)

    def _take(self, size: int, write: Callable[[bytes], object]) -> None:
        left = size
        while left:
            data = self._channel.source.read(min(_CHUNK, left))
            if not data:
                raise EOFError("the request ended early")
            write(data)
            left -= len(data)

    def watch(self) -> None:
        """Clear up and end when standard input ends."""

        def wait() -> None:
            # Not by sys.stdin, whose lock would be held when Python ends.
            while os.read(0, _CHUNK):
                pass
            if not self._protected:
                shutil.rmtree(self.folder, ignore_errors=True)
                os._exit(71)

        threading.Thread(target=wait, daemon=True).start()


def _into(data: bytearray) -> Callable[[bytes], object]:
    place = 0

    def write(chunk: bytes) -> None:
        nonlocal place
        data[place : place + len(chunk)] = chunk
        place += len(chunk)

    return write


def room(needed: int) -> tuple[str | None, str]:
    """Choose the place for the folder.

    Args:
        needed: Bytes that go into it.

    Returns:
        A place with that much room, or None; and what room there is, in words.
    """
    seen: list[str] = []
    for place in (tempfile.gettempdir(), "/var/tmp"):  # noqa: S108 - mkdtemp makes a private one there
        try:
            free = shutil.disk_usage(place).free
        except OSError:
            continue
        if free >= needed + _SPARE_BYTES and os.access(place, os.W_OK):
            return place, ""
        seen.append(f"{free / 1e6:.0f} MB free in {place}")
    return None, ", ".join(seen) or "no folder for temporary files"


def _problem(channel: Channel, request: Mapping[str, Any]) -> str | None:
    """Send an error if this device cannot even begin; return where the folder goes."""
    needed = sum(blob["bytes"] for blob in request["blobs"] if not blob["memory"])
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _OLDEST and not request["any_python"]:
        error = {
            "error": "DeviceError",
            "problem": "the device's Python is too old",
            "observed": f"Python {found}",
            "expected": "Python 3.11 or newer",
            "remedy": "a Raspberry Pi OS of bookworm or newer has it",
        }
        channel.send("error", error)
        return None
    place, seen = room(needed)
    if place is None:
        error = {
            "error": "DeviceError",
            "problem": "the device has too little room for temporary files; nothing was changed",
            "observed": seen,
            "expected": f"at least {(needed + _SPARE_BYTES) / 1e6:.0f} MB",
            "remedy": "free some space there",
        }
        channel.send("error", error)
    return place


def main() -> int:
    """Do what the request on standard input asks.

    Returns:
        0 if the reply says how it ended.
    """
    channel = Channel()
    request = channel.request()
    place = _problem(channel, request)
    if place is None:
        return 0
    os.umask(0o077)
    # A signal between making the folder and being ready to remove it would leave it there.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    folder = tempfile.mkdtemp(prefix="edgecnn-device-", dir=place)
    for number in _ENDING:
        signal.signal(number, _end)
    try:
        kind, values, blobs = _answer(request, folder, channel)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        channel.send(kind, values, blobs)
    except OSError:
        return 71
    return 0


def _answer(
    request: Mapping[str, Any], folder: str, channel: Channel
) -> tuple[str, Mapping[str, Any], Sequence[Any]]:
    """Run the task; afterwards, however it ended, no signal disturbs the clearing up."""
    kind: str
    values: Mapping[str, Any]
    blobs: Sequence[Any]
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        call = Call(request["parameters"], folder, channel)
        call.receive(request["blobs"])
        call.watch()
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(Path(folder) / "code.zip"))
        task = importlib.import_module(f"edgecnn.devices.on_device.{request['task']}")
        kind, values, blobs = task.run(call)
    except Exception as error:  # noqa: BLE001 - whatever it is, the workstation tells it
        kind, values, blobs = "failed", {"traceback": traceback.format_exc()[-4000:]}, []
        to_dict = getattr(error, "to_dict", None)  # an error of the runner or the installer
        if to_dict is not None:
            kind, values = "error", to_dict()
    finally:
        _ignore_signals()
    return kind, values, blobs


def _ignore_signals() -> None:
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


def _end(number: int, _: object) -> None:
    _ignore_signals()  # one is enough: a second would interrupt the clearing up
    raise SystemExit(128 + number)


if __name__ == "__main__":
    code = main()
    # Not by way of the runtimes' own clean-up, which has nothing left to do.
    sys.stderr.flush()
    os._exit(code)
