"""One deployable function to one ONNX model, in the precision asked for.

``tf2onnx.convert.from_keras`` fails on Keras 3; ``from_function`` works and, given a graph whose
constants are already folded, leaves convolutions with biases, one transpose at the input (NHWC
outside, as every runner feeds it; NCHW inside, as ONNX computes) and nothing dynamic.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import inspect
import io
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgecnn.convert.graph.deployable import INPUT_NAME, OUTPUT_NAME, Deployable
from edgecnn.convert.graph.kernels import Kernels
from edgecnn.convert.graph.onnx_core import fold_normalizations
from edgecnn.convert.graph.onnx_graph import (
    layer_norm_scales,
    restore_layer_norms,
    sort_nodes,
    tidy,
    unshare_weights,
)
from edgecnn.convert.reasons import reason_of
from edgecnn.errors import ConversionError, some_of
from edgecnn.quiet import captured_log
from edgecnn_runner.runtimes.telemetry import no_telemetry

Pixels = npt.NDArray[np.uint8]

DEFAULT_ACTIVATIONS: Final = "uint8"
"""ONNX Runtime's kernels for u8 activations are two to three times faster on x86 than for s8."""

_REMEDY: Final = "replace the layers it names, or leave this variant out with --variant"


def onnx_fp32(deployable: Deployable, *, opset: int, ir_version: int) -> bytes:
    """Convert to float32.

    Args:
        deployable: What to convert.
        opset: Of the standard operator domain, the only one the model imports.
        ir_version: Of the file format.

    Returns:
        A checked ModelProto; input ``image`` and output ``scores``, both float32, of fixed shape.

    Raises:
        ConversionError: If tf2onnx fails, or gives operators outside the standard domain.
    """
    with captured_log() as log:
        try:
            found = _converted(deployable, opset, ir_version)
            if found is None:
                found = _converted(deployable, opset, ir_version, aside=False)
            return checked_onnx(found)
        except ConversionError:
            raise
        except Exception as error:
            raise _failed("fp32", log.text(), error) from error


def _converted(
    deployable: Deployable, opset: int, ir_version: int, *, aside: bool = True
) -> Any | None:
    """Return the ModelProto, in its final form; nothing else holds what is in it.

    Args:
        deployable: As for ``onnx_fp32``.
        opset: Likewise.
        ir_version: Likewise.
        aside: Keep large kernels out of tf2onnx's sight.

    Returns:
        None if tf2onnx computes with the kernels, so that it has to see them.
    """
    import tf2onnx

    teach_operators()
    kernels = Kernels()
    function, signature = deployable.function, []
    if aside:
        rest = kernels.take_from(deployable.function.graph.as_graph_def())
        signature = [
            tf.TensorSpec(value.shape, tf.float32, name=name)
            for name, value in kernels.values.items()
        ]
        if signature:
            function = deployable.with_inputs(rest, signature)
    image = tf.TensorSpec((1, *deployable.shape), tf.float32, name=INPUT_NAME)
    called = tf.function(lambda *tensors: function(*tensors), autograph=False)
    with _collected_early():
        model, _ = tf2onnx.convert.from_function(
            called, input_signature=[image, *signature], opset=opset
        )
    if not kernels.leave_marks(model):
        return None
    in_form = functools.partial(
        tidy, model, input_name=INPUT_NAME, output_name=OUTPUT_NAME, ir_version=ir_version
    )
    in_form(kernels=kernels)
    kernels.put_into(model)
    if any(node.op_type == "BatchNormalization" for node in model.graph.node):
        # One behind an activation, of Keras 2 or TensorFlow itself: integers cannot compute it.
        fold_normalizations(model)
        in_form()
    return model


