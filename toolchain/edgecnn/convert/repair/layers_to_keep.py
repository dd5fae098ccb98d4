"""What can be kept in float32 of a network: its layers, and the activations between them.

An activation whose values differ much from channel to channel, or that has an outlier, is spoilt
by the one scale that int8 gives it. Keeping the layer that makes it in float does not help while
the layer that reads it is int8, nor the other way round: both have to be float, and what lies
between them, too. So the unit of a repair is an activation with all layers that touch it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from edgecnn.modelfile import Graph, Operator, Tensor
from edgecnn.modelfile.layers import LayerComparison, LayerError
from edgecnn.modelfile.precision import real_operators
from edgecnn.modelfile.types import FLOAT_DTYPES
from edgecnn.report.text import decibel_text, number_text, percent_text

_BEFORE_ROUNDING: Final = "_QuantizeLinear_Input"
"""What onnxruntime puts behind the name of an output when it rounds it once more."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One operator of a float file that a quantizer can be told to leave alone.

    Attributes:
        key: Its node name (ONNX) or the names of its outputs (TFLite); unique in the file.
        output: Name of the tensor that it makes; of the first, of several.
        operator: For example ``CONV_2D`` or ``Conv``.
        position: Of the operator in the file, from 0.
        macs: Multiply-accumulates; 0 for layers that are no products or whose count is unknown.
    """

    key: str
    output: str
    operator: str
    position: int
    macs: int


@dataclass(frozen=True, kw_only=True)
class Activation:
    """Numbers that pass from layers to layers, and all that touches them.

    Attributes:
        name: Of the first tensor.
        makers: Keys of the layers that make them: one, in a network without control flow.
        carriers: Keys of layers that pass them on, one input each and no products: an
            activation function, a pooling, a reshape.
        readers: Keys of the layers that compute with them.
    """

    name: str
    makers: frozenset[str]
    carriers: frozenset[str]
    readers: frozenset[str]

    @property
    def layers(self) -> frozenset[str]:
        """The layers to keep so that these numbers are never integers."""
        return self.makers | self.readers


@dataclass(frozen=True, kw_only=True)
class KeepableLayers:
    """The layers of a float file.

    Attributes:
        layers: Key to layer, in order of execution.
        activations: In order of execution.
        macs: Of the whole file.
    """

    layers: dict[str, Layer]
    activations: tuple[Activation, ...]
    macs: int

    def with_carriers(self, kept: Iterable[str]) -> frozenset[str]:
        """Return layers to keep and the carriers between them.

        A carrier is kept where what makes its numbers is, and something that reads them, or
        where nothing computes with them any more: it would be the only integer there.
        """
        chosen = frozenset(kept)
        for one in self.activations:
            if one.makers <= chosen and (one.readers & chosen or not one.readers):
                chosen |= one.carriers
        return chosen

    def in_float(self, graph: Graph) -> frozenset[str]:
        """Return the layers that compute with real numbers in a file that was made of this one.

        A quantizer leaves out more than it is told where it has no integer form of an operator.

        Args:
            graph: The file's; its tensors are called as in the float file.
        """
        names = {
            tensor.name.removesuffix(_BEFORE_ROUNDING)
            for operator in real_operators(graph).values()
            for tensor in operator.outputs
            if tensor is not None
        }
        return frozenset(key for key, layer in self.layers.items() if layer.output in names)

    def share(self, kept: Iterable[str]) -> float:
        """Return the share, 0..1, of all multiply-accumulates that some layers do."""
        return sum(self.layers[key].macs for key in kept) / max(self.macs, 1)


def find_layers(graph: Graph, keys: tuple[str, ...]) -> KeepableLayers:
    """Find layers and activations.

    Args:
        graph: A float file, without control flow.
        keys: What the quantizer calls each operator, in the graph's order.

    Returns:
        See ``KeepableLayers``.
    """
    layers = {
        key: Layer(
            key=key,
            output=next((tensor.name for tensor in operator.outputs if tensor is not None), ""),
            operator=operator.name,
            position=index,
            macs=operator.macs or 0,
        )
        for index, (key, operator) in enumerate(zip(keys, graph.operators, strict=True))
    }
    key_of = {id(operator): key for key, operator in zip(keys, graph.operators, strict=True)}
    readers: dict[int, list[Operator]] = {}
    for operator in graph.operators:
        for tensor in _numbers(operator.inputs):
            readers.setdefault(id(tensor), []).append(operator)
    found = []
    for operator in graph.operators:
        if _carries(operator) and operator is not graph.operators[0]:
            continue
        for tensor in _numbers(operator.outputs):
            carriers, ends = _followed(tensor, readers)
            found.append(
                Activation(
                    name=tensor.name,
                    makers=frozenset({key_of[id(operator)]}),
                    carriers=frozenset(key_of[id(one)] for one in carriers),
                    readers=frozenset(key_of[id(one)] for one in ends),
                )
            )
    return KeepableLayers(layers=layers, activations=tuple(found), macs=graph.macs)


def _followed(
    tensor: Tensor, readers: dict[int, list[Operator]]
) -> tuple[list[Operator], list[Operator]]:
    """Return who passes a tensor on, and who computes with what they pass on."""
    carriers, ends = [], []
    todo = [tensor]
    while todo:
        for reader in readers.get(id(todo.pop()), []):
            if _carries(reader):
                carriers.append(reader)
                todo += _numbers(reader.outputs)
            else:
                ends.append(reader)
    return carriers, ends


def _carries(operator: Operator) -> bool:
    return not operator.macs and operator.macs is not None and len(_numbers(operator.inputs)) == 1


def _numbers(tensors: Iterable[Tensor | None]) -> list[Tensor]:
    """Return the tensors of real numbers that are not constants."""
    return [
        tensor
        for tensor in tensors
        if tensor is not None and not tensor.constant and tensor.dtype in FLOAT_DTYPES
    ]


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
