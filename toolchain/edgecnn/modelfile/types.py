"""The content of a model file, in one form for TFLite and ONNX.

Plain data only: readers fill it (``tflite``, ``onnx``), everybody else looks at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

Shape = tuple[int | None, ...]
"""Sizes in the file's own order; None where the file leaves one open."""

FLOAT_DTYPES: Final = frozenset({"float16", "bfloat16", "float32", "float64"})
INTEGER_DTYPES: Final = frozenset(
    {"int4", "uint4", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "bool"}
)


class DamagedGraphError(ValueError):
    """A file's structure is impossible; ``read_graph`` makes an ``ArtifactError`` of it."""


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """How a tensor's integers stand for real numbers: ``(value - zero_point) * scale``.

    Attributes:
        scales: Real units per integer step, finite and not negative; one, or one per channel.
        zero_points: The integers that stand for real 0, as many as there are scales.
        axis: The dimension the channels lie on; None for one scale for the whole tensor.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int | None = None

    @property
    def per_channel(self) -> bool:
        """Whether each channel has a scale of its own."""
        return self.axis is not None


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor of a graph.

    Attributes:
        name: As in the file; may be empty.
        shape: None if the file does not tell (and it does not follow from the operators).
        dtype: ``float32``, ``int8``, ...; ``unknown`` if the file does not tell.
        quantization: None for a tensor of real numbers or plain integers.
        constant: Whether the file holds its values.
    """

    name: str
    shape: Shape | None
    dtype: str
    quantization: Quantization | None = None
    constant: bool = False


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator of a graph.

    Attributes:
        name: ``CONV_2D`` (TFLite) or ``Conv`` (ONNX); for an operator that the format does not
            define itself, the name its author gave it, such as ``FlexErf``.
        version: TFLite operator version, or the ONNX opset of the operator's domain.
        domain: ONNX domain, empty for the standard one; ``custom`` for TFLite custom operators.
        inputs: None where an optional input is left out.
        outputs: None where an optional output is left out.
        macs: Multiply-accumulates of one run, sizes left open counted as 1; 0 for operators
            that are no products of matrices; None where they cannot be told.
        subgraph: 0 for the graph itself; others are bodies of control flow.
        label: What the file calls this one operator; empty if it does not, as TFLite never does.
    """

    name: str
    version: int | None
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor | None, ...]
    macs: int | None = 0
    domain: str = ""
    subgraph: int = 0
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A model file's content as far as it matters to a classifier.

    Attributes:
        format: ``tflite`` or ``onnx``.
        operators: In order of execution, those of control-flow bodies last.
        inputs: What a caller has to feed, without constants.
        outputs: What a caller gets.
        macs: Sum over the operators whose count is known; see ``uncounted``.
        uncounted: Names of operators whose multiply-accumulates cannot be told.
        parameters: Elements of all weights: constants that are real numbers or stand for them.
        weight_bytes: Bytes these take in the file.
        weight_dtypes: Data type to number of weight elements.
        payload_bytes: The model without a contract behind it.
        min_runtime: ``tflite`` or ``onnxruntime`` to the lowest version that loads the file;
            see ``runtimes``. Empty where that is not known.
        opset: ONNX standard opset; None for TFLite.
        ir_version: ONNX IR version; None for TFLite.
        flex: Names of TFLite operators that need the TensorFlow (Flex) delegate.
        custom: Names of other operators outside the format's own set.
        nonfinite: Names of weights that hold NaN or infinity.
        external: Names of constants whose values are in other files, which are not read.
        subgraphs: How many graphs the file holds, control-flow bodies included.
        description: The file's own description or producer.
        metadata: The file's metadata names, and their values where these are short text.
    """

    format: str
    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    macs: int
    parameters: int
    weight_bytes: int
    payload_bytes: int
    uncounted: tuple[str, ...] = ()
    weight_dtypes: Mapping[str, int] = field(default_factory=dict)
    min_runtime: Mapping[str, str] = field(default_factory=dict)
    opset: int | None = None
    ir_version: int | None = None
    flex: tuple[str, ...] = ()
    custom: tuple[str, ...] = ()
    nonfinite: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    subgraphs: int = 1
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
