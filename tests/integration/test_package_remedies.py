"""What refusals of ``edgecnn package`` offer is run, word by word: then the bundle is made.

A remedy may also lead to another, later refusal, which is followed likewise.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command import Finished, edgecnn_here
from package.test_refusals import commands_in, error_of

pytestmark = pytest.mark.slow

QUICK = ("--skip-privacy-checks", "--target", "web", "--format", "folder", "--version", "1.0")


@pytest.fixture
def build(demo: tuple[Path, Finished], tmp_path: Path) -> Path:
    """A copy of the demo's build, in which every file has a PASS."""
    return Path(shutil.copytree(demo[0], tmp_path / "my build"))


def run_line(line: str) -> Finished:
    """Run commands as a shell would, one behind the other as long as they go well."""
    done: Finished | None = None
    for command in line.split(" && "):
        name, *arguments = shlex.split(command)
        assert name == "edgecnn"
        done = edgecnn_here(*arguments)
        if done.code:
            break
    assert done is not None
    return done


def change_record(build: Path, change: Callable[[dict[str, Any]], None]) -> None:
    parity = build / "parity.json"
    record = json.loads(parity.read_text())
    change(record)
    parity.write_text(json.dumps(record))


def fail(*variants: str) -> Callable[[Path], None]:
    """Say that these variants lose 20 points, which they do not."""

    def apply(build: Path) -> None:
        def change(record: dict[str, Any]) -> None:
            for row in record["rows"]:
                if row["variant"] in variants:
                    row["verdict"] = row["judgement"]["verdict"] = "FAIL"
                    drop = row["judgement"]["criteria"][0]
                    drop |= {"outcome": "missed", "estimate": 0.2, "low": 0.1, "high": 0.3}

        change_record(build, change)

    return apply


def undecided(build: Path) -> None:
    assert edgecnn_here("verify", build, "--max-drop", "0.1", "--save-limits").code == 4


def without_record(build: Path) -> None:
    (build / "parity.json").unlink()


def changed(build: Path) -> None:
    with (build / "digits-int8.onnx").open("ab") as file:
        file.write(b"x")


def guessing(build: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        record["float_model"] |= {"outcome": "guessing"}

    change_record(build, change)


CASES = {
    "undecided": (undecided, "onnx-int8", "web"),
    "undecided for a device": (undecided, "tflite-int8", "pi"),
    "failed": (fail("onnx-int8"), "onnx-int8", "web"),
    "no record": (without_record, "onnx-int8", "web"),
    "other bytes": (changed, "onnx-int8", "web"),
    "guessing": (guessing, "onnx-int8", "web"),
    "another runtime": (lambda _: None, "onnx-int8", "pi"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_command_that_is_offered_leads_to_a_bundle(
    build: Path, tmp_path: Path, case: str
) -> None:
    break_it, variant, target = CASES[case]
    break_it(build)
    asked: list[str | Path] = [
        "package",
        build,
        "--variant",
        variant,
        *QUICK,
        "-o",
        tmp_path / "out",
    ]
    if target == "pi":
        # No libraries, which are looked for once the files may be packaged: to pack 40 MB of them
        # takes half a minute.
        (tmp_path / "none").mkdir()
        asked = [*asked[:4], "--wheels", tmp_path / "none", "-o", tmp_path / "out"]
    refused = edgecnn_here(*asked)
    assert refused.code == 35, refused.err
    kept = Path(shutil.copytree(build, tmp_path / "kept"))
    lines = commands_in(error_of(refused))
    assert lines, refused.err
    made = 0
    for line in lines:
        shutil.rmtree(build)
        shutil.copytree(kept, build)
        done = run_line(line)
        if "edgecnn package" not in line:
            assert done.code in (0, 3, 4, 41), (line, done.err)
            continue
        made += 1
        if target == "pi":
            # How many those are is a matter of the runtime alone: the folder is empty.
            lacking = re.search(r"none lacks (\d+) of the libraries", done.err)
            assert lacking is not None, (line, done.err)
            assert int(lacking[1]) >= 2, (line, done.err)
            continue
        assert done.code == 0, (line, done.err)
        shutil.rmtree(tmp_path / "out")
    assert made, lines


def test_what_is_not_proven_says_so_everywhere(build: Path, tmp_path: Path) -> None:
    undecided(build)
    out = tmp_path / "out"
    asked = ("package", build, *QUICK, "-o", out, "--json")
    assert edgecnn_here(*asked).code == 35
    result = edgecnn_here(*asked, "--accept-inconclusive")
    assert result.code == 0, result.err
    found = result.json()["not_proven"]
    (said,) = [one["statement"] for one in found.values()]
    assert list(found) == ["digits-int8.onnx"]
    assert said.startswith("not proven: 592 images of digits are too few to tell")
    assert found["digits-int8.onnx"]["criteria"][0]["limit"] == pytest.approx(0.001)
    folder = out / "digits-1.0-web"
    contract = json.loads((folder / "model/contract.json").read_text())
    assert contract["not_proven"] == said
    for name in ("MODEL_CARD.md", "PRIVACY.md", "README.md"):
        assert "ot proven**: 592 images of digits" in (folder / name).read_text(), name
    # What is decided is packaged as ever, with and without the flag.
    assert edgecnn_here("verify", build, "--max-drop", "5", "--save-limits").code == 0
    proven = edgecnn_here(*asked, "--accept-inconclusive")
    assert proven.json()["not_proven"] == {}
    assert "not_proven" not in json.loads((folder / "model/contract.json").read_text())
