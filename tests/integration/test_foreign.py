"""Files that edgecnn did not make, proven as the manual promises it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from command import edgecnn, modules_after
from edgecnn.commands import verify as verification
from edgecnn.errors import EdgeError, LabelsError, UsageError, UselessModelError
from edgecnn.verify import ForeignFiles, VerifyRequest, exit_error, read_report
from edgecnn_runner.input_options import PREPROCESSING_OPTIONS, Preprocessing

pytestmark = pytest.mark.slow

UNIT, OWN = ("--input-range", "0..1"), ("--reference-range", "0..1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images/<class>/, labels.txt, float models and files of them."""
    folder = tmp_path_factory.mktemp("foreign")
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    script = Path(__file__).with_name("make_foreign.py")
    subprocess.run([sys.executable, script, folder], check=True, env=environment)
    return folder


def verify(made: Path, artifact: str, *options: str | Path, reference: str = "own.h5") -> Any:
    """Verify a file in this process; return the report as JSON has it."""
    request = requested(made, artifact, options, reference, out=made / "out")
    result = verification.verify(request)
    report, page = result.report, result.page
    assert page == made / "out/report.html"
    values = json.loads((made / "out/parity.json").read_text())
    assert values["verdict"] == report.verdict
    return values


def refused(
    made: Path, artifact: str, *options: str | Path, reference: str = "own.h5"
) -> EdgeError:
    """Return the error that a verification ends with."""
    with pytest.raises(EdgeError) as caught:
        verification.verify(requested(made, artifact, options, reference, out=made / "refused"))
    assert not (made / "refused").exists()
    return caught.value


def requested(
    made: Path, artifact: str, options: tuple[str | Path, ...], reference: str, out: Path
) -> VerifyRequest:
    """Return what the command line makes of the same flags."""
    said: dict[str, Any] = {"data": str(made / "images"), "labels": made / "labels.txt"}
    for flag, value in zip(options[::2], options[1::2], strict=True):
        said[str(flag).removeprefix("--").replace("-", "_")] = value
    limits = {name: said.pop(name) for name in ("max_drop", "max_class_drop") if name in said}
    fed = {name: said.pop(name) for name in PREPROCESSING_OPTIONS if name in said}
    files = {
        name: said.pop(name)
        for name in ("labels", "output_kind", "layout", "reference_range", "reference_labels")
        if name in said
    }
    return VerifyRequest(
        foreign=ForeignFiles(
            artifacts=(made / artifact,),
            reference=made / reference,
            preprocessing=Preprocessing.of_options(**fed),
            **files,
        ),
        limits={name: float(value) for name, value in limits.items()},
        out=out,
        **{**said, "data": str(said["data"])},
    )


