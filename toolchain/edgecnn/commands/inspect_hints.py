"""What stands out in a model file: what the runner would refuse, and what could be better."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from edgecnn.modelfile import Graph, Tensor
from edgecnn.modelfile.precision import Precision
from edgecnn.modelfile.runtimes import unlisted
from edgecnn_runner.contract import Contract
from edgecnn_runner.errors import ArtifactError
from edgecnn_runner.fitting import check_classifier
from edgecnn_runner.runtimes.choice import TensorInfo

__all__ = ["find_hints"]

_RECODING: Final = ("QUANTIZE", "DEQUANTIZE", "QuantizeLinear", "DequantizeLinear")


def find_hints(
    graph: Graph, precision: Precision, contract: Contract | None, real: tuple[str, ...]
) -> Iterator[str]:
    """Yield a sentence for each thing that a file's user may want to know or mend.

    Args:
        graph: The file's.
        precision: The graph's.
        contract: The file's; None in one that was made elsewhere.
        real: Operators of an integer graph that are not integer.
    """
    if graph.external:
        yield (
            f"edgecnn run cannot run it: {len(graph.external)} of its weights are in other files; "
            "store it as one: onnx.save_model(onnx.load(FILE), NEW)"
        )
    elif contract is None:
        reason = _not_runnable(graph)
        yield (
            f"edgecnn run cannot run it: {reason}"
            if reason
            else "no contract inside: edgecnn run needs --labels and --input-range for this file"
            + (", and --output-kind for scores of a sigmoid" if _ends_in_sigmoid(graph) else "")
        )
    if graph.nonfinite:
        yield f"NaN or infinity in {_listed(graph.nonfinite)}: its answers mean nothing"
    if graph.flex:
        yield f"needs TensorFlow's Flex delegate, which small runtimes lack: {_listed(graph.flex)}"
    if graph.custom:
        yield f"operators outside the format, which a plain runtime lacks: {_listed(graph.custom)}"
    newer = unlisted(graph)
    if newer:
        yield f"in no runtime this program knows: {_listed(newer)}"
    if precision.name == "int8-mixed":
        products = tuple(name for name in real if not name.startswith(_RECODING))
        yield f"{precision.name}: these compute with real numbers: {_listed(products)}"
    elif real:
        yield f"{precision.name}, but these compute with real numbers: {_listed(real)}"
    yield from _end_hints(graph, precision)
    if graph.uncounted:
        yield f"the multiply-accumulates of {_listed(graph.uncounted)} are not in the sum"


def _ends_in_sigmoid(graph: Graph) -> bool:
    """Tell whether the scores are a sigmoid's, as far as the last operators tell."""
    makers = {id(tensor): op for op in graph.operators for tensor in op.outputs}
    tensor: Tensor | None = graph.outputs[0] if graph.outputs else None
    while tensor is not None and (maker := makers.pop(id(tensor), None)) is not None:
        if maker.name not in _RECODING:
            return maker.name in ("LOGISTIC", "Sigmoid")
        tensor = maker.inputs[0] if maker.inputs else None
    return False


def _not_runnable(graph: Graph) -> str | None:
    """Say why the runner would refuse a file that was made elsewhere; None if it would not."""
    if any(tensor.shape is None for tensor in (*graph.inputs, *graph.outputs)):
        return None  # the file does not tell; its runtime may know
    ends = [
        tuple(
            TensorInfo(
                name=tensor.name,
                shape=tuple(-1 if size is None else size for size in tensor.shape or ()),
                dtype=tensor.dtype,
            )
            for tensor in tensors
        )
        for tensors in (graph.inputs, graph.outputs)
    ]
    try:
        check_classifier(ends[0], ends[1], name="it")
    except ArtifactError as error:
        problem = error.problem.removeprefix("it is not an image classifier: ")
        return problem if str(error.observed) in problem else f"{problem}: {error.observed}"
    return None


def _end_hints(graph: Graph, precision: Precision) -> Iterator[str]:
    for what, ends in (("input", graph.inputs), ("output", graph.outputs)):
        if len(ends) != 1:
            yield f"{len(ends)} {what}s: an image classifier has one"
        for tensor in ends[:1]:
            batch = tensor.shape[0] if tensor.shape else 1
            if batch is None:
                yield f"the {what}'s batch size is open; a fixed batch of 1 is smaller and faster"
            elif what == "input" and batch > 1:
                yield f"it takes {batch} images at a time"
            is_integer = precision.name in ("int8", "int16x8")
            if graph.format == "tflite" and is_integer and tensor.dtype == "float32":
                yield f"{precision.name} inside, but its {what} is float32"


def _listed(names: tuple[str, ...]) -> str:
    """Name the first few."""
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
