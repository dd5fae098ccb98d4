"""Files without a PASS that are packaged as what they are: not proven."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecnn.build.workspace import Workspace
from edgecnn.errors import PackageError
from edgecnn.package.pi.documents import card_facts, environment
from edgecnn.package.proven import Proven, find_proven
from edgecnn.package.request import PackageRequest
from edgecnn.package.unproven import OpenCriterion, Unproven
from edgecnn_installer.bundle import parse_manifest
from edgecnn_runner.errors import SelfTestError
from edgecnn_runner.proof import NOT_PROVEN_FILE, not_proven
from package.judged_build import FILES, judged_build

SAID = "not proven: 600 images of toys are too few to tell whether it answers as well as its float"


def accepted(build: Workspace, *variants: str) -> Proven:
    request = PackageRequest(source=build.folder, accept_inconclusive=True)
    return find_proven(build.folder, build, variants, request)


def test_what_is_undecided_is_taken_only_where_that_is_asked_for(tmp_path: Path) -> None:
    build = judged_build(tmp_path / "build", tflite_int8="INCONCLUSIVE", onnx_int8="PASS")
    with pytest.raises(PackageError, match=r"tflite-int8 of .* has no PASS"):
        find_proven(build.folder, build, ["tflite-int8"])
    proven = accepted(build, "tflite-int8", "onnx-int8")
    assert proven.state == "not proven"
    (name,) = proven.unproven
    assert name == FILES["tflite-int8"]
    said = proven.unproven[name].statement
    assert said.startswith(SAID)
    # 7 of 600 is a loss of 1.17 points, and 7 of the 200 of the first class are 3.5 points.
    assert "loss of accuracy 1.17 points, 95 % interval" in said
    assert "allowed at most 2.00" in said


def test_a_pass_is_the_same_with_and_without_the_flag(tmp_path: Path) -> None:
    build = judged_build(tmp_path / "build", tflite_int8="PASS")
    assert accepted(build, "tflite-int8") == find_proven(build.folder, build, ["tflite-int8"])


@pytest.mark.parametrize("change", ["FAIL", "other bytes", "useless", "no verdict", "own scores"])
def test_nothing_else_is_let_in(tmp_path: Path, change: str) -> None:
    verdict = "FAIL" if change == "FAIL" else "INCONCLUSIVE"
    build = judged_build(tmp_path / "build", tflite_int8=verdict)
    parity = build.path(Workspace.PARITY)
    record: dict[str, Any] = json.loads(parity.read_text())
    if change == "other bytes":
        with build.path(FILES["tflite-int8"]).open("ab") as file:
            file.write(b"x")
    if change == "useless":
        record["float_model"] = {
            "outcome": "guessing", "right": 210, "images": 600, "largest_class": "cat",
            "largest_images": 200,
        }  # fmt: skip
    if change == "no verdict":
        record["rows"][0] |= {
            "verdict": "ERROR", "judgement": None, "metrics": None,
            "error": {"error": "ScoreError", "problem": "NaN", "remedy": "convert it again"},
        }  # fmt: skip
    if change == "own scores":
        record["own_scores"] = {"agrees": False, "agreed": 1, "images": 600, "file": "own.csv"}
    parity.write_text(json.dumps(record))
    with pytest.raises(PackageError):
        accepted(build, "tflite-int8")


def test_a_float_model_of_which_little_is_known_is_said_to_be(tmp_path: Path) -> None:
    build = judged_build(tmp_path / "build", tflite_int8="INCONCLUSIVE")
    parity = build.path(Workspace.PARITY)
    record = json.loads(parity.read_text())
    record["float_model"] = {"outcome": "too few", "right": 2, "images": 3}
    parity.write_text(json.dumps(record))
    (one,) = accepted(build, "tflite-int8").unproven.values()
    assert one.statement.endswith(
        "; nor whether the float model itself, right on 2 of 3, is better than guessing"
    )


def test_each_criterion_is_said_in_its_own_unit() -> None:
    numbers = {"estimate": 0.021, "low": -0.01, "high": 0.06, "level": 0.95, "limit": 0.05}
    said = {
        name: OpenCriterion(name=name, about=about, **numbers).text
        for name, about in [
            ("class_drop", "cat"), ("disagreement", ""), ("accuracy", ""),
            ("corruption_drop", "noise 3"), ("gap_increase", "light: day, night"),
            ("something_new", ""),
        ]
    }  # fmt: skip
    rest = "95 % interval \u22121.00 to 6.00, allowed"
    assert said == {
        "class_drop": f"loss of recall (cat) 2.10 points, {rest} at most 5.00",
        "disagreement": f"answers other than the float model's 2.10 %, {rest} at most 5.00",
        "accuracy": f"accuracy 2.10 %, {rest} at least 5.00",
        "corruption_drop": "loss of accuracy when pictures are worse (noise 3) 2.10 points, "
        f"{rest} at most 5.00",
        "gap_increase": "wider gap between groups (light: day, night) 2.10 points, "
        f"{rest} at most 5.00",
        "something_new": f"something new 2.10 points, {rest} at most 5.00",
    }


@pytest.mark.parametrize("target", ["pi", "web"])
def test_the_card_says_it_and_shows_names_as_text(tmp_path: Path, target: str) -> None:
    build = judged_build(tmp_path / "build", tflite_int8="INCONCLUSIVE", onnx_int8="PASS")
    pages = environment()

    def card(proven: Proven) -> str:
        facts = card_facts(proven, "1.0", place=None) | {"target": target, "unchecked": ()}
        return pages.get_template("MODEL_CARD.md.j2").render(facts)

    plain = card(accepted(build, "onnx-int8"))
    assert "It is here because its verdict was PASS." in plain
    assert "not proven" not in plain
    found = accepted(build, "tflite-int8")
    text = card(found)
    assert "verdict was PASS" not in text
    assert "- `resnet8-int8.tflite`: **not proven**: 600 images of toys" in text
    criterion = replace(
        next(iter(found.unproven.values())).criteria[0], name="class_drop", about="<b>bird</b>"
    )
    named = Unproven(images=6, dataset="toys", criteria=(criterion,))
    files = (replace(found.files[0], unproven=named),)
    said = card(replace(found, files=files)).partition("| file |")[0]
    assert "(\\<b\\>bird\\</b\\>)" in said


def test_a_device_is_told_by_the_file_s_bytes(tmp_path: Path) -> None:
    build = judged_build(tmp_path / "build", tflite_int8="INCONCLUSIVE", onnx_int8="PASS")
    one = accepted(build, "tflite-int8").files[0]
    assert one.unproven is not None
    said = one.unproven.statement
    assert not_proven(one.path) is None
    place = build.path(NOT_PROVEN_FILE)
    place.write_text(json.dumps({"schema": 1, "files": {one.sha256: f"{said}\x1b[2J"}}))
    assert not_proven(one.path) == f"{said}?[2J"
    assert not_proven(build.path(FILES["onnx-int8"])) is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"schema": 2, "files": {}}', '{"schema": 1}', "[" * 100_000, "{" + " " * 2**21],
)
def test_a_damaged_note_is_no_proof(tmp_path: Path, text: str) -> None:
    build = judged_build(tmp_path / "build", tflite_int8="INCONCLUSIVE")
    build.path(NOT_PROVEN_FILE).write_text(text)
    with pytest.raises(SelfTestError, match="says what is not proven of resnet8-int8"):
        not_proven(build.path(FILES["tflite-int8"]))


def test_a_note_of_another_kind_is_refused(tmp_path: Path) -> None:
    build = judged_build(tmp_path / "build", tflite_int8="INCONCLUSIVE")
    digest = accepted(build, "tflite-int8").files[0].sha256
    for said in ("", 3, ["a"], "x" * 5000):
        note = {"schema": 1, "files": {digest: said}}
        build.path(NOT_PROVEN_FILE).write_text(json.dumps(note))
        with pytest.raises(SelfTestError):
            not_proven(build.path(FILES["tflite-int8"]))


def test_the_installer_reads_it_from_the_manifest() -> None:
    def manifest(**entry: Any) -> bytes:
        return json.dumps(
            {
                "schema": 1, "kind": "edgecnn bundle", "model": "toy", "version": "1",
                "architecture": "aarch64", "python": "3.11", "glibc": "2.17",
                "artifacts": [{"file": "models/a.tflite", **entry}],
                "files": {"models/a.tflite": {"sha256": "", "bytes": 1, "executable": False}},
            }
        ).encode()  # fmt: skip

    assert parse_manifest(manifest()).not_proven == {}
    assert parse_manifest(manifest(proven={"images": 3})).not_proven == {}
    found = parse_manifest(manifest(not_proven={"statement": "not proven: 6\nimages"}))
    assert found.not_proven == {"models/a.tflite": "not proven: 6?images"}
    for entry in ({"statement": 3}, {}, "x"):
        with pytest.raises((TypeError, KeyError)):
            parse_manifest(manifest(not_proven=entry))
