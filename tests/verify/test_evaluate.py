"""One file on labelled photos: what is counted, what is shown, and what the gate says."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command import check_document, edgecnn, edgecnn_here
from devices.sshd import serving
from edgecnn.build.shares import wilson_interval
from edgecnn.commands.evaluate import EvaluateRequest, EvaluateResult, evaluate
from edgecnn.devices import choose_device
from edgecnn.errors import (
    ContractError,
    DataError,
    DeviceConnectionError,
    LabelsError,
    ParityFailError,
    ParityInconclusiveError,
    UsageError,
)
from edgecnn.verify.evaluate import EvaluateReport
from edgecnn.verify.report.evaluate_page import MOST_PICTURES, render_evaluation
from edgecnn_runner.golden import read_golden
from edgecnn_runner.input_options import Preprocessing
from html_page import HtmlPage
from runner.fixture_files import RGB_LABELS, images, path_of, reference

RESNET8 = Path(__file__).parents[2] / "models/resnet8"
FILE = RESNET8 / "resnet8-int8.tflite"
CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden images, whose answers are sure, each in its class; one is put into another."""
    folder = tmp_path_factory.mktemp("photos")
    golden = read_golden(RESNET8 / "golden.npz")
    answers = golden.scores["tflite-int8"].argmax(axis=1)
    for number, (image, answer) in enumerate(zip(golden.images, answers, strict=True)):
        # The first image lies in the folder of the class after its own.
        name = CLASSES[(int(answer) + (number == 0)) % 10]
        (folder / name).mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def result(photos: Path) -> EvaluateResult:
    return evaluate(EvaluateRequest(model=FILE, data=str(photos)))


def test_right_answers_are_counted_with_an_interval(result: EvaluateResult, photos: Path) -> None:
    report = result.report
    images = len(list(photos.rglob("*.png")))
    assert (report.accuracy.count, report.accuracy.images) == (images - 1, images)
    interval = wilson_interval(images - 1, images)
    assert (report.accuracy.low, report.accuracy.high) == (interval.low, interval.high)
    (mistake,) = report.mistakes
    answer = CLASSES.index(mistake.answer)
    assert mistake.label == CLASSES[(answer + 1) % 10]
    assert mistake.id == f"{mistake.label}/0.png"
    assert mistake.score > mistake.label_score
    assert sum(count for _, _, count in report.confusion) == images
    assert [cell for cell in report.confusion if cell[0] != cell[1]] == [
        ((answer + 1) % 10, answer, 1)
    ]
    recalls = {one.name: one.recall for one in report.classes}
    own = recalls[mistake.label]
    assert own is not None
    assert own.count == own.images - 1
    assert report.weakest.name == mistake.label
    assert report.weakest.taken_for == mistake.answer
    assert result.error is None


def test_classes_without_photos_are_told(result: EvaluateResult, photos: Path) -> None:
    missing = set(CLASSES) - {path.name for path in photos.iterdir()}
    assert set(result.report.absent) == missing
    assert missing
    assert any(note.startswith("no photos of ") for note in result.report.notes())
    assert not result.report.seen.known


def test_json_is_what_the_schema_says(result: EvaluateResult) -> None:
    found = json.loads(json.dumps(result.to_dict()))
    check_document(("evaluate",), found)
    assert found["notes"] == result.report.notes()
    assert found["guessing"]["outcome"] == "better"


def test_photos_of_an_unknown_class_are_an_error(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    next(folder.iterdir()).rename(folder / "unicorn")
    with pytest.raises(LabelsError, match=r"1 of .* classes of the data are not among the labels"):
        evaluate(EvaluateRequest(model=FILE, data=str(folder)))
    with pytest.raises(DataError):
        evaluate(EvaluateRequest(model=FILE, data=str(tmp_path / "nothing")))


@pytest.mark.parametrize(
    ("least", "kind", "said"),
    [
        ("40%", None, ""),
        (0, None, ""),
        ("99.9%", ParityFailError, "right too seldom"),
        (90, ParityInconclusiveError, "too few to tell"),
    ],
)
def test_a_least_accuracy_is_judged_by_the_interval(
    result: EvaluateResult, photos: Path, least: Any, kind: type[Exception] | None, said: str
) -> None:
    request = EvaluateRequest(model=FILE, data=str(photos), min_accuracy=least)
    # 1 of 16 wrong: an interval of 72 to 99 %.
    assert (result.report.accuracy.count, result.report.accuracy.images) == (15, 16)
    error = evaluate(request).error
    if error is None:
        assert kind is None
        return
    assert type(error) is kind
    assert said in error.problem
    assert "--min-accuracy" in error.remedy


def test_options_that_cannot_be_are_refused_before_photos_are_read(tmp_path: Path) -> None:
    nothing = str(tmp_path / "nothing")
    for changes in (
        {"min_accuracy": "1000%"},
        {"out": tmp_path / "no/page.html"},
        {"csv": tmp_path / "no/answers.csv"},
    ):
        with pytest.raises(UsageError):
            evaluate(EvaluateRequest(model=FILE, data=nothing, **changes))


def test_a_file_that_says_how_it_is_fed_takes_no_labels(photos: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(CLASSES))
    with pytest.raises(ContractError):
        evaluate(EvaluateRequest(model=FILE, data=str(photos), labels=labels))


def many_mistakes(report: EvaluateReport, count: int) -> EvaluateReport:
    one = dataclasses.replace(report.mistakes[0], id="<b>x</b>.png", index=0)
    return dataclasses.replace(report, mistakes=(one,) * count)


def test_the_page_is_one_file_and_shows_names_as_text(result: EvaluateResult) -> None:
    names = ("<i>air</i>", *CLASSES[1:])
    classes = (
        dataclasses.replace(result.report.classes[0], name=names[0]), *result.report.classes[1:],
    )  # fmt: skip
    report = dataclasses.replace(
        many_mistakes(result.report, 100), class_names=names, classes=classes
    )
    html = render_evaluation(report, np.zeros((16, 32, 32, 3), np.uint8))
    page = HtmlPage(html)
    assert "<i>air" not in html
    assert "<b>x" not in html
    assert len([tag for tag, _ in page.tags if tag == "img"]) == MOST_PICTURES
    assert f"100 photos answered wrongly, {MOST_PICTURES} shown" in page.text
    assert not [tag for tag, _ in page.tags if tag in ("script", "iframe")]
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("data:", "#"))
    assert "Right on 93.8 % of 16 photos" in page.text


