"""What the reports that stages write for people have in common: their look, axes and escaping.

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
