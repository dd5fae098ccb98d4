"""The training curves as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from edgecnn.train.history import Epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Blue and orange of Okabe and Ito's palette, told apart with any kind of colour vision.
_TRAIN: Final = "#0072B2"
_VALIDATION: Final = "#D55E00"
_INK: Final = "#333333"
_GRID: Final = "#E3E3E3"


def draw_curves(
    history: Sequence[Epoch], *, title: str, subtitle: str, loss: str = "Cross-entropy loss"
) -> bytes:
    """Draw loss and accuracy over the epochs, side by side.

    Args:
        history: At least one epoch.
        title: What was trained on what.
        subtitle: The result.
        loss: What the loss is of.

    Returns:
        A PNG file; equal histories give equal bytes.
    """
    figure, left, right = _figure(title, subtitle)
    epochs = [row.epoch for row in history]
    _panel(
        left,
        loss,
        epochs,
        [row.loss for row in history],
        [row.val_loss for row in history if row.val_loss is not None],
        "{:.3f}",
        bottom=0,
    )
    _panel(
        right,
        "Accuracy, %",
        epochs,
        [100 * row.accuracy for row in history],
        [100 * row.val_accuracy for row in history if row.val_accuracy is not None],
        "{:.1f}",
        most=100,
    )
    return _png(figure)


def draw_strengths(
    tried: Mapping[float, tuple[float, float]], *, title: str, subtitle: str
) -> bytes:
    """Draw what cross-validation found for each strength of a linear head's penalty.

    Args:
        tried: Inverse strength to mean cross-entropy and accuracy, 0..1; may be empty.
        title: What was trained on what.
        subtitle: The result.

    Returns:
        A PNG file; equal figures give equal bytes.
    """
    figure, left, right = _figure(title, subtitle)
    strengths = sorted(tried)
    for axes, name, values in (
        (left, "Cross-entropy loss", [tried[one][0] for one in strengths]),
        (right, "Accuracy, %", [100 * tried[one][1] for one in strengths]),
    ):
        _dress(axes, name, "inverse strength of the penalty; each photo left out once")
        axes.set_xscale("log")
        axes.plot(strengths, values, color=_VALIDATION, linewidth=2, marker="o", markersize=4)
    return _png(figure)


def _figure(title: str, subtitle: str) -> tuple[Figure, Axes, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.4), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.07, right=0.93, top=0.74, bottom=0.13, wspace=0.42)
    figure.text(0.012, 0.945, title, fontsize=14, weight="bold", color=_INK, va="center")
    figure.text(0.012, 0.875, subtitle, fontsize=10.5, color=_INK, va="center")
    left, right = figure.subplots(1, 2)
    return figure, left, right


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _dress(axes: Axes, title: str, below: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, color=_INK, pad=8)
    axes.set_xlabel(below, color=_INK)
    axes.grid(axis="y", color=_GRID)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#999999")


def _panel(
    axes: Axes,
    title: str,
    epochs: Sequence[int],
    train: Sequence[float],
    validation: Sequence[float],
    form: str,
    *,
    bottom: float | None = None,
    most: float | None = None,
) -> None:
    from matplotlib.ticker import MaxNLocator

    _dress(axes, title, "epoch")
    marker = "o" if len(epochs) < 15 else None
    lines = ((train, _TRAIN), (validation, _VALIDATION)) if validation else ((train, _TRAIN),)
    for values, colour in lines:
        axes.plot(epochs, values, color=colour, linewidth=2, marker=marker, markersize=4)
    axes.set_xlim(0.5, epochs[-1] + 0.5)
    if bottom is not None:
        axes.set_ylim(bottom, bottom + 1.06 * (max([*train, *validation]) - bottom))
    if most is not None:
        axes.set_ylim(top=min(most, axes.get_ylim()[1]))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    if validation:
        _label_ends(axes, epochs[-1], train[-1], validation[-1], form)
    else:
        _label(axes, "train", train[-1], _TRAIN, (epochs[-1], train[-1]), form)


def _label_ends(axes: Axes, epoch: int, train: float, validation: float, form: str) -> None:
    """Name the lines at their ends, far enough apart to be read where the lines meet."""
    low, high = axes.get_ylim()
    apart = 0.13 * (high - low)
    middle, half = (train + validation) / 2, abs(train - validation) / 2
    half = max(half, apart / 2)
    # Both within the panel, where no other text is.
    middle = min(max(middle, low + half + apart / 4), high - half - apart / 4)
    train_above = train >= validation
    for name, value, colour, above in (
        ("train", train, _TRAIN, train_above),
        ("validation", validation, _VALIDATION, not train_above),
    ):
        _label(axes, name, value, colour, (epoch, middle + (half if above else -half)), form)


def _label(
    axes: Axes, name: str, value: float, colour: str, place: tuple[float, float], form: str
) -> None:
    axes.annotate(
        f"{name}\n{form.format(value)}",
        xy=place,
        xytext=(8, 0),
        textcoords="offset points",
        color=colour,
        fontsize=9.5,
        va="center",
        annotation_clip=False,
    )
