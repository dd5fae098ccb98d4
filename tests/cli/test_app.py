"""The command line as a whole: help, errors, exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from command import edgecnn, modules_after, shell

COMMANDS = ("demo", "build", "train", "convert", "verify", "run", "inspect", "init", "doctor")


def test_help_lists_every_command_and_the_exit_codes_that_gate() -> None:
    done = edgecnn("--help")
    assert done.code == 0
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", done.out)
    assert "3 parity FAIL" in done.out
    assert done.err == ""


HEAVY = {"numpy", "tensorflow", "keras", "onnx", "onnxruntime", "ai_edge_litert", "PIL"}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_an_example_and_imports_nothing_heavy(command: str) -> None:
    modules, printed = modules_after(command, "--help")
    assert f"Example: edgecnn {command}" in " ".join(printed.split())
    assert not modules & HEAVY


def test_the_help_imports_neither_numpy_nor_anything_heavier() -> None:
    modules, _ = modules_after("--help")
    assert not modules & HEAVY


def test_no_arguments_show_the_help_and_exit_as_usage() -> None:
    done = edgecnn()
    assert done.code == 2
    assert "Usage" in done.out + done.err


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("verify",), ("run", "--top", "x", "a", "b"), ("demo", "--bad")]
)
def test_a_wrong_command_line_exits_2(arguments: tuple[str, ...]) -> None:
    done = edgecnn(*arguments)
    assert done.code == 2
    assert done.out == ""


def test_an_error_says_what_is_wrong_and_what_to_do_on_stderr(tmp_path: Path) -> None:
    done = edgecnn("build", tmp_path)
    assert done.code == 20
    assert done.out == ""
    assert done.err.startswith("error: no recipe at")
    assert "remedy:   make one with: edgecnn init FOLDER" in done.err


def test_with_json_an_error_is_a_json_document(tmp_path: Path) -> None:
    done = edgecnn("build", tmp_path, "--json")
    assert done.code == 20
    document = done.json()
    assert document["error"] == "RecipeError"
    assert document["exit_code"] == 20
    assert document["remedy"]


def test_paths_with_markup_characters_are_shown_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "[bold]x[/bold]"
    folder.mkdir(parents=True)
    done = edgecnn("build", folder)
    assert "[bold]x[/bold]" in done.err


def test_a_bug_says_where_to_report_it(tmp_path: Path) -> None:
    # A module of ours that fails to import is as good a bug as any.
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['edgecnn.scaffold'] = None")
    done = edgecnn("init", tmp_path / "x", env={"PYTHONPATH": str(tmp_path)})
    assert done.code == 1
    assert "This is a bug in edgecnn" in done.err
    assert "edgecnn doctor --json" in done.err


def test_version() -> None:
    import edgecnn as package

    assert edgecnn("--version").out == f"edgecnn {package.__version__}\n"


def test_init_makes_a_folder_that_says_what_is_next(tmp_path: Path) -> None:
    done = edgecnn("init", tmp_path / "leaves")
    assert done.code == 0
    assert f"edgecnn build {tmp_path / 'leaves'}" in done.out
    assert (tmp_path / "leaves" / "recipe.toml").is_file()
    # Built before there are images, it says so.
    done = edgecnn("build", tmp_path / "leaves")
    assert done.code == 21
    assert "images" in done.err


def test_doctor_finds_this_environment_fit() -> None:
    done = edgecnn("doctor", "--json")
    assert done.code == 0, done.out
    checks = {check["name"]: check for check in done.json()}
    assert checks["TFLite runtime"]["state"] == "ok"
    assert checks["tensorflow"]["state"] == "ok"


def test_doctor_names_a_broken_data_folder_and_the_fix(tmp_path: Path) -> None:
    done = edgecnn("doctor", env={"EDGECNN_DATA": str(tmp_path)})
    assert done.code == 30
    assert "point EDGECNN_DATA to the folder" in done.err


def test_a_reader_that_goes_away_is_no_bug(tmp_path: Path) -> None:
    done = shell('$E doctor --json | true; echo "${PIPESTATUS[0]}"')
    assert done.out.strip() == "141"
    assert "bug" not in done.err


def test_closed_streams_change_nothing_but_the_output(tmp_path: Path) -> None:
    assert shell('$E init "$1" 2>&-', tmp_path / "a").code == 0
    assert shell('$E init "$1" >&-', tmp_path / "b").code == 0
    assert shell('$E build "$1" 2>&-', tmp_path).code == 20


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("option", ["", "--json"])
def test_a_full_disk_behind_the_output_is_an_output_error(tmp_path: Path, option: str) -> None:
    done = shell(f'$E init "$1" {option} > /dev/full', tmp_path / "a")
    assert done.code == 17, done.err
    assert "bug" not in done.err


def test_a_terminal_without_the_characters_still_gets_the_text(tmp_path: Path) -> None:
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = edgecnn("build", tmp_path / "Ölbaum", env=environment)
    assert done.code == 20
    assert "lbaum" in done.err
    assert "bug" not in done.err
