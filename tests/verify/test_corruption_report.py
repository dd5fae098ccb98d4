"""What people and machines are told of corruptions."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from edgecnn.errors import ParityFailError, ParityInconclusiveError
from edgecnn.files import write_json
from edgecnn.verify import exit_error
from edgecnn.verify.corruptions.conditions import CorruptedImages, CorruptionResults, StandIn
from edgecnn.verify.corruptions.gate import (
    corruption_criterion,
    judge_conditions,
    needed_under_corruptions,
)
from edgecnn.verify.gate.criteria import with_criterion
from edgecnn.verify.recording import read_report
from edgecnn.verify.report.corruption_table import render_corruptions, worst_sentence
from edgecnn.verify.report.junit import junit_xml
from edgecnn.verify.report.markdown import markdown_summary
from edgecnn.verify.report.page import render_report
from edgecnn.verify.report.wording import verdict_sentence
from edgecnn.verify.results import ArtifactRow, ParityReport
from html_page import HtmlPage
from verify.synthetic import make_report
from verify.test_corruption_gate import STAND_IN, all_but

LIMIT = 0.03


def corrupted(
    row: ArtifactRow, lost: int, *, limit: float | None, stand_in: StandIn = STAND_IN
) -> ArtifactRow:
    """Let a row lose images under low light at severity 3, and almost none otherwise."""
    conditions = all_but(17, lost)
    if limit is None or row.judgement is None:
        return dataclasses.replace(
            row, corruptions=CorruptionResults(stand_in=stand_in, conditions=conditions)
        )
    judged = CorruptionResults(stand_in=stand_in, conditions=judge_conditions(conditions, limit))
    judgement = with_criterion(row.judgement, corruption_criterion(judged, limit))
    needed = needed_under_corruptions(row.needed, judged.conditions, limit)
    return dataclasses.replace(
        row,
        corruptions=judged,
        judgement=judgement,
        needed=needed if judgement.verdict == "INCONCLUSIVE" else None,
    )


def report_of(lost: int, *, limit: float | None = LIMIT, **changes: Any) -> ParityReport:
    report = make_report("PASS", **changes)
    return dataclasses.replace(
        report,
        limits={**report.limits, **({} if limit is None else {"max_corruption_drop": 100 * limit})},
        rows=tuple(corrupted(row, lost, limit=limit) for row in report.rows),
        corrupted=CorruptedImages(
            images=1000,
            seed=0,
            images_sha256="04" * 32,
            example=3,
            example_id="<i>photo</i>.png",
            version=1,
        ),
    )


def page_of(report: ParityReport, side: int = 8, channels: int = 3) -> tuple[HtmlPage, str]:
    pixels = np.random.default_rng(0).integers(0, 256, (10, side, side, channels), dtype=np.uint8)
    html = render_report(report, pixels)
    return HtmlPage(html), html


def printed(report: ParityReport, width: int = 80) -> str:
    console = Console(width=width, record=True, file=None, force_terminal=False, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        console.print(render_corruptions(report))
    return capture.get()


def test_the_page_names_the_worst_and_shows_every_condition() -> None:
    page, _ = page_of(report_of(80))
    assert (
        "Worst under low light, severity 3: accuracy 70.00 % \u2192 62.00 %, a drop of 8.00 points"
    ) in page.text
    cells = [cell for cell in page.all("td") if "--s:" in (cell.get("style") or "")]
    assert sum((cell.get("title") or "").startswith("9") for cell in cells) == 18
    assert page.text.count("missed") >= 2  # beside the criterion, and in its cell
    assert "x-fp32.tflite (r 1) stands in for the float model" in page.text
    assert "every corruption has to be within the limit" in page.text
    assert "drop under each corruption at most 3 points" in page.text


def test_the_page_shows_an_image_under_each_and_escapes_its_name() -> None:
    page, _ = page_of(report_of(5))
    pictures = [image for image in page.all("img") if "severity" in str(image.get("alt"))]
    assert len(pictures) == 18
    assert len({image["src"] for image in pictures}) == 18
    assert "<i>photo</i>.png" in page.text
    assert not page.all("i")


@pytest.mark.parametrize("channels", [1, 3])
def test_photos_do_not_make_the_page_large(channels: int) -> None:
    _, html = page_of(report_of(5), side=224, channels=channels)
    _, without = page_of(make_report("PASS"), side=224, channels=channels)
    assert len(html) - len(without) < 500_000


def test_without_corruptions_the_page_says_nothing_of_them() -> None:
    page, _ = page_of(make_report("PASS"))
    assert "orruption" not in page.text


def test_without_a_limit_the_page_says_that_nothing_is_judged() -> None:
    page, _ = page_of(report_of(80, limit=None))
    assert "the verdict does not rest on them" in page.text
    assert "missed" not in page.text.partition("How to read this")[0]


def test_the_table_fits_a_terminal_and_names_the_worst() -> None:
    text = printed(report_of(80))
    assert max(len(line) for line in text.splitlines()) <= 80
    said = " ".join(text.split())
    assert "1,000 images under corruption" in said
    assert "tflite-fp32 0.00 0.00 0.00 0.00 0.00 8.00" in said
    assert "tflite-fp32: worst under low light, severity 3: accuracy 70.00 %" in said
    assert said.endswith("no score further than 1e-06 away.")
    assert render_corruptions(make_report()) is None


def test_no_loss_is_said_so() -> None:
    (row,) = report_of(2).rows
    assert row.corruptions is not None
    assert "worst under low light" in worst_sentence(row.corruptions)
    (row,) = report_of(0).rows
    assert row.corruptions is not None
    assert worst_sentence(row.corruptions) == (
        "no corruption costs it more accuracy than the float model"
    )


def test_a_miss_fails_and_says_under_which_corruption() -> None:
    report = report_of(80)
    (row,) = report.rows
    assert row.verdict == "FAIL"
    assert verdict_sentence(row, report) == (
        "It does not follow the float model: accuracy under low light, severity 3 falls by 8.00 "
        "points (limit 3.00)."
    )
    error = exit_error(report)
    assert isinstance(error, ParityFailError)
    assert "Worst drop under corruption (low light, severity 3): 8.00 points" in str(error)
    assert "drop under each corruption at most 3 points" in str(error)
    xml = junit_xml(report).decode()
    assert 'failures="1"' in xml
    assert "Under low light, severity 3: accuracy 70.00 %" in xml
    assert "limit 3.00: missed" in xml


@pytest.mark.parametrize(
    ("limit", "worst"),
    [
        (None, "  - Under corruptions: worst under low light, severity 3: accuracy 70.00 %"),
        (LIMIT, "  - Worst drop under corruption (low light, severity 3): 8.00 points, "),
    ],
)
def test_the_summary_for_a_pull_request_names_the_worst_once(
    limit: float | None, worst: str
) -> None:
    lines = markdown_summary(report_of(80, limit=limit)).splitlines()
    (line,) = [one for one in lines if one.startswith("  - ") and "low light" in one]
    assert line.startswith(worst)
    assert "corruption" not in markdown_summary(make_report("PASS"))


def test_too_few_say_how_many_would_do_and_how_to_have_them() -> None:
    report = report_of(22)
    (row,) = report.rows
    assert row.verdict == "INCONCLUSIVE"
    said = verdict_sentence(row, report)
    assert said.startswith(
        "1,000 images under each corruption are too few to tell whether the accuracy drop under "
        "low light, severity 3 is within the limit. About "
    )
    assert "images under each corruption would decide, towards PASS" in said
    error = exit_error(report)
    assert isinstance(error, ParityInconclusiveError)
    assert "1,000 images under each corruption are too few" in error.problem
    assert "add images to the test split" in error.remedy  # there are 600
    more = dataclasses.replace(report.evaluated, available=50_000, images=50_000)
    error = exit_error(dataclasses.replace(report, evaluated=more))
    assert error is not None
    assert row.needed is not None
    assert f"--corruption-images {row.needed.corruption_images}" in error.remedy


@pytest.mark.parametrize("lost", [0, 26, 80])
def test_a_report_reads_back_as_it_was(tmp_path: Path, lost: int) -> None:
    report = report_of(lost)
    path = tmp_path / "parity.json"
    write_json(path, report.to_dict())
    assert read_report(path) == report
    (row,) = json.loads(path.read_text())["rows"]
    last = row["corruptions"]["conditions"][-1]
    assert (last["kind"], last["severity"]) == ("low_light", 3)
    assert last["drop"] == pytest.approx(lost / 1000)
    assert last["accuracy"]["low"] < last["accuracy"]["share"] < last["accuracy"]["high"]
    assert last["agreement"]["share"] == pytest.approx(1 - lost / 1000)


def test_a_report_of_an_earlier_version_reads_back(tmp_path: Path) -> None:
    values = make_report().to_dict()
    del values["corrupted"]
    for row in values["rows"]:
        del row["corruptions"]
        if row["needed"] is not None:
            del row["needed"]["corruption_images"]
    path = tmp_path / "parity.json"
    write_json(path, values)
    assert read_report(path) == make_report()
