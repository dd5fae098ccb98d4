"""An ONNX file that shows every tensor between its operators, by onnxruntime's own tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.modelfile.layers.assembly import LayerNode
from edgecnn.modelfile.layers.tally import Grid
from edgecnn_runner.formats.container import Container
from edgecnn_runner.images.feed import make_feed
from edgecnn_runner.runtimes.telemetry import no_telemetry

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
