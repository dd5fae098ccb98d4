"""Writes what ``sources.py`` recorded as the manual's table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from edgecnn.report.text import DASH, count_text, percent_text

_COLUMNS: Final = (
    "tflite-fp32", "tflite-fp16", "tflite-int8-dynamic", "tflite-int8", "onnx-fp32", "onnx-fp16",
    "onnx-int8",
)  # fmt: skip
_REPAIRED: Final = ("tflite-int8", "onnx-int8")
_ROUNDING: Final = 1e-5
"""Differences below it are of the order of summing; no more is said of them."""


def markdown_table(found: Mapping[str, Any]) -> str:
    """Return the table, and a paragraph on how it was made.

    Args:
        found: The record; see ``sources.main``.
    """
    return "\n".join([*_rows(found["sources"]), "", _provenance(found)])


def _rows(sources: Mapping[str, Any]) -> Iterator[str]:
    heads = [f"`{variant}`" for variant in _COLUMNS] + [f"`{v}`, repaired" for v in _REPAIRED]
    yield "| source | reference | " + " | ".join(heads) + " |"
    yield "| --- |" + " ---: |" * (1 + len(heads))
    for name, entry in sources.items():
        plain, repaired = entry["plain"], entry["repaired"]["variants"]
        cells = [_difference(plain["reference"]["difference"])]
        cells += [_cell(plain["variants"].get(variant)) for variant in _COLUMNS]
        cells += [
            _cell(repaired.get(f"{variant}-mixed") or repaired.get(variant))
            for variant in _REPAIRED
        ]
        yield f"| {name} | " + " | ".join(cells) + " |"


def _cell(row: Mapping[str, Any] | None) -> str:
    """Return the share of the same classes, and the largest difference of a score."""
    if row is None:
        return DASH
    if row["status"] != "made":
        return f"**{row['status']}**"
    return f"{percent_text(row['agreement'], 1)}, {_difference(row['difference'])}"


def _difference(value: float) -> str:
    return f"< {_ROUNDING:.0e}" if value < _ROUNDING else f"{value:.1g}"


def _provenance(found: Mapping[str, Any]) -> str:
    here = found["machine"]
    tools = ", ".join(f"{name} {version}" for name, version in found["tools"].items())
    return (
        "Same class, and the largest difference of a probability, on "
        f"{count_text(found['images'])} pictures that no file was calibrated on, from the scores "
        "that the source's own framework gives: Keras 3, Keras 2, TensorFlow, PyTorch, and ONNX "
        "Runtime for the last two. *Reference* is what `convert` keeps as the float model's "
        "scores. The last two columns are of a second network, which int8 spoils, after "
        f"`--repair`. Recorded {found['date']} on one {here['processor']} machine with "
        f"{here['cores']} cores ({tools}). `make sources-table` makes it anew; all figures are in "
        "`tests/benchmarks/sources.json`."
    )
