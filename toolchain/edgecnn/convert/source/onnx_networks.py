"""Makes of an ONNX source what its files are made of, each compared with the source before use.

The ONNX files are made of the source's own graph; the TFLite files of a copy in Keras, where every
operator of the graph has a place in it. What cannot be made, or does not answer as the source does,
is the reason that its variants fail with; the others are made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from edgecnn.convert.graph.deployable import Deployable, deployable_of
from edgecnn.convert.graph.onnx_direct import DirectOnnx, direct_onnx
from edgecnn.convert.reasons import reason_of
from edgecnn.convert.scoring import FloatScorer
from edgecnn.convert.source.faithfulness import Step, compared_with_source
from edgecnn.convert.source.model import SourceModel
from edgecnn.convert.source.onnx_model import OnnxSource
from edgecnn.errors import ConversionError, EdgeError
from edgecnn.progress import Progress

_Network = TypeVar("_Network")
_ONNX_INSTEAD: Final = (
    "the ONNX variants need no such copy; a TFLite file by another converter can be proven by "
    "edgecnn verify --artifact FILE --reference MODEL.onnx"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class OnnxNetworks:
    """What an ONNX source's files are made of.

    Attributes:
        deployable: Its copy in TensorFlow, or why there is none.
        direct: Its own graph, or why it cannot be used.
        steps: How far they answer from the source.
        notes: What a user should know.
    """

    deployable: Deployable | EdgeError
    direct: DirectOnnx | EdgeError
    steps: tuple[Step, ...]
    notes: tuple[str, ...]


def onnx_networks(
    model: SourceModel,
    kind: str,
    pixels: npt.NDArray[np.uint8],
    *,
    opset: int,
    ir_version: int,
    progress: Progress,
) -> OnnxNetworks:
    """Make the networks, and compare them with the source.

    Args:
        model: The source model; it has ``onnx``.
        kind: ``probabilities`` or ``logits``: what its scores are.
        pixels: Images to compare on, shape (n, height, width, channels).
        opset: Of the ONNX files.
        ir_version: Of the ONNX files.
        progress: Gets a line for what cannot be made.

    Returns:
        The networks.

    Raises:
        ScoreError: If the source answers with NaN or infinity.
        SourceModelError: If the source cannot be loaded for one image of this size.
    """
    source = model.onnx
    assert source is not None  # noqa: S101 - the caller's promise
    _, height, width, _ = pixels.shape
    core = source.core(height, width)
    own = FloatScorer(model).raw(pixels)
    steps: list[Step] = []

    def direct() -> DirectOnnx:
        made = direct_onnx(
            core,
            layout=source.layout,
            channels=source.channels,
            input_range=model.input_range,
            opset=opset,
            ir_version=ir_version,
        )
        name = "the ONNX network of raw pixels, with ONNX Runtime on the source"
        steps.append(compared_with_source(name, made, own, kind, model.computes, pixels))
        return made

    def deployable() -> Deployable:
        made = _imported(source, core.SerializeToString(), model.input_range, (height, width))
        name = "the copy in Keras, with ONNX Runtime on the source"
        steps.append(compared_with_source(name, made, own, kind, model.computes, pixels))
        return made.without_source()

    of_onnx, of_tensorflow = _made(direct), _made(deployable)
    for what, found in (("ONNX", of_onnx), ("TFLite", of_tensorflow)):
        if isinstance(found, EdgeError):
            progress.message(f"convert: no {what} variants: {found.problem}: {found.observed}")
    notes = of_onnx.notes if isinstance(of_onnx, DirectOnnx) else ()
    return OnnxNetworks(deployable=of_tensorflow, direct=of_onnx, steps=tuple(steps), notes=notes)


def _made(make: Callable[[], _Network]) -> _Network | EdgeError:
    try:
        return make()
    except EdgeError as error:
        return error


def _imported(
    source: OnnxSource, core: bytes, input_range: str, size: tuple[int, int]
) -> Deployable:
    """Import the graph into Keras.

    Raises:
        ConversionError: If an operator has no place in Keras, or the import fails otherwise.
    """
    from edgecnn.convert.source.onnx.graph import read_graph
    from edgecnn.convert.source.onnx.importer import to_keras

    try:
        network = to_keras(read_graph(core))
        return deployable_of(
            lambda images: network(images, training=False),
            shape=(*size, source.channels),
            input_range=input_range,
        )
    except EdgeError as error:
        raise ConversionError(
            f"{source.path.name} cannot be copied into Keras, of which TFLite files are made: "
            f"{error.problem}",
            observed=error.observed,
            expected=error.expected,
            remedy=_ONNX_INSTEAD,
        ) from error
    except Exception as error:
        raise ConversionError(
            f"{source.path.name} cannot be copied into Keras, of which TFLite files are made",
            observed=reason_of(error),
            expected="operators that have a place in Keras",
            remedy=_ONNX_INSTEAD,
        ) from error
