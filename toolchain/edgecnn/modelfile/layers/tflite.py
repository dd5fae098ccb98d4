"""TFLite files, compared tensor by tensor in two interpreters that keep every tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.modelfile.layers.matching import LayerNode, Made, assemble, match
from edgecnn.modelfile.layers.tally import Grid, LayerComparison, Tally, median_db
from edgecnn_runner.errors import COPY_AGAIN, ArtifactError
from edgecnn_runner.formats.container import Container
from edgecnn_runner.images.feed import make_feed
from edgecnn_runner.runtimes.choice import does_not_start, one_line
from edgecnn_runner.runtimes.quiet import without_native_chatter

_VIEWS: Final = {"QUANTIZE", "DEQUANTIZE"}
"""Operators whose output holds the values of their input in another type."""
_STORED: Final = ("int8", "uint8", "int16")


def compare_tflite(
    source: Container,
    target: Container,
    pixels: npt.NDArray[np.uint8],
    advance: Callable[[int], None],
) -> LayerComparison:
    """Compare two TFLite files; see ``edgecnn.modelfile.layers.compare``.

    Args:
        source: The float file.
        target: The converted file.
        pixels: Shape (n, height, width, channels).
        advance: Is told how many images were done since the last time.
    """
    with without_native_chatter():
        before, after = _Opened(source), _Opened(target)
    matches = match(before.made, after.made, source_names=before.names, target_names=after.names)
    tallies = {name: Tally(after.grid(other), axis=-1) for name, other in matches.pairs.items()}
    for image in pixels:
        before.run(image)
        after.run(image)
        for name, other in matches.pairs.items():
            tallies[name].add(before.values(name), after.values(other))
        advance(1)
    weights_db = {}
    for name, other in matches.pairs.items():
        held = [before.weights(one) for one in (*matches.fused.get(name, ()), name)]
        found = _weights_db([array for arrays in held for array in arrays], after.weights(other))
        if found is not None:
            weights_db[name] = found
    return LayerComparison(
        layers=assemble(before.nodes, tallies, fused=matches.fused, weights_db=weights_db),
        unmatched=matches.unmatched,
    )


def _weights_db(
    before: list[npt.NDArray[np.float64]], after: list[npt.NDArray[np.float64]]
) -> float | None:
    """Return the ratio of an operator's weights; None where there are none to compare.

    The input channels are the last axis of all weights in TFLite; a depthwise convolution has its
    channels there, which are both.
    """
    if not before or [one.shape for one in before] != [one.shape for one in after]:
        return None
    return min(median_db(one, other, axis=-1) for one, other in zip(before, after, strict=True))


class _Opened:
    """A TFLite file in an interpreter; its tensors by name.

    Args:
        container: The file, with a contract.
    """

    def __init__(self, container: Container) -> None:
        assert container.contract is not None  # noqa: S101 - the caller checked it
        self._feed = make_feed(container.contract.input)
        self._interpreter = _interpreter(container.data)
        self._input = int(self._interpreter.get_input_details()[0]["index"])
        self._ends = {int(one["index"]) for one in self._interpreter.get_output_details()}
        self._details: dict[int, Any] = {
            int(one["index"]): one for one in self._interpreter.get_tensor_details()
        }
        self._operators = [
            (str(one["op_name"]), [int(t) for t in one["inputs"]], [int(t) for t in one["outputs"]])
            for one in self._interpreter._get_ops_details()
        ]
        self.names = {str(one["name"]) for one in self._details.values()}
        self._constants, self._views = self._looked_through()
        self._place: dict[str, int] = {}
        self.made, self.nodes = self._layers()

    def run(self, image: npt.NDArray[np.uint8]) -> None:
        """Compute all tensors of one image, shape (height, width, channels)."""
        try:
            self._interpreter.set_tensor(self._input, self._feed(image))
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise _unusable(error) from error

    def values(self, name: str) -> npt.NDArray[np.generic]:
        """Return a tensor of the image that was run last, in real numbers."""
        place = self._stored_at(self._place[name])
        stored: npt.NDArray[np.generic] = self._interpreter.get_tensor(place)
        grid = self._grid(place)
        return stored if grid is None else grid.real(stored)

    def grid(self, name: str) -> Grid | None:
        """Return how a tensor is stored; None for real numbers."""
        return self._grid(self._stored_at(self._place[name]))

    def weights(self, name: str) -> list[npt.NDArray[np.float64]]:
        """Return what the operator of a tensor multiplies by: constants of two axes or more.

        Those that the file itself turns into real numbers are there once an image was run.
        """
        makers = (reads for _, reads, makes in self._operators if self._place[name] in makes)
        found = []
        for tensor in next(makers):
            if tensor not in self._constants or len(self._details[tensor]["shape"]) < 2:
                continue
            real = self._real(tensor)
            if real is not None:
                found.append(real)
        return found

    def _real(self, tensor: int) -> npt.NDArray[np.float64] | None:
        details = self._details[tensor]
        stored: npt.NDArray[Any] = self._interpreter.get_tensor(tensor)
        if stored.dtype.kind == "f":
            return stored.astype(np.float64)
        told = details["quantization_parameters"]
        scales = told["scales"].astype(np.float64)
        if not len(scales):
            return None
        shape = [1] * stored.ndim
        if len(scales) > 1:
            shape[int(told["quantized_dimension"])] = len(scales)
        zeros = told["zero_points"].astype(np.float64).reshape(shape)
        return np.asarray((stored.astype(np.float64) - zeros) * scales.reshape(shape))

    def _looked_through(self) -> tuple[set[int], dict[int, list[int]]]:
        """Return the constants, and the tensors that only hold another one's values again."""
        computed = {tensor for _, _, makes in self._operators for tensor in makes}
        constants = {*self._details} - computed - {self._input}
        views: dict[int, list[int]] = {}
        origin: dict[int, int] = {}
        for kind, reads, makes in self._operators:
            given = [tensor for tensor in reads if tensor >= 0]
            if constants.issuperset(given):
                constants.update(makes)
            elif kind in _VIEWS:
                first = origin.get(given[0], given[0])
                origin[makes[0]] = first
                views.setdefault(first, []).append(makes[0])
        return constants, views

    def _layers(self) -> tuple[list[Made], list[LayerNode]]:
        """Return what is computed, in order, without constants and mere views."""
        origin = {view: first for first, views in self._views.items() for view in views}
        labels: dict[int, str] = {}
        made, nodes = [], []
        for kind, reads, makes in self._operators:
            for tensor in makes:
                if tensor in self._constants or tensor in origin or not self._is_real(tensor):
                    continue
                details = self._details[tensor]
                # Names need not be unique in a file.
                label = str(details["name"])
                label = label if label not in self._place else f"{label}#{tensor}"
                labels[tensor], self._place[label] = label, tensor
                made.append(
                    Made(
                        name=label,
                        shape=tuple(int(size) for size in details["shape"]),
                        aliases=tuple(
                            str(self._details[view]["name"]) for view in self._views.get(tensor, [])
                        ),
                    )
                )
                sources = (origin.get(one, one) for one in reads)
                names = tuple(labels[one] for one in sources if one in labels)
                nodes.append(LayerNode(name=label, operator=kind, reads=names))
        return made, nodes

    def _is_real(self, tensor: int) -> bool:
        """Tell whether a tensor stands for real numbers, and not for sizes or indices."""
        details = self._details[tensor]
        kind: str = np.dtype(details["dtype"]).name
        if kind in _STORED:
            scales: Sequence[float] = details["quantization_parameters"]["scales"]
            return len(scales) == 1
        return kind == "float32"

    def _stored_at(self, tensor: int) -> int:
        """Return where the values lie that the next operators read."""
        stored = [view for view in self._views.get(tensor, []) if self._grid(view) is not None]
        if self._grid(tensor) is not None or not stored or tensor in self._ends:
            return tensor
        readers = {kind for kind, reads, _ in self._operators if tensor in reads}
        return stored[0] if readers == {"QUANTIZE"} else tensor

    def _grid(self, tensor: int) -> Grid | None:
        details: Mapping[str, Any] = self._details[tensor]
        kind = np.dtype(details["dtype"])
        if kind.name not in _STORED:
            return None
        scale, zero_point = details["quantization"]
        limits = np.iinfo(kind)
        return Grid(
            scale=float(scale),
            zero_point=int(zero_point),
            low=int(limits.min),
            high=int(limits.max),
        )


def _interpreter(data: bytes) -> Any:  # the runtime ships no types
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except (ImportError, SystemError, AttributeError, OSError) as error:
        raise does_not_start("litert", error) from error
    try:
        interpreter = Interpreter(
            model_content=data,
            experimental_preserve_all_tensors=True,
            # A delegate takes operators over together and keeps no tensors between them.
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise _unusable(error) from error
    return interpreter


def _unusable(error: Exception) -> ArtifactError:
    return ArtifactError(
        "the model cannot be run with all of its tensors kept",
        observed=one_line(str(error)),
        expected="a TFLite model that the interpreter runs without delegates",
        remedy=COPY_AGAIN,
    )
