"""The whole chain on handwritten digits, by the command a newcomer types."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgecnn as edgecnn_package
from command import Finished, edgecnn, modules_after
from edgecnn.build.reference import read_reference
from edgecnn.recipe.load import DEFAULT_VARIANTS
from integration.conftest import record_again
from manual import blocks

pytestmark = pytest.mark.slow

Demo = tuple[Path, Finished]


def copy_of(demo: Demo, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo[0], tmp_path / "build"))


def test_the_demo_proves_every_variant_and_classifies_a_picture(demo: Demo) -> None:
    folder, done = demo
    assert done.out.count("PASS") >= len(DEFAULT_VARIANTS)
    assert "edgecnn run" in done.out
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "PASS" in report
    for outside in ("http://", "https://", "<script", 'src="/', "@import"):
        assert outside not in report.replace("http://www.w3.org/2000/svg", "")
    parity = json.loads((folder / "parity.json").read_text())
    assert parity["schema"] >= 1


def test_the_manifest_names_every_file_with_its_true_digest(demo: Demo) -> None:
    folder, _ = demo
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["stages"]) == {"train", "convert", "verify"}
    for name, entry in manifest["files"].items():
        data = (folder / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        assert len(data) == entry["bytes"]
    unlisted = {path.name for path in folder.iterdir()} - set(manifest["files"])
    assert unlisted == {"manifest.json", "sample.png"}
    assert {row["variant"] for row in manifest["variants"]} == set(DEFAULT_VARIANTS)
    for tool in ("edgecnn", "tensorflow", "tf2onnx", "onnxruntime"):
        assert tool in manifest["tools"]


def test_a_second_run_skips_what_is_up_to_date_and_says_so(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    done = edgecnn("demo", "--out", folder)
    assert done.code == 0
    for stage in ("train", "convert", "verify"):
        assert f"{stage}: up to date" in done.err
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed <= {"sample.png"}


def test_a_changed_artifact_is_made_again(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    artifact = folder / "digits-int8.tflite"
    good = artifact.read_bytes()
    artifact.write_bytes(good[:-100])
    done = edgecnn("demo", "--out", folder)
    assert done.code == 0, done.err
    assert "train: up to date" in done.err
    assert "convert: up to date" not in done.err
    assert artifact.read_bytes()[:1000] == good[:1000]


def test_a_stock_unzip_shows_what_is_in_an_artifact(demo: Demo) -> None:
    artifact = demo[0] / "digits-int8.tflite"
    unzip = shutil.which("unzip")
    if unzip is None:
        pytest.skip("unzip is not installed")
    done = subprocess.run([unzip, "-l", artifact], capture_output=True, text=True, check=False)
    assert "edgecnn/contract.json" in done.stdout
    with zipfile.ZipFile(artifact) as archive:
        assert archive.read("labels.txt").decode().split() == [str(d) for d in range(10)]


def test_calibration_images_are_from_train_only(demo: Demo) -> None:
    folder, _ = demo
    record = json.loads((folder / "calibration.json").read_text())
    splits = json.loads((folder / "splits.json").read_text())["splits"]
    assert set(record["ids"]) <= set(splits["train"]["ids"])
    assert not set(record["ids"]) & set(splits["test"]["ids"])
    counts = record["class_counts"].values()
    assert max(counts) - min(counts) <= 1


def test_history_has_a_row_an_epoch(demo: Demo) -> None:
    with (demo[0] / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, len(rows) + 1))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


def test_verify_run_and_inspect_import_no_tensorflow(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    for arguments in (
        ("verify", folder),
        ("inspect", folder / "digits-int8.tflite"),
        ("inspect", folder / "digits-int8.onnx"),
        ("run", folder / "digits-int8.tflite", folder / "sample.png"),
        ("run", folder / "digits-fp32.onnx", folder / "sample.png"),
    ):
        assert not modules_after(*arguments)[0] & {"tensorflow", "keras", "tf2onnx"}


@pytest.mark.parametrize("name", ["digits-int8.tflite", "digits-int8.onnx", "digits-fp32.tflite"])
def test_run_gives_ranked_classes(demo: Demo, name: str) -> None:
    folder, _ = demo
    done = edgecnn("run", folder / name, folder / "sample.png", "--top", "3", "--json")
    assert done.code == 0, done.err
    (result,) = done.json()["images"]
    scores = [entry["score"] for entry in result["ranked"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[0] <= 1.01


def test_reject_below_answers_unknown(demo: Demo) -> None:
    folder, _ = demo
    arguments = (folder / "digits-int8.tflite", folder / "sample.png", "--reject-below", "1.0")
    assert "unknown" in edgecnn("run", *arguments).out


def test_too_strict_limits_fail_or_stay_open_by_exit_code(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    done = edgecnn("verify", folder, "--max-drop", "0.01")
    assert done.code == 4, done.out
    assert "INCONCLUSIVE" in done.out
    assert re.search(r"images", done.err)


def test_junit_reports_a_case_for_each_artifact(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    done = edgecnn("verify", folder, "--junit", tmp_path / "parity.xml")
    assert done.code == 0
    cases = ET.parse(tmp_path / "parity.xml").getroot().iter("testcase")
    assert len(list(cases)) == len(DEFAULT_VARIANTS)


def test_one_file_can_be_verified_alone(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    whole = (folder / "parity.json").read_bytes()
    done = edgecnn("verify", folder / "digits-int8.onnx", "--json")
    assert done.code == 0
    assert len(done.json()["rows"]) == 1
    # A partial verification does not stand in for the whole one.
    assert (folder / "parity.json").read_bytes() == whole
    assert (folder / "report-partial.html").is_file()
    assert "verify: up to date" in edgecnn("demo", "--out", folder).err


def test_an_overlap_of_calibration_and_evaluation_is_refused(demo: Demo, tmp_path: Path) -> None:
    # Calibrate on the evaluation images themselves, honestly recorded: verify must refuse.
    from edgecnn.commands.init import demo_recipe
    from edgecnn.data import choose_calibration, load_dataset
    from edgecnn.data.types import Images

    folder = copy_of(demo, tmp_path)
    dataset = load_dataset(demo_recipe().data)
    nothing = Images(
        pixels=np.zeros((0, *dataset.shape), np.uint8), labels=np.zeros(0, np.int64), ids=()
    )
    chosen = choose_calibration(
        dataset.test, nothing, count=50, seed=0, class_names=dataset.class_names
    )
    for name in ("digits-int8.tflite", "digits-int8.onnx"):
        _recalibrate(folder, name, chosen.record)
        done = edgecnn("verify", folder / name, "--json")
        assert done.code == 24, done.err
        (row,) = done.json()["rows"]
        assert row["verdict"] is None or row["verdict"] not in ("PASS", "INCONCLUSIVE")
        error = row["error"]
        assert "calibrat" in error["problem"]
        assert all(error[part] for part in ("observed", "expected", "remedy"))


def _recalibrate(folder: Path, name: str, record: dict[str, object]) -> None:
    """Give an int8 artifact a contract that names another calibration record."""
    from edgecnn.build.artifact import read_artifact, write_artifact

    path = folder / name
    container = read_artifact(path)
    assert container.contract is not None
    contract = dataclasses.replace(container.contract, calibration_sha256=str(record["sha256"]))
    write_artifact(path, container.payload, contract)
    (folder / "calibration.json").write_text(json.dumps(record))
    record_again(folder, path.name, "calibration.json")


def test_a_file_that_is_not_what_was_converted_is_refused(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    shutil.copy(folder / "digits-fp32.tflite", folder / "digits-int8.tflite")
    done = edgecnn("verify", folder)
    assert done.code == 10, done.err
    assert "is not the file that was converted" in done.err
    folder = Path(shutil.copytree(demo[0], tmp_path / "other"))
    reference = read_reference(folder / "reference.npz")
    scores = reference.scores.copy()
    scores[:12] = scores[:12, ::-1]
    dataclasses.replace(reference, scores=scores).write(folder / "reference.npz")
    done = edgecnn("verify", folder)
    assert done.code == 29, done.err


def guessing(demo: Demo, tmp_path: Path) -> Path:
    """Return a copy of the demo whose float model answers 0, whatever it is shown."""
    folder = copy_of(demo, tmp_path)
    reference = read_reference(folder / "reference.npz")
    scores = np.zeros_like(reference.scores)
    scores[:, 0] = 1
    dataclasses.replace(reference, scores=scores).write(folder / "reference.npz")
    record_again(folder, "reference.npz")
    return folder


def test_a_float_model_that_guesses_ends_verify_and_build(demo: Demo, tmp_path: Path) -> None:
    folder = guessing(demo, tmp_path)
    before = (folder / "digits-int8.tflite").read_bytes()
    done = edgecnn("verify", folder, "--json")
    # All files differ from it, and that is not what is wrong.
    values = done.json()
    assert done.code == 41, done.err
    assert {row["verdict"] for row in values["rows"]} == {"FAIL"}
    assert (values["verdict"], values["float_model"]["outcome"]) == ("ERROR", "guessing")
    assert "order of the labels" in done.err
    # With 0, nothing is asked of it, and its files fail.
    assert edgecnn("verify", folder, "--min-accuracy", "0").code == 3
    # A build that is up to date is still one of a useless model.
    for _ in range(2):
        done = edgecnn("demo", "--out", folder, "--json")
        assert done.code == 41, done.err
        assert done.json()["parity"]["float_model"]["right"] < 100
    assert (folder / "digits-int8.tflite").read_bytes() == before
    done = edgecnn("package", folder, "--out", tmp_path / "bundle")
    assert done.code == 35, done.err
    assert "no better than guessing" in done.err


def test_a_least_accuracy_is_judged_and_told(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    limits = ("--max-drop", "20%", "--max-class-drop", "90%", "--min-agreement", "50%")
    for least, code, outcome in (("80%", 0, "met"), ("99.9", 3, "missed")):
        done = edgecnn("verify", folder, *limits, "--min-accuracy", least, "--json")
        assert done.code == code, done.err
        values = done.json()
        assert values["limits"]["min_accuracy"] == float(least.removesuffix("%"))
        for row in values["rows"]:
            accuracy = row["judgement"]["criteria"][3]
            assert (accuracy["name"], accuracy["outcome"]) == ("accuracy", outcome)
            assert accuracy["estimate"] == row["metrics"]["artifact"]["accuracy"]
    done = edgecnn("verify", folder, "--min-accuracy", "0.8")
    assert done.code == 2
    assert '0.8 could be 80 % or 0.8 %: write 80 or "0.8%"' in done.err


def test_convert_from_the_build_makes_what_is_asked_for(demo: Demo, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    done = edgecnn(
        "convert", demo[0], "--out", folder, "--variant", "tflite-int16x8", "--variant", "onnx-fp16"
    )
    assert done.code == 0, done.err
    assert (folder / "digits-int16x8.tflite").is_file()
    assert (folder / "digits-fp16.onnx").is_file()
    assert edgecnn("verify", folder).code == 0


def test_a_variant_is_added_to_those_a_build_has(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    before = {path.name: path.read_bytes() for path in folder.glob("digits-*")}
    done = edgecnn("convert", folder, "--variant", "tflite-int16x8")
    assert done.code == 0, done.err
    after = {path.name: path.read_bytes() for path in folder.glob("digits-*")}
    assert set(after) == {*before, "digits-int16x8.tflite"}
    assert all(after[name] == data for name, data in before.items())


def test_a_variant_is_added_however_the_build_is_named(demo: Demo, tmp_path: Path) -> None:
    shutil.copy(
        Path(edgecnn_package.__file__).parent / "commands/templates/demo.toml",
        tmp_path / "recipe.toml",
    )
    folder = copy_of(demo, tmp_path)
    assert folder == tmp_path / "build"
    before = {path.name for path in folder.glob("digits-*")}
    done = edgecnn("convert", tmp_path, "--variant", "onnx-fp16")
    assert done.code == 0, done.err
    assert {path.name for path in folder.glob("digits-*")} == {*before, "digits-fp16.onnx"}


def test_an_old_runtime_refuses_what_it_cannot_load_before_writing(
    demo: Demo, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    done = edgecnn(
        "convert", demo[0], "--out", folder, "--runtime", "tflite-runtime==2.14.0", "--json"
    )
    assert done.code == 27, done.err
    rows = {row["variant"]: row for row in done.json()["variants"]}
    assert rows["tflite-int8-dynamic"]["status"] == "refused"
    assert rows["onnx-fp32"]["status"] == "refused"
    assert rows["tflite-int8"]["status"] == "made"
    assert not (folder / "digits-int8-dynamic.tflite").exists()
    assert (folder / "digits-int8.tflite").exists()


FIXTURES = Path(__file__).parents[1] / "runner" / "fixtures"


@pytest.fixture
def newcomer(demo: Demo, tmp_path: Path) -> Path:
    """The folder a newcomer is in after the demo, with the files that the manual takes for granted.

    A model made elsewhere, in both formats, its labels, a photo, and photos of two classes.
    """
    shutil.copytree(demo[0], tmp_path / "build" / "demo")
    shutil.copy(FIXTURES / "foreign-logits.tflite", tmp_path / "other.tflite")
    shutil.copy(FIXTURES / "foreign-nchw.onnx", tmp_path / "other.onnx")
    (tmp_path / "labels.txt").write_text("".join(f"class {index}\n" for index in range(4)))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    for axis, name in enumerate(("maple", "oak")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            photo = tmp_path / "photos" / name / f"{number}.jpg"
            Image.fromarray(np.roll(pixels, number + 1, axis=axis)).save(photo)
    return tmp_path


def test_the_blocks_of_readme_and_manual_run(newcomer: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for block in blocks():
        if block.reason or block.is_help:
            continue
        if block.kind == "python":
            done = [subprocess.run([sys.executable, "-c", block.text], cwd=newcomer, check=False)]
        else:
            done = [
                subprocess.run(["bash", "-c", line], cwd=newcomer, env=environment, check=False)
                for line in block.commands()
            ]
        assert [one.returncode for one in done] == [0] * len(done), block.text


@pytest.mark.parametrize("command", ["demo", "run", "inspect", "doctor", "init"])
def test_the_example_of_a_help_text_runs(newcomer: Path, command: str) -> None:
    text = " ".join(re.sub(r"[│╭╰─╮╯]", " ", edgecnn(command, "--help").out).split())
    (example,) = re.findall(r"Example: edgecnn (.+?) (?:\* |Arguments|Options)", text)
    done = edgecnn(*shlex.split(example), cwd=newcomer)
    assert done.code == 0, done.err


def test_images_are_added_until_the_verdict_is_sure(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    own = (folder / "parity.json").read_bytes()
    done = edgecnn("verify", folder, "--until-decided", "--json")
    assert done.code == 0
    report = json.loads(done.out)
    assert report["verdict"] == "PASS"
    for row in report["rows"]:
        assert 0 < row["looked"]["images"] <= row["looked"]["available"] == 592
        assert row["metrics"]["images"] == row["looked"]["images"]
    assert sum(row["looked"]["saved"] for row in report["rows"]) > 0
    assert (folder / "parity.json").read_bytes() == own
    done = edgecnn("verify", folder, "--until-decided")
    assert "up to 592 images, until the verdict is sure" in done.out
    assert "saved." in done.out
    # A limit that so few images cannot show: all of them are used, and that is no PASS.
    done = edgecnn("verify", folder, "--until-decided", "--max-drop", "0.1")
    assert done.code == 4
    assert "without --until-decided" in done.err
    done = edgecnn("verify", folder, "--until-decided", "--groups", "g.csv", "--corruptions")
    assert done.code == 2
    assert "--until-decided with --groups, --corruptions" in done.err


def test_a_verification_is_compared_with_an_earlier_one(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    earlier, summary = tmp_path / "earlier.json", tmp_path / "summary.md"
    shutil.copy(folder / "parity.json", earlier)
    done = edgecnn("verify", folder, "--baseline", earlier, "--markdown", summary)
    assert done.code == 0
    assert f"Nothing got worse since {earlier}." in " ".join(done.out.split())
    assert "All artifacts are as they were." in summary.read_text("utf-8")
    # The same, but for one artifact that the earlier verification had, and that is gone.
    known = json.loads(earlier.read_text("utf-8"))
    known["rows"].append({**known["rows"][0], "variant": "onnx-fp16"})
    earlier.write_text(json.dumps(known))
    done = edgecnn("verify", folder, "--baseline", earlier, "--markdown", summary)
    assert done.code == 38
    assert "onnx-fp16, missing; it was PASS" in " ".join(done.err.split())
    assert "### \N{CROSS MARK} Worse than in" in summary.read_text("utf-8")
    # Of one file alone, no other is missing.
    done = edgecnn("verify", folder / "digits-int8.tflite", "--baseline", earlier)
    assert done.code == 0, done.err
    assert "missing" not in done.out
    # A build is up to date, and well, whatever its last verification was compared with.
    done = edgecnn("demo", "--out", folder)
    assert done.code == 0
    assert "verify: up to date" in done.err
    done = edgecnn("verify", folder, "--baseline", folder / "manifest.json")
    assert done.code == 29
    assert "cannot read the parity report" in done.err


def test_groups_of_images_are_compared(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    table = tmp_path / "groups.csv"
    lines = [f"digits/{number},{'even' if number % 2 == 0 else 'odd'}" for number in range(1797)]
    table.write_text("\n".join(["image,number", *lines]) + "\n")
    done = edgecnn("verify", folder, "--groups", table, "--json")
    assert done.code == 0, done.err
    report = done.json()
    assert report["limits"]["max_gap_increase"] == 3.0
    for row in report["rows"]:
        (column,) = row["groups"]
        assert [group["name"] for group in column["groups"]] == ["even", "odd"]
        assert sum(group["paired"]["images"] for group in column["groups"]) == 592
        for group in column["groups"]:
            assert group["accuracy"]["low"] < group["accuracy"]["share"] <= 1
            assert len(group["recall"]) == 10
        assert row["judgement"]["criteria"][-1]["name"] == "gap_increase"
    page = (folder / "report-partial.html").read_text(encoding="utf-8")
    assert "Groups by number" in page
    # The build's own verdicts stay.
    assert (folder / "parity.json").read_bytes() == (demo[0] / "parity.json").read_bytes()
    # No conversion is proven to widen no gap by a thousandth of a point.
    done = edgecnn("verify", folder, "--groups", table, "--max-gap-increase", "0.001")
    assert done.code == 4
    assert "Wider gap between groups (number: " in done.err
    table.write_text("image,number\nelsewhere.png,even\n")
    done = edgecnn("verify", folder, "--groups", table)
    assert done.code == 21
    assert "fewer than two groups" in done.err
