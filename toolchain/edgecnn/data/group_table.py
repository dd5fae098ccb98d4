"""Reads tables of groups of images: a CSV file that says of each image what it belongs to.

``verify`` compares such groups, for example by lighting or camera; a split keeps the images of one
together, for example those of one object.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgecnn.errors import DataError, some_of

_LARGEST: Final = 256 << 20
_MOST_COLUMNS: Final = 20
_REMEDY: Final = (
    "a header, then a line for each image: image,lighting,camera and test/0001.jpg,dark,front"
)


@dataclass(frozen=True, kw_only=True)
class GroupTable:
    """What a table says.

    Attributes:
        columns: Column name to image name to group name, without the empty ones.
    """

    columns: Mapping[str, Mapping[str, str]]


def read_group_table(path: Path, *, most_groups: int | None = None) -> GroupTable:
    """Read a table of groups.

    Args:
        path: A CSV file in UTF-8: a header, the first column names the image, every other one is
            a way to group them; an empty cell is no group.
        most_groups: How many groups a column may have; None for any number.

    Raises:
        DataError: If it cannot be read, names an image twice, or has no column of groups, or one
            of too many.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise _bad(path, f"{path.stat().st_size:,} bytes", "a table of groups")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except OSError as error:
        raise _bad(path, error.strerror or str(error), "a CSV file that can be read") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise _bad(path, str(error), "a CSV file in UTF-8") from error
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    header = [name.strip() for name in rows[0]] if rows else []
    names = header[1:]
    if not names or not all(names) or len(set(names)) != len(names) or len(names) > _MOST_COLUMNS:
        raise _bad(
            path,
            "the header is " + (",".join(header) or "missing"),
            f"a column of image names, then 1 to {_MOST_COLUMNS} of groups, each with its own name",
        )
    columns = _columns(path, names, rows[1:])
    for name, found in columns.items():
        count = len(set(found.values()))
        if most_groups is not None and count > most_groups:
            raise _bad(path, f"{name} has {count:,} groups", f"at most {most_groups} in a column")
    return GroupTable(columns=columns)


def read_column(path: Path, column: str) -> Mapping[str, str]:
    """Return what one column of a table says: image name to group name.

    Args:
        path: The table.
        column: The column's heading.

    Raises:
        DataError: If the table cannot be read, or has no such column.
    """
    columns = read_group_table(path).columns
    if column not in columns:
        raise DataError(
            f"{path} has no column {column}",
            observed=f"the columns {some_of(columns)}",
            expected=f"a column {column}, which data.split_by names",
            remedy=f"name one of its columns: split_by = {f'{path.name}:{next(iter(columns))}'!r}",
        )
    return columns[column]


def group_of(named: Mapping[str, str], image: str) -> str:
    """Return an image's group; it may be named by its path or, where that is enough, its name."""
    return named.get(image, named.get(image.rpartition("/")[2], ""))


def _columns(
    path: Path, names: Sequence[str], rows: Sequence[Sequence[str]]
) -> dict[str, dict[str, str]]:
    columns: dict[str, dict[str, str]] = {name: {} for name in names}
    seen: set[str] = set()
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names) + 1:
            raise _bad(
                path, f"line {number} has {len(row)} cells", f"{len(names) + 1}, as its header"
            )
        image = row[0].strip()
        if image in seen:
            raise _bad(path, f"{image} is there twice, again in line {number}", "each image once")
        seen.add(image)
        for name, cell in zip(names, row[1:], strict=True):
            if cell.strip():
                columns[name][image] = cell.strip()
    return columns


def _bad(path: Path, observed: str, expected: str) -> DataError:
    return DataError(
        f"{path} is no table of groups", observed=observed, expected=expected, remedy=_REMEDY
    )
