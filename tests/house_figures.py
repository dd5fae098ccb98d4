"""Prints what the sources are like: how many modules, how large, and which names stand twice.

    python tests/house_figures.py

No test: figures to look at, not limits that code is bent to.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

TOP = Path(__file__).parents[1]
TOOLCHAIN = TOP / "toolchain/edgecnn"
PACKAGES = (TOOLCHAIN, TOP / "deploy/edgecnn_runner", TOP / "deploy/raspberry_pi/edgecnn_installer")
_MOST_LINES, _MOST_PARAMETERS = 120, 10


def sources() -> dict[Path, ast.Module]:
    """Return every module, parsed."""
    paths = [path for package in PACKAGES for path in sorted(package.rglob("*.py"))]
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions and methods of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many parameters a function has, without ``self``."""
    taken = function.args
    names = [argument.arg for argument in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def main() -> None:
    """Print the figures."""
    found = sources()
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in found}
    modules = [path for path in found if path.name != "__init__.py"]
    print(f"files: {len(found)}, of them {len(found) - len(modules)} __init__.py")
    print(f"lines: {sum(lines.values()):,}")
    print(f"median lines of a module: {median(lines[path] for path in modules):.0f}")
    print(f"modules in the root of the toolchain: {len(list(TOOLCHAIN.glob('*.py')))}")
    print("lines by folder:")
    by_folder: Counter[str] = Counter()
    for path, count in lines.items():
        by_folder[path.relative_to(TOP).parts[2 if path.is_relative_to(TOOLCHAIN) else 1]] += count
    for name, count in by_folder.most_common():
        print(f"  {count:6,} {name}")
    classes: dict[str, list[str]] = defaultdict(list)
    for path, tree in found.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append(str(path.relative_to(TOP)))
    twice = {name: places for name, places in classes.items() if len(places) > 1}
    print(f"public class names that stand twice: {len(twice)}")
    for name, places in sorted(twice.items()):
        print(f"  {name}: {', '.join(places)}")
    print(f"functions over {_MOST_LINES} lines or {_MOST_PARAMETERS} parameters, outside cli/:")
    for path, tree in found.items():
        if "cli" in path.relative_to(TOP).parts:
            continue
        for function in functions(tree):
            long = (function.end_lineno or 0) - function.lineno + 1
            if long > _MOST_LINES or parameters(function) > _MOST_PARAMETERS:
                place = f"{path.relative_to(TOP)}:{function.lineno}"
                print(f"  {place} {function.name}: {long} lines, {parameters(function)} parameters")


if __name__ == "__main__":
    main()
