"""The figures of a row, in one place for table, page, CSV and Markdown, and as short texts."""

from __future__ import annotations

import statistics as plain
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgecnn.bench.results import ArtifactBench, DeviceBench, ThreadBench
from edgecnn.bench.statistics import Summary, macs_per_second, summarize
from edgecnn.report.text import plural_text


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one artifact's raw times at one number of threads amount to.

    Attributes:
        times: Of the counted runs.
        starts_ns: Median from the start of a process to its first result; None without a start.
        decode_ns: Median of decoding an image; None if it was not measured.
        preprocess_ns: Median from decoded pixels to the model's input; None likewise.
        macs_per_second: Multiply-accumulates in a second at the median; None if not counted.
    """

    times: Summary
    starts_ns: int | None
    decode_ns: int | None
    preprocess_ns: int | None
    macs_per_second: int | None


@dataclass(frozen=True, kw_only=True)
class RowFigures:
    """One artifact with one runtime on one device, and its figures.

    Attributes:
        index: Of its row on the device.
        number: Its number in tables and plots, from 1, the fastest first.
        label: What it is called beside the others; see ``row_labels``.
        row: All that was measured.
        figures: At the chosen number of threads; None if it was not measured.
        by_threads: Number of threads and figures at it, for each that was measured.
    """

    index: int
    number: int
    label: str
    row: ArtifactBench
    figures: Figures | None
    by_threads: tuple[tuple[int, Figures], ...]

    @property
    def measured(self) -> Figures:
        """The figures of a row that has some."""
        if self.figures is None:
            raise ValueError(f"{self.label} was not measured")
        return self.figures


def figures_of(row: ArtifactBench, bench: ThreadBench) -> Figures:
    """Return the figures of one of a row's measurements; ``bench`` has at least one run."""
    times = summarize(bench.samples_ns)
    return Figures(
        times=times,
        starts_ns=_median(bench.starts_ns),
        decode_ns=_median(row.decode_ns),
        preprocess_ns=_median(row.preprocess_ns),
        macs_per_second=macs_per_second(row.macs, times.median_ns),
    )


def rows_by_latency(device: DeviceBench) -> list[RowFigures]:
    """Return a device's rows with their figures, the fastest first, those without figures last."""
    labels = row_labels(device.rows)
    found = []
    for index, (row, label) in enumerate(zip(device.rows, labels, strict=True)):
        by_threads = [
            (one.threads, figures_of(row, one)) for one in row.by_threads if one.samples_ns
        ]
        found.append((index, row, label, dict(by_threads).get(row.chosen or -1), by_threads))
    found.sort(key=lambda one: (one[3] is None, one[3].times.median_ns if one[3] else 0))
    return [
        RowFigures(
            index=index,
            number=number,
            label=label,
            row=row,
            figures=figures,
            by_threads=tuple(by_threads),
        )
        for number, (index, row, label, figures, by_threads) in enumerate(found, start=1)
    ]


def row_labels(rows: Sequence[ArtifactBench]) -> list[str]:
    """Return names of rows: the variant, and more only where that tells them apart.

    That is the model's name before it, and the runtime, the file and its digest behind it.
    """
    models = {row.model for row in rows}
    labels = [f"{row.model} {row.variant}" if len(models) > 1 else row.variant for row in rows]
    for more in (runtime_text, lambda row: row.file, lambda row: row.sha256[:8]):
        # Not what all of them share: it would tell nothing.
        wanting = [label for label in labels if labels.count(label) > 1]
        labels = [
            f"{label}, {more(row)}"
            if label in wanting and _differs(label, labels, rows, more)
            else label
            for row, label in zip(rows, labels, strict=True)
        ]
    return labels


def threads_text(threads: int) -> str:
    """Return a number of threads in words; 0 stands for all cores."""
    return "all cores" if threads == 0 else plural_text(threads, "thread")


def runtime_text(row: ArtifactBench) -> str:
    """Name what ran a row, or what was to run it."""
    return row.runtime or row.runtime_name or "no runtime"


def _differs(
    label: str,
    labels: Sequence[str],
    rows: Sequence[ArtifactBench],
    more: Callable[[ArtifactBench], str],
) -> bool:
    """Tell whether rows of one label differ in something."""
    found = {more(row) for row, one in zip(rows, labels, strict=True) if one == label}
    return len(found) > 1


def _median(values: Sequence[int]) -> int | None:
    return round(plain.median_low(values)) if values else None
