"""A float TFLite file to int8, layer by layer: ai-edge-quantizer, which TensorFlow's is not.

It takes ranges apart from quantizing, so that ranges are taken once and many mixtures tried, and
it leaves single operators alone. It is imported when a ``SelectiveTflite`` is made, not before.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections import Counter
from collections.abc import Collection
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.convert.reasons import reason_of
from edgecnn.errors import ConversionError
from edgecnn.modelfile import read_graph
from edgecnn.quiet import captured_log

Pixels = npt.NDArray[np.uint8]

RANGES: Final = ("min-max", "moving-average")
"""How the ranges of single images become one: the widest of them, or their moving average (factor
0.95, ai-edge-quantizer's own choice), which an outlier in few images does not widen for long."""

WEIGHTS: Final = {"min-max": "min_max_uniform_quantize", "octav": "OCTAV"}
"""How weights are scaled: by their largest, or clipped where the mean squared error is least (C.
Sakr and others (2022), Optimal clipping and magnitude-aware differentiation, arXiv 2206.06501)."""

_PRODUCTS: Final = ("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D_TRANSPOSE", "FULLY_CONNECTED")
_SIGNATURE: Final = "edgecnn"
_INPUT: Final = "image"
_PIXEL_MAX: Final = 255.0
_REMEDY: Final = "leave repair out, or repair the ONNX file: its quantizer is another"


class SelectiveTflite:
    """Quantizes one float file in as many mixtures as are asked for.

    Args:
        float_file: A float32 TFLite file with one input and one output, without its contract.

    Attributes:
        float_file: The same with unique tensor names and a signature, which the quantizer needs.
        keys: What each operator is called in ``kept``, in the file's order.

    Raises:
        ConversionError: If it has control flow.
    """

    def __init__(self, float_file: bytes) -> None:
        with captured_log():
            self.float_file = _prepared(float_file)
        graph = read_graph(self.float_file)
        if graph.subgraphs != 1:
            raise ConversionError(
                "a network with control flow cannot be quantized layer by layer",
                observed=f"{graph.subgraphs} graphs in the file",
                expected="1",
                remedy=_REMEDY,
            )
        self.graph = graph
        self.keys = tuple(
            ";".join(tensor.name for tensor in operator.outputs if tensor is not None)
            for operator in graph.operators
        )
        self._input = graph.inputs[0].name
        self._ranges: dict[tuple[str, int], Any] = {}

    def quantize(
        self,
        calibration: Pixels,
        *,
        ranges: str = "min-max",
        weights: str = "min-max",
        kept: Collection[str] = (),
    ) -> bytes:
        """Quantize all that can be, but for some operators.

        Args:
            calibration: Images, shape (n, height, width, channels), n at least 1. The same array
                gives the same ranges, which are kept.
            ranges: One of ``RANGES``.
            weights: A key of ``WEIGHTS``.
            kept: Keys of operators that stay float32.

        Returns:
            A flatbuffer with float32 ends.

        Raises:
            ConversionError: If the quantizer fails.
        """
        with captured_log() as log:
            from ai_edge_quantizer import qtyping, quantizer

            every = qtyping.TFLOperationName.ALL_SUPPORTED
            try:
                made = quantizer.Quantizer(bytearray(self.float_file))
                made.add_static_config(".*", every, 8, 8)
                if weights != "min-max":
                    # Not the constants of additions and the like, which have no zero point of 0.
                    for product in _PRODUCTS:
                        name = qtyping.TFLOperationName[product]
                        made.add_static_config(".*", name, 8, 8, algorithm_key=WEIGHTS[weights])
                # The ends stay float32; what feeds the first integer operator is put behind them.
                for end in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
                    made.update_quantization_recipe(".*", end, algorithm_key="no_quantize")
                for key in kept:
                    scope = f"^{re.escape(key)};$"
                    made.update_quantization_recipe(scope, every, algorithm_key="no_quantize")
                found = self._calibrated(calibration, ranges)
                result = made.quantize(
                    found, enable_progress_bar=False, enable_progress_report=False
                )
                assert result.quantized_model is not None  # noqa: S101 - quantize just made it
                return bytes(result.quantized_model)
            except Exception as error:
                raise ConversionError(
                    "ai-edge-quantizer cannot quantize this network",
                    observed=reason_of(error, log.text()),
                    expected="operators that it knows",
                    remedy=_REMEDY,
                ) from error

    def _calibrated(self, calibration: Pixels, ranges: str) -> Any:
        """Return the range of every activation; the image's own is 0..255, whatever was seen."""
        place = (ranges, id(calibration))
        if place not in self._ranges:
            from ai_edge_quantizer import calibrator, recipe, recipe_manager
            from ai_edge_quantizer.utils import qsv_utils

            update = {
                "min-max": qsv_utils.min_max_update,
                "moving-average": qsv_utils.moving_average_update,
            }[ranges]
            manager = recipe_manager.RecipeManager()
            manager.load_quantization_recipe(recipe.static_wi8_ai8())
            made = calibrator.Calibrator(self.float_file, num_threads=1, qsv_update_func=update)
            with contextlib.redirect_stderr(io.StringIO()):  # it has a progress bar of its own
                made.calibrate({_SIGNATURE: _OneByOne(calibration)}, manager)
            found = made.get_model_qsvs()
            like = found[self._input]["min"]
            found[self._input] = {
                "min": np.zeros_like(like),
                "max": np.full_like(like, _PIXEL_MAX),
            }
            # With the images, so that no other array can come to have the same id.
            self._ranges[place] = (found, calibration)
        return self._ranges[place][0]


class _OneByOne:
    """Images as the quantizer reads them, more than once and without a copy of them all."""

    def __init__(self, images: Pixels) -> None:
        self._images = images

    def __iter__(self) -> Any:
        for image in self._images:
            yield {_INPUT: image[np.newaxis].astype(np.float32)}


def _prepared(data: bytes) -> bytes:
    """Give a file unique tensor names and a signature."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    for graph in model.subgraphs:
        seen: Counter[bytes] = Counter()
        for tensor in graph.tensors:
            name = tensor.name or b"tensor"
            seen[name] += 1
            if seen[name] > 1:
                tensor.name = name + b"/%d" % seen[name]
    main = model.subgraphs[0]
    ends = []
    for name, index in ((_INPUT, main.inputs[0]), ("scores", main.outputs[0])):
        end = schema.TensorMapT()
        end.name, end.tensorIndex = name, index
        ends.append(end)
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = _SIGNATURE, 0
    signature.inputs, signature.outputs = ends[:1], ends[1:]
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
