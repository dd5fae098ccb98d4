"""How pages are made of templates: escaped, self-contained, with one base style sheet."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def page_environment(package: str) -> Environment:
    """Return what renders a package's HTML templates; all values are escaped.

    Args:
        package: Its folder ``templates`` is looked into first, then the one beside this module,
            which has ``page.css``: colours for light and dark, type, tables, the footer.

    Returns:
        An environment that refuses names it does not know.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folders = [resources.files(name) / "templates" for name in (package, "edgecnn.report")]

    def load(name: str) -> str | None:
        for folder in folders:
            if (file := folder / name).is_file():
                return file.read_text(encoding="utf-8")
        return None

    return Environment(
        loader=FunctionLoader(load),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
