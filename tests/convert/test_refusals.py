"""Every refusal says what was seen, what was wanted, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgecnn
from raises import incomplete_raises

TOOLCHAIN = Path(edgecnn.__file__).parent


@pytest.mark.parametrize("part", ["convert", "modelfile"])
def test_every_typed_error_is_complete(part: str) -> None:
    assert incomplete_raises(TOOLCHAIN / part) == []


INCOMPLETE = """
from edgecnn import errors
from edgecnn.errors import DataError as Wrong, UsageError

class OwnError(UsageError):
    pass

def made():
    return Wrong("a", remedy="r", expected="e")

def again(error):
    raise type(error)(error.problem, remedy="r")

def complete():
    raise UsageError("a", observed=0, expected="e", remedy="r")

def others(kind):
    raise ValueError(type(kind)())

raise OwnError("a", observed=None, expected="e", remedy="r")
raise errors.LabelsError("a")
"""


def test_the_check_sees_every_way_to_make_an_incomplete_error(tmp_path: Path) -> None:
    path = tmp_path / "source.py"
    path.write_text(INCOMPLETE)
    found = [line.removeprefix(f"{path}:") for line in incomplete_raises(tmp_path)]
    assert sorted(found) == [
        "12: type(error) lacks observed, expected",
        "20: OwnError lacks observed",
        "21: errors.LabelsError lacks observed, expected, remedy",
        "9: Wrong lacks observed",
    ]
    assert incomplete_raises(path) == incomplete_raises(tmp_path)
