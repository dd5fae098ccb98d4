"""The README is part of the product: what it shows is what the program does."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from command import edgecnn
from edgecnn.errors import EdgeError
from edgecnn.recipe.load import VARIANTS
from edgecnn.recipe.sections import Limits
from readme import blocks

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def updater() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("update_readme", str(ROOT / ".ci/update-readme"))
    spec = importlib.util.spec_from_loader("update_readme", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_first_command_stands_by_line_20() -> None:
    top = README.splitlines()[:20]
    assert any(line.startswith("$ make demo") for line in top)


def test_help_texts_are_the_programs_and_figures_the_recorded_ones(updater: ModuleType) -> None:
    assert len(updater.BLOCK.findall(README)) >= 5
    assert updater.results_table() in README
    assert updater.models_table() in README
    assert updater.bench_table() in README
    assert updater.peers_table() in README
    assert updater.up_to_date(README) == README, "run: .venv/bin/python .ci/update-readme"


def test_every_command_of_the_program_is_in_the_readme_and_the_other_way_round() -> None:
    shown = set(re.findall(r"^│ ([a-z]+)  ", edgecnn("--help").out, re.MULTILINE))
    assert len(shown) >= 9
    for command in shown:
        assert f"edgecnn {command}" in README, command
    named = set(re.findall(r"(?:\$ |`)edgecnn ([a-z]+)", README))
    assert named <= shown, f"the README names commands that do not exist: {named - shown}"


def test_every_code_block_is_run_by_a_test_or_says_why_not() -> None:
    # tests/integration/test_digits.py runs them; a help text is compared above.
    found = blocks()
    assert README.count("```") == 2 * len(found)
    assert {block.kind for block in found} == {"console", "python"}
    run = [block for block in found if not block.reason and not block.is_help]
    assert len(run) >= 2
    for block in found:
        if block.kind == "console":
            assert block.commands(), block.text


def test_every_exit_code_is_listed_with_its_error() -> None:
    rows = re.findall(r"^\| (\d+) \| (?:`(\w+)`)? ?\| .+ \|$", README, re.MULTILINE)
    listed = {name: int(code) for code, name in rows if name}

    def tree(kind: type[EdgeError]) -> list[type[EdgeError]]:
        return [one for child in kind.__subclasses__() for one in (child, *tree(child))]

    assert listed == {kind.__name__: kind.exit_code for kind in tree(EdgeError)}
    assert {int(code) for code, name in rows if not name} == {0, 1, 130, 141}


def test_every_variant_is_described() -> None:
    for variant in VARIANTS:
        assert f"`{variant}`" in README


def test_the_limits_are_the_defaults() -> None:
    limits = Limits()
    assert f"`max_drop`, {limits.max_drop:.1f} points" in README
    assert f"`min_agreement`, {limits.min_agreement:.0f} %" in README
    assert f"`max_class_drop`, {limits.max_class_drop:.0f} points" in README


def test_the_supported_pythons_are_those_of_the_packages() -> None:
    for file in ("pyproject.toml", "deploy/pyproject.toml"):
        project = tomllib.loads((ROOT / file).read_text(encoding="utf-8"))["project"]
        assert project["requires-python"] == ">=3.11,<3.14"
    assert "Python 3.11, 3.12 or 3.13" in README


def test_every_path_the_readme_links_or_names_in_the_repository_exists() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
