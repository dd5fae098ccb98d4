"""Reads the scores that a user's own training program gave images: a CSV or an ``.npz`` file.

The file comes from a program that edgecnn knows nothing of, so its dialect, the order of its
columns and how it names images are told from it, and nothing in it is trusted.
"""

from __future__ import annotations

import csv
import io
import lzma
import math
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError
from edgecnn.files import file_digest
from edgecnn.log import has_read
from edgecnn_runner.files import describe, regular_size
from edgecnn_runner.postprocess import softmax

Scores = npt.NDArray[np.float64]

_LARGEST: Final = 256 << 20
_ZIP: Final = b"PK\x03\x04"
_DELIMITERS: Final = ";\t|,"
"""The comma last: it may also be the decimal comma."""
_LONGEST_NAME: Final = 4096
_LONGEST_CELL: Final = 64
"""Of a number; 17 digits, sign and exponent are 24."""
_SUM_TOLERANCE: Final = 0.02
"""How far from 1 a row of probabilities may add up: 1000 of them written with four digits."""
_LISTED: Final = 6
_ARRAYS: Final = ("names", "scores", "classes")
_FORM: Final = (
    "a CSV file with a header, image,cat,dog, and a line for each image, cat/1.jpg,0.9,0.1; or an "
    ".npz file with the arrays names and scores, and perhaps classes"
)
_UNREADABLE: Final = (
    OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, MemoryError, struct.error,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, SyntaxError,
    OverflowError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnScores:
    """The user's own scores of some of the images.

    Attributes:
        path: The file.
        sha256: Its digest.
        places: Which of the images each row is of, ascending, shape (m,).
        probabilities: Shape (m, classes), float64, in the order of the model's outputs; logits
            after a softmax.
        kind: ``probabilities`` or ``logits``: what the file holds.
        named: Whether the columns have the names of classes; else they are numbered.
        unknown: How many rows are of images that are not among these.
    """

    path: Path
    sha256: str
    places: npt.NDArray[np.int64]
    probabilities: Scores
    kind: str
    named: bool
    unknown: int

    def __len__(self) -> int:
        """Return how many images there are scores of."""
        return len(self.places)

    def of(self, ids: Sequence[str], some: Sequence[str]) -> OwnScores:
        """Return the scores of some of the images.

        Args:
            ids: The images that the places are of.
            some: Those wanted, in their own order.
        """
        place = {name: index for index, name in enumerate(some)}
        found = np.array([place.get(ids[one], -1) for one in self.places], np.int64)
        rows = np.flatnonzero(found >= 0)
        rows = rows[np.argsort(found[rows], kind="stable")]
        return replace(self, places=found[rows], probabilities=self.probabilities[rows])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Table:
    """What a file holds: names of images, scores (n, classes), and names of columns, if any."""

    names: list[str]
    scores: Scores
    columns: list[str] | None


def read_scores(
    path: Path, class_names: Sequence[str], ids: Sequence[str], *, others: Sequence[str] = ()
) -> OwnScores:
    """Read a file of scores and find the images that they are of.

    A CSV file may be divided by commas, semicolons, tabs or bars, have decimal commas, quotes, a
    byte order mark and any line ends. The first column, or the array ``names``, names images by
    their path in the data folder, by a longer path that ends in it, by its end, or by a file name
    that only one image has. The others are scores, a column for each class: named as the classes
    are, in any order, or numbered 0 to n-1 in the order of the outputs, or without a header in that
    order.

    Args:
        path: The file.
        class_names: Names in output order.
        ids: Names of the images that are meant, as ``Images.ids`` has them.
        others: Names of further images of the data: scores of these are left out.

    Raises:
        DataError: If the file cannot be read, is of another form, has columns that are no class's,
            scores that are no numbers or neither probabilities nor logits, or names of images that
            fit none of the images, or several.
    """
    has_read(path)
    try:
        size = regular_size(path)
        if size > _LARGEST:
            raise _bad(path, f"{size:,} bytes", f"at most {_LARGEST:,}")
        with path.open("rb") as file:
            packed = file.read(4) == _ZIP
        digest = file_digest(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot read the scores {path}: {getattr(error, 'strerror', None) or error}",
            observed=describe(path),
            expected=_FORM,
            remedy="check the path given with --scores",
        ) from error
    images = _Names([*ids, *others])
    table = (
        _read_npz(path, len(class_names)) if packed else _read_csv(path, len(class_names), images)
    )
    if not table.names:
        raise _bad(path, "no images", _FORM)
    order, named = _order_of(path, table.columns, class_names)
    places, unknown = images.places(path, table.names)
    known = (places >= 0) & (places < len(ids))
    rows = np.flatnonzero(known)[np.argsort(places[known], kind="stable")]
    probabilities, kind = _probabilities(path, table.scores, table.names)
    return OwnScores(
        path=path,
        sha256=digest,
        places=places[rows],
        probabilities=probabilities[rows][:, order],
        kind=kind,
        named=named,
        unknown=unknown,
    )


class _Names:
    """Finds images by what somebody else calls them."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids
        self._by_file: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
        for index, name in enumerate(ids):
            parts = _parts_of(name)
            self._by_file.setdefault(parts[-1], []).append((index, parts))

    def candidates(self, name: str, *, alone: bool) -> list[int]:
        """Return the images that may be meant.

        Args:
            name: What the image is called.
            alone: Whether nothing else in the same table has this file name, so that an image with
                it is meant whatever its folder is called.
        """
        parts = _parts_of(name)
        alike = self._by_file.get(parts[-1], [])
        ends = []
        for index, own in alike:
            common = min(len(own), len(parts))
            if own[-common:] == parts[-common:]:
                ends.append((common, len(own) == len(parts), index))
        if ends:
            best = max(one[:2] for one in ends)
            return [index for *rank, index in ends if tuple(rank) == best]
        return [alike[0][0]] if alone and len(alike) == 1 else []

    def places(self, path: Path, names: Sequence[str]) -> tuple[npt.NDArray[np.int64], int]:
        """Return the image of each row, -1 for one that is not known, and how many these are.

        Raises:
            DataError: If a name fits several images, two rows are of one image, or more rows are
                of no image than of any.
        """
        files = Counter(_parts_of(name)[-1] for name in names)
        found = np.full(len(names), -1, np.int64)
        several, unknown = [], []
        for row, name in enumerate(names):
            images = self.candidates(name, alone=files[_parts_of(name)[-1]] == 1)
            if len(images) > 1:
                several.append(f"{name} ({' or '.join(self._ids[one] for one in images[:2])})")
            elif images:
                found[row] = images[0]
            else:
                unknown.append(name)
        if several:
            raise DataError(
                f"{len(several):,} names in {path} fit several images of the data",
                observed=_some(several),
                expected="names that each fit one image",
                remedy=f"name images by their path in the data folder, such as {self._ids[0]}",
            )
        known = found[found >= 0]
        twice = [self._ids[one] for one, count in Counter(known.tolist()).items() if count > 1]
        if twice:
            raise DataError(
                f"{path} has several rows for {len(twice):,} images",
                observed=_some(twice),
                expected="one row for each image",
                remedy="write each image's scores once",
            )
        if len(unknown) > len(known):
            raise DataError(
                f"{len(unknown):,} of {len(names):,} names in {path} are not of images of the data",
                observed=_some(unknown),
                expected=f"names such as {_some(list(self._ids[:3]))}",
                remedy="give the same images with --data, and name them by their path in that "
                "folder",
            )
        return found, len(unknown)


def _parts_of(name: str) -> tuple[str, ...]:
    """Return a path's parts, whatever system wrote it; macOS has its own way to write accents."""
    text = unicodedata.normalize("NFC", name.strip()).replace("\\", "/")
    parts = tuple(part for part in text.split("/") if part not in ("", "."))
    return parts or (text,)


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(name[:200] for name in names[:_LISTED]) + more


def _order_of(
    path: Path, columns: list[str] | None, class_names: Sequence[str]
) -> tuple[list[int], bool]:
    """Return the column of each output, and whether columns are named as classes are."""
    count = len(class_names)
    if columns is None:
        return [*range(count)], False
    for written, wanted, named in (
        (columns, [*class_names], True),
        ([_plain(one) for one in columns], [_plain(one) for one in class_names], True),
        (columns, [str(number) for number in range(count)], False),
    ):
        if sorted(written) == sorted(wanted) and len({*wanted}) == count:
            return [written.index(name) for name in wanted], named
    strange = [name for name in columns if name not in class_names]
    missing = [name for name in class_names if name not in columns]
    raise DataError(
        f"the columns of {path} are not the classes",
        observed=f"columns {_some(strange)}" + (f"; none for {_some(missing)}" if missing else ""),
        expected=f"a column for each of {_some([*class_names])}, or 0 to {count - 1} in the order "
        "of the outputs",
        remedy="name the columns as the class folders or the labels are",
    )


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).casefold()


