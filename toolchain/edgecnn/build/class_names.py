"""Reads class names in the forms that other programs write them.

The content decides, not the file's name: one name a line, as edgecnn and its runners write them; a
number and a name a line, as Teachable Machine does (``0 cat``); a list, in JSON or as Python prints
it; or a table from names to numbers or from numbers to names, such as ``class_indices`` of Keras.
What a build keeps is one name a line in any case, so the runners need not know the others.

``imagenet`` in place of a file stands for the names of ImageNet's 1,000 classes. They are in
``imagenet_classes.txt``, in the order in which networks that were trained on it answer; the names
are those that torchvision uses (BSD-3-Clause, (c) Facebook, Inc. and its affiliates), since all of
them differ: in the older tables "crane" is a bird and a machine.
"""

from __future__ import annotations

import ast
import functools
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from edgecnn.errors import LabelsError, some_of
from edgecnn_runner.errors import remedy_for_reading
from edgecnn_runner.files import describe, regular_size
from edgecnn_runner.labels import parse_labels

_MOST_BYTES: Final = 1 << 20
_NUMBERED: Final = re.compile(r"([0-9]{1,5})(?:[ \t]*[:,;=][ \t]*|[ \t]+)(\S.*)")
_IMAGENET: Final = "imagenet"
_IMAGENET_FOLDER: Final = re.compile(r"n[0-9]{8}")
_IMAGENET_CLASSES: Final = 1000
_ASSIGNED: Final = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_.]*\s*=\s*(?=[\[({])")
_FORMS: Final = (
    "one class name a line; a number from 0 and a name a line; a list in JSON or of Python; or a "
    "table of names and their numbers"
)


def read_class_names(path: Path, *, known: Collection[str] | None = None) -> tuple[str, ...]:
    """Read class names in output order.

    Args:
        path: A text file in UTF-8; or ``imagenet``, unless there is a file of that name.
        known: The class names of the data, where those are known. They decide whether a number in
            front of a name belongs to it: where the folders are called ``1 euro`` and ``2 euro``,
            so are the classes. Without them, numbers that count from 0 are left out.

    Returns:
        At least two names, all different.

    Raises:
        LabelsError: If it cannot be read, is of none of these forms, or does not name classes.
    """
    if str(path) == _IMAGENET and not path.exists():
        return imagenet_names()
    try:
        size = regular_size(path)
        if size > _MOST_BYTES:
            raise LabelsError(
                f"{path} is too large for class names",
                observed=f"{size:,} bytes",
                expected=f"at most {_MOST_BYTES:,}",
                remedy="name the file with the class names",
            )
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise LabelsError(
            f"cannot read the labels {path}: {getattr(error, 'strerror', None) or error}",
            observed=describe(path),
            expected=f"a text file in UTF-8: {_FORMS}",
            remedy="save the file as UTF-8"
            if isinstance(error, UnicodeDecodeError)
            else remedy_for_reading(error),
        ) from error
    names = _listed(path, text)
    if names is not None:
        return parse_labels("\n".join(names), name=str(path))
    return _without_numbers(parse_labels(text, name=str(path)), known)


@functools.cache
def imagenet_names() -> tuple[str, ...]:
    """Return the names of ImageNet's 1,000 classes, in the order of a network's outputs."""
    text = Path(__file__).with_name("imagenet_classes.txt").read_text(encoding="utf-8")
    return parse_labels(text, name=_IMAGENET)


def named_as(labels: Sequence[str], class_names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a data set's classes as labels have them.

    ImageNet comes in folders with names such as ``n01440764``, one for each class. Networks have
    been trained on them in alphabetical order, so the place of a folder among all 1,000 tells its
    name.

    Args:
        labels: Names in output order.
        class_names: The data set's.

    Returns:
        ``class_names``, but for all of ImageNet's folders where ``labels`` are its classes' names.
    """
    names = tuple(class_names)
    if (
        len(names) == _IMAGENET_CLASSES
        and all(map(_IMAGENET_FOLDER.fullmatch, names))
        and tuple(labels) == imagenet_names()
    ):
        place = {folder: index for index, folder in enumerate(sorted(names))}
        return tuple(labels[place[folder]] for folder in names)
    return names


def _without_numbers(names: tuple[str, ...], known: Collection[str] | None) -> tuple[str, ...]:
    """Take the numbers off names that are numbered; see ``read_class_names``."""
    found = [_NUMBERED.fullmatch(name) for name in names]
    if not all(found):
        return names
    first = int(found[0][1]) if found[0] else 0
    numbers = [int(match[1]) for match in found if match]
    plain = tuple(match[2].strip() for match in found if match)
    if numbers != list(range(first, first + len(names))) or len(set(plain)) < len(plain):
        return names
    if known is not None and set(known) in (set(names), set(plain)):
        return names if set(known) == set(names) else plain
    return plain if first == 0 else names


def _listed(path: Path, text: str) -> list[str] | None:
    """Return the names in a list or a table; None if the text is neither.

    Raises:
        LabelsError: If it begins as one and is none, or holds other things than names.
    """
    body = text[match.end() :] if (match := _ASSIGNED.match(text)) else text.strip()
    if body[:1] not in ("[", "{", "("):
        return None
    value = _literal(body.strip())
    if isinstance(value, (list, tuple)) and value:
        names: Sequence[Any] = value
    elif isinstance(value, Mapping) and value:
        names = _in_order(value)
    else:
        # A first class may be called "[none]".
        first = body.split("\n", 1)[0].strip()
        if match is None and first[-1:] in ("]", "}", ")") and "\n" in body:
            return None
        names = ()
    bad = [name for name in names if not isinstance(name, str) or set(name) & set("\r\n")]
    if bad or not names:
        raise LabelsError(
            f"the labels {path} are no list of names",
            observed=f"not names: {some_of(map(repr, bad))}"
            if bad
            else "a list that cannot be read, is empty, or does not number its names from 0",
            expected=_FORMS,
            remedy='write it as JSON: ["cat", "dog"]',
        )
    return list(names)


def _literal(text: str) -> Any:
    """Return a value of JSON, or of Python's constants; None if it is neither. It runs nothing."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _in_order(table: Mapping[Any, Any]) -> list[Any]:
    """Return the names of a table by their numbers; an empty list if these do not count from 0."""
    if all(isinstance(number, int) for number in table.values()):
        by_number = {number: name for name, number in table.items()}
    else:
        # ImageNet's table has an identifier and a name for each number.
        by_number = {
            int(key): name[-1] if isinstance(name, (list, tuple)) and name else name
            for key, name in table.items()
            if str(key).isascii() and str(key).isdigit()
        }
    if sorted(by_number) != list(range(len(table))):
        return []
    return [by_number[number] for number in range(len(table))]
