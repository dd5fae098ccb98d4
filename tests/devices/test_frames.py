from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from edgecnn.devices.ask import error_of
from edgecnn.devices.protocol import FrameReader, Message
from edgecnn.devices.types import printable
from edgecnn.errors import DeviceError, EdgeError, RuntimeMissingError, SignatureError

NONCE = "0123456789abcdef"


def frame(kind: str, values: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> bytes:
    header = {"kind": kind, "values": values, "blobs": [len(blob) for blob in blobs]}
    return f"{NONCE} {json.dumps(header)}\n".encode() + b"".join(blobs)


def read(data: bytes, *, step: int, largest: int = 100) -> list[Message]:
    found: list[Message] = []
    reader = FrameReader(nonce=NONCE, largest=largest, take=found.append)
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    return found


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_frames_however_they_are_cut(step: int) -> None:
    data = b"Welcome to your Pi!\nlast login ..." + frame("progress", {"done": 3})
    data += frame("done", {"x": "\u00e4"}, [b"12\n45", b""])
    first, last = read(data, step=step)
    assert (first.kind, first.values, first.blobs) == ("progress", {"done": 3}, ())
    assert (last.kind, last.values, last.blobs) == ("done", {"x": "\u00e4"}, (b"12\n45", b""))


@pytest.mark.parametrize(
    "data",
    [
        frame("progress", {}) + b"chatter in between\n",
        frame("other", {}),
        f"{NONCE} []\n".encode(),
        f"{NONCE} {{\n".encode(),
        f'{NONCE} {{"kind": "done", "values": [], "blobs": []}}\n'.encode(),
        f'{NONCE} {{"kind": "done", "values": {{}}, "blobs": [-1]}}\n'.encode(),
        f'{NONCE} {{"kind": "done", "values": {{}}, "blobs": [true]}}\n'.encode(),
        f'{NONCE} {{"kind": "done", "values": {{}}, "blobs": [101]}}\n'.encode(),
        frame("progress", {}, [b"x" * 60]) + frame("done", {}, [b"x" * 60]),
        (NONCE + " [" + "[" * 100_000 + "\n").encode(),
        NONCE.encode() + b" " + b"x" * (5 << 20),
        b"x" * (2 << 20),
    ],
)
def test_what_our_program_does_not_send_is_refused(data: bytes) -> None:
    with pytest.raises(DeviceError, match="does not say"):
        read(data, step=1 << 16)


def test_an_error_of_a_device_keeps_its_class_and_its_code() -> None:
    values = SignatureError("p", observed=1, expected=2, remedy="r").to_dict()
    assert isinstance(error_of(values), SignatureError)
    values = RuntimeMissingError("p", observed=1, expected=2, remedy="r").to_dict()
    assert str(error_of(values)) == str(
        RuntimeMissingError("p", observed=1, expected=2, remedy="r")
    )


@pytest.mark.parametrize("name", ["EdgeError", "__all__", "annotations", "", None, 3, "SystemExit"])
def test_an_error_of_no_known_class_is_one_of_the_device(name: Any) -> None:
    error = error_of({"error": name, "problem": "\x1b[31mred\x07"})
    assert type(error) is DeviceError
    assert isinstance(error, EdgeError)
    assert error.problem == " [31mred "


def test_nothing_that_a_device_says_steers_the_terminal() -> None:
    assert printable("a\x1b[2Jb\r\n\u202ec\x9b1m") == "a [2Jb \n c 1m"
    assert len(printable("x" * 10_000)) == 4000
