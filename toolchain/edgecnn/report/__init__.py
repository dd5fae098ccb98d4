"""The kit of all reports: frame, style, drawings, numbers in words, escaping and provenance.

A stage brings its own templates and words; nothing here knows what a report is about.
"""

from __future__ import annotations

from edgecnn.report.axes import LogScale, Scale
from edgecnn.report.markdown import markdown_row, markdown_text
from edgecnn.report.page import markdown_environment, page_environment

__all__ = [
    "LogScale", "Scale", "markdown_environment", "markdown_row", "markdown_text",
    "page_environment",
]  # fmt: skip
