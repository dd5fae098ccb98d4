"""From a float file's operators and the numbers of their tensors to layers in network order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecnn.modelfile.layers.tally import Tally
from edgecnn.modelfile.layers.types import LayerError


@dataclass(frozen=True, kw_only=True)
class LayerNode:
    """One tensor of the float file and what makes it.

    Attributes:
        name: The tensor.
        operator: Type of its operator.
        reads: Names of the tensors that the operator reads, constants included.
    """

    name: str
    operator: str
    reads: tuple[str, ...]


def assemble(
    nodes: Sequence[LayerNode],
    tallies: Mapping[str, Tally],
    *,
    fused: Mapping[str, tuple[str, ...]],
    weights_db: Mapping[str, float],
) -> tuple[LayerError, ...]:
    """Put the layers together.

    Args:
        nodes: All that the float file computes, in order.
        tallies: Name to numbers; what is missing is no layer.
        fused: Name to what is computed inside of it.
        weights_db: Name to the ratio of the operator's weights, where it has some.

    Returns:
        One layer for each tally.
    """
    by_name = {node.name: node for node in nodes}
    places = {
        node.name: place
        for place, node in enumerate(node for node in nodes if node.name in tallies)
    }
    layers = []
    for name, position in places.items():
        tally, inside = tallies[name], fused.get(name, ())
        layers.append(
            LayerError(
                name=name,
                operator=by_name[inside[0] if inside else name].operator,
                position=position,
                snr_db=tally.snr_db,
                channels_db=tally.channels_db,
                saturated=tally.saturated,
                storage_db=tally.storage_db,
                storage_channels_db=tally.storage_channels_db,
                clipped=tally.clipped,
                spread=tally.spread,
                weights_db=weights_db.get(name),
                inputs=_inputs(by_name[name], by_name, places),
                fused=inside,
            )
        )
    return tuple(layers)


def _inputs(
    node: LayerNode, by_name: Mapping[str, LayerNode], places: Mapping[str, int]
) -> tuple[int, ...]:
    """Return the layers that a tensor is computed from, through tensors that are none."""
    found: set[int] = set()
    seen: set[str] = set()
    waiting = [*node.reads]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in by_name:
            continue
        seen.add(name)
        if name in places:
            found.add(places[name])
        else:
            waiting += by_name[name].reads
    return tuple(sorted(found))