@pytest.mark.parametrize(
    ("artifact", "reference", "options", "variant", "fed"),
    [
        ("logits.tflite", "own.keras", UNIT, "tflite-fp32", "float32 NHWC input 16 x 16 x 3"),
        ("softmax.tflite", "own_saved_model", UNIT, "tflite-fp32", "float32 probabilities"),
        ("int8.tflite", "own.h5", UNIT, "tflite-int8", "int8 NHWC input"),
        ("uint8-logits.tflite", "softmax.tflite", UNIT, "tflite-int8", "uint8 logits (scale"),
        ("float-ends-int8.tflite", "nchw.onnx", UNIT, "tflite-int8", "float32 logits"),
        ("nchw.onnx", "own.h5", UNIT, "onnx-fp32", "float32 NCHW input 3 x 16 x 16"),
        ("nhwc.onnx", "logits.tflite", UNIT, "onnx-fp32", "float32 NHWC input"),
        ("signed.tflite", "own.h5", ("--input-range", "-1..1", *OWN), "tflite-fp32", "as -1..1"),
        (
            "signed-int8.tflite", "nhwc.onnx", ("--input-range", "-1..1", *OWN), "tflite-int8",
            "int8 logits (scale",
        ),
        ("imagenet.tflite", "own.h5", ("--input-range", "imagenet", *OWN), "tflite-fp32", "logits"),
        (
            "imagenet-uint8.tflite", "own.h5", ("--input-range", "imagenet", *OWN), "tflite-int8",
            "pixels as imagenet",
        ),
        ("raw-uint8.tflite", "inside.keras", ("--input-range", "0..255"), "tflite-int8", "uint8"),
        ("bytes.onnx", "inside.keras", ("--input-range", "0..255"), "onnx-fp32", "(scale 1,"),
        ("int8.tflite", "inside.keras", UNIT, "tflite-int8", "int8 probabilities"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)  # fmt: skip
def test_a_file_that_is_fed_as_it_was_trained_passes(
    made: Path, artifact: str, reference: str, options: tuple[str, ...], variant: str, fed: str
) -> None:
    report = verify(made, artifact, *options, reference=reference)
    assert report["verdict"] == "PASS"
    (row,) = report["rows"]
    assert row["variant"] == variant
    assert row["metrics"]["images"] == 797  # the whole folder
    assert row["metrics"]["reference"]["accuracy"] > 0.85
    assert row["metrics"]["agreement"] > 0.98
    foreign = report["foreign"]
    assert fed in foreign["read"][str(made / artifact)]
    assert foreign["reference_normalizes"] == (reference == "inside.keras")
    assert foreign["reference_range"] == ("0..255" if reference == "inside.keras" else "0..1")
    assert foreign["calibration"] == "not known"
    assert (foreign["hints"], row["hints"]) == ([], [])


@pytest.mark.parametrize(
    ("artifact", "options", "right"),
    [
        ("int8.tflite", ("--input-range", "0..255", *OWN), "0..1"),
        ("imagenet.tflite", UNIT, "imagenet"),
        ("imagenet-uint8.tflite", ("--input-range", "-1..1", *OWN), "imagenet"),
        ("signed-int8.tflite", UNIT, "-1..1"),
    ],
)
def test_a_wrong_range_fails_and_the_right_one_is_named(
    made: Path, artifact: str, options: tuple[str, ...], right: str
) -> None:
    report = verify(made, artifact, *options)
    assert report["verdict"] == "FAIL"
    ((hint,), about) = (report["rows"][0]["hints"], report["foreign"]["hints"])
    assert (hint["kind"], hint["option"], about) == ("input", f"--input-range {right}", [])
    assert hint["before"] < 0.95 < hint["after"]
    assert verify(made, artifact, "--input-range", right, *OWN)["verdict"] == "PASS"


def test_a_file_that_is_worse_however_it_is_fed_gets_no_hint(made: Path) -> None:
    report = verify(made, "noisy.tflite", *UNIT)
    assert report["verdict"] == "FAIL"
    assert 0.2 < report["rows"][0]["metrics"]["agreement"] < 0.9
    assert (report["rows"][0]["hints"], report["foreign"]["hints"]) == ([], [])


def test_a_reference_that_is_fed_wrongly_is_told_from_the_artifact(made: Path) -> None:
    report = verify(made, "logits.tflite", *UNIT, "--reference-range", "imagenet")
    assert report["verdict"] == "FAIL"
    assert report["rows"][0]["hints"] == []
    (hint,) = report["foreign"]["hints"]
    assert hint["option"] == "--reference-range 0..1"


def test_one_range_that_is_wrong_for_both_is_told_though_they_agree(made: Path) -> None:
    report = verify(made, "raw.tflite", *UNIT, reference="raw.tflite")
    assert report["rows"][0]["verdict"] == "PASS"  # equal answers; a hint changes no verdict
    # But the reference guesses, so that a PASS with it proves nothing.
    assert (report["verdict"], report["float_model"]["outcome"]) == ("ERROR", "guessing")
    error = exit_error(read_report(made / "out/parity.json"))
    assert isinstance(error, UselessModelError)
    assert "--input-range 0..255" in error.remedy
    (hint,) = report["foreign"]["hints"]
    assert hint["option"] == "--input-range 0..255"
    assert hint["before"] < 0.3


def test_exchanged_colours_are_told(made: Path) -> None:
    report = verify(made, "bgr.tflite", *UNIT)
    (hint,) = report["rows"][0]["hints"]
    assert "with red and blue exchanged it would agree with the reference" in hint["text"]
    assert hint["after"] == 1
    assert hint["before"] < 0.2


def test_labels_in_another_order_are_told_and_can_be_named(made: Path) -> None:
    reordered = ("--labels", made / "reordered.txt")
    report = verify(made, "reordered.tflite", *UNIT)
    (hint,) = report["rows"][0]["hints"]
    assert (hint["kind"], hint["before"] < 0.1, hint["after"] > 0.98) == ("labels", True, True)
    assert "output 0, named null, for drei" in hint["text"]
    report = verify(made, "reordered.tflite", *UNIT, *reordered)
    (hint,) = report["foreign"]["hints"]
    assert "--reference-labels" in hint["text"]
    assert report["rows"][0]["hints"] == []  # said once
    names = ("--reference-labels", made / "labels.txt")
    report = verify(made, "reordered.tflite", *UNIT, *reordered, *names)
    assert (report["verdict"], report["foreign"]["hints"]) == ("PASS", [])
    assert report["rows"][0]["metrics"]["artifact"]["accuracy"] > 0.85


def test_labels_that_are_wrong_for_both_are_told_though_they_agree(made: Path) -> None:
    report = verify(made, "logits.tflite", *UNIT, "--labels", made / "reordered.txt")
    assert (report["verdict"], report["rows"][0]["verdict"]) == ("ERROR", "PASS")
    (hint,) = report["foreign"]["hints"]
    assert hint["kind"] == "labels"
    assert "--labels" in hint["text"]


def test_what_a_file_does_not_say_is_asked_for(made: Path) -> None:
    error = refused(made, "sigmoid.tflite", *UNIT)
    assert "--output-kind" in error.remedy
    for kind in ("probabilities", "logits"):
        assert verify(made, "sigmoid.tflite", *UNIT, "--output-kind", kind)["verdict"] == "PASS"
    error = refused(made, "logits.tflite", *UNIT, reference="sigmoid.tflite")
    assert "--output-kind" in error.remedy
    report = verify(
        made, "logits.tflite", *UNIT, "--output-kind", "logits", reference="sigmoid.tflite"
    )
    assert report["verdict"] == "PASS"
    error = refused(made, "bytes.onnx", *UNIT)
    assert "--input-range 0..255" in error.remedy
    either = Path(__file__).parents[1] / "runner/fixtures/either-layout.onnx"
    shutil.copy(either, made)
    (made / "three.txt").write_text("eins\nzwei\ndrei\n")
    error = refused(made, "either-layout.onnx", "--labels", made / "three.txt", *UNIT)
    assert "--layout NHWC or --layout NCHW" in error.remedy


def test_the_command_of_the_readme(made: Path, tmp_path: Path) -> None:
    told = ("--data", made / "images", "--labels", made / "labels.txt", "--reference")
    file = ("verify", "--artifact", made / "int8.tflite", *told, made / "own.h5")
    done = edgecnn(*file, *UNIT, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "PASS" in done.out
    assert (tmp_path / "parity/int8.tflite/report.html").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["parity"]
    done = edgecnn(*file, "--input-range", "0..255", *OWN, "--out", tmp_path / "again")
    assert done.code == 3
    assert "with --input-range 0..1 it would agree" in " ".join(done.out.split())
    assert "perhaps it is how the files are fed" in done.err


def test_what_is_needed_is_asked_for_all_at_once(made: Path) -> None:
    done = edgecnn("verify", "--artifact", made / "int8.tflite", "--json")
    assert done.code == 2
    assert done.json()["observed"] == "no --reference, no --data, no --labels, no --input-range"
    # As an argument, such a file leads to the same flags.
    done = edgecnn("verify", made / "int8.tflite", "--json")
    assert "--artifact" in done.json()["remedy"]


def test_references_that_cannot_be_are_refused(made: Path) -> None:
    error = refused(made, "logits.tflite", *UNIT, reference="int8.tflite")
    assert isinstance(error, UsageError)
    assert error.observed == "precision int8"
    error = refused(made, "logits.tflite", *UNIT, *OWN, reference="inside.keras")
    assert error.remedy == "--reference-range 0..255, or leave it out"
    two = made / "two.txt"
    two.write_text("eins\nzwei\n")
    error = refused(made, "logits.tflite", *UNIT, "--reference-labels", two)
    assert isinstance(error, LabelsError)


def test_names_that_are_too_long_are_told_as_what_they_are(made: Path) -> None:
    for name in ("x" * 300, "x" * 300 + ".onnx"):
        assert "cannot read" in str(refused(made, name, *UNIT))
        assert "cannot read" in str(refused(made, "logits.tflite", *UNIT, reference=name))


def test_data_need_not_have_images_of_every_label(made: Path, tmp_path: Path) -> None:
    for name in ("eins", "zwei", "drei"):
        shutil.copytree(made / "images" / name, tmp_path / "some/test" / name)
        (tmp_path / "some/train" / name).mkdir(parents=True)
    limits = ("--max-drop", "3", "--max-class-drop", "20")
    report = verify(made, "logits.tflite", *UNIT, *limits, "--data", tmp_path / "some")
    assert report["verdict"] == "PASS"
    assert report["foreign"]["unseen_labels"] == 7
    assert report["foreign"]["images"] == "its folder test"
    assert report["evaluated"]["images"] < 300
    shutil.copytree(made / "images/vier", tmp_path / "some/test/elf")
    error = refused(made, "logits.tflite", *UNIT, "--data", tmp_path / "some")
    assert isinstance(error, LabelsError)
    assert "no label elf" in str(error.observed)


def test_several_files_on_a_device_leave_their_report_where_it_was_said(
    made: Path, tmp_path: Path
) -> None:
    done = edgecnn(
        "verify", "--artifact", made / "int8.tflite", "--artifact", made / "nchw.onnx",
        "--artifact", made / "sigmoid.tflite", "--artifact", made / "uint8-logits.tflite",
        "--reference", made / "own.keras",
        "--data", made / "images", "--labels", made / "labels.txt", *UNIT, "--images", "400",
        "--max-drop", "3", "--max-class-drop", "20", "--device", f"cmd:{sys.executable}",
        "--junit", tmp_path / "parity.xml",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 10  # the third could not be run; the others could
    (page,) = (tmp_path / "parity" / "int8.tflite").glob("report-on-*.html")
    (file,) = (tmp_path / "parity" / "int8.tflite").glob("parity-on-*.json")
    report = read_report(file)
    assert [row.verdict for row in report.rows] == ["PASS", "PASS", "ERROR", "PASS"]
    names = ["tflite-int8", "onnx-fp32", "sigmoid", "tflite-int8 uint8-logits.tflite"]
    assert [row.variant for row in report.rows] == names
    assert report.evaluated.images == 400
    again = json.loads(json.dumps(report.to_dict()))  # tuples become lists
    assert again == json.loads(file.read_text())
    assert "not known which images" in page.read_text()
    assert "own.keras" in page.read_text()
    assert (tmp_path / "parity.xml").is_file()
    assert "note: It is not known" in done.out


def test_a_file_as_reference_needs_no_tensorflow(made: Path, tmp_path: Path) -> None:
    modules, out = modules_after(
        "verify", "--artifact", made / "int8.tflite", "--reference", made / "softmax.tflite",
        "--data", made / "images", "--labels", made / "labels.txt", *UNIT, "--out", tmp_path / "o",
    )  # fmt: skip
    assert "PASS" in out
    assert not {"tensorflow", "keras"} & modules


def test_a_build_is_not_written_to(made: Path, demo: tuple[Path, Any]) -> None:
    before = (demo[0] / "parity.json").read_bytes()
    done = edgecnn(
        "verify", "--artifact", made / "int8.tflite", "--reference", made / "own.h5",
        "--data", made / "images", "--labels", made / "labels.txt", *UNIT, "--out", demo[0],
    )  # fmt: skip
    assert done.code == 2
    assert (demo[0] / "parity.json").read_bytes() == before
    done = edgecnn(
        "verify", "--artifact", demo[0] / "digits-int8.tflite", "--reference", made / "own.h5",
        "--data", made / "images", "--labels", made / "labels.txt", *UNIT,
    )  # fmt: skip
    assert done.code == 11
    assert "made by edgecnn" in done.err
