"""Every typed error says what was seen, what was wanted, and what to do about it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import edgecnn_runner
from edgecnn_runner.errors import EdgeError
from raises import incomplete_raises

RUNNER = Path(edgecnn_runner.__file__).parent
SOURCES = sorted(RUNNER.rglob("*.py"))
REMEDIES = ("CONVERT_AGAIN", "COPY_AGAIN", "_READING", "_REMEDY")
"""Constants that hold remedies."""


def test_every_error_of_the_runner_is_complete() -> None:
    assert incomplete_raises(RUNNER) == []


def test_an_incomplete_error_would_be_found(tmp_path: Path) -> None:
    source = tmp_path / "broken.py"
    source.write_text(
        "from edgecnn_runner.errors import ArtifactError\n"
        "def helper():\n"
        "    return ArtifactError('x', observed=1, remedy='y')\n"
        "def fine():\n"
        "    raise ArtifactError('x', observed=1, expected=2, remedy='y')\n"
    )
    (found,) = incomplete_raises(source)
    assert found.endswith("broken.py:3: ArtifactError lacks expected")


def remedies() -> list[str]:
    """Every expression that is given as a remedy, and the constants they are made of."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    found = [node.value for node in nodes if isinstance(node, ast.keyword) and node.arg == "remedy"]
    constants = [
        node.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.AnnAssign)
        and node.value is not None
        and ast.unparse(node.target) in REMEDIES
    ]
    return [ast.unparse(value) for value in (*found, *constants)]


def test_the_toolchain_is_named_as_the_workstations() -> None:
    # Whoever reads a remedy may be on a device, where there is no `edgecnn`.
    texts = [text for text in remedies() if re.search(r"convert\w* (the model|it) again", text)]
    assert len(texts) > 3
    assert [text for text in texts if "workstation" not in text] == []
    commands = [text for text in remedies() if re.search(r"\bedgecnn (?!-)\w+", text)]
    assert len(commands) > 3
    assert [text for text in commands if "workstation" not in text] == []


@pytest.mark.parametrize("text", remedies())
def test_commands_and_options_in_remedies_exist(text: str) -> None:
    from edgecnn_runner.cli import make_parser

    known = make_parser().format_help()
    for command in re.findall(r"edgecnn-run (\w+)", text):
        assert f"    {command} " in known
    for command in re.findall(r"\bedgecnn (\w+)", text):
        assert command in ("convert", "run")
    options = set(re.findall(r"(?<!\w)--[a-z-]+", text))
    assert options <= {
        *("--labels", "--input-range", "--output-kind", "--layout", "--runtime", "--help"),
        *("--input-mean", "--input-std", "--fit", "--crop-fraction", "--resample"),
        *("--source", "--delete-after", "--output", "--collect", "--every", "--at-most"),
        *("--upgrade", "--force-reinstall"),  # pip's
    }


def test_an_error_shows_what_it_knows() -> None:
    error = EdgeError("it is broken", observed=0, expected="one", remedy="mend it")
    assert str(error).splitlines() == [
        "it is broken",
        "  observed: 0",
        "  expected: one",
        "  remedy:   mend it",
    ]
