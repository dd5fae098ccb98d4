"""Which options of ``verify`` go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.cli.verify import is_foreign
from edgecnn.errors import UsageError

FILE, BUILD = Path("other.tflite"), Path("build/demo")
ALL = {"--reference": "m.h5", "--data": "images", "--labels": "l.txt", "--input-range": "0..1"}


def test_each_alone_is_what_it_is() -> None:
    assert is_foreign(None, [FILE], ALL, {"--explain": False})
    assert not is_foreign(BUILD, [], {}, {"--explain": True})
    assert not is_foreign(BUILD, [], {"--data": "images", "--labels": None}, {})


@pytest.mark.parametrize(
    ("target", "artifacts", "options", "says"),
    [
        (None, [], {}, "name one: edgecnn verify BUILD_OR_FILE"),
        (None, [], ALL, "name one"),
        (BUILD, [FILE], ALL, "leave one of them out"),
        (BUILD, [], {"--labels": "l.txt"}, "--artifact build/demo"),
        (None, [FILE], {}, "--reference FILE, --data PATH, --labels FILE, --input-range"),
    ],
)
def test_mixtures_are_refused_with_what_to_do(
    target: Path | None, artifacts: list[Path], options: dict[str, str], says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        is_foreign(target, artifacts, options, {})
    assert says in caught.value.remedy


@pytest.mark.parametrize("missing", [*ALL])
def test_each_flag_that_is_needed_is_asked_for_by_name(missing: str) -> None:
    given = {flag: value for flag, value in ALL.items() if flag != missing}
    with pytest.raises(UsageError) as caught:
        is_foreign(None, [FILE], given, {})
    assert caught.value.observed == f"no {missing}"


def test_what_a_build_alone_has_is_not_asked_of_a_file_made_elsewhere() -> None:
    with pytest.raises(
        UsageError, match=r"--corruptions, --explain are for what edgecnn converted"
    ):
        is_foreign(None, [FILE], ALL, {"--explain": True, "--corruptions": True, "--x": None})
