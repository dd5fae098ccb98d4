"""Writes what ``applications.py`` recorded as the manual's tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from edgecnn.report.text import (
    DASH,
    count_text,
    number_text,
    percent_text,
    plural_text,
    points_text,
    size_text,
)

_COLUMNS: Final = (
    "tflite-fp32", "onnx-fp32", "tflite-fp16", "onnx-fp16", "tflite-int8-dynamic", "tflite-int8",
    "onnx-int8",
)  # fmt: skip
_ROUNDED: Final = {
    "float32": "weights moved by 2⁻²²", "float16": "weights in fp16", "int8": "weights in int8"
}  # fmt: skip
_NOT_MADE: Final = "**not made**"


def markdown_tables(found: Mapping[str, Any]) -> str:
    """Return three paragraphs and two tables: how close the files are, and what they took.

    Args:
        found: The record; see ``applications.record``.
    """
    listed = sorted(found["listed"], key=lambda name: (found["listed"][name], name))
    networks = {name: found["networks"][name] for name in listed if name in found["networks"]}
    ran = {name: entry for name, entry in networks.items() if "variants" in entry}
    return "\n".join(
        [
            *_summary(found, ran),
            "",
            *_agreement(ran),
            "",
            *_costs(ran),
            "",
            *_without_result(listed, networks),
            _provenance(found, ran),
        ]
    )


def _summary(found: Mapping[str, Any], ran: Mapping[str, Any]) -> Iterator[str]:
    rows = [(name, *item) for name, entry in ran.items() for item in entry["variants"].items()]
    made = [row for row in rows if row[2]["status"] == "made"]
    listed = plural_text(len(found["listed"]), "network")
    yield (
        (
            f"The tables have all {listed} that `keras.applications` lists. "
            if len(ran) == len(found["listed"])
            else f"Of {listed} that `keras.applications` lists, the tables have {len(ran)} so far. "
        )
        + f"Of their {len(rows)} variants {len(made)} were made"
        + ("." if len(made) == len(rows) else f", {_share_not_made(rows)} not:")
    )
    if len(made) < len(rows):
        yield ""
    for name, variant, row in rows:
        if row["status"] != "made":
            yield f"- {name}, `{variant}`, {row['status']}: {_one_line(row['reason'])}"
    floats = [row for _, variant, row in made if variant.endswith("fp32")]
    if floats:
        yield ""
        yield (
            "In fp32 no score of any file differs from Keras's own by more than "
            f"{_points(max(row['largest_difference'] for row in floats))} points of 100, and "
            f"{_same(floats)}."
        )


def _share_not_made(rows: list[tuple[str, str, Mapping[str, Any]]]) -> str:
    missing = sum(row["status"] != "made" for _, _, row in rows)
    return f"{missing} ({percent_text(missing / len(rows), 1)})"


def _same(rows: list[Mapping[str, Any]]) -> str:
    least = min(row["agreement"] for row in rows)
    if least == 1:
        return "every photo has the same class"
    return f"at least {percent_text(least, 0)} of the photos have the same class"


def _agreement(ran: Mapping[str, Any]) -> Iterator[str]:
    heads = [*(f"`{one}`" for one in _COLUMNS), *(f"Keras, {name}" for name in _ROUNDED.values())]
    yield f"| network | pixels | {' | '.join(heads)} |"
    yield "| --- | ---: |" + " ---: |" * len(heads)
    for name, entry in ran.items():
        cells = [_cell(entry["variants"].get(variant)) for variant in _COLUMNS]
        cells += [_cell(entry["rounded_weights"].get(kind)) for kind in _ROUNDED]
        yield f"| {name} | {entry['side']} | {' | '.join(cells)} |"


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return DASH
    return _closeness(row) if "agreement" in row else _NOT_MADE


def _closeness(row: Mapping[str, Any]) -> str:
    return f"{percent_text(row['agreement'], 0)} ({_points(row['largest_difference'])})"


def _points(difference: float) -> str:
    """Return a difference of scores in points, with as many digits as it needs."""
    digits = next((n for n in range(4) if 100 * difference >= 10.0 ** (1 - n)), 4)
    return points_text(difference, digits)


def _costs(ran: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "| network | parameters | `tflite-fp32` | `tflite-int8` | `onnx-fp32` | `onnx-int8` "
        "| processor, seconds | clock, seconds | memory |"
    )
    yield "| --- |" + " ---: |" * 8
    sized = ("tflite-fp32", "tflite-int8", "onnx-fp32", "onnx-int8")
    for name, entry in ran.items():
        took, rows = entry["convert"], entry["variants"]
        sizes = [size_text(rows[variant].get("bytes")) for variant in sized]
        yield (
            f"| {name} | {count_text(entry['parameters'])} | {' | '.join(sizes)} "
            f"| {number_text(took['cpu_seconds'], 0)} | {number_text(took['seconds'], 0)} "
            f"| {size_text(took['memory_bytes'])} |"
        )


def _without_result(listed: list[str], networks: Mapping[str, Any]) -> Iterator[str]:
    """Yield the networks that have no row in the tables, with the reason."""
    waiting = [name for name in listed if name not in networks]
    for name, entry in networks.items():
        if "not_run" in entry:
            yield f"- {name}: not run: {_one_line(entry['not_run'])}"
        elif "variants" not in entry:
            yield f"- {name}: no file: {_one_line(entry['convert']['error'])}"
    if waiting:
        yield (
            f"- Not run yet: {', '.join(waiting)}. `make models-table` goes on with them, the "
            "smallest first."
        )
    if waiting or any("variants" not in entry for entry in networks.values()):
        yield ""


def _provenance(found: Mapping[str, Any], ran: Mapping[str, Any]) -> str:
    here, images = found["machine"], found["images"]
    tools = sorted(
        {f"{name} {version}" for entry in ran.values() for name, version in entry["tools"].items()}
    )
    dates = sorted({entry["date"] for entry in ran.values()})
    when = f"Recorded {dates[0]}" + (f" to {dates[-1]}" if len(dates) > 1 else "") if dates else ""
    return (
        f"{when} on one {here['processor']} machine with {here['cores']} cores that had other work "
        f"(Python {here['python']}, {', '.join(tools)}), with {images['training']} photos to set "
        f"weights and calibrate by and {images['held']} others to compare. All figures are in "
        "`tests/benchmarks/applications.json`."
    )


def _one_line(text: str) -> str:
    """Return a reason as one line of Markdown: no bar, no tag, 300 characters at most."""
    line = " ".join(text.split()).replace("|", "/").replace("<", "&lt;")
    return line if len(line) <= 300 else f"{line[:297]}..."
