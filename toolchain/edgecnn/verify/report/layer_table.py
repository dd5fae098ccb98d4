"""Layers of an artifact for the terminal: the worst few, and what they mean; 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edgecnn.verify.layers.diagnosis import label_of
from edgecnn.verify.layers.explained import Layers
from edgecnn.verify.report.wording import percent
from edgecnn.verify.results import LOCAL, ParityReport
from edgecnn_runner.quantities import decibel_text

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["render_layers", "worst_layers"]

_MOST: Final = 3
"""Layers listed; the page has all of them."""


def render_layers(report: ParityReport) -> list[RenderableType]:
    """Return what to print below the table; nothing where no layers were asked for."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    shown: list[RenderableType] = []
    for row in report.rows:
        if row.layers is None:
            continue
        if row.layers.reason:
            shown.append(Text(f"{row.variant}: no layers compared: {row.layers.reason}\n"))
            continue
        where = "" if report.device == LOCAL else ", on this machine"
        shown.append(
            Text(
                f"{row.variant} layer by layer against {row.layers.against} on "
                f"{row.layers.images} images{where}, the worst of {len(row.layers.layers)}:"
            )
        )
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("layer", "signal to noise", "half its channels", "saturated"):
            table.add_column(name, justify="left" if name == "layer" else "right")
        for number, label, whole, half, saturated in worst_layers(row.layers):
            table.add_row(Text(f"{number:>3} {label}"), whole, half, saturated)
        shown.append(Padding(table, (0, 0, 0, 2), expand=False))
        shown.append(Padding(Text(row.layers.diagnosis), (0, 0, 1, 2), expand=False))
        if row.layers.unmatched:
            names = ", ".join(row.layers.unmatched)
            shown.append(Padding(Text(f"Not compared: {names}"), (0, 0, 1, 2), expand=False))
    return shown


def worst_layers(layers: Layers, most: int = _MOST) -> list[tuple[int, str, str, str, str]]:
    """Return the layers with the lowest ratios, in network order, as short texts.

    Args:
        layers: What to choose from.
        most: How many at most.

    Returns:
        For each its number from 1, its label, its ratio, that of half its channels, and the
        saturated share of its values.
    """
    order = sorted(layers.layers, key=lambda one: layers.ratios_db[one.position])[:most]
    return [
        (
            one.position + 1,
            label_of(one),
            decibel_text(one.snr_db),
            decibel_text(one.channels_db),
            percent(one.saturated),
        )
        for one in sorted(order, key=lambda one: one.position)
    ]
