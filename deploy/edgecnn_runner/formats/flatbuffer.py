"""Reads flatbuffers that nobody vouches for: each place only after its bounds were checked.

Generated readers trust every offset, and a wrong one ends in a wrong answer or an endless read.
Here the total that may be read is bounded, too: parts may lie over each other in a flatbuffer, so
that a small file could otherwise describe an enormous one. What the tables of a file hold is told
by a schema; this module knows only how they are laid out.

Layout: https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

_SIZES: Final = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8}
_MAX_SLOTS: Final = 64  # twice what the largest table of TFLite's schema has
_MAX_BUDGET: Final = 64 << 20


class SchemaField(NamedTuple):
    """A field of a table.

    Attributes:
        slot: Its number, from 0 in schema order.
        kind: What lies there: ``number``, ``text``, ``numbers``, ``tables``, ``table``, or
            ``union``, whose type the field before it tells.
        of: The number's code in ``struct``, or the table's name, the union's without its number.
        default: The number where the field is absent.
    """

    slot: int
    kind: str
    of: str
    default: int


Schema = Mapping[str, Mapping[str, SchemaField]]
"""Table name to its fields by name. A union's tables have its name and their number; one that is
not there holds numbers only, as ``Scalars`` does."""


class BrokenFlatbufferError(ValueError):
    """A place in the file that cannot be as it is."""


def parse_schema(tables: Mapping[str, str]) -> Schema:
    """Return a schema of its text.

    Args:
        tables: Table name to ``name:type`` of its fields in order. A type is a code of ``struct``
            (with ``=DEFAULT``, if that is not 0), ``text``, a table's name, ``[...]`` for a vector
            of numbers or tables, or ``Name*`` for a union. No table leads to itself.
    """
    return {
        table: {
            name: _field(slot, kind)
            for slot, (name, kind) in enumerate(part.split(":") for part in fields.split())
        }
        for table, fields in tables.items()
    }


def _field(slot: int, text: str) -> SchemaField:
    kind, _, default = text.partition("=")
    of = kind.strip("[]*")
    if kind == "text":
        name = "text"
    elif kind.endswith("*"):
        name = "union"
    elif kind.startswith("["):
        name = "numbers" if of in _SIZES else "tables"
    else:
        name = "number" if of in _SIZES else "table"
    return SchemaField(slot, name, of, int(default or 0))


class Reader:
    """The bytes of a flatbuffer, read within bounds.

    Args:
        data: The flatbuffer; what follows it is ignored.
        schema: Of its tables.
    """

    def __init__(self, data: bytes | memoryview, schema: Schema) -> None:
        self.data, self.size, self.schema = memoryview(data), len(data), schema
        # In a sound file each byte of structure is read a few times (tables share vtables), and
        # bulk such as weights lies nowhere twice.
        self._budget = min(_MAX_BUDGET, 4 * self.size + (1 << 16))
        self._bulk_budget = 2 * self.size

    def root(self, name: str) -> Table:
        """Return the file's first table, which has this name in the schema."""
        return Table(self, name, self.number("I", 0))

    def need(self, position: int, length: int) -> None:
        """Refuse a place that is not wholly in the file.

        Raises:
            BrokenFlatbufferError: If it is not.
        """
        if position < 0 or length < 0 or position + length > self.size:
            raise BrokenFlatbufferError(
                f"{length} bytes at byte {position} are beyond the end ({self.size})"
            )

    def spend(self, position: int, length: int) -> None:
        """Take note of bytes that are to be read.

        Raises:
            BrokenFlatbufferError: If they are not in the file, or if far more is read than a sound
                file holds.
        """
        self.need(position, length)
        self._budget -= length
        if self._budget < 0:
            raise BrokenFlatbufferError("its parts lie over each other")

    def bulk(self, position: int, length: int) -> memoryview:
        """Return bytes without reading them; raises as ``spend`` does."""
        self.need(position, length)
        self._bulk_budget -= length
        if self._bulk_budget < 0:
            raise BrokenFlatbufferError("its buffers lie over each other")
        return self.data[position : position + length]

    def number(self, code: str, position: int) -> int:
        """Return one little-endian integer; ``code`` is that of ``struct``."""
        self.spend(position, _SIZES[code])
        return int(struct.unpack_from(f"<{code}", self.data, position)[0])


