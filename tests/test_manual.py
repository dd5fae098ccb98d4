"""README and manual are part of the product: what they show is what the program does."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main
import yaml

from command import edgecnn
from edgecnn.cli.app import app
from edgecnn.errors import EdgeError
from edgecnn.package.privacy import pi, web
from edgecnn.recipe.load import DEFAULT_VARIANTS, VARIANTS, Recipe, parse_recipe
from edgecnn.recipe.section import Section
from edgecnn.recipe.sections import Limits
from edgecnn_runner.cli.arguments import make_parser
from manual import DOCS, ROOT, TEXTS, blocks, blocks_of, page

README = TEXTS["README.md"]
PAGES = pytest.mark.parametrize("name", TEXTS)
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def updater() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("update_manual", str(ROOT / ".ci/update-manual"))
    spec = importlib.util.spec_from_loader("update_manual", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_readme_is_short_and_its_first_command_stands_by_line_20() -> None:
    lines = README.splitlines()
    assert len(lines) <= 300
    assert any(line.startswith("$ make demo") for line in lines[:20])


def test_help_texts_are_the_programs_and_figures_the_recorded_ones(updater: ModuleType) -> None:
    assert set(updater.command_names()) == set(COMMANDS)
    assert updater.results_table() in README
    assert updater.models_table() in README
    assert updater.bench_table() in page("performance")
    assert updater.peers_table() in page("performance")
    assert updater.commands_help() in page("commands")
    for path in updater.PAGES:
        text = path.read_text(encoding="utf-8")
        assert updater.up_to_date(text, path) == text, "run: .venv/bin/python .ci/update-manual"


def test_every_command_of_the_program_is_in_the_manual_and_the_other_way_round() -> None:
    shown = set(re.findall(r"^│ ([a-z]+)  ", edgecnn("--help").out, re.MULTILINE))
    assert len(shown) >= 9
    text = "\n".join(TEXTS.values())
    without_help = text.replace(page("commands"), "")
    for command in shown:
        assert f"edgecnn {command}" in without_help, command
        assert f"## edgecnn {command}\n" in page("commands"), command
    named = set(re.findall(r"(?:\$ |`)edgecnn ([a-z]+)", text))
    assert named <= shown, f"the manual names commands that do not exist: {named - shown}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_on_the_commands_page(name: str) -> None:
    section = page("commands").split(f"## edgecnn {name}\n")[1].split("\n## ")[0]
    options = [one for given in COMMANDS[name].params for one in given.opts if one[0] == "-"]
    assert options
    for option in options:
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", section), option


def test_every_command_of_the_runner_is_described() -> None:
    (chosen,) = [one for one in make_parser()._actions if one.dest == "command"]
    assert chosen.choices
    for command in chosen.choices:
        assert re.search(rf"^\| `{command}` \| .+ \|$", page("raspberry-pi"), re.MULTILINE), command


@PAGES
def test_every_code_block_is_run_by_a_test_or_says_why_not(name: str) -> None:
    # tests/integration/test_digits.py runs them; a help text is compared above.
    text = TEXTS[name]
    found = blocks_of(text)
    assert text.count("```") == 2 * len(found)
    assert {block.kind for block in found} <= {"console", "python", "toml", "yaml", "text"}
    for block in found:
        if block.kind == "console":
            assert block.commands(), block.text
        elif block.kind == "python":
            ast.parse(block.text)
        elif block.kind == "toml":
            parse_recipe({"model": {"name": "x"}, **tomllib.loads(block.text)}, source=name)


def test_some_blocks_are_run() -> None:
    found = blocks()
    assert len([one for one in found if not one.reason and not one.is_help]) >= 5
    assert {block.kind for block in blocks_of(README)} == {"console", "python"}


def commands_in(text: str) -> list[str]:
    """Return the commands of edgecnn in lines that a user types or a job runs."""
    return re.findall(r"(?:^|[\s&(])(edgecnn [a-z][^#|\n]*)", text, re.MULTILINE)


def check_command(line: str) -> None:
    """Parse a command line as the program does, without running it."""
    words = shlex.split(line)
    command = COMMANDS[words[1]]
    with command.make_context(f"edgecnn {words[1]}", words[2:]) as context:
        assert context.params


@PAGES
def test_every_shown_command_line_is_one_that_the_program_takes(name: str) -> None:
    for block in blocks_of(TEXTS[name]):
        if block.kind == "console" and not block.is_help:
            for line in block.commands():
                for command in commands_in(line):
                    check_command(command)


@pytest.mark.parametrize("file", sorted(DOCS.glob("examples/*.yml")), ids=lambda path: path.name)
def test_the_example_for_ci_is_a_gate_of_commands_that_exist(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    loaded = yaml.safe_load(text)
    if "jobs" in loaded:
        (job,) = loaded["jobs"].values()
        lines = [step["run"] for step in job["steps"] if "run" in step]
        # YAML reads a bare `on` as true.
        assert "pull_request" in loaded[True]
    else:
        lines = loaded["parity"]["script"]
    commands = [command for line in lines for command in commands_in(line)]
    assert [command.split()[1] for command in commands] == ["convert", "verify"]
    for command in commands:
        check_command(command)
    assert {"--junit", "--baseline", "--markdown"} <= set(commands[1].split())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert f"pip install edgecnn=={version}" in lines
    # The gate is a command of its own: nothing behind it hides its exit code.
    assert "||" not in text
    assert text in page("parity")


@pytest.mark.parametrize("claims", [pi.CLAIMS, web.CLAIMS], ids=["pi", "web"])
def test_every_privacy_claim_is_on_the_privacy_page(claims: tuple[str, ...]) -> None:
    for claim in claims:
        assert f"| {claim} |" in page("privacy")


def exit_codes() -> list[tuple[str, str, str, str]]:
    return re.findall(
        r"^\| (\d+) \| (?:`(\w+)`)? ?\| ([^|]+) \| ?([^|]*) ?\|$", page("exit-codes"), re.MULTILINE
    )


def test_every_exit_code_is_listed_with_its_error() -> None:
    rows = exit_codes()
    listed = {name: int(code) for code, name, _, _ in rows if name}

    def tree(kind: type[EdgeError]) -> list[type[EdgeError]]:
        return [one for child in kind.__subclasses__() for one in (child, *tree(child))]

    assert listed == {kind.__name__: kind.exit_code for kind in tree(EdgeError)}
    assert {int(code) for code, name, _, _ in rows if not name} == {0, 1, 130, 141}


def test_every_exit_code_has_a_meaning_and_a_remedy() -> None:
    for code, _, meaning, remedy in exit_codes():
        assert len(meaning) > 3, code
        assert len(remedy) > 6 or code == "0", code


def test_every_variant_is_described() -> None:
    for variant in VARIANTS:
        assert f"`{variant}`" in page("own-model")
    assert "by default all but `tflite-int16x8` and `onnx-fp16`" in page("recipe")
    assert set(VARIANTS) - set(DEFAULT_VARIANTS) == {"tflite-int16x8", "onnx-fp16"}


def test_the_limits_are_the_defaults() -> None:
    limits = Limits()
    assert f"`max_drop`, {limits.max_drop:.1f} points" in page("parity")
    assert f"`min_agreement`, {limits.min_agreement:.0f} %" in page("parity")
    assert f"`max_class_drop`, {limits.max_class_drop:.0f} points" in page("parity")


def sections_of(kind: type[Section], name: str = "") -> dict[str, type[Section]]:
    """Return the tables of a recipe by their names, ``train.optimizer`` too."""
    found = {}
    for key, field in kind.model_fields.items():
        table = field.annotation
        if isinstance(table, type) and issubclass(table, Section):
            found[f"{name}{key}"] = table
            found |= sections_of(table, f"{name}{key}.")
    return found


SECTIONS = sections_of(Recipe)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_of_a_recipe_is_explained_with_its_default(name: str) -> None:
    section = page("recipe").split(f"## `[{name}]`\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]{4,} \|$", section, re.MULTILINE)
    fields = SECTIONS[name].model_fields
    plain = {key: field for key, field in fields.items() if f"{name}.{key}" not in SECTIONS}
    assert [key for key, _ in rows] == list(plain)
    for key, cell in rows:
        default, shown = plain[key].default, cell.strip("`")
        if isinstance(default, bool):
            assert shown == str(default).lower(), key
        elif isinstance(default, int | float):
            assert float(shown) == default, key
        elif isinstance(default, str):
            assert shown == f'"{default}"', key
        else:
            assert shown[0] not in '"-0123456789' or default is None, key


def test_the_recipe_page_has_no_tables_that_do_not_exist() -> None:
    assert set(re.findall(r"^## `\[([\w.]+)\]`$", page("recipe"), re.MULTILINE)) == set(SECTIONS)


def test_the_supported_pythons_are_those_of_the_packages() -> None:
    for file in ("pyproject.toml", "deploy/pyproject.toml"):
        project = tomllib.loads((ROOT / file).read_text(encoding="utf-8"))["project"]
        assert project["requires-python"] == ">=3.11,<3.14"
    assert "Python 3.11, 3.12 or\n3.13" in README
    assert "Python 3.11, 3.12 or 3.13" in page("index")


@pytest.mark.parametrize(
    "file", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "deploy/README.md", "models/README.md"]
)
def test_every_linked_file_exists(file: str) -> None:
    # Links of the manual's own pages are checked by MkDocs, in make lint.
    text = (ROOT / file).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        assert (ROOT / file).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md"])
def test_every_linked_heading_exists(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]+\.md)#([^)]+)\)", text):
        headings = re.findall(r"^#+ (.+)$", (ROOT / target).read_text("utf-8"), re.MULTILINE)
        slugs = [re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings]
        assert anchor in slugs, f"{target}#{anchor}"


def test_the_diagram_shows_every_room() -> None:
    top = ROOT / "toolchain/edgecnn"
    rooms = {path.parent.name for path in top.glob("*/*.py")}
    rooms |= {path.stem for path in top.glob("*.py") if not path.stem.startswith("__")}
    (diagram,) = [one for one in blocks_of(page("architecture")) if one.kind == "text"]
    assert rooms <= set(re.findall(r"\w+", diagram.text))


PLACES = (
    "", "toolchain/", "toolchain/edgecnn/", "toolchain/edgecnn/convert/", "deploy/",
    "deploy/edgecnn_runner/", "models/",
)  # fmt: skip


@PAGES
def test_every_named_file_of_the_sources_exists(name: str) -> None:
    named = re.findall(r"`([\w./-]+\.(?:py|js|toml))`", TEXTS[name])
    named += re.findall(r"`((?:toolchain|deploy|tests|\.ci)/[\w./-]+)`", TEXTS[name])
    for path in named:
        # Of whoever adds a command, and of whoever has a recipe.
        if not re.search(r"\b(NAME|X|NAME-int8)\.|^(leaves/)?recipe\.toml$", path):
            assert any((ROOT / place / path).exists() for place in PLACES), path


def test_the_architecture_page_names_every_folder_and_no_other() -> None:
    done = subprocess.run(
        ["git", "ls-files", "toolchain/edgecnn", "deploy"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = [path for path in map(Path, done.stdout.split()) if (ROOT / path).exists()]
    folders = {path.parent for path in files if path.parent.name != "templates"}
    folders = {path for path in folders if "templates" not in path.parts}
    wanted = {
        f"{path.relative_to(top).as_posix()}/"
        for top in (Path("toolchain/edgecnn"), Path("deploy"))
        for path in folders
        if path.is_relative_to(top) and path != Path("deploy")
    }
    named = re.findall(r"^\| `([\w./]+/)` \| .{10,} \|$", page("architecture"), re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == {"./" if one == "./" else one for one in wanted}