@contextlib.contextmanager
def _collected_early() -> Iterator[None]:
    """Have Python collect its garbage often while tf2onnx works.

    Its optimizers copy the whole graph, and the copies refer to each other in circles. Python looks
    for such circles only when its objects have become a quarter more, and TensorFlow's own are so
    many that this never comes: for 14 MB of weights the copies held 1.3 GB. Objects that are frozen
    are not counted.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # only a whole collection counts anew
    try:
        yield
    finally:
        gc.unfreeze()
        gc.collect()


def onnx_fp16(fp32: bytes) -> bytes:
    """Store weights and compute in float16; the ends stay float32.

    Args:
        fp32: As ``onnx_fp32`` makes it.

    Returns:
        A checked ModelProto.

    Raises:
        ConversionError: If the conversion fails, for example on weights beyond float16's range.
    """
    with captured_log() as log:
        import onnx

        no_telemetry()
        from onnxruntime.transformers.float16 import convert_float_to_float16

        try:
            source = onnx.load_from_string(fp32)
            model = convert_float_to_float16(source, keep_io_types=True)
            sort_nodes(model.graph)  # it appends its casts at the end
            _restore_versions(model, source)
            return checked_onnx(model)
        except Exception as error:
            raise _failed("fp16", log.text(), error) from error


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """How the range of an activation is taken from the values that it has on images.

    Attributes:
        method: ``MinMax``, ``Percentile`` or ``Entropy``, as onnxruntime calls them.
        percentile: For ``Percentile``: how much of the values the range holds, percent.
        average: For ``MinMax``: the mean of the images' ranges in place of the widest.
    """

    method: str = "MinMax"
    percentile: float = 99.99
    average: bool = False

    def options(self, images: int) -> dict[str, Any]:
        """Return onnxruntime's extra options for so many images."""
        found: dict[str, Any] = {}
        if self.method == "Percentile":
            found["CalibPercentile"] = self.percentile
        if self.average:
            found["CalibMovingAverage"] = True
        if self.method != "MinMax":
            # It keeps every activation of the images that it is given at once. They have to be
            # a divisor of all.
            found["CalibStridedMinMax"] = max(n for n in range(1, 26) if images % n == 0)
        return found


def onnx_int8(
    fp32: bytes,
    calibration: Pixels,
    *,
    activations: str = DEFAULT_ACTIVATIONS,
    ranges: Ranges | None = None,
    kept: Collection[str] = (),
    cache: Path | None = None,
) -> bytes:
    """Quantize statically: QDQ form, int8 weights per channel, float32 ends.

    Args:
        fp32: As ``onnx_fp32`` makes it; it has no batch normalization left to fuse.
        calibration: Images, shape (n, height, width, channels).
        activations: ``uint8`` or ``int8``.
        ranges: How ranges are taken; None for the widest.
        kept: Names of nodes that stay float32.
        cache: A file that keeps the ranges, for further mixtures of the same model, images and
            method; made if it is not there. An onnxruntime that has no such thing takes the
            ranges again.

    Returns:
        A checked ModelProto.

    Raises:
        ConversionError: If the quantization fails.
    """
    ranges = ranges or Ranges()
    with (
        captured_log() as log,
        contextlib.redirect_stdout(io.StringIO()),  # the histogram methods print
        tempfile.TemporaryDirectory(prefix="edgecnn-") as folder,
    ):
        import onnx

        no_telemetry()
        from onnxruntime.quantization import (
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
        )

        cached = "calibration_cache_path" in inspect.signature(quantize_static).parameters
        try:
            source = onnx.load_from_string(fp32)
            unshare_weights(source.graph)
            operators = sorted({node.op_type for node in source.graph.node})
            scales = layer_norm_scales(source.graph)
            versions = onnx.ModelProto(
                opset_import=source.opset_import, ir_version=source.ir_version
            )
            # By files: of a ModelProto it would make two more copies, and hold them all.
            origin, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
            onnx.save(source, origin)
            del source
            quantize_static(
                origin,
                target,
                CalibrationImages(calibration),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8 if activations == "uint8" else QuantType.QInt8,
                weight_type=QuantType.QInt8,
                # Left to itself it leaves out operators such as Neg, and all around them.
                op_types_to_quantize=operators,
                nodes_to_exclude=sorted(kept),
                calibrate_method=CalibrationMethod[ranges.method],
                extra_options=ranges.options(len(calibration)),
                **({"calibration_cache_path": cache} if cache is not None and cached else {}),
            )
            model = onnx.load(target)
            restore_layer_norms(model.graph, scales)
            sort_nodes(model.graph)  # it does not look into the graphs of a branch
            _restore_versions(model, versions)
            return checked_onnx(model)
        except Exception as error:
            raise _failed("int8", log.text(), error) from error


