from __future__ import annotations

from edgecnn.verify.gate.judgement import Criterion
from edgecnn.verify.report.wording import criterion_sentence, verdict_sentence
from verify.synthetic import make_report


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
