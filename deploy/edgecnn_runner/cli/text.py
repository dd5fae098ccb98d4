"""Writes what ``edgecnn-run`` prints for people: aligned text, no colours, no width assumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from edgecnn_runner.errors import some_of
from edgecnn_runner.quantities import duration_text, plural_text, size_text

if TYPE_CHECKING:
    from edgecnn_runner.classifier import Result
    from edgecnn_runner.contract import Contract
    from edgecnn_runner.selftest import SelfTest
    from edgecnn_runner.session import Session
    from edgecnn_runner.timing import Timing

_MOST_LABELS: Final = 20


def classification(image: str, result: Result) -> str:
    """Return an image's label, and its ranked classes with their scores as bars."""
    width = max(len(score.label) for score in result.ranked)
    lines = [f"{image}: {result.label}"]
    lines += [
        f"  {score.label:<{width}}  {score.score:6.1%}  {'#' * round(20 * score.score)}".rstrip()
        for score in result.ranked
    ]
    return "\n".join(lines) + "\n"


def selftest(outcome: SelfTest, session: Session, not_proven: str | None) -> str:
    """Return the lines of a self-test that went well, and what is not proven all the same."""
    difference = "not recorded for this variant"
    if outcome.worst_difference is not None:
        difference = f"{outcome.worst_difference:.2g} at most, allowed {outcome.tolerance}"
    return _table(
        {
            "self-test": "passed",
            "runtime": session.runtime,
            "kernels": session.kernels,
            "classes": f"{outcome.images} of {outcome.images} images as expected",
            "preprocessing": f"{outcome.sources} of {outcome.sources} images byte for byte",
            "score difference": difference,
            **({} if not_proven is None else {"proof": not_proven}),
        }
    )


def bench(timing: Timing, session: Session, machine: Mapping[str, Any]) -> str:
    """Return the figures of a measurement, machine and runtime named."""
    summary = timing.summary()
    return _table(
        {
            "machine": machine["model"] or machine["processor"],
            "system": f"{machine['system']}, {machine['architecture']}, "
            f"{machine['cores']} cores, Python {machine['python']}, numpy {machine['numpy']}",
            "model": f"{session.contract.model} {session.contract.variant}",
            "runtime": f"{session.runtime}, {plural_text(session.threads, 'thread')}",
            "kernels": session.kernels,
            "load": duration_text(timing.load_ns),
            "first": duration_text(timing.first_ns),
            "min": duration_text(summary["min_ns"]),
            "median": duration_text(summary["median_ns"]),
            "p90": duration_text(summary["p90_ns"]),
            "p99": duration_text(summary["p99_ns"]),
            "mad": duration_text(summary["mad_ns"]),
            "calls": f"{summary['n']} after {timing.warmup} of warm-up",
        }
    )


def info(facts: Mapping[str, Any], contract: Contract | None) -> str:
    """Return a file's contract and runtime, or what is missing and how to get it."""
    rows = {"file": facts["file"], "format": f"{facts['format']}, {size_text(facts['bytes'])}"}
    runtime = facts["runtime"]
    if contract is None:
        rows["contract"] = "none: give --labels and --input-range to classify with it"
    else:
        rows.update(_contract_rows(contract))
    if "error" in runtime:
        rows["runtime"] = f"{runtime['problem']}; {runtime['remedy']}"
    else:
        rows["runtime"] = f"{runtime['package']} {runtime['version']}"
    if facts["not_proven"] is not None:
        rows["proof"] = facts["not_proven"]
    if facts["collect"] is not None:
        terms = facts["collect"]
        rows["collects"] = (
            f"where --collect asks for it: images, only in {terms['folder']}, at most "
            f"{terms['at_most']}"
        )
    return _table(rows)


def _contract_rows(contract: Contract) -> dict[str, str]:
    fed, given = contract.input, contract.output
    named = ", ".join(f"{key} {value}" for key, value in sorted(contract.min_runtime.items()))
    made = ", ".join(f"{key} {value}" for key, value in sorted(contract.created_by.items()))
    scale = f", scale {fed.scale:g}, zero point {fed.zero_point}"
    steps = f", scale {given.scale:g}, zero point {given.zero_point}"
    return {
        "model": f"{contract.model} {contract.variant}",
        "input": f"{fed.height} x {fed.width} x {fed.channels} {fed.dtype} {fed.layout}, "
        f"pixels as {fed.range}{'' if fed.dtype == 'float32' else scale}",
        "output": f"{len(contract.labels)} {given.kind}, {given.dtype}"
        f"{'' if given.dtype == 'float32' else steps}",
        "labels": _labels_text(contract.labels),
        "resize": contract.resize,
        "needs": named or "not recorded",
        **_origin_rows(contract, made or "not recorded"),
    }


def _origin_rows(contract: Contract, made: str) -> dict[str, str]:
    """Return who made a file; of one that another program made, by whose word."""
    digest = f"sha256 {contract.source_sha256}" if contract.source_sha256 else "unknown"
    about = contract.adopted
    if not about:
        return {"made by": made, "made from": digest}
    return {
        "made elsewhere": about.get("file", "not recorded"),
        "by its own word": about.get("made_by", "not stated"),
        "calibration": about.get("calibration", "not known"),
        "adopted by": made,
        "compared with": digest,
    }


def _labels_text(labels: Sequence[str]) -> str:
    """Return all labels; of many, the first ones and how many more there are."""
    if len(labels) <= _MOST_LABELS:
        return ", ".join(labels)
    return f"{len(labels):,}: {some_of(labels, _MOST_LABELS)} (--json has all)"


def _table(rows: Mapping[str, str]) -> str:
    width = max(map(len, rows))
    return "".join(f"{name:<{width}}  {value}\n" for name, value in rows.items())