def _probabilities(path: Path, scores: Scores, names: Sequence[str]) -> tuple[Scores, str]:
    """Tell from the values what scores are, and return probabilities.

    Raises:
        DataError: If they are neither probabilities, of 0..1 or in per cent, nor logits.
    """
    bad = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(bad):
        raise DataError(
            f"{path} has scores that are not numbers",
            observed=f"NaN or infinity for {_some([names[row] for row in bad.tolist()])}",
            expected="finite scores",
            remedy="check the model's weights for NaN, and write the file again",
        )
    sums = scores.sum(axis=1)
    for whole in (1.0, 100.0):
        positive = bool(((scores >= -1e-6 * whole) & (scores <= whole * (1 + 1e-6))).all())
        if positive and np.all(np.abs(sums - whole) <= _SUM_TOLERANCE * whole):
            return np.clip(scores, 0, None) / sums[:, None], "probabilities"
    if ((scores >= 0) & (scores <= 1)).all():
        raise DataError(
            f"the scores in {path} are neither probabilities nor logits",
            observed=f"all in 0..1, with sums of {sums.min():.3g} to {sums.max():.3g}",
            expected="probabilities, which add up to 1, or logits",
            remedy="write what the model answers, for all of its classes: a softmax, or logits",
        )
    return _softmax(scores), "logits"