class CalibrationImages:
    """Calibration images one by one, as onnxruntime's ``CalibrationDataReader`` gives them.

    Args:
        images: Shape (n, height, width, channels).
    """

    def __init__(self, images: Pixels) -> None:
        self._images = images
        self._next: Iterator[Any] = iter(images)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next image by the name of the model's input; None after the last."""
        image = next(self._next, None)
        if image is None:
            return None
        return {INPUT_NAME: image[np.newaxis].astype(np.float32)}

    def __len__(self) -> int:
        return len(self._images)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Go on with a part of the images."""
        self._next = iter(self._images[start_index:end_index])

    def rewind(self) -> None:
        """Begin again."""
        self._next = iter(self._images)


def _restore_versions(model: Any, source: Any) -> None:
    """Take back the opset imports and the IR version that a tool raised or added."""
    used = {node.domain for node in model.graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in used | {""}]
    opset = next(entry.version for entry in source.opset_import if not entry.domain)
    for entry in kept:
        if not entry.domain and entry.version != opset:
            raise ValueError(f"the opset became {entry.version} instead of {opset}")
    entries = [(entry.domain, entry.version) for entry in kept]
    del model.opset_import[:]
    for domain, version in entries:
        model.opset_import.add(domain=domain, version=version)
    model.ir_version = source.ir_version


def checked_onnx(model: Any) -> bytes:
    """Return the model's bytes after the format's own checker has seen it."""
    import onnx

    foreign = sorted({f"{node.domain}.{node.op_type}" for node in model.graph.node if node.domain})
    data = bytes(model.SerializeToString(deterministic=True))
    # Of the bytes, since it would write them once more for itself.
    onnx.checker.check_model(data, full_check=True)
    if foreign:
        raise ConversionError(
            "the ONNX model needs operators outside the standard",
            observed=some_of(foreign),
            expected="operators of the domain ai.onnx",
            remedy=_REMEDY,
        )
    return data


def _failed(precision: str, log: str, error: Exception) -> ConversionError:
    return ConversionError(
        f"onnx-{precision} cannot be made",
        observed=reason_of(error, log),
        expected="layers that tf2onnx and onnxruntime have operators for",
        remedy=_REMEDY,
    )


# ``gelu`` computes ``Erfc``, ``celu`` ``Expm1``, ``logaddexp`` ``Log1p``; tf2onnx 1.17 has none of
# them (its issue 2347), though ONNX can say them all. What tf2onnx comes to know itself is left to
# it.

Handler = Callable[..., None]
_SINCE: Final = 9
"""The opset that has ``Erf``; edgecnn writes 13 and later."""


def teach_operators() -> None:
    """Register the operators with tf2onnx; a second call does nothing."""
    from tf2onnx.handler import tf_op

    known = {name for opsets in tf_op.get_opsets().values() for opset in opsets for name in opset}
    for name, handler in _HANDLERS.items():
        if name not in known:
            tf_op.register_handler(handler, _SINCE, [name], "", {})


def _erfc(graph: Any, node: Any, **_: Any) -> None:
    """Write ``erfc(x) = 1 - erf(x)``, absolutely as exact as float32 has numbers near 1."""
    erf = graph.make_node("Erf", [node.input[0]]).output[0]
    _replace(graph, node, "Sub", [_constant(graph, node, 1.0), erf])


def _expm1(graph: Any, node: Any, **_: Any) -> None:
    """Write ``expm1(x) = exp(x) - 1``, absolutely as exact as float32 has numbers near 1."""
    power = graph.make_node("Exp", [node.input[0]]).output[0]
    _replace(graph, node, "Sub", [power, _constant(graph, node, 1.0)])


def _log1p(graph: Any, node: Any, **_: Any) -> None:
    """Write ``log1p(x) = log(1 + x)``, absolutely as exact as float32 has numbers near 1."""
    shifted = graph.make_node("Add", [node.input[0], _constant(graph, node, 1.0)]).output[0]
    _replace(graph, node, "Log", [shifted])


_HANDLERS: Final[Mapping[str, Handler]] = {"Erfc": _erfc, "Expm1": _expm1, "Log1p": _log1p}


def _constant(graph: Any, node: Any, value: float) -> str:
    from tf2onnx import utils

    kind = utils.map_onnx_to_numpy_type(graph.get_dtype(node.input[0]))
    name = utils.make_name(f"{node.name}_constant")
    return str(graph.make_const(name, np.array(value, kind)).output[0])


def _replace(graph: Any, node: Any, operator: str, inputs: list[str]) -> None:
    """Put an operator in a node's place, under the node's output name."""
    shapes, types = node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    graph.make_node(
        operator, inputs, name=node.name, outputs=node.output, shapes=shapes, dtypes=types
    )
