"""Writes what a bench leaves beside ``bench.json``: a page, and CSV and Markdown if asked."""

from __future__ import annotations

from pathlib import Path

from edgecnn.bench.judge.judgement import JudgedBench
from edgecnn.bench.report.csv import write_csv
from edgecnn.bench.report.markdown import write_bench_markdown
from edgecnn.bench.report.page import render_page
from edgecnn.files import write_whole


def write_exports(
    judged: JudgedBench,
    place: Path | None,
    *,
    csv: Path | None = None,
    markdown: Path | None = None,
) -> tuple[Path, ...]:
    """Write the page and what else was asked for, each whole or not at all.

    Args:
        judged: What to write.
        place: Where ``bench.json`` is: the page goes beside it, ``bench.html``; None for no page.
        csv: Where a table of all figures goes; None for none.
        markdown: Where a summary for a pull request goes; None for none.

    Returns:
        What was written, the page first.

    Raises:
        WorkspaceError: If a file cannot be written.
    """
    written = []
    if place is not None:
        page = place.with_suffix(".html")
        write_whole(page, render_page(judged))
        written.append(page)
    if csv is not None:
        write_csv(csv, judged)
        written.append(csv)
    if markdown is not None:
        write_bench_markdown(markdown, judged)
        written.append(markdown)
    return tuple(written)
