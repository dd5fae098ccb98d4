"""Which activations are most likely to blame for what int8 loses, and what is said of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from edgecnn.convert.repair.layers_to_keep import Activation, KeepableLayers, Layer
from edgecnn.modelfile.layers import LayerComparison, LayerError
from edgecnn_runner.quantities import decibel_text, number_text, percent_text

_BEST_DB: Final = 48.0
"""About what 8 bits can give: 20 log10(2^8) = 48.2 dB. What is better before a layer is no loss."""
_LITTLE_DB: Final = 3.0
_MUCH_SPREAD: Final = 20.0
_MUCH_CLIPPED: Final = 0.01


class Culprits:
    """The layers of a float file, by how much of the signal int8 loses at each.

    The measure is the drop, from what a layer reads to what it makes, of the signal-to-noise
    ratio of the median channel. That of a whole tensor would hide what is most common: a few
    large channels, well kept, and all others lost in one rounding step.

    Args:
        layers: The layers.
        comparison: The float file and an int8 file, on some images.
    """

    def __init__(self, layers: KeepableLayers, comparison: LayerComparison) -> None:
        self._layers = layers
        self._of_position = {one.position: one for one in comparison.layers}
        self._of_tensor = {
            name: one for one in comparison.layers for name in (one.name, *one.fused)
        }

    def ranked(self) -> list[Activation]:
        """Return the activations, those with the largest loss at or right behind them first.

        Equal ones keep the order of execution.
        """
        return sorted(self._layers.activations, key=lambda one: -self._loss(one))

    def why(self, key: str, kept: Collection[str]) -> str:
        """Say what int8 does to what a layer makes, or to what it reads.

        Args:
            key: The layer's.
            kept: All layers that stay in float.
        """
        layer = self._layers.layers[key]
        found = self._error(layer)
        if found is None:
            return "its numbers could not be compared"
        sources = [one for one in self._sources(key) if one in kept]
        if sources and min(self._before(found), _BEST_DB) - found.channels_db < _LITTLE_DB:
            return f"it reads what {', '.join(sources)} makes"
        said = [
            f"{decibel_text(found.channels_db)} of signal to noise in the median channel in int8, "
            + (
                "of the image itself"
                if not found.inputs
                else f"{number_text(self._before(found), 1)} before"
            )
        ]
        if found.spread >= _MUCH_SPREAD:
            said.append(f"its largest channel is {found.spread:,.0f} times the median one")
        if found.saturated is not None and found.saturated >= _MUCH_CLIPPED:
            said.append(f"{percent_text(found.saturated, 1)} of its values are beyond its range")
        return "; ".join(said)

    def _sources(self, key: str) -> list[str]:
        """Return the layers whose numbers a layer reads or passes on, in order of execution."""
        makers = {
            maker
            for one in self._layers.activations
            if key in one.readers | one.carriers
            for maker in one.makers
        }
        return sorted(makers, key=lambda one: self._layers.layers[one].position)

    def snr_db(self, key: str) -> float | None:
        """Return the ratio of the median channel of what a layer makes; None if not compared."""
        found = self._error(self._layers.layers[key])
        return None if found is None else found.channels_db

    def _error(self, layer: Layer) -> LayerError | None:
        return self._of_tensor.get(layer.output)

    def _before(self, one: LayerError) -> float:
        inputs = [self._of_position[place] for place in one.inputs if place in self._of_position]
        return min((found.channels_db for found in inputs), default=_BEST_DB)

    def _loss(self, activation: Activation) -> float:
        keys = activation.makers | activation.carriers | activation.readers
        errors = [self._error(self._layers.layers[key]) for key in keys]
        return max(
            (min(self._before(one), _BEST_DB) - one.channels_db for one in errors if one),
            default=0.0,
        )
