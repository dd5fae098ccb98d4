"""The app's modules as one script, for a page that may load none.

What makes this a matter of lines and not of parsing is the modules' form, which is checked here:
an import is one line with plain names, an export stands before a declaration, and no two modules
declare the same name at the top.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from edgecnn.errors import PackageError
from edgecnn.package.web.sources import ENTRY

__all__ = ["concatenated"]

_IMPORT: Final = re.compile(r'import \{ ([\w$]+(?:, [\w$]+)*) \} from "\./([\w-]+\.js)";')
_EXPORT: Final = re.compile(r"export (?=(?:async )?(?:function|class|const)\b)")
_DECLARED: Final = re.compile(
    r"(?:export )?(?:async )?(?:function\*?|class|const|let|var) ([\w$]+|\{|\[)"
)


def concatenated(modules: Mapping[str, str]) -> str:
    """Return the entry module and all that it imports as one script.

    Args:
        modules: File name to text; ``app.js`` is the entry.

    Returns:
        Each module once, after all that it imports.

    Raises:
        PackageError: If a module is not of the form above, is missing, or imports itself.
    """
    order: list[str] = []
    _visit(ENTRY, modules, order, [])
    declared: dict[str, str] = {}
    parts = []
    for name in order:
        lines = []
        for number, line in enumerate(modules[name].splitlines(), 1):
            place = f"{name}, line {number}: {line[:80]}"
            if _IMPORT.fullmatch(line):
                continue
            if re.match(r"import\b", line):
                raise _unreadable(place, 'import { a, b } from "./x.js"; on one line')
            if re.match(r"export\b", line) and not _EXPORT.match(line):
                raise _unreadable(place, "export before a function, a class or a constant")
            found = _DECLARED.match(line)
            if found is not None:
                if found[1] in ("{", "["):
                    raise _unreadable(place, "one name for a declaration at the top of a module")
                if found[1] in declared:
                    raise _unreadable(place, f"another name: {declared[found[1]]} has this, too")
                declared[found[1]] = name
            lines.append(_EXPORT.sub("", line, count=1))
        parts.append(f"// {name}\n" + "\n".join(lines).strip("\n") + "\n")
    return "\n".join(parts)


def _visit(name: str, modules: Mapping[str, str], order: list[str], way: list[str]) -> None:
    if name in order:
        return
    if name not in modules:
        raise _unreadable(f"{way[-1]} imports {name}", "modules that are there")
    if name in way:
        raise _unreadable(" imports ".join([*way, name]), "imports without a circle")
    for line in modules[name].splitlines():
        found = _IMPORT.fullmatch(line)
        if found is not None:
            _visit(found[2], modules, order, [*way, name])
    order.append(name)


def _unreadable(observed: str, expected: str) -> PackageError:
    return PackageError(
        "the modules of the web app cannot be put into one file",
        observed=observed,
        expected=expected,
        remedy="write it so; or make the folder alone: --format folder",
    )
