"""What a layer-by-layer comparison means: where the noise comes in, why, and what to try.

Told from the numbers of ``edgecnn.modelfile.layers`` alone. A cause is named where it accounts for
at least half of the noise at a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from edgecnn.modelfile.layers import LayerComparison, LayerError
from edgecnn.report.text import decibel_text

LIMIT_DB: Final = 10.0
"""Below this a layer is suspect: the noise has a tenth of the signal's energy.

PPQ, a tool that quantizes networks, asks for no more than this tenth, piled up to a network's end
and added by each layer (openppl-public/ppq, ProgramEntrance.py). The int8 files of this project
that pass keep well above it: on 64 images their lowest layers have 42.4 dB (the demo), 31.3
(seed_cnn), 22.6 (wren) and 20.2 dB (resnet8), of both formats and three choices of images the
least.
"""

Cause = Literal["saturation", "channels", "steps", "weights", "inherited"]

_SHARE: Final = 0.5
"""Of a layer's noise that its storing, and of that noise that clipping has to account for."""
_WEIGHTS_MARGIN_DB: Final = 10.0
"""Weights are blamed up to this far above the limit: an output sums many of them, and terms that
cancel leave it a lower ratio than theirs."""

_REMEDIES: Final[dict[Cause, str]] = {
    "saturation": "calibrate with more images, or with images more like these",
    "channels": "try edgecnn convert --repair, or a variant with more bits for activations",
    "steps": "try edgecnn convert --repair, or leave out calibration images that widen the range",
    "weights": "try edgecnn convert --repair, or a variant with float weights",
    "inherited": "try edgecnn convert --repair, or a variant with more bits for activations",
}


@dataclass(frozen=True, kw_only=True)
class LayerFinding:
    """What is wrong at one layer, if anything is.

    Attributes:
        first: Position of the first layer below the limit; None where there is none.
        steepest: Position of the layer before the answer at which the noise's share of the signal
            grows most; None without layers.
        cause: Why the first layer below the limit is there; None where there is none.
        sentence: All of it in one sentence.
    """

    first: int | None
    steepest: int | None
    cause: Cause | None
    sentence: str


def diagnose(comparison: LayerComparison, *, limit_db: float = LIMIT_DB) -> LayerFinding:
    """Say where a converted file departs from its float file.

    Args:
        comparison: The layers.
        limit_db: Ratio below which a layer is suspect, dB.
    """
    layers = comparison.layers
    if not layers:
        sentence = "No tensor of the float file has a counterpart in this one."
        return LayerFinding(first=None, steepest=None, cause=None, sentence=sentence)
    ratios = ratios_that_count(layers)
    steepest = _steepest(layers, ratios)
    first = next((one for one in layers if ratios[one.position] < limit_db), None)
    if first is None:
        lowest = min(layers, key=lambda one: ratios[one.position])
        grows = "there" if lowest is steepest else f"at {label_of(steepest)}"
        sentence = (
            f"No layer is below {limit_db:g} dB; the lowest is {label_of(lowest)} at "
            f"{decibel_text(ratios[lowest.position])}, and the noise grows most {grows}."
        )
        return LayerFinding(first=None, steepest=steepest.position, cause=None, sentence=sentence)
    cause = _cause(first, ratios, limit_db)
    grows = "" if steepest is first else f" (the noise grows most at {label_of(steepest)})"
    sentence = (
        f"The first layer below {limit_db:g} dB is {label_of(first)}, {first.position + 1} of "
        f"{len(layers)}, at {decibel_text(ratios[first.position])}{grows}: "
        f"{_because(first, ratios, cause)}; {_REMEDIES[cause]}."
    )
    return LayerFinding(
        first=first.position, steepest=steepest.position, cause=cause, sentence=sentence
    )


def label_of(layer: LayerError) -> str:
    """Return a layer's operator and the first part of its name, which no other layer has."""
    return f"{layer.operator} {layer.name.partition(';')[0]}"


def ratios_that_count(layers: Sequence[LayerError]) -> tuple[float, ...]:
    """Return what each layer is judged by, dB: its ratio, or that of half its channels if lower.

    Where one channel is a thousand times larger than the others it has all the energy, so that the
    ratio of the whole does not show that the others are lost. Of what no layer reads, the answer,
    the whole counts alone: most classes have a score near 0, and storing that as 0 loses nothing.
    """
    read = {position for one in layers for position in one.inputs}
    return tuple(
        min(one.snr_db, one.channels_db) if one.position in read else one.snr_db for one in layers
    )


def _noise(ratio_db: float) -> float:
    """Return noise over signal, as energies; 1 where nothing of the signal is left to lose."""
    return min(1.0, float(10 ** (-ratio_db / 10)))


def _before(layer: LayerError, ratios: Sequence[float]) -> float:
    """Return the noise of a layer's noisiest input; 0 for the image."""
    return max((_noise(ratios[position]) for position in layer.inputs), default=0.0)


def _steepest(layers: Sequence[LayerError], ratios: Sequence[float]) -> LayerError:
    """Return where noise grows most before the answer, which only shows what came before it."""
    read = {position for one in layers for position in one.inputs}
    inner = [one for one in layers if one.position in read] or layers
    return max(inner, key=lambda one: _noise(ratios[one.position]) - _before(one, ratios))


def _cause(layer: LayerError, ratios: Sequence[float], limit_db: float) -> Cause:
    """Tell what accounts for a layer's noise."""
    ratio = ratios[layer.position]
    by_channel = ratio < layer.snr_db
    storage = layer.storage_channels_db if by_channel else layer.storage_db
    if storage is not None and _noise(storage) >= _SHARE * _noise(ratio):
        if (layer.clipped or 0.0) >= _SHARE:
            return "saturation"
        return "channels" if by_channel else "steps"
    # What its inputs bring, and what is rounded on the way in a dynamic variant, is no fault of
    # the weights.
    if _before(layer, ratios) >= _SHARE * _noise(ratio):
        return "inherited"
    coarse = layer.weights_db is not None and layer.weights_db < limit_db + _WEIGHTS_MARGIN_DB
    return "weights" if coarse else "inherited"


def _because(layer: LayerError, ratios: Sequence[float], cause: Cause) -> str:
    if cause == "saturation":
        return (
            f"{100 * (layer.saturated or 0.0):.2g} % of its values are cut off at the end of the "
            "range that calibration found"
        )
    if cause == "channels":
        return (
            f"its largest channel reaches {layer.spread:,.0f} times as far as a typical one, so "
            "that one step for all is too coarse for the others"
        )
    if cause == "steps":
        return (
            "its range is so much wider than its usual values that rounding them to its steps "
            f"alone leaves {decibel_text(layer.storage_db or 0.0)}"
        )
    if cause == "weights":
        return (
            "its weights are rounded too coarsely, half of its input channels keep at most "
            f"{decibel_text(layer.weights_db or 0.0)}"
        )
    lowest = min((ratios[position] for position in layer.inputs), default=None)
    so_far = "" if lowest is None else f", its inputs are at {decibel_text(lowest)}"
    return f"noise has piled up over the layers before it{so_far}, and no one range is at fault"
