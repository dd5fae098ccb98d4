"""Tables as CSV that a spreadsheet can open without taking a text for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

# A spreadsheet takes a cell that begins so for a formula, which may start programs.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def table_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a table as CSV with a header (RFC 4180, but for line ends of one character).

    Text that a spreadsheet would take for a formula gets an apostrophe before it.

    Args:
        columns: Their names, in order.
        rows: Values by column; None and what is left out is an empty cell.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
