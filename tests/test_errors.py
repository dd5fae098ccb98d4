"""One error tree: each class has its own exit code, in the manual and in the docstrings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import edgecnn.errors
import edgecnn_runner.errors
from edgecnn_runner.errors import EdgeError, some_of

MANUAL = Path(__file__).parents[1] / "toolchain/docs/exit-codes.md"


def tree(root: type[EdgeError]) -> list[type[EdgeError]]:
    return [kind for child in root.__subclasses__() for kind in (child, *tree(child))]


CLASSES = tree(EdgeError)


def test_each_error_class_has_an_exit_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in CLASSES]
    assert len(set(codes)) == len(codes)
    assert not {0, 1, 130} & set(codes)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_each_error_is_listed_where_its_tree_is_drawn(kind: type[EdgeError]) -> None:
    module = edgecnn_runner.errors if "runner" in kind.__module__ else edgecnn.errors
    line = rf"{kind.__name__} +{kind.exit_code}  "
    assert module.__doc__
    assert re.search(line, module.__doc__)
    assert kind.__name__ in edgecnn.errors.__all__


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_the_manual_lists_the_exit_code(kind: type[EdgeError]) -> None:
    row = rf"^\| {kind.exit_code} \| `{kind.__name__}` \| .+ \|$"
    assert re.search(row, MANUAL.read_text(encoding="utf-8"), re.MULTILINE), row


def test_an_error_says_observed_expected_and_remedy() -> None:
    error = edgecnn.errors.LabelsError("labels do not fit", observed=9, expected=10, remedy="add")
    assert str(error).splitlines() == [
        "labels do not fit",
        "  observed: 9",
        "  expected: 10",
        "  remedy:   add",
    ]
    assert error.to_dict()["exit_code"] == 25


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, ""),
        (1, "a1.png"),
        (3, "a1.png, a2.png, a3.png"),
        (4, "a1.png, a2.png, a3.png and 1 more"),
        (1003, "a1.png, a2.png, a3.png and 1,000 more"),
    ],
)
def test_an_error_names_three_files_and_counts_those_that_it_does_not_name(
    count: int, text: str
) -> None:
    assert some_of(f"a{number}.png" for number in range(1, count + 1)) == text


def test_clauses_are_counted_alike() -> None:
    assert some_of(["a is odd", "b is odd"], joint="; ") == "a is odd; b is odd"
    assert some_of("abcde", 2, joint="; ") == "a; b; and 3 more"
