from __future__ import annotations

import pytest

from edgecnn.verify.gate.judgement import Criterion
from edgecnn.verify.report.wording import (
    criterion_sentence,
    p_text,
    percent,
    points,
    size_text,
    verdict_sentence,
)
from verify.synthetic import make_report


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.9751, "97.51 %"), (0.0, "0.00 %"), (-0.0001, "\u22120.01 %"), (None, "\u2013")],
)
def test_percent(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_points_have_a_sign_on_request_and_none_on_zero() -> None:
    assert points(0.005, 1, sign=True) == "+0.5"
    assert points(-0.005, 1, sign=True) == "\u22120.5"
    assert points(-0.00001, 1, sign=True) == "0.0"


@pytest.mark.parametrize(
    ("size", "text"),
    [(812, "812 B"), (96_200, "96.2 kB"), (6_710_000, "6.71 MB"), (None, "\u2013")],
)
def test_size_text(size: int | None, text: str) -> None:
    assert size_text(size) == text


def test_tiny_p_values_are_not_told_apart() -> None:
    assert p_text(4e-96) == "below 0.0001"
    assert p_text(0.00763) == "0.0076"
    assert p_text(1.0) == "1"


def test_says_each_verdict_in_words() -> None:
    report = make_report()
    sentences = {row.verdict: verdict_sentence(row, report) for row in report.rows}
    assert sentences["PASS"] == "It gives the same answer as the float model on all 600 images."
    assert sentences["FAIL"].startswith("It does not follow the float model: accuracy falls by 33")
    assert "(limit 2.00)" in sentences["FAIL"]
    assert sentences["INCONCLUSIVE"].startswith("600 images are too few to tell whether")
    assert "would decide, towards PASS, if the observed rates hold" in sentences["INCONCLUSIVE"]
    assert sentences["ERROR"] == "It could not be judged: calibrated on <test> images."
    assert sentences["NOT MADE"] == "It was not made: opset too new."


def test_says_a_criterion_with_its_numbers() -> None:
    criterion = Criterion(
        name="class_drop",
        outcome="undecided",
        estimate=0.06,
        low=0.01,
        high=0.12,
        level=0.995,
        limit=0.05,
        method="m",
        class_index=1,
    )
    assert criterion_sentence(criterion, ["a", "b"]) == (
        "Worst class drop (b): 6.00 points, 99.5 % interval 1.00 to 12.00, limit 5.00: undecided"
    )
