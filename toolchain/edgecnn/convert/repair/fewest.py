"""Find few layers that have to be float so that the rest may be int8.

A search over sets of layers that knows neither files nor runtimes: it asks a trial. Nothing less
than trying every set would find the fewest for certain. This grows a set by the activation that
helps most, and then takes out again, one by one, all layers that it holds without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from edgecnn.convert.repair.layers_to_keep import Activation, KeepableLayers

_MOST_FLOAT: Final = 0.5
"""With half of the work in float, a float16 file is the better answer."""

_WIDTH: Final = 16
"""How many activations one step of growing tries, of those that are likeliest at fault."""

_GAIN: Final = 0.95
"""The distance has to fall below this share of what it was for a layer to have helped."""


@dataclass(frozen=True, kw_only=True)
class TriedLayers:
    """What became of one set of layers.

    Attributes:
        holds: It is within the limits.
        distance: How far its scores are from the float model's; infinite if it cannot be made.
    """

    holds: bool
    distance: float


Trial = Callable[[frozenset[str]], TriedLayers]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What the search came to.

    Attributes:
        layers: Keys of the layers to keep in float, carriers included; empty if none will do.
        trials: How many sets were tried.
        reason: Why it ended without an answer; empty if it has one.
    """

    layers: frozenset[str]
    trials: int
    reason: str = ""


def find_fewest(
    layers: KeepableLayers, ranked: Sequence[Activation], trial: Trial, *, start: float, budget: int
) -> Kept:
    """Search.

    Args:
        layers: The network's.
        ranked: Its activations, those that are most likely at fault first.
        trial: Makes a file with some layers in float, and judges it.
        start: Distance of the file with no layer in float.
        budget: How many sets may be tried to grow one that holds. Taking layers out again costs
            one more trial for each layer of that set.

    Returns:
        The layers, at most half of the network's multiply-accumulates.
    """
    return _Search(layers, ranked, trial, budget).run(start)


class _Search:
    """One search, with its memory of what was tried."""

    def __init__(
        self, layers: KeepableLayers, ranked: Sequence[Activation], trial: Trial, budget: int
    ) -> None:
        self._layers, self._ranked, self._budget = layers, list(ranked), budget
        self._trial = trial
        self._known: dict[frozenset[str], TriedLayers] = {}

    def run(self, start: float) -> Kept:
        grown = self._grow(start)
        if isinstance(grown, str):
            return Kept(layers=frozenset(), trials=len(self._known), reason=grown)
        fewest = self._layers.with_carriers(self._prune(grown))
        return Kept(layers=fewest, trials=len(self._known))

    def _try(self, kept: frozenset[str]) -> TriedLayers:
        whole = self._layers.with_carriers(kept)
        if whole not in self._known:
            self._known[whole] = self._trial(whole)
        return self._known[whole]

    def _grow(self, distance: float) -> frozenset[str] | str:
        """Add the activation that helps most until the set holds; or say why none does."""
        kept: frozenset[str] = frozenset()
        while True:
            open_to = [
                one
                for one in self._ranked
                if not one.layers <= kept and self._layers.share(kept | one.layers) <= _MOST_FLOAT
            ]
            if not open_to:
                return f"with half of the multiply-accumulates in float ({len(kept)} layers) " + (
                    "the limits still do not hold"
                )
            found: list[tuple[TriedLayers, Activation]] = []
            for one in open_to[:_WIDTH]:
                if len(self._known) >= self._budget:
                    break
                found.append((self._try(kept | one.layers), one))
            if not found:
                return f"no mixture out of {len(self._known)} tried holds the limits"
            holding = [one for tried, one in found if tried.holds]
            if holding:
                # Of equal work the one in which the first is likelier, as they are ranked.
                return min((kept | one.layers for one in holding), key=self._layers.share)
            best, chosen = min(found, key=lambda pair: pair[0].distance)
            if best.distance > _GAIN * distance:
                # Where two are at fault, mending either shows nothing: go by the ranking.
                best, chosen = found[0]
            kept, distance = kept | chosen.layers, best.distance

    def _prune(self, kept: frozenset[str]) -> frozenset[str]:
        """Take out what is not needed, the most work first."""
        layers = self._layers.layers
        for key in sorted(kept, key=lambda key: (-layers[key].macs, layers[key].position)):
            if len(kept) > 1 and self._try(kept - {key}).holds:
                kept -= {key}
        return kept
