"""What a repair came to, for people: what stays in float, why, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.errors import EdgeError

if TYPE_CHECKING:
    from rich.console import Console


def print_repairs(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the repairs among conversion rows, those that were not needed in a line each."""
    for row in rows:
        repair = row.get("repair")
        # Of a file that does not run, its row says so.
        if repair is not None and row["status"] == "made":
            print_repair(console, str(row["variant"]), repair)


def print_repair(
    console: Console, variant: str, repair: Mapping[str, Any], *, layers: bool = True
) -> None:
    """Print one repair.

    Args:
        console: Where to.
        variant: The file's.
        repair: See ``edgecnn.convert.repair.record.RepairRecord``.
        layers: Whether to list the layers in float, too.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from edgecnn.build.artifact import asked_for
    from edgecnn.convert.repair.record import repair_sentence

    console.print(Text(repair_sentence(asked_for(variant), repair)), soft_wrap=True)
    if repair["outcome"] != "mixed":
        return
    if layers:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for column in ("in float", "why"):
            table.add_column(column, overflow="fold")
        for one in repair["kept"]:
            table.add_row(Text(f"{one['operator']}\n{one['name']}"), Text(str(one["why"])))
        console.print(table)
    console.print(Text(_cost(variant, repair["latency"])), soft_wrap=True)


def _cost(variant: str, latency: Mapping[str, Any]) -> str:
    """Say how long an image takes beside the other precisions, and where that was measured."""
    medians: Mapping[str, int] = latency["median_ns"]
    own = medians[variant]
    others = [
        f"{own / median:.2f} times {name} ({median / 1000:.1f} us)"
        for name, median in sorted(medians.items(), key=lambda pair: pair[0].endswith("fp32"))
        if name != variant
    ]
    machine = latency["machine"]
    where = machine.get("model") or machine.get("processor") or machine.get("architecture")
    return (
        f"latency of {variant}: {own / 1000:.1f} us an image, {', '.join(others)}; medians of "
        f"{latency['n']} calls in turns on this machine ({where}, {latency['runtime']}, "
        f"{latency['threads']} thread)"
    )


def recorded_repair(file: Path, sha256: str) -> tuple[str, Mapping[str, Any]] | None:
    """Return what the build around a file says of its repair.

    Args:
        file: A model file.
        sha256: Its digest; another file of the same name has another history.

    Returns:
        Its variant and its repair; None if it is in no build, or was not repaired.
    """
    from edgecnn.build.workspace import Workspace

    try:
        rows = Workspace(file.parent).manifest()["variants"]
    except EdgeError:
        return None
    for row in rows:
        if row.get("sha256") == sha256 and row.get("repair") is not None:
            return str(row["variant"]), row["repair"]
    return None
