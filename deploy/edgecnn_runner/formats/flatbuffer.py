"""Reads flatbuffers that may be damaged: each place only after its bounds were checked.

What the tables of a file hold is told by a schema; this module knows only how they are laid out.

Layout: https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

Slot = int | str | tuple[str, int] | tuple[str, str]
"""What a table's slot holds: a number is the size of a scalar, ``string`` a text; ("vector", size),
("tables", name) and ("table", name) say what an offset leads to; ("union", slot of its type)."""

Schema = Mapping[str, Mapping[int, Slot]]
"""Table name to its slots. A union's tables are named ``Options`` and their number; one that is
not there holds scalars only, as ``Scalars`` does."""

_MAX_SLOTS: Final = 64  # twice what the largest table of TFLite's schema has


class BrokenFlatbufferError(ValueError):
    """A place in the file that cannot be as it is."""


class Walker:
    """Reads one flatbuffer.

    Args:
        data: The whole file, or more.
        schema: Its tables; not recursive.

    Raises:
        BrokenFlatbufferError: From every method, if what it is to read leads out of the file.
        struct.error: Likewise, where an offset is beyond what a position can be.
    """

    def __init__(self, data: bytes, schema: Schema) -> None:
        self.data, self.size, self._schema = data, len(data), schema
        # Tables may lie over each other, so that a small file could describe an endless one; in
        # a sound file every element takes at least four bytes.
        self._budget = self.size + 4096

    def _spend(self, elements: int) -> None:
        self._budget -= elements
        if self._budget < 0:
            raise BrokenFlatbufferError("its parts lie over each other")

    def root(self) -> int:
        """Return where the file's first table lies."""
        return self.integer("<I", 0)

    def integer(self, layout: str, position: int) -> int:
        """Return the number at a position, ``layout`` as in ``struct``."""
        self.need(position, struct.calcsize(layout))
        return int(struct.unpack_from(layout, self.data, position)[0])

    def need(self, position: int, length: int) -> None:
        """Refuse a place that is not wholly in the file."""
        if position < 0 or position + length > self.size:
            raise BrokenFlatbufferError(f"byte {position} leads beyond its end")

    def slot(self, table: int, slot: int) -> int:
        """Return where a table's slot lies, 0 if it is absent; checks the table's own bounds."""
        vtable = table - self.integer("<i", table)
        vtable_size = self.integer("<H", vtable)
        table_size = self.integer("<H", vtable + 2)
        self.need(vtable, vtable_size)
        self.need(table, table_size)
        if 4 + 2 * slot + 2 > vtable_size:
            return 0
        offset = self.integer("<H", vtable + 4 + 2 * slot)
        if offset >= max(table_size, 1):
            raise BrokenFlatbufferError(f"the table at byte {table} is too small for its fields")
        return table + offset if offset else 0

    def scalar(self, table: int, slot: int, layout: str, default: int = 0) -> int:
        """Return the number in a table's slot, the default if it is absent."""
        position = self.slot(table, slot)
        return self.integer(layout, position) if position else default

    def target(self, position: int) -> int:
        """Return where the offset at a position leads."""
        return position + self.integer("<I", position)

    def vector(self, table: int, slot: int, element: int) -> tuple[int, int]:
        """Return where a vector's elements lie and how many there are; (0, 0) if it is absent."""
        position = self.slot(table, slot)
        if not position:
            return 0, 0
        start = self.target(position)
        count = self.integer("<I", start)
        self.need(start + 4, count * element)
        if count and element > 1 and (start + 4) % min(element, 8):
            raise BrokenFlatbufferError(f"the vector at byte {start} is not aligned")
        return start + 4, count

    def integers(self, table: int, slot: int) -> list[int]:
        """Return the elements of a vector of 32-bit integers; none if it is absent."""
        start, count = self.vector(table, slot, 4)
        self._spend(count)
        return list(struct.unpack_from(f"<{count}i", self.data, start))

    def tables(self, table: int, slot: int) -> list[int]:
        """Return where the tables of a vector lie; none if it is absent."""
        start, count = self.vector(table, slot, 4)
        return [self.target(start + 4 * index) for index in range(count)]

    def check_table(self, table: int, name: str) -> None:
        """Check a table and all it leads to; the schema is not recursive."""
        self._spend(1)
        if table % 4:
            raise BrokenFlatbufferError(f"the table at byte {table} is not aligned")
        last = (self.integer("<H", table - self.integer("<i", table)) - 4) // 2
        if last > _MAX_SLOTS:
            raise BrokenFlatbufferError(f"the table at byte {table} has {last} fields")
        for slot in range(max(last, 0)):
            position = self.slot(table, slot)
            if position:
                self._check_slot(table, slot, position, self._schema[name].get(slot, 1))

    def _check_slot(self, table: int, slot: int, position: int, kind: Slot) -> None:
        if isinstance(kind, int):
            self.need(position, kind)
            return
        if isinstance(kind, str):
            start, count = self.vector(table, slot, 1)
            self.need(start, count + 1)
            if self.data[start + count]:
                raise BrokenFlatbufferError(f"the text at byte {start} has no end")
            return
        what, detail = kind
        if what == "vector":
            self.vector(table, slot, int(detail))
        elif what == "table":
            self.check_table(self.target(position), str(detail))
        elif what == "tables":
            for element in self.tables(table, slot):
                self.check_table(element, str(detail))
        else:
            options = f"Options{self.scalar(table, int(detail), '<B')}"
            self.check_table(
                self.target(position), options if options in self._schema else "Scalars"
            )
