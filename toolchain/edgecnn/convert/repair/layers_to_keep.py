"""What can be kept in float32 of a network: its layers, and the activations between them.

An activation whose values differ much from channel to channel, or that has an outlier, is spoilt
by the one scale that int8 gives it. Keeping the layer that makes it in float does not help while
the layer that reads it is int8, nor the other way round: both have to be float, and what lies
between them, too. So the unit of a repair is an activation with all layers that touch it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from edgecnn.modelfile import Graph, Operator, Tensor
from edgecnn.modelfile.integer import real_operators
from edgecnn.modelfile.types import FLOAT_DTYPES

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