def test_a_page_of_a_thousand_classes_lists_the_most_frequent_mistakes(
    result: EvaluateResult,
) -> None:
    names = tuple(f"class {number}" for number in range(1000))
    confusion = tuple((number, (number + 1) % 1000, 1000 - number) for number in range(1000))
    (one, *_) = [one for one in result.report.classes if one.recall is not None]
    classes = tuple(
        dataclasses.replace(one, index=number, name=name) for number, name in enumerate(names)
    )
    report = dataclasses.replace(
        result.report, class_names=names, classes=classes, confusion=confusion
    )
    page = HtmlPage(render_evaluation(report, np.zeros((16, 500, 500, 3), np.uint8)))
    assert "1,000 classes are too many for a confusion matrix" in page.text
    assert "The 60 of 1,000 classes with the lowest" in page.text
    assert "class 19" in page.text


def test_large_pictures_stay_within_the_budget(result: EvaluateResult) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 480, 480, 3), dtype=np.uint8)
    html = render_evaluation(many_mistakes(result.report, 100), noise)
    assert len(html) < 3_000_000
    assert 10 < html.count("<img") < 100


def test_the_command_prints_and_writes_what_it_is_asked_for(photos: Path, tmp_path: Path) -> None:
    page, csv = tmp_path / "page.html", tmp_path / "answers.csv"
    done = edgecnn_here("evaluate", FILE, photos, "-o", page, "--csv", csv)
    assert done.code == 0, done.err
    assert "right on 15 of 16 photos: 93.8 % (95 % interval 71.7 to 98.9)" in done.out
    assert f"wrote {page}" in done.out
    assert "Right on 93.8 %" in page.read_text()
    header, *rows = csv.read_text().splitlines()
    assert header == "image,label,answer,score,label_score,right"
    assert len(rows) == 16
    assert sum(row.endswith(",no") for row in rows) == 1
    gate = edgecnn_here("evaluate", FILE, photos, "--min-accuracy", "90", "--json")
    assert gate.code == 4
    assert gate.json()["gate"]["outcome"] == "undecided"
    assert edgecnn_here("evaluate", RESNET8, photos, "--json").json()["model"] == FILE.name


@pytest.mark.slow
def test_a_device_gives_the_same_answers(result: EvaluateResult, photos: Path) -> None:
    device = choose_device(f"cmd:{sys.executable}")
    there = evaluate(EvaluateRequest(model=FILE, data=str(photos), device=device)).report
    assert there.device.startswith("cmd:")
    assert there.mistakes == result.report.mistakes


@pytest.mark.slow
def test_a_device_over_ssh_gives_the_same_answers_and_is_named(
    result: EvaluateResult, photos: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / "sshd") as server:
        there = ("--device", server.address, *server.options)
        done = edgecnn("evaluate", FILE, photos, *there, "--json", "-o", tmp_path / "page.html")
        assert done.code == 0, done.err + server.log()
        report = done.json()
        assert report["device"] == server.address
        assert report["accuracy"]["count"] == result.report.accuracy.count
        assert [one["id"] for one in report["mistakes"]] == [
            one.id for one in result.report.mistakes
        ]
        assert server.address in (tmp_path / "page.html").read_text()
        gate = edgecnn("evaluate", FILE, photos, *there, "--min-accuracy", "90")
        assert gate.code == 4, gate.err
    gone = edgecnn("evaluate", FILE, photos, *there)
    assert gone.code == DeviceConnectionError.exit_code, gone.err


@pytest.mark.slow
def test_a_file_made_elsewhere_is_told_how_it_is_fed(tmp_path: Path) -> None:
    model = path_of("foreign-nchw.onnx")
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(RGB_LABELS))
    decisions = reference("rgb").argmax(axis=1)
    for number, (image, decision) in enumerate(zip(images("rgb"), decisions, strict=True)):
        place = tmp_path / "photos" / RGB_LABELS[decision]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number}.png")
    request = EvaluateRequest(model=model, data=str(tmp_path / "photos"))
    with pytest.raises(ContractError, match="needs labels and an input range"):
        evaluate(request)
    told = Preprocessing.of_options(input_range="0..1")
    found = evaluate(dataclasses.replace(request, labels=labels, preprocessing=told)).report
    assert found.accuracy.share == 1
    assert found.mistakes == ()
    assert "There are none among these photos" in render_evaluation(
        found, np.zeros((len(decisions), 12, 16, 3), np.uint8)
    )
