"""A small flatbuffer reader for files nobody vouches for.

The generated readers trust every offset, and a wrong one ends in a wrong answer or an endless
read. Here each offset and length is checked against the file before use, and the total that may
be read is bounded: vectors may lie over each other in a flatbuffer, so that a small file could
otherwise describe an enormous one.

Layout: https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct
from typing import Final

from edgecnn.modelfile.types import DamagedGraphError

_SIZES: Final = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8}
_MAX_BUDGET: Final = 64 << 20


class Reader:
    """The bytes of a flatbuffer, read within bounds.

    Args:
        data: The flatbuffer, without anything behind it.
    """

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.size = len(data)
        # In a sound file each byte of structure is read a few times (tables share vtables), and
        # bulk such as weights lies nowhere twice.
        self._budget = min(_MAX_BUDGET, 4 * self.size + (1 << 16))
        self._bulk_budget = 2 * self.size

    def span(self, position: int, length: int) -> int:
        """Return ``position`` if ``length`` bytes lie there within the file.

        Raises:
            DamagedGraphError: If not, or if far more is read than a sound file holds.
        """
        if position < 0 or length < 0 or position + length > self.size:
            raise DamagedGraphError(
                f"{length} bytes at byte {position} are beyond the end ({self.size})"
            )
        self._budget -= length
        if self._budget < 0:
            raise DamagedGraphError("its parts lie over each other")
        return position

    def bulk(self, position: int, length: int) -> memoryview:
        """Return bytes without reading them; raises as ``span`` does."""
        if position < 0 or length < 0 or position + length > self.size:
            raise DamagedGraphError(f"{length} bytes at byte {position} are beyond the end")
        self._bulk_budget -= length
        if self._bulk_budget < 0:
            raise DamagedGraphError("its buffers lie over each other")
        return self.data[position : position + length]

    def number(self, code: str, position: int) -> int | float:
        """Read one little-endian number; ``code`` is that of ``struct``."""
        self.span(position, _SIZES[code])
        value: int | float = struct.unpack_from(f"<{code}", self.data, position)[0]
        return value

    def integer(self, code: str, position: int) -> int:
        """Read one little-endian integer; see ``number``."""
        return int(self.number(code, position))

    def root(self) -> Table:
        """Return the root table."""
        return Table(self, self.integer("I", 0))


class Table:
    """One table of a flatbuffer; ``slot`` counts its fields from 0 in schema order.

    Args:
        reader: The file.
        position: Where the table begins.
    """

    __slots__ = ("_position", "_reader", "_size", "_vtable", "_vtable_size")

    def __init__(self, reader: Reader, position: int) -> None:
        self._reader = reader
        self._position = position
        self._vtable = position - reader.integer("i", position)
        self._vtable_size = reader.integer("H", self._vtable)
        self._size = reader.integer("H", self._vtable + 2)
        if self._vtable_size < 4 or self._vtable_size % 2 or self._size < 4:
            raise DamagedGraphError(f"no table at byte {position}")

    def _find(self, slot: int) -> int | None:
        """Return where a field lies; None if it is absent."""
        entry = 4 + 2 * slot
        if entry + 2 > self._vtable_size:
            return None
        offset = self._reader.integer("H", self._vtable + entry)
        if offset == 0:
            return None
        if offset < 4 or offset >= self._size:
            raise DamagedGraphError(f"a field of the table at byte {self._position} is outside it")
        return self._position + offset

    def _follow(self, slot: int) -> int | None:
        """Return where a field's offset points; None if the field is absent."""
        at = self._find(slot)
        return None if at is None else at + self._reader.integer("I", at)

    def number(self, slot: int, code: str, default: int = 0) -> int:
        """Return an integer field, or its default."""
        at = self._find(slot)
        return default if at is None else self._reader.integer(code, at)

    def has(self, slot: int) -> bool:
        """Tell whether a field is present."""
        return self._find(slot) is not None

    def table(self, slot: int) -> Table | None:
        """Return the table a field points to, if any."""
        at = self._follow(slot)
        return None if at is None else Table(self._reader, at)

    def _vector(self, slot: int, item_size: int) -> tuple[int, int]:
        """Return where a vector's items begin, and how many there are; (0, 0) if absent."""
        at = self._follow(slot)
        if at is None:
            return 0, 0
        length = self._reader.integer("I", at)
        if length * item_size > self._reader.size:
            raise DamagedGraphError(f"a vector of {length} items at byte {at} is beyond the end")
        return at + 4, length

    def integers(self, slot: int, code: str = "i") -> tuple[int, ...]:
        """Return a vector of integers; empty if absent."""
        start, length = self._vector(slot, _SIZES[code])
        self._reader.span(start, length * _SIZES[code])
        return struct.unpack_from(f"<{length}{code}", self._reader.data, start)

    def floats(self, slot: int) -> tuple[float, ...]:
        """Return a vector of 32-bit floats; empty if absent."""
        start, length = self._vector(slot, 4)
        self._reader.span(start, length * 4)
        return struct.unpack_from(f"<{length}f", self._reader.data, start)

    def tables(self, slot: int) -> list[Table]:
        """Return a vector of tables; empty if absent."""
        start, length = self._vector(slot, 4)
        offsets = self.integers(slot, "I") if length else ()
        return [
            Table(self._reader, start + 4 * index + offset) for index, offset in enumerate(offsets)
        ]

    def text(self, slot: int) -> str:
        """Return a string; empty if absent, undecodable bytes replaced."""
        start, length = self._vector(slot, 1)
        self._reader.span(start, length)
        return bytes(self._reader.data[start : start + length]).decode("utf-8", "replace")

    def blob(self, slot: int) -> memoryview:
        """Return a vector of bytes without copying it; empty if absent."""
        start, length = self._vector(slot, 1)
        return self._reader.bulk(start, length)
