"""Verdicts as JUnit XML, so that any CI can gate on them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from edgecnn.files import write_whole
from edgecnn.verify.changes import Change
from edgecnn.verify.exit import exit_error
from edgecnn.verify.foreign.facts import Hint
from edgecnn.verify.report.corruptions import condition_sentence, stand_in_sentence
from edgecnn.verify.report.wording import (
    change_sentence,
    clear_sentence,
    criterion_sentence,
    float_model_sentences,
    looked_sentence,
    near_ties_sentence,
    unlabelled_agreement_sentence,
    unlabelled_sentence,
    verdict_sentence,
)
from edgecnn.verify.results import LOCAL, ArtifactRow, ParityReport

# XML 1.0 has no way to write these, escaped or not (https://www.w3.org/TR/xml/#charsets).
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, report: ParityReport) -> None:
    """Write ``junit_xml`` to a file, atomically.

    Raises:
        WorkspaceError: If the file cannot be written.
    """
    write_whole(path, junit_xml(report), option="--junit")


def junit_xml(report: ParityReport) -> bytes:
    """Return a report as JUnit XML: one test case per artifact.

    With a baseline there is one more for each, a failure where the artifact got worse; and one for
    the float model, an error where it is no better than guessing.

    PASS is a bare test case; FAIL and INCONCLUSIVE are failures of these types; an artifact that
    did not run is an error of its error's class; a variant that was not made is skipped.

    Returns:
        A UTF-8 document.
    """
    verdicts = [row.verdict for row in report.rows]
    changes = () if report.baseline is None else report.baseline.changes
    about_model = float_model_sentences(report)
    counts = {
        "tests": len(verdicts) + len(changes) + bool(about_model),
        "failures": sum(verdict in ("FAIL", "INCONCLUSIVE") for verdict in verdicts)
        + sum(bool(change.regressions) for change in changes),
        "errors": verdicts.count("ERROR") + report.useless,
        "skipped": verdicts.count("NOT MADE"),
    }
    attributes = {name: str(value) for name, value in counts.items()}
    root = ET.Element("testsuites", {"name": "edgecnn verify", **attributes})
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": _xml_text(f"edgecnn.verify.{report.model}"),
            "timestamp": report.created.removesuffix("Z"),
            "time": _seconds(sum(row.seconds or 0.0 for row in report.rows)),
            **({"hostname": _xml_text(report.device)} if report.device != LOCAL else {}),
            **attributes,
        },
    )
    if about_model:
        _add_float_model(suite, " ".join(about_model), report)
    for row in report.rows:
        _add_case(suite, row, report)
    for change in changes:
        _add_change(suite, change, report)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _add_float_model(suite: ET.Element, sentences: str, report: ParityReport) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": _xml_text(f"edgecnn.verify.{report.model}"),
            "name": "float model",
            "time": _seconds(0.0),
        },
    )
    error = exit_error(report) if report.useless else None
    if error is None:
        ET.SubElement(case, "system-out").text = _xml_text(sentences)
        return
    kind = type(error).__name__
    found = ET.SubElement(case, "error", {"type": kind, "message": _xml_text(error.problem)})
    found.text = _xml_text(str(error))


def _add_case(suite: ET.Element, row: ArtifactRow, report: ParityReport) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": _xml_text(f"edgecnn.verify.{report.model}"),
            "name": _xml_text(f"{row.variant} ({row.file})" if row.file else row.variant),
            "time": _seconds(row.seconds or 0.0),
        },
    )
    sentence = _xml_text(verdict_sentence(row, report))
    if row.verdict in ("FAIL", "INCONCLUSIVE"):
        kind = "parity" if row.verdict == "FAIL" else "inconclusive"
        failure = ET.SubElement(case, "failure", {"type": kind, "message": sentence})
        failure.text = _xml_text(_details(row, report))
    elif row.error is not None:
        error = ET.SubElement(
            case, "error", {"type": row.error.error, "message": _xml_text(row.error.problem)}
        )
        error.text = _xml_text(str(row.error.to_error()))
    elif row.judgement is None:
        ET.SubElement(case, "skipped", {"message": sentence})
    else:
        output = ET.SubElement(case, "system-out")
        output.text = _xml_text(_details(row, report))


def _add_change(suite: ET.Element, change: Change, report: ParityReport) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": _xml_text(f"edgecnn.verify.{report.model}.baseline"),
            "name": _xml_text(f"{change.variant} since the baseline"),
            "time": _seconds(0.0),
        },
    )
    sentence = _xml_text(change_sentence(change))
    if change.regressions:
        ET.SubElement(case, "failure", {"type": "regression", "message": sentence})
    else:
        ET.SubElement(case, "system-out").text = sentence


def _details(row: ArtifactRow, report: ParityReport) -> str:
    criteria = row.judgement.criteria if row.judgement is not None else ()
    lines = [criterion_sentence(one, report.class_names) for one in criteria]
    hints = [f"Hint: {hint.text}" for hint in (*_general(report), *row.hints)]
    looked = [looked_sentence(row)] if row.looked is not None else []
    agreement = (
        near_ties_sentence(report),
        clear_sentence(row, report),
        unlabelled_sentence(report),
        unlabelled_agreement_sentence(row),
    )
    return "\n".join(
        [
            verdict_sentence(row, report),
            *looked,
            *lines,
            *(sentence for sentence in agreement if sentence),
            *hints,
            *_under_corruptions(row),
            *_ran_with(row, report),
        ]
    )


def _general(report: ParityReport) -> tuple[Hint, ...]:
    return () if report.foreign is None else report.foreign.hints


def _under_corruptions(row: ArtifactRow) -> list[str]:
    if row.corruptions is None:
        return []
    of_each = [f"Under {condition_sentence(one)}" for one in row.corruptions.conditions]
    return [*of_each, stand_in_sentence(row.corruptions)]


def _ran_with(row: ArtifactRow, report: ParityReport) -> list[str]:
    if row.kernels is None:
        return []
    where = "" if report.device == LOCAL else f" on {report.device}"
    return [f"Ran with {row.runtime}{where}; kernels: {row.kernels}"]


def _seconds(duration: float) -> str:
    return f"{duration:.3f}"


def _xml_text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
