"""Geometry of the report's drawings: where things stand, in percent of a drawing's width.

The template draws them as inline SVG with percent coordinates, so they fit any screen without
scripts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edgecnn.modelfile.layers import LayerError
from edgecnn.report import Scale
from edgecnn.verify.gate.judgement import Criterion, CriterionName
from edgecnn.verify.layers.diagnosis import Layers, label_of
from edgecnn.verify.results import ArtifactRow

# Room beyond the limit always, but no further than this many limits: one artifact that fails
# badly must not squeeze all others into a corner.
_ROOM: Final = 1.6
_FURTHEST: Final = 4.0


@dataclass(frozen=True, kw_only=True)
class IntervalChart:
    """An interval against its limit; positions in percent of the width.

    Attributes:
        low: Left end of the interval.
        high: Right end.
        estimate: The observed value.
        limit: The limit.
        zone_low: Left end of what is allowed.
        zone_high: Right end.
        zero: The value 0.
        off_low: Whether the interval goes on beyond the left end of the axis.
        off_high: Whether it goes on beyond the right end.
        on_axis: Whether the observed value is on the axis.
    """

    low: float
    high: float
    estimate: float
    limit: float
    zone_low: float
    zone_high: float
    zero: float
    off_low: bool
    off_high: bool
    on_axis: bool


def common_scale(rows: Sequence[ArtifactRow], name: CriterionName) -> Scale:
    """Return one axis for a criterion of all artifacts, so that their drawings compare."""
    judgements = [row.judgement for row in rows if row.judgement is not None]
    criteria = [one for found in judgements for one in found.criteria if one.name == name]
    limit = criteria[0].limit
    if name == "accuracy":
        low = min(one.low for one in criteria)
        # As much room on both sides of the limit as the furthest interval needs, and some.
        room = min(max([*(abs(one.high - limit) for one in criteria), limit - low, 0.02]), 1.0)
        return Scale(low=limit - 1.1 * room, high=limit + 1.1 * room)
    low = max(min([0.0, *(one.low for one in criteria)]), -_ROOM * limit)
    high = min(max([_ROOM * limit, *(one.high for one in criteria)]), _FURTHEST * limit)
    # A little room, so that marks at the ends are whole.
    margin = (high - low) * 0.03
    return Scale(low=low - margin, high=high + margin)


def interval_chart(criterion: Criterion, scale: Scale) -> IntervalChart:
    """Place a criterion on an axis."""
    return IntervalChart(
        low=scale.place(criterion.low),
        high=scale.place(criterion.high),
        estimate=scale.place(criterion.estimate),
        limit=scale.place(criterion.limit),
        zone_low=scale.place(criterion.limit) if criterion.name == "accuracy" else 0.0,
        zone_high=100.0 if criterion.name == "accuracy" else scale.place(criterion.limit),
        zero=scale.place(0.0),
        off_low=criterion.low < scale.low,
        off_high=criterion.high > scale.high,
        on_axis=scale.low <= criterion.estimate <= scale.high,
    )


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
        ends: Place and number of the first and of the last layer.
        bar_width: Width of a bar of saturated shares, percent.
        bars: Whether any value of the network is stored in a range that it could leave.
        saturated: Whether any bar is above 0.
    """

    marks: tuple[LayerMark, ...]
    line: str
    channels_line: str
    limit: float
    ticks: tuple[tuple[float, str], ...]
    ends: tuple[tuple[float, str], ...]
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
            y=scale.height(one.snr_db),
            channels_y=scale.height(one.channels_db),
            low_y=scale.height(ratio) if ratio < layers.limit_db else None,
            bar=_bar(one.saturated),
        )
        for one, ratio in zip(layers.layers, layers.ratios_db, strict=True)
    )
    return LayerChart(
        marks=marks,
        line=" ".join(f"{mark.x},{mark.y}" for mark in marks),
        channels_line=" ".join(f"{mark.x},{mark.channels_y}" for mark in marks),
        limit=scale.height(layers.limit_db),
        ticks=tuple(
            (scale.height(value), f"{value} dB") for value in range(0, int(top) + 1, _TICK_DB)
        ),
        ends=((0.0, "layer 1"), (100.0, str(count))),
        bar_width=round(min(_WIDEST, 70 / count), 2),
        bars=any(mark.layer.saturated is not None for mark in marks),
        saturated=any(mark.bar > 0 for mark in marks),
    )


def _bar(share: float | None) -> float:
    """Return the height of a share on an axis of decades up to 1, percent."""
    if not share:
        return 0.0
    return round(max(0.0, 100 * (1 + math.log10(share) / _DECADES)), 2)