def _softmax(scores: Scores) -> Scores:
    return np.asarray(softmax(scores), np.float64)


def _read_csv(path: Path, classes: int, images: _Names) -> _Table:
    text = _text_of(path)
    longest = _LONGEST_NAME + (_LONGEST_CELL + 3) * (classes + 1)
    first = next((line for line in _lines(path, text, longest) if line.strip()), "")
    delimiter = _delimiter(path, first, classes)
    names: list[str] = []
    scores: list[npt.NDArray[np.float64]] = []
    columns: list[str] | None = None
    number = 0
    try:
        reader = csv.reader(_lines(path, text, longest), delimiter=delimiter, strict=True)
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            number += 1
            if len(row) != classes + 1:
                raise _bad(
                    path,
                    f"line {reader.line_num} has {len(row)} cells",
                    f"{classes + 1}: a name, and a score for each of {classes} classes",
                )
            if number == 1 and _is_header(row, images):
                columns = [cell.strip() for cell in row[1:]]
                continue
            values = [_number(cell) for cell in row[1:]]
            wrong = [cell for cell, value in zip(row[1:], values, strict=True) if value is None]
            if wrong:
                raise _bad(
                    path, f"line {reader.line_num} has {wrong[0][:80]!r}", "a number for each class"
                )
            names.append(row[0].strip())
            scores.append(np.array(values, np.float64))
    except csv.Error as error:
        raise _bad(path, f"a line near {number + 1}: {error}", _FORM) from error
    together = np.stack(scores) if scores else np.empty((0, classes))
    return _Table(names=names, scores=together, columns=columns)


def _text_of(path: Path) -> io.StringIO:
    data = path.read_bytes()
    try:
        # Excel's "Unicode text" is UTF-16; both orders of bytes begin with a mark.
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is neither text in UTF-8 nor an .npz file",
            observed=f"bytes {data[error.start : error.start + 8].hex(' ')} at {error.start}",
            expected=_FORM,
            remedy="save the file as CSV in UTF-8",
        ) from error
    if "\0" in text:
        raise _bad(path, "zero bytes", _FORM)
    # Old Macs end lines with a single carriage return.
    return io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n"))


def _lines(path: Path, text: io.StringIO, longest: int) -> Iterator[str]:
    text.seek(0)
    while line := text.readline(longest + 1):
        if len(line) > longest:
            raise _bad(path, f"a line of more than {longest:,} characters", _FORM)
        yield line


