from __future__ import annotations

import pytest

from edgecnn_runner.formats.protobuf import (
    LENGTH,
    VARINT,
    BrokenProtobufError,
    encode_field,
    fields,
    varint,
)


def read(data: bytes) -> list[tuple[int, int, bytes]]:
    """Number, wire type and body of each field."""
    return [
        (field.number, field.wire, data[field.body : field.end])
        for field in fields(data, 0, len(data))
    ]


def test_fields_are_read_in_order() -> None:
    data = b"\x08\x96\x01" + encode_field(2, b"text") + b"\x19" + b"8bytes.." + b"\x25" + b"four"
    assert read(data) == [
        (1, VARINT, b"\x96\x01"),
        (2, LENGTH, b"text"),
        (3, 1, b"8bytes.."),
        (4, 5, b"four"),
    ]
    assert varint(data, 1) == (150, 3)


def test_what_is_written_is_read() -> None:
    for number, size in ((1, 0), (15, 127), (16, 128), (2**29 - 1, 70_000)):
        assert read(encode_field(number, b"x" * size)) == [(number, LENGTH, b"x" * size)]


def test_a_part_of_a_file_is_read_by_itself() -> None:
    data = encode_field(1, encode_field(2, b"in")) + encode_field(3, b"behind")
    (outer, _) = fields(data, 0, len(data))
    (inner,) = fields(data, outer.body, outer.end)
    assert (inner.number, data[inner.body : inner.end]) == (2, b"in")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x08", "cut off"),
        (b"\x08\x80", "cut off"),
        (b"\x0a\x05text", "ends at byte 7"),
        (b"\x09four", "ends at byte 9"),
        (b"\x02\x00", "number 0"),
        (b"\x0b\x0c", "type 3"),
        (b"\x0e", "type 6"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "more than 64 bits"),
        # Read by others with its upper bits lost, as field 14.
        (b"\xf0\x80\x80\x80\x10\x01", "number 536870926"),
    ],
)
def test_what_is_no_field_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(BrokenProtobufError, match=why):
        read(data)


def test_a_field_that_leads_out_of_its_message_is_refused() -> None:
    data = encode_field(1, b"\x0a\x05te") + b"xt and more"
    with pytest.raises(BrokenProtobufError, match="ends at byte 9"):
        list(fields(data, 2, 6))
