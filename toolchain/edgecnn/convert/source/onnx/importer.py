"""Imports the CNN subset of ONNX into a Keras model with channels last."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from edgecnn.convert.source.onnx.arithmetic import ARITHMETIC
from edgecnn.convert.source.onnx.call import REMEDY, Call
from edgecnn.convert.source.onnx.convolutions import WINDOWS
from edgecnn.convert.source.onnx.graph import OnnxGraph
from edgecnn.convert.source.onnx.patterns import simplified
from edgecnn.convert.source.onnx.shapes import SHAPES
from edgecnn.convert.source.onnx.views import LAST, View, placed, reshaped, viewed
from edgecnn.errors import SourceModelError, some_of

OPERATORS: Final = {**ARITHMETIC, **WINDOWS, **SHAPES}
"""The importing function of each operator that is imported."""


LIMITS: Final = {
    "AveragePool": "no dilations",
    "BatchNormalization": "of an image, not in training mode",
    "Cast": "to float32; others are computed where they are of constants",
    "Clip": "limits that are constants",
    "Conv": "a kernel that is a constant, over height and width",
    "ConvTranspose": "a kernel that is a constant, over height and width",
    "Gather": "a list of places, or one, that is constant",
    "Gemm": "the second input is a constant, and the first is not turned",
    "GroupNormalization": "of an image",
    "InstanceNormalization": "of an image",
    "LRN": "of an image",
    "LayerNormalization": "mean and deviation are no outputs",
    "MatMul": "of matrices of one rank, or with a constant matrix",
    "MaxPool": "no dilations; the places of the largest are no output",
    "PRelu": "a slope that is a constant",
    "Pad": "constant, reflect or edge; nothing is cut",
    "Resize": "nearest or linear, of height and width, without antialias; by half_pixel, "
    "half_pixel_symmetric, pytorch_half_pixel, align_corners or asymmetric",
    "Slice": "by constants, with steps above 0",
    "Transpose": "the batch stays first",
    "Upsample": "nearest or linear, of height and width",
}
"""The forms of operators that are imported, where not all are."""


def unknown_operators(graph: OnnxGraph) -> dict[str, int]:
    """Return the operators of a graph that are not imported, and how many there are of each."""
    counts = Counter(node.op for node in graph.nodes)
    return {op: count for op, count in sorted(counts.items()) if op not in OPERATORS}


def to_keras(graph: OnnxGraph) -> Any:
    """Import a graph.

    Args:
        graph: As ``read_graph`` reads it.

    Returns:
        A functional ``keras.Model``: float32 images of shape (n, height, width, channels) in the
        model's own range in, scores of shape (n, classes) out. Convolutions, dense layers and
        normalizations are Keras's own layers with weights.

    Raises:
        SourceModelError: If it has operators that are not imported (all are named, before anything
            is made), or forms of them that are not.
    """
    import keras

    unknown = unknown_operators(graph)
    if unknown:
        named = some_of([f"{op} ({count})" for op, count in unknown.items()])
        raise SourceModelError(
            "the ONNX model has operators that edgecnn does not import for TFLite",
            observed=named,
            expected=f"some of the {len(OPERATORS)} operators that image classifiers are made of",
            remedy=REMEDY,
        )
    graph = simplified(graph)
    image = keras.Input(graph.image_shape, name="image")
    order = LAST if graph.channels_first else (0, 1, 2)
    views = {graph.input: viewed(image, order)}
    for node in graph.nodes:
        call = Call(graph, node, views)
        made = OPERATORS[node.op](call)
        results = [made] if isinstance(made, View) else made
        for index, (name, view) in enumerate(zip(node.outputs, results, strict=True)):
            if not name:
                continue
            if view.shape != call.output_shape(index)[1:]:
                raise call.refuse(
                    f"it gives {view.shape} for {call.output_shape(index)[1:]}"
                )  # a slip of ours, which must not pass as another model
            views[name] = view
    scores = views[graph.output]
    classes = max(scores.shape, default=1)
    return keras.Model(image, placed(reshaped(scores, (classes,)), (0,)))
