"""Names that others chose, in Markdown: shown, and not obeyed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

# What Markdown would read as markup in a name that is user data, bare addresses among it.
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~!&@]|(?<=www)\.|:(?=//))")


def markdown_text(text: str) -> str:
    r"""Return text that Markdown shows as it is, on one line.

    >>> markdown_text("a|b [c](http://d)")
    'a\\|b \\[c\\](http\\://d)'
    """
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def markdown_row(cells: Sequence[str]) -> str:
    """Return a row of a table; the cells are Markdown already."""
    return "| " + " | ".join(cells) + " |"
