"""Finds errors that are made without all that a user needs: seen, wanted, and what to do.

Reads source, so that errors which no test can bring about are looked at, too. Imports the
toolchain only where it is installed, since the runner's tests run alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from edgecnn_runner.errors import EdgeError

_NEEDED = ("observed", "expected", "remedy")


def incomplete_raises(folder: Path) -> list[str]:
    """List the typed errors made in a folder's source without observed, expected and remedy.

    Every place that makes an error counts, also a function that returns one to be raised, and
    ``raise type(error)(...)``. A literal None is as good as nothing.

    Args:
        folder: Searched with the folders in it; or one source file.

    Returns:
        ``path:line: class lacks ...`` for each; empty where all is well.
    """
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*.py"))
    assert paths, f"no sources in {folder}"
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    typed = _typed_names(trees.values())
    return [
        f"{path}:{line}: {name} lacks {', '.join(lacking)}"
        for path, tree in trees.items()
        for line, name, lacking in _incomplete(tree, typed)
    ]


def _incomplete(tree: ast.Module, typed: set[str]) -> Iterator[tuple[int, str, list[str]]]:
    names = typed | {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname and alias.name in typed
    }
    raised = {
        node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        # An error of the same class as another: ``raise type(error)(...)``.
        again = (
            node in raised
            and isinstance(node.func, ast.Call)
            and _name_of(node.func.func) == "type"
        )
        if not again and _name_of(node.func) not in names:
            continue
        given = {
            keyword.arg
            for keyword in node.keywords
            if not (isinstance(keyword.value, ast.Constant) and keyword.value.value is None)
        }
        lacking = [part for part in _NEEDED if part not in given]
        if lacking:
            yield node.lineno, ast.unparse(node.func), lacking


def _name_of(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _typed_names(trees: Iterable[ast.Module]) -> set[str]:
    """Return the names of the tree's classes, and of those derived from them in the source."""
    if find_spec("edgecnn") is not None:
        import_module("edgecnn.errors")
    names = {"EdgeError"}
    todo: list[type[EdgeError]] = [EdgeError]
    while todo:
        for derived in todo.pop().__subclasses__():
            names.add(derived.__name__)
            todo.append(derived)
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    before = -1
    while before != len(names):
        before = len(names)
        names |= {c.name for c in classes if any(_name_of(base) in names for base in c.bases)}
    return names