class Table:
    """One table of a flatbuffer; its fields go by their names in the schema.

    Args:
        reader: The file.
        name: The table's, in the schema.
        position: Where it begins.

    Raises:
        BrokenFlatbufferError: From every method, if what it is to read cannot be as it is.
    """

    __slots__ = ("_fields", "_offsets", "_position", "_reader", "_size")

    def __init__(self, reader: Reader, name: str, position: int) -> None:
        self._reader, self._position = reader, position
        self._fields = reader.schema.get(name) or reader.schema["Scalars"]
        if position % 4:
            raise BrokenFlatbufferError(f"the table at byte {position} is not aligned")
        vtable = position - reader.number("i", position)
        length, self._size = reader.number("H", vtable), reader.number("H", vtable + 2)
        if length < 4 or length % 2 or self._size < 4:
            raise BrokenFlatbufferError(f"no table at byte {position}")
        slots = length // 2 - 2
        if slots > _MAX_SLOTS:
            raise BrokenFlatbufferError(f"the table at byte {position} has {slots} fields")
        reader.need(position, self._size)
        reader.spend(vtable + 4, 2 * slots)
        self._offsets = struct.unpack_from(f"<{slots}H", reader.data, vtable + 4)

    def check(self) -> None:
        """Check this table and all it leads to, without reading numbers and bulk."""
        slots = len(self._offsets)
        for field in self._fields.values():
            if field.slot >= slots or not (at := self._at(field)):
                continue
            if field.kind == "number":
                self._reader.need(at, _SIZES[field.of])
            elif field.kind == "table":
                self._table(field.of, at).check()
            elif field.kind == "union":
                tag = self._at(SchemaField(field.slot - 1, "number", "B", 0))
                number = self._reader.number("B", tag) if tag else 0
                self._table(f"{field.of}{number}", at).check()
            elif field.kind == "tables":
                for table in self._tables(field):
                    table.check()
            else:
                self._vector(field)

    def has(self, name: str) -> bool:
        """Tell whether a field is present."""
        return self._at(self._fields[name]) != 0

    def number(self, name: str) -> int:
        """Return an integer field, or its default."""
        field = self._fields[name]
        at = self._at(field)
        return self._reader.number(field.of, at) if at else field.default

    def table(self, name: str) -> Table | None:
        """Return the table a field points to, if any."""
        field = self._fields[name]
        at = self._at(field)
        return self._table(field.of, at) if at else None

    def tables(self, name: str) -> list[Table]:
        """Return a vector of tables; empty if absent."""
        return self._tables(self._fields[name])

    def count(self, name: str) -> int:
        """Return how many items a vector has; 0 if it is absent."""
        return self._vector(self._fields[name])[1]

    def integers(self, name: str) -> tuple[int, ...]:
        """Return a vector of integers; empty if absent."""
        return self._numbers(self._fields[name])

    def floats(self, name: str) -> tuple[float, ...]:
        """Return a vector of 32-bit floats; empty if absent."""
        return self._numbers(self._fields[name])

    def text(self, name: str) -> str:
        """Return a string; empty if absent, undecodable bytes replaced."""
        start, length = self._vector(self._fields[name])
        self._reader.spend(start, length)
        return bytes(self._reader.data[start : start + length]).decode("utf-8", "replace")

    def blob(self, name: str) -> memoryview:
        """Return a vector of bytes without copying it; empty if absent."""
        return self._reader.bulk(*self._vector(self._fields[name]))

    def _at(self, field: SchemaField) -> int:
        """Return where a field lies; 0 if it is absent."""
        offset: int = self._offsets[field.slot] if field.slot < len(self._offsets) else 0
        if not offset:
            return 0
        if offset < 4 or offset >= self._size:
            raise BrokenFlatbufferError(
                f"a field of the table at byte {self._position} is outside it"
            )
        return self._position + offset

    def _table(self, name: str, at: int) -> Table:
        """Return the table that the offset at a position leads to."""
        return Table(self._reader, name, at + self._reader.number("I", at))

    def _vector(self, field: SchemaField) -> tuple[int, int]:
        """Return where a vector's items begin, and how many there are; (0, 0) if absent."""
        at = self._at(field)
        if not at:
            return 0, 0
        at += self._reader.number("I", at)
        length, text = self._reader.number("I", at), field.kind == "text"
        size = 1 if text else _SIZES.get(field.of, 4)
        self._reader.need(at + 4, length * size + text)
        if text and self._reader.data[at + 4 + length]:
            raise BrokenFlatbufferError(f"the text at byte {at} has no end")
        if length and (at + 4) % size:
            raise BrokenFlatbufferError(f"the vector at byte {at} is not aligned")
        return at + 4, length

    def _numbers(self, field: SchemaField) -> tuple[int, ...]:
        start, length = self._vector(field)
        code = field.of if field.of in _SIZES else "I"
        self._reader.spend(start, length * _SIZES[code])
        return struct.unpack_from(f"<{length}{code}", self._reader.data, start)

    def _tables(self, field: SchemaField) -> list[Table]:
        start = self._vector(field)[0]
        return [
            Table(self._reader, field.of, start + 4 * index + offset)
            for index, offset in enumerate(self._numbers(field))
        ]
