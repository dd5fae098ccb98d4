"""A least accuracy, and a float model that guesses, in everything that a verification writes."""

from __future__ import annotations

import dataclasses
import io
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from rich.console import Console

from edgecnn.recipe.sections import Limits
from edgecnn.verify import exit_error
from edgecnn.verify.gate.criteria import limits_in_force
from edgecnn.verify.report.charts import common_scale, interval_chart
from edgecnn.verify.report.junit import junit_xml
from edgecnn.verify.report.markdown import markdown_summary
from edgecnn.verify.report.page import headline, render_report
from edgecnn.verify.report.table import render_table
from edgecnn.verify.report.wording import verdict_sentence
from edgecnn.verify.results import ParityReport
from html_page import HtmlPage
from verify.synthetic import GUESSES, make_report, make_row

LEAST = Limits(max_drop=50, min_agreement=20, max_class_drop=100, min_accuracy=80)


@pytest.fixture(scope="module")
def report() -> ParityReport:
    """Three artifacts, right on 95, 80.8 and 66.7 % where 80 are asked for."""
    rows = tuple(make_row(f"tflite-{wrong}", wrong, limits=LEAST) for wrong in (30, 115, 200))
    return make_report(rows=rows, limits=limits_in_force(LEAST, groups=True, corruptions=True))


def texts(report: ParityReport) -> dict[str, str]:
    """Return what a verification writes for people, each on one line."""
    buffer = io.StringIO()
    Console(file=buffer, width=80, highlight=False).print(render_table(report))
    pixels = np.zeros((600, 4, 4, 3), np.uint8)
    written = {
        "table": buffer.getvalue(),
        "page": HtmlPage(render_report(report, pixels)).text,
        "markdown": markdown_summary(report).replace("\\", ""),
        "junit": "".join(ET.fromstring(junit_xml(report)).itertext()),
    }
    return {name: " ".join(text.split()) for name, text in written.items()}


def test_every_report_has_the_criterion(report: ParityReport) -> None:
    for name, text in texts(report).items():
        assert "80.83 %" in text, name
        assert "77.49 to 83.78" in text, name
    written = texts(report)
    for name in ("table", "markdown", "junit"):
        assert "at least 80.00: undecided" in written[name], name
    assert "at least 80.00" in written["page"]
    for name in ("page", "markdown"):
        assert "accuracy at least 80" in written[name], name


def test_a_verdict_is_said_to_be_about_what_it_is_about(report: ParityReport) -> None:
    good, open_, bad = (verdict_sentence(row, report) for row in report.rows)
    assert good.endswith("within every limit.")
    assert "too few to tell whether the accuracy is within the limit" in open_
    assert bad.startswith(
        "It is right too seldom: it is right on 66.67 % of images (at least 80.00 % are asked for)."
    )
    assert headline(report) == "1 of 3 artifacts keeps every limit; 1 does not, 1 is undecided."
    alone = [dataclasses.replace(report, rows=(row,)) for row in report.rows]
    assert [headline(one) for one in alone] == [
        "The artifact keeps every limit.",
        "Whether the artifact keeps every limit is undecided.",
        "The artifact does not keep every limit.",
    ]
    passed = dataclasses.replace(report, rows=(report.rows[0],) * 2)
    assert headline(passed) == "All 2 artifacts keep every limit."


def test_without_a_least_accuracy_nothing_is_said_of_it() -> None:
    for name, text in texts(make_report("PASS", "FAIL")).items():
        assert "at least 80" not in text, name
        assert "guessing" not in text, name


def test_what_is_allowed_is_drawn_above_the_limit(report: ParityReport) -> None:
    scale = common_scale(report.rows, "accuracy")
    for row in report.rows:
        criterion = row.criterion("accuracy")
        chart = interval_chart(criterion, scale)
        assert (chart.zone_low, chart.zone_high) == (chart.limit, 100.0)
        assert 0 <= chart.low <= chart.estimate <= chart.high <= 100
        assert not chart.off_low
        assert not chart.off_high
        assert (chart.low >= chart.limit) == (criterion.outcome == "met")
    drop = interval_chart(
        report.rows[0].criterion("accuracy_drop"), common_scale(report.rows, "accuracy_drop")
    )
    assert (drop.zone_low, drop.zone_high) == (0.0, drop.limit)


def test_every_report_begins_with_a_float_model_that_guesses() -> None:
    report = make_report("PASS", float_model=GUESSES)
    for name, text in texts(report).items():
        assert "float model is no better than guessing" in text, name
        assert "right on 210 of 600 images" in text, name
    assert headline(report).startswith("The float model is no better than guessing")
    page = HtmlPage(render_report(report, np.zeros((600, 4, 4, 3), np.uint8)))
    assert "<b>bird</b> & co is right on 200" in page.text  # escaped, so it is text
    assert "ERROR" in page.text[:200]


def test_junit_has_an_error_for_it_so_that_no_ci_is_green() -> None:
    document = ET.fromstring(junit_xml(make_report("PASS", float_model=GUESSES)))
    suite = document.find("testsuite")
    assert suite is not None
    assert (suite.attrib["tests"], suite.attrib["errors"], suite.attrib["failures"]) == (
        "2", "1", "0"
    )  # fmt: skip
    case = next(one for one in suite if one.attrib["name"] == "float model")
    (error,) = case
    assert (error.tag, error.attrib["type"]) == ("error", "UselessModelError")


def test_what_is_not_known_of_the_float_model_is_a_note() -> None:
    few = dataclasses.replace(GUESSES, images=3, right=3, largest_images=1)
    report = make_report("PASS", float_model=few)
    assert report.verdict == "PASS"
    assert exit_error(report) is None
    for name, text in texts(report).items():
        assert "3 evaluation images are too few to tell whether the float model" in text, name
    suite = ET.fromstring(junit_xml(report)).find("testsuite")
    assert suite is not None
    assert (suite.attrib["tests"], suite.attrib["errors"]) == ("2", "0")


def test_a_float_model_below_the_least_accuracy_is_named(report: ParityReport) -> None:
    poor = dataclasses.replace(GUESSES, right=450)
    for name, text in texts(dataclasses.replace(report, float_model=poor)).items():
        assert "The float model itself is right on 75.00 % of 600 images" in text, name
        assert "below the 80 %" in text, name
