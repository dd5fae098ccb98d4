"""ONNX files, compared tensor by tensor by onnxruntime's own tools for debugging quantization.

``onnxruntime.quantization.qdq_loss_debug`` makes every tensor an output, runs both files and
matches their tensors by the names that ``quantize_static`` gives. Its own sums want all
activations at once; here they are fed to it a few images at a time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.modelfile.layers.matching import LayerNode, assemble
from edgecnn.modelfile.layers.tally import Grid, LayerComparison, Tally, median_db
from edgecnn.quiet import captured_log
from edgecnn_runner.errors import COPY_AGAIN, ArtifactError, EdgeError
from edgecnn_runner.formats.container import Container
from edgecnn_runner.images.feed import make_feed
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


_VIEWS: Final = {"QuantizeLinear", "DequantizeLinear"}
_BEFORE: Final = "_QuantizeLinear_Input"
"""Behind the name of an output of the network that is quantized: its values before that."""

Activations = Mapping[str, Sequence[npt.NDArray[Any]]]


class OnnxFile:
    """An ONNX file with every tensor between its operators made an output.

    Args:
        container: The file, with a contract.
        path: Where to write a copy; onnxruntime's tools write beside the files they read.
    """

    def __init__(self, container: Container, path: Path) -> None:
        no_telemetry()
        import onnx
        from onnxruntime.quantization.qdq_loss_debug import modify_model_output_intermediate_tensors

        assert container.contract is not None  # noqa: S101 - the caller checked it
        self.path = path
        self._feed = make_feed(container.contract.input)
        path.write_bytes(container.data)
        self._augmented = path.with_name(f"{path.stem}-all.onnx")
        modify_model_output_intermediate_tensors(path, self._augmented)
        graph = onnx.load(path).graph
        self._input = graph.input[0].name
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.makers = {tensor: node for node in graph.node for tensor in node.output}
        self.readers: dict[str, list[Any]] = {}
        for node in graph.node:
            for tensor in node.input:
                self.readers.setdefault(tensor, []).append(node)
        self.shapes = self._without_constants(onnx.load(self._augmented))
        self.nodes = [
            LayerNode(name=tensor, operator=node.op_type, reads=tuple(node.input))
            for node in graph.node
            for tensor in node.output
            if tensor in self.shapes
        ]

    def collect(self, images: npt.NDArray[np.uint8]) -> Activations:
        """Return all tensors by name, flat, one array for each image."""
        from onnxruntime.quantization.qdq_loss_debug import collect_activations

        found: Activations = collect_activations(str(self._augmented), self._reader(images))
        return found

    def reads(self, tensor: str) -> tuple[str, ...]:
        """Return what the operator of a tensor reads."""
        return tuple(self.makers[tensor].input)

    def operator(self, tensor: str) -> str | None:
        """Return the type of what computes a tensor, through mere changes of type."""
        maker = self.makers.get(tensor)
        while maker is not None and maker.op_type in _VIEWS:
            maker = self.makers.get(maker.input[0])
        return None if maker is None else str(maker.op_type)

    def grid(self, name: str) -> Grid | None:
        """Return how a tensor is stored; None for real numbers."""
        from onnx import numpy_helper

        readers = [*self.readers.get(name + _BEFORE, []), *self.readers.get(name, [])]
        storing = next((node for node in readers if node.op_type == "QuantizeLinear"), None)
        if storing is None or any(one not in self.constants for one in storing.input[1:]):
            return None
        scale = numpy_helper.to_array(self.constants[storing.input[1]])
        # The type of the zero point is that of the tensor; without one it is uint8.
        zero = np.zeros((), np.uint8)
        if len(storing.input) > 2:
            zero = numpy_helper.to_array(self.constants[storing.input[2]])
        if scale.size != 1 or zero.dtype.kind not in "iu":
            return None
        limits = np.iinfo(zero.dtype)
        return Grid(
            scale=float(scale.item()),
            zero_point=int(zero.item()),
            low=int(limits.min),
            high=int(limits.max),
        )

    def _reader(self, images: npt.NDArray[np.uint8]) -> Iterator[dict[str, Any]]:
        for image in images:
            yield {self._input: self._feed(image)}

    def _without_constants(self, model: Any) -> dict[str, tuple[int, ...]]:
        """Take what does not depend on the image out of the outputs; return all others' shapes.

        Dequantized weights would otherwise be collected once for every image.
        """
        import onnx

        graph = model.graph
        fixed = {tensor.name for tensor in graph.initializer}
        for node in graph.node:
            if fixed.issuperset(node.input):
                fixed.update(node.output)
        dropped = {output.name for output in graph.output if output.name in fixed}
        nodes = [node for node in graph.node if not dropped.issuperset(node.output)]
        outputs = [output for output in graph.output if output.name not in dropped]
        for field, kept in ((graph.node, nodes), (graph.output, outputs)):
            del field[:]
            field.extend(kept)
        onnx.save(model, self._augmented)
        real = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
        return {
            value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
            for value in (*graph.value_info, *graph.output)
            if value.name in self.makers.keys() - fixed and value.type.tensor_type.elem_type in real
        }
