"""Seeded damage to files, and a worker that feeds damaged files to a reader.

Run as a program in a process of its own, since what it looks for includes crashes of native code:

    python mutation.py FIRST COUNT SECONDS FILE...

It prints one line for each file that gave anything but a result or a typed error, and exits 1.
"""

from __future__ import annotations

import contextlib
import json
import random
import resource
import signal
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from google.protobuf.message import DecodeError

NUMBERS = (0, 1, 2, 3, 4, 8, -1, -2, -4, 127, 128, 255, 65535, 2**16, 2**24, 2**31 - 1, -(2**31))
MEMORY_BYTES = 3 << 30


def damage(data: bytes, other: bytes, random_: random.Random) -> bytes:
    """Return ``data`` with one to four kinds of damage; ``other`` is a file to splice from."""
    damaged = bytearray(data)
    for _ in range(random_.choice((1, 1, 1, 2, 4))):
        if len(damaged) < 16:
            break
        random_.choice(KINDS)(damaged, other, random_)
    return bytes(damaged)


def flip_bits(data: bytearray, other: bytes, random_: random.Random) -> None:
    for _ in range(random_.choice((1, 1, 2, 8))):
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)


def truncate(data: bytearray, other: bytes, random_: random.Random) -> None:
    del data[random_.randrange(8, len(data)) :]


def splice(data: bytearray, other: bytes, random_: random.Random) -> None:
    length = random_.choice((1, 4, 16, 64, 256))
    start = random_.randrange(len(other))
    at = random_.randrange(len(data))
    data[at : at + random_.choice((0, length))] = other[start : start + length]


def move(data: bytearray, other: bytes, random_: random.Random) -> None:
    length = random_.choice((4, 8, 16, 64))
    start, at = random_.randrange(len(data)), random_.randrange(len(data))
    data[at : at + length] = data[start : start + length]


def overwrite(data: bytearray, other: bytes, random_: random.Random) -> None:
    at = random_.randrange(len(data) - 8) & ~3
    number = random_.choice((*NUMBERS, len(data), len(data) - at, random_.randrange(len(data))))
    struct.pack_into("<i", data, at, number)


def nudge(data: bytearray, other: bytes, random_: random.Random) -> None:
    """Add a little to a 32-bit number: an offset or a length then points a little beside."""
    at = random_.randrange(len(data) - 8) & ~3
    number = struct.unpack_from("<I", data, at)[0] + random_.choice((-8, -4, -1, 1, 4, 8, 64))
    struct.pack_into("<I", data, at, number & 0xFFFFFFFF)


def overwrite_byte(data: bytearray, other: bytes, random_: random.Random) -> None:
    data[random_.randrange(len(data))] = random_.choice((0, 1, 0x7F, 0x80, 0xFF, 8, 0x0A))


KINDS = (flip_bits, flip_bits, truncate, splice, move, overwrite, overwrite, nudge, overwrite_byte)


def disturb(data: bytes, random_: random.Random) -> bytes:
    """Damage the meaning of an ONNX file and leave its protobuf sound."""
    from onnx import ModelProto

    model = ModelProto.FromString(data)
    messages = list(_messages(model))
    for _ in range(random_.choice((1, 1, 2, 4))):
        message = random_.choice(messages)
        field = random_.choice(message.DESCRIPTOR.fields)
        is_list = field.is_repeated
        value = getattr(message, field.name)
        if is_list and len(value) and random_.random() < 0.4:
            del value[random_.randrange(len(value))]
        elif field.message_type is not None:
            _copy_message(value, is_list, random_.choice(messages), random_)
        else:
            kinds = [value.number for value in field.enum_type.values] if field.enum_type else []
            new = random_.choice(kinds) if kinds else _scalar(field.type, messages, random_)
            if is_list and len(value) and random_.random() < 0.7:
                value[random_.randrange(len(value))] = new
            elif is_list:
                value.append(new)
            else:
                setattr(message, field.name, new)
    disturbed: bytes = model.SerializeToString()
    return disturbed


def _messages(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                yield from _messages(inner)


def _copy_message(value: Any, is_list: bool, other: Any, random_: random.Random) -> None:
    """Put in one more copy of a message of that type, or one made of another's bytes."""
    target = value.add() if is_list else value
    source = value[random_.randrange(len(value))] if is_list else other
    with contextlib.suppress(DecodeError):
        target.ParseFromString(source.SerializeToString())


def _scalar(kind: int, messages: list[Any], random_: random.Random) -> Any:
    """Return a value for a field; names mostly those of other parts of the file."""
    from google.protobuf.descriptor import (
        FieldDescriptor as Field,
    )

    number = random_.choice((*NUMBERS, random_.randrange(-8, 32)))
    if kind in (Field.TYPE_FLOAT, Field.TYPE_DOUBLE):
        return random_.choice((0.0, -1.0, 1e30, float("nan"), float("inf"), 1e-45))
    if kind in (Field.TYPE_STRING, Field.TYPE_BYTES):
        named = [name for message in messages if (name := getattr(message, "name", ""))]
        text = random_.choice(
            (*named, "", "x", "Conv", "Loop", "com.microsoft", "\x1b[31m", "a" * 99)
        )
        return text if kind == Field.TYPE_STRING else text.encode()
    if kind == Field.TYPE_INT64:
        return random_.choice((number, 2**62, -(2**63)))
    return abs(number) if kind == Field.TYPE_UINT64 else number


def look_at(data: bytes) -> None:
    """Do everything with a file that is done with files of unknown origin."""
    from edgecnn.cli.inspect import render_inspection
    from edgecnn.commands.inspect import inspect_container
    from edgecnn.modelfile import check_integer, read_graph
    from edgecnn_runner.formats.container import split_container

    check_integer(read_graph(data))
    found = inspect_container(split_container(data, name="damaged"), file="damaged")
    json.dumps(found.to_dict(), allow_nan=False)
    render_inspection(found)


def _too_slow(signal_number: int, frame: FrameType | None) -> None:
    raise TimeoutError("took too long")


def main(arguments: Sequence[str]) -> int:
    from edgecnn.errors import ArtifactError, ContractError

    first, count, seconds = int(arguments[0]), int(arguments[1]), float(arguments[2])
    files = [Path(name).read_bytes() for name in arguments[3:]]
    for data in files:  # sound as they are; and all modules are imported before the clock runs
        look_at(data)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    # Processor time, so that other work on the machine does not count.
    signal.signal(signal.SIGPROF, _too_slow)
    read, bad, slowest = 0, 0, (0.0, 0)
    for seed in range(first, first + count):
        random_ = random.Random(seed)
        index = random_.randrange(len(files))
        if arguments[3 + index].endswith(".onnx") and random_.random() < 0.6:
            data = disturb(files[index], random_)
        else:
            data = damage(files[index], random_.choice(files), random_)
        begin = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            look_at(data)
            # The timer ticks some hundred times a second only.
            if time.process_time() - begin > seconds:
                _too_slow(0, None)
            read += 1
        except (ArtifactError, ContractError):
            pass
        except Exception as error:  # noqa: BLE001 - anything else is a finding
            bad += 1
            print(f"seed {seed} file {arguments[3 + index]}: {error!r}")
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        slowest = max(slowest, (time.process_time() - begin, seed))
    print(f"{count} files, {read} read, {bad} bad, slowest {slowest[0]:.3f} s (seed {slowest[1]})")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
