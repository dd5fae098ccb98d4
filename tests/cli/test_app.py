"""The command line as a whole: help, errors, exit codes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import edgecnn as edgecnn_package
from command import edgecnn, shell
from raises import incomplete_raises

pytestmark = pytest.mark.slow  # in processes of their own

COMMANDS = ("demo", "build", "train", "convert", "verify", "run", "inspect", "init", "doctor")


def test_help_lists_every_command_and_the_exit_codes_that_gate() -> None:
    done = edgecnn("--help")
    assert done.code == 0
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", done.out)
    assert "3 parity FAIL" in done.out
    assert done.err == ""


HEAVY = {"numpy", "tensorflow", "keras", "onnx", "onnxruntime", "ai_edge_litert", "PIL"}


# All of them in one process: only the imports take time.
EVERY_HELP = """
import contextlib, io, json, sys
from edgecnn.cli.app import main

shown = {}
for command in json.loads(sys.argv[1]):
    sys.argv[1:], printed = [*command.split(), "--help"], io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main()
    shown[command] = printed.getvalue()
print(json.dumps([shown, sorted(sys.modules)]))
"""


def test_each_command_has_help_with_an_example_and_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVERY_HELP, json.dumps(["", *COMMANDS])],
        capture_output=True,
        text=True,
        check=True,
    )
    shown, modules = json.loads(done.stdout)
    assert not set(modules) & HEAVY
    for command in COMMANDS:
        assert f"Example: edgecnn {command}" in " ".join(shown[command].split())


def test_no_arguments_show_the_help_and_exit_as_usage() -> None:
    done = edgecnn()
    assert done.code == 2
    assert "Usage" in done.out + done.err


WRONG = {
    ("nonsense",): "No such command 'nonsense'",
    ("inspect",): "Missing argument 'FILE'",
    ("verify",): "nothing to verify is given",
    ("run", "--top", "x", "a", "b"): "Invalid value for '--top'",
    ("demo", "--bad"): "No such option: --bad",
    ("demo", "--out", ""): "--out has an empty value",
    ("demo", "--out="): "--out has an empty value",
    ("inspect", ""): "an argument has an empty value",
    ("build", "models/seed_cnn", "--data", ""): "--data has an empty value",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_a_wrong_command_line_exits_2_and_is_told_like_any_error(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = edgecnn(*arguments, "--json", cwd=tmp_path)
    assert done.code == 2
    document = done.json()
    assert document["error"] == "UsageError"
    assert document["exit_code"] == 2
    assert document["problem"].startswith(WRONG[arguments])
    assert document["observed"].startswith(f"edgecnn {arguments[0]}")
    assert document["expected"]
    assert document["remedy"]
    assert f"error: {document['problem']}\n  observed: " in done.err
    assert list(tmp_path.iterdir()) == []


def test_without_json_a_wrong_command_line_prints_nothing_on_stdout(tmp_path: Path) -> None:
    done = edgecnn("inspect", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "expected: edgecnn inspect [OPTIONS]" in done.err
    assert "remedy:   see edgecnn inspect --help" in done.err


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
    (tmp_path / "sitecustomize.py").write_text(
        "import sys; sys.modules['edgecnn.commands.init'] = None"
    )
    done = edgecnn("init", tmp_path / "x", env={"PYTHONPATH": str(tmp_path)})
    assert done.code == 1
    assert "This is a bug in edgecnn" in done.err
    assert "edgecnn doctor --json" in done.err


def test_version() -> None:
    assert edgecnn("--version").out == f"edgecnn {edgecnn_package.__version__}\n"


def test_init_makes_a_folder_that_says_what_is_next(tmp_path: Path) -> None:
    done = edgecnn("init", tmp_path / "leaves")
    assert done.code == 0
    assert f"edgecnn build {tmp_path / 'leaves'}" in done.out
    assert (tmp_path / "leaves" / "recipe.toml").is_file()
    # Built before there are images, it says so.
    done = edgecnn("build", tmp_path / "leaves")
    assert done.code == 21
    assert "images" in done.err


def test_init_chooses_for_the_images_that_are_there_and_warns(tmp_path: Path) -> None:
    for split, name, count in (("Train", "ash", 12), ("Train", "oak", 3), ("Val", "ash", 2)):
        for number in range(count):
            path = tmp_path / "photos" / split / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30), (9 * number, 20, 30)).save(path)
    (tmp_path / "photos" / "Val" / "oak").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "photos" / "Val" / "oak" / "1.png")
    done = edgecnn("init", tmp_path / "leaves", "--data", tmp_path / "photos")
    assert done.code == 0, done.err
    assert "chosen for 18 images of 2 classes" in done.out
    assert "Val is the test set" in done.err
    assert "warning: fewer than 10 images of 1 of 2 classes: oak (3)" in done.err
    assert "ash (12): oak (3)" in done.err
    done = edgecnn("init", tmp_path / "again", "--data", tmp_path / "photos", "--json")
    document = done.json()
    assert document["images"]["splits"] == {"train": 15, "test": 3}
    assert document["images"]["short_side"] == 30
    assert len(document["warnings"]) == 1
    assert len(document["notes"]) == 2


def test_doctor_finds_this_environment_fit() -> None:
    done = edgecnn("doctor", "--json")
    assert done.code == 0, done.out
    checks = {check["name"]: check for check in done.json()["checks"]}
    assert checks["TFLite runtime"]["state"] == "ok"
    assert checks["tensorflow"]["state"] == "ok"


def test_doctor_names_a_broken_data_folder_and_the_fix(tmp_path: Path) -> None:
    done = edgecnn("doctor", env={"EDGECNN_DATA": str(tmp_path)})
    assert done.code == 30
    assert "point EDGECNN_DATA to the folder" in done.err


@pytest.mark.parametrize("command", ["doctor --json", "build --help", "--version"])
def test_a_reader_that_goes_away_ends_a_command_quietly(command: str) -> None:
    done = shell(f'$E {command} | true; echo "${{PIPESTATUS[0]}}"')
    assert done.out.strip() == "141"
    assert done.err == ""


def test_the_first_line_of_a_help_text_can_be_asked_for() -> None:
    done = shell('$E verify --help | head -n 2; echo "${PIPESTATUS[0]}"')
    # Whether head is gone before the rest is written depends on the machine.
    assert re.search(r"Usage: edgecnn verify .*\n(0|141)\n$", done.out)
    assert done.err == ""


def test_suggested_commands_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "my leaves; echo 'oh'"
    done = edgecnn("init", folder)
    assert done.code == 0
    (line,) = [line for line in done.out.splitlines() if " build " in line]
    assert shlex.split(line)[-2:] == ["build", str(folder)]


def test_every_error_tells_what_was_seen_what_was_wanted_and_what_to_do() -> None:
    package = Path(edgecnn_package.__file__).parent
    for part in ("cli", "inspection.py", "inspection_table.py"):
        assert incomplete_raises(package / part) == []


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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("stream", ["1", "2"])
def test_an_error_keeps_its_code_where_its_words_find_no_room(tmp_path: Path, stream: str) -> None:
    done = shell(f'$E build "$1" --json {stream}> /dev/full', tmp_path / "none")
    assert done.code == 20, done.err
    assert "bug" not in done.out + done.err


def test_a_terminal_without_the_characters_still_gets_the_text(tmp_path: Path) -> None:
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = edgecnn("build", tmp_path / "Ölbaum", env=environment)
    assert done.code == 20
    assert "lbaum" in done.err
    assert "bug" not in done.err
