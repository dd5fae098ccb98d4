"""Class names from a text file, one a line, in the order of the model's outputs."""

from __future__ import annotations

from pathlib import Path

from edgecnn_runner.contract import repeated
from edgecnn_runner.errors import LabelsError, remedy_for_reading, some_of
from edgecnn_runner.files import describe, regular_size


def read_labels(path: str | Path) -> tuple[str, ...]:
    """Read class names from a UTF-8 text file; see ``parse_labels``.

    Raises:
        LabelsError: If it cannot be read, is not text, or as ``parse_labels``.
    """
    try:
        regular_size(Path(path))
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise LabelsError(
            f"cannot read the labels {path}: {getattr(error, 'strerror', None) or error}",
            observed=describe(Path(path)),
            expected="a text file in UTF-8 with one class name a line",
            remedy="save the file as UTF-8"
            if isinstance(error, UnicodeDecodeError)
            else remedy_for_reading(error),
        ) from error
    return parse_labels(text, name=str(path))


def parse_labels(text: str, *, name: str) -> tuple[str, ...]:
    """Read class names, one a line; space around them and empty lines at the end do not count.

    Args:
        text: The names in output order, with or without a byte order mark.
        name: What to call the text in errors.

    Returns:
        At least two names, all different.

    Raises:
        LabelsError: If a line between names is blank, a name stands there twice, or there are
            fewer than two; the message names all of them.
    """
    lines = text.removeprefix("\ufeff").rstrip().split("\n")
    labels = tuple(line.strip() for line in lines)
    problems = []
    blank = [str(number) for number, label in enumerate(labels, 1) if not label]
    named = len(labels) - len(blank)
    if blank and named:
        problems.append(f"blank lines: {some_of(blank)}")
    twice = repeated(label for label in labels if label)
    if twice:
        problems.append(f"names given twice: {some_of(twice)}")
    if named < 2:
        problems.append(f"{named} names, not at least 2")
    remedy = "name each class once; tell equal names apart: crane (bird), crane (machine)"
    if named == 1:
        remedy = "name the other class, too; the one output of a model of two is the second name's"
    if problems:
        raise LabelsError(
            f"the labels {name} do not name classes",
            observed="; ".join(problems),
            expected="at least two names, one a line, in output order, each another",
            remedy=remedy,
        )
    return labels
