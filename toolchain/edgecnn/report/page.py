"""Makes HTML pages and Markdown files of templates; numbers are formatted by the same filters."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from edgecnn.report.text import FILTERS

if TYPE_CHECKING:
    from jinja2 import Environment


def page_environment(package: str) -> Environment:
    """Return what renders a package's HTML templates; all values are escaped.

    Args:
        package: Its folder ``templates`` is looked into first, then the one beside this module,
            which has ``page.css``: colours for light and dark, type, tables, the footer.

    Returns:
        An environment that refuses names it does not know, with the filters of ``text.FILTERS``.
    """
    return _environment(package, escape=True)


def markdown_environment(package: str) -> Environment:
    """Return what renders a package's Markdown templates, as ``page_environment`` does pages.

    Values are not escaped: a template gives texts of its own, or what ``markdown_text`` made safe.
    """
    return _environment(package, escape=False)


def _environment(package: str, *, escape: bool) -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folders = [resources.files(name) / "templates" for name in (package, "edgecnn.report")]

    def load(name: str) -> str | None:
        for folder in folders:
            if (file := folder / name).is_file():
                return file.read_text(encoding="utf-8")
        return None

    environment = Environment(
        loader=FunctionLoader(load),
        autoescape=escape,  # noqa: S701 - Markdown is not HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not escape,
    )
    environment.filters |= FILTERS
    return environment
