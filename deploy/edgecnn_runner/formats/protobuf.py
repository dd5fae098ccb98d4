"""Reads protobuf fields from bytes that may be damaged, and writes those with a length.

What the fields of a file mean is told elsewhere; this module knows only how they are laid out.

Layout: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

VARINT: Final = 0
LENGTH: Final = 2
_EIGHT_BYTES: Final = 1
_FOUR_BYTES: Final = 5
_MAX_NUMBER: Final = (1 << 29) - 1


class BrokenProtobufError(ValueError):
    """Bytes that are no protobuf; ``position`` is where that shows."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(why)
        self.position = position


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: Its number.
        wire: Its wire type.
        start: Where it begins.
        body: Where its value begins, behind the length if it has one.
        end: Where it ends.
    """

    number: int
    wire: int
    start: int
    body: int
    end: int


def fields(data: bytes, position: int, end: int) -> Iterator[Field]:
    """Yield the fields of one message, in order.

    Args:
        data: The whole file.
        position: Where the message begins.
        end: Where it ends.

    Yields:
        Its fields; those inside them are not looked at.

    Raises:
        BrokenProtobufError: If it is not made of whole fields. Groups count as damage: no schema
            that is read here has any.
    """
    while position < end:
        start = position
        number, wire, body = tag(data, start)
        if wire == LENGTH:
            length, body = varint(data, body)
            position = body + length
        elif wire == VARINT:
            position = varint(data, body)[1]
        elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
            position = body + (8 if wire == _EIGHT_BYTES else 4)
        else:
            raise BrokenProtobufError(start, f"a field of type {wire}")
        # Other readers drop the upper bits of a number that is too large, and see another field.
        if not 0 < number <= _MAX_NUMBER:
            raise BrokenProtobufError(start, f"a field with number {number}")
        if position > end:
            raise BrokenProtobufError(start, f"a field that ends at byte {position}")
        yield Field(number, wire, start, body, position)


def tag(data: bytes, position: int) -> tuple[int, int, int]:
    """Read what a field begins with.

    Args:
        data: The whole file.
        position: Where the field begins.

    Returns:
        Its number, its wire type, and where that ends.

    Raises:
        BrokenProtobufError: If it is cut off.
    """
    value, position = varint(data, position)
    return value >> 3, value & 7, position


def varint(data: bytes, position: int) -> tuple[int, int]:
    """Read a number of variable length.

    Args:
        data: The whole file.
        position: Where it begins.

    Returns:
        The number, not negative, and where it ends.

    Raises:
        BrokenProtobufError: If it is cut off, or longer than 64 bits.
    """
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise BrokenProtobufError(position, "a number that is cut off")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise BrokenProtobufError(position, "a number of more than 64 bits")


def encode_field(number: int, body: bytes) -> bytes:
    """Encode a field with a length: bytes, a text or a message.

    Args:
        number: At least 1.
        body: What it holds.
    """
    return _encode_varint(number << 3 | LENGTH) + _encode_varint(len(body)) + body


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