def _delimiter(path: Path, first: str, classes: int) -> str:
    """Tell what divides cells: what makes as many of the first line as there have to be."""
    counts = {}
    for one in _DELIMITERS:
        try:
            counts[one] = len(next(csv.reader([first], delimiter=one), []))
        except csv.Error:
            counts[one] = 0
    for one, count in counts.items():
        if count == classes + 1:
            return one
    raise _bad(
        path,
        f"{max(counts.values())} cells in the first line, {first.strip()[:80]!r}",
        f"{classes + 1}: a name, and a score for each of {classes} classes",
    )


def _is_header(row: Sequence[str], images: _Names) -> bool:
    """Tell a header from the scores of an image: sure scores may be 0 and 1, as numbers are."""
    read = (_number(cell) for cell in row[1:])
    values = sorted(value for value in read if value is not None)
    if len(values) < len(row) - 1:
        return True
    counted = values == [values[0] + step for step in range(len(values))]
    return counted and not images.candidates(row[0], alone=True)


def _number(text: str) -> float | None:
    """Read a number with a decimal point or a decimal comma."""
    text = text.strip()
    if len(text) > _LONGEST_CELL or "_" in text or not text.isascii():
        return None
    try:
        return float(text.replace(",", ".") if text.count(",") == 1 else text)
    except ValueError:
        return None


def _read_npz(path: Path, classes: int) -> _Table:
    try:
        with zipfile.ZipFile(path) as archive:
            held = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            missing = [name for name in _ARRAYS[:2] if name not in held]
            if missing:
                raise _bad(path, f"arrays {_some([*held]) or 'none'}", _FORM)
            if sum(entry.file_size for entry in held.values()) > _LARGEST:
                raise _bad(path, "more than it may hold when unpacked", f"{_LARGEST:,} bytes")
            arrays = {
                name: _array(path, archive, held[name], name) for name in _ARRAYS if name in held
            }
    except _UNREADABLE as error:
        if isinstance(error, DataError):
            raise
        raise _bad(path, f"{type(error).__name__}: {str(error)[:200]}", _FORM) from error
    names, scores = arrays["names"], arrays["scores"]
    if names.dtype.kind not in "US" or names.ndim != 1:
        raise _bad(path, f"names are {names.dtype} {names.shape}", "a text for each image")
    if scores.dtype.kind not in "fiu" or scores.shape != (len(names), classes):
        raise _bad(
            path,
            f"scores are {scores.dtype} {scores.shape}, with {len(names):,} names",
            f"numbers, a row for each name and a column for each of {classes} classes",
        )
    columns = arrays.get("classes")
    if columns is not None and (columns.dtype.kind not in "USiu" or columns.shape != (classes,)):
        raise _bad(
            path, f"classes are {columns.dtype} {columns.shape}", f"a name for each of {classes}"
        )
    return _Table(
        names=_texts(names),
        scores=scores.astype(np.float64),
        columns=None if columns is None else _texts(columns),
    )


def _texts(values: npt.NDArray[Any]) -> list[str]:
    return [
        one.decode("utf-8", "backslashreplace") if isinstance(one, bytes) else str(one)
        for one in values.tolist()
    ]


def _array(
    path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str
) -> npt.NDArray[Any]:
    """Read an array that is as large as its header says, and no pickle."""
    with archive.open(entry) as member:
        shape, kind, start = _header(member)
        if kind.hasobject:
            raise _bad(path, f"{name} holds Python objects", "texts and numbers")
        if math.prod(shape) * kind.itemsize != entry.file_size - start:
            raise _bad(
                path, f"{name} says it is {shape} of {kind}, and has another size", "a whole array"
            )
    with archive.open(entry) as member:
        return np.asarray(np.lib.format.read_array(member, allow_pickle=False))


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    version = np.lib.format.read_magic(member)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"version {version} of the format of arrays")
    shape, _, kind = read(member)
    return shape, kind, member.tell()


def _bad(path: Path, observed: str, expected: str) -> DataError:
    return DataError(
        f"{path} is no file of scores",
        observed=observed,
        expected=expected,
        remedy=f"write {_FORM}; the manual shows how, for Keras and PyTorch",
    )
