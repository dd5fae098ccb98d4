"""Geometry of the plot along the network: where things stand, in percent; see ``charts``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from edgecnn.modelfile.layers import LayerError
from edgecnn.report import Scale
from edgecnn.verify.layers.diagnosis import label_of
from edgecnn.verify.layers.explained import Layers

_LEAST_TOP_DB: Final = 50.0
_MOST_TOP_DB: Final = 80.0
"""Of the axis; float16 has up to about 75 dB, and what is beyond stands at the end."""
_TICK_DB: Final = 20
_DECADES: Final = 4
"""Of the axis of saturated shares, which ends at 100 %."""
_WIDEST: Final = 2.0
"""Of a bar, percent of the plot."""


@dataclass(frozen=True, kw_only=True)
class LayerMark:
    """One layer in the plot.

    Attributes:
        layer: Its numbers.
        label: What it is called.
        x: Place along the network, percent of the width.
        y: Of its ratio, percent of the height from above.
        channels_y: Of the ratio of half its channels.
        low_y: Of the ratio that it is judged by, where that is below the limit; None elsewhere.
        bar: Height of its saturated share, percent; 0 where that is below the axis.
    """

    layer: LayerError
    label: str
    x: float
    y: float
    channels_y: float
    low_y: float | None
    bar: float


@dataclass(frozen=True, kw_only=True)
class LayerChart:
    """The plot of one artifact.

    Attributes:
        marks: In network order.
        line: Points of a line through the ratios, as SVG's polyline has them, in a square of 100.
        channels_line: Likewise through those of half the channels.
        limit: Height of the limit, percent from above.
        ticks: Height and text of the axis.
        bar_width: Width of a bar of saturated shares, percent.
        bars: Whether any value of the network is stored in a range that it could leave.
        saturated: Whether any bar is above 0.
    """

    marks: tuple[LayerMark, ...]
    line: str
    channels_line: str
    limit: float
    ticks: tuple[tuple[float, str], ...]
    bar_width: float
    bars: bool
    saturated: bool


def layer_chart(layers: Layers) -> LayerChart:
    """Place layers in a plot.

    Args:
        layers: At least one.
    """
    count = len(layers.layers)
    highest = max((one.snr_db for one in layers.layers if one.snr_db < _MOST_TOP_DB), default=0.0)
    top = min(_MOST_TOP_DB, max(_LEAST_TOP_DB, 10 * math.ceil(highest / 10)))
    scale = Scale(low=0.0, high=top)
    # Half a layer of room at both ends, so that marks are whole.
    marks = tuple(
        LayerMark(
            layer=one,
            label=label_of(one),
            x=round(100 * (one.position + 0.5) / count, 2),
            y=_height(scale, one.snr_db),
            channels_y=_height(scale, one.channels_db),
            low_y=_height(scale, ratio) if ratio < layers.limit_db else None,
            bar=_bar(one.saturated),
        )
        for one, ratio in zip(layers.layers, layers.ratios_db, strict=True)
    )
    return LayerChart(
        marks=marks,
        line=" ".join(f"{mark.x},{mark.y}" for mark in marks),
        channels_line=" ".join(f"{mark.x},{mark.channels_y}" for mark in marks),
        limit=_height(scale, layers.limit_db),
        ticks=tuple(
            (_height(scale, value), f"{value} dB") for value in range(0, int(top) + 1, _TICK_DB)
        ),
        bar_width=round(min(_WIDEST, 70 / count), 2),
        bars=any(mark.layer.saturated is not None for mark in marks),
        saturated=any(mark.bar > 0 for mark in marks),
    )


def _height(scale: Scale, value: float) -> float:
    return round(100 - scale.place(value), 2)


def _bar(share: float | None) -> float:
    """Return the height of a share on an axis of decades up to 1, percent."""
    if not share:
        return 0.0
    return round(max(0.0, 100 * (1 + math.log10(share) / _DECADES)), 2)
