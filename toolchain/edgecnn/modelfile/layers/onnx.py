"""ONNX files, compared tensor by tensor by onnxruntime's own tools for debugging quantization.

``onnxruntime.quantization.qdq_loss_debug`` makes every tensor an output, runs both files and
matches their tensors by the names that ``quantize_static`` gives. Its own sums want all
activations at once; here they are fed to it a few images at a time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.modelfile.layers.assembly import assemble
from edgecnn.modelfile.layers.onnx_file import Activations, OnnxFile
from edgecnn.modelfile.layers.tally import Tally, median_db
from edgecnn.modelfile.layers.types import LayerComparison
from edgecnn.quiet import captured_log
from edgecnn_runner.errors import ArtifactError, EdgeError
from edgecnn_runner.formats.container import Container
from edgecnn_runner.remedies import COPY_AGAIN
from edgecnn_runner.runtimes.choice import does_not_start, one_line
from edgecnn_runner.runtimes.telemetry import no_telemetry

_BUDGET_BYTES: Final = 64 << 20
"""For the activations of both files that are held at a time."""


def compare_onnx(
    source: Container,
    target: Container,
    pixels: npt.NDArray[np.uint8],
    advance: Callable[[int], None],
) -> LayerComparison:
    """Compare two ONNX files; see ``edgecnn.modelfile.layers.compare``.

    Args:
        source: The float file.
        target: The converted file.
        pixels: Shape (n, height, width, channels).
        advance: Is told how many images were done since the last time.
    """
    _check_runtime()
    with captured_log(), tempfile.TemporaryDirectory(prefix="edgecnn-") as folder:
        try:
            before = OnnxFile(source, Path(folder) / "float.onnx")
            after = OnnxFile(target, Path(folder) / "converted.onnx")
            tallies = _tallies(before, after, pixels, advance)
            weights = _weights_db(before, after)
        except EdgeError:
            raise
        except Exception as error:
            raise ArtifactError(
                "the model cannot be run with all of its tensors kept",
                observed=one_line(str(error)),
                expected="an ONNX model that onnxruntime runs without optimizing it",
                remedy=COPY_AGAIN,
            ) from error
    fused = _fused(before, after, tallies)
    hidden = {name for names in fused.values() for name in names}
    by_layer = {
        name: next(
            (
                weights[w]
                for t in (*fused.get(name, ()), name)
                for w in before.reads(t)
                if w in weights
            ),
            None,
        )
        for name in tallies
    }
    return LayerComparison(
        layers=assemble(
            before.nodes,
            tallies,
            fused=fused,
            weights_db={name: value for name, value in by_layer.items() if value is not None},
        ),
        unmatched=tuple(
            node.name
            for node in before.nodes
            if node.name not in tallies and node.name not in hidden
        ),
    )


def _tallies(
    before: OnnxFile,
    after: OnnxFile,
    pixels: npt.NDArray[np.uint8],
    advance: Callable[[int], None],
) -> dict[str, Tally]:
    """Run both files on all images, a few at a time."""
    tallies: dict[str, Tally] = {}
    size, start = 1, 0
    while start < len(pixels):
        images = pixels[start : start + size]
        signals, values = before.collect(images), after.collect(images)
        for name, (signal, value) in _matched(before, signals, values).items():
            shape = before.shapes[name]
            if 0 in shape:  # a size that shape inference cannot tell
                shape = (1, signal[0].size)
            # Of an image's own axes the first is the batch, which has one, and then the channels.
            axis = min(1, len(shape) - 1)
            if name not in tallies:
                tallies[name] = Tally(after.grid(name), axis=1 + axis)
            one, other = (np.stack(each).reshape(len(images), *shape) for each in (signal, value))
            tallies[name].add(one, other)
        if start == 0:
            held = sum(a.nbytes for one in (signals, values) for many in one.values() for a in many)
            size = max(1, _BUDGET_BYTES // max(held, 1))
        start += len(images)
        advance(len(images))
    return tallies


def _matched(
    before: OnnxFile, signals: Activations, values: Activations
) -> dict[str, tuple[Sequence[npt.NDArray[Any]], Sequence[npt.NDArray[Any]]]]:
    """Return the tensors of both files that belong together, by the float file's names.

    onnxruntime's tool pairs those that are quantized. The others keep their names where they are
    computed in real numbers.
    """
    from onnxruntime.quantization.qdq_loss_debug import create_activation_matching

    paired = create_activation_matching(values, signals)
    found = {}
    for name in before.shapes:
        value = paired[name]["post_qdq"] if name in paired else values.get(name)
        if name not in signals or value is None or value[0].size != signals[name][0].size:
            continue
        found[name] = (signals[name], value)
    return found


def _fused(
    before: OnnxFile, after: OnnxFile, compared: Mapping[str, Tally]
) -> dict[str, tuple[str, ...]]:
    """Tell what the converted file computes inside another operator.

    ``quantize_static`` takes a Relu away whose work the quantized range of its input does, and
    gives the operator before it the Relu's name.
    """
    found: dict[str, tuple[str, ...]] = {}
    for node in before.nodes:
        if node.name in compared:
            continue
        chain, last = [node.name], node.name
        while last not in compared:
            readers = before.readers.get(last, [])
            if len(readers) != 1:
                break
            last = str(readers[0].output[0])
            chain.append(last)
        if last in compared and after.operator(last) == node.operator:
            found.setdefault(last, tuple(chain[:-1]))
    return found


def _weights_db(before: OnnxFile, after: OnnxFile) -> dict[str, float]:
    """Return the ratio of each constant of two axes or more, by its name in the float file."""
    from onnx import numpy_helper
    from onnxruntime.quantization.qdq_loss_debug import create_weight_matching

    pairs = {
        name: (pair["float"], pair["dequantized"])
        for name, pair in create_weight_matching(str(before.path), str(after.path)).items()
    }
    for name in before.constants.keys() & after.constants.keys() - pairs.keys():
        one, other = (numpy_helper.to_array(file.constants[name]) for file in (before, after))
        pairs[name] = (one, other)
    return {
        name: median_db(one, other, axis=_input_axis(before.readers[name][0], one.shape))
        for name, (one, other) in pairs.items()
        if name in before.readers
        and one.ndim >= 2
        and one.shape == other.shape
        and one.dtype.kind == "f"
    }


def _input_axis(node: Any, shape: tuple[int, ...]) -> int:
    """Return the axis of the input channels in an operator's weights."""
    if node.op_type == "Conv":
        # Weights are (out, in / groups, ...); a depthwise one has its channels on the first axis.
        return 1 if shape[1] > 1 else 0
    turned = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return len(shape) - 1 if turned else len(shape) - 2


def _check_runtime() -> None:
    no_telemetry()
    try:
        import onnxruntime  # noqa: F401
    except (ImportError, SystemError, AttributeError, OSError) as error:
        raise does_not_start("onnxruntime", error) from error
