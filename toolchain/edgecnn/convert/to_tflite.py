"""One deployable function to one TFLite flatbuffer, in the precision asked for.

TensorFlow operators outside TFLite's own set (Flex) are never allowed: no runtime of a device
has them. What comes out is checked by ``payload.check_payload``, not believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgecnn.convert.graph.deployable import Deployable
from edgecnn.convert.reasons import reason_of
from edgecnn.errors import ConversionError
from edgecnn.quiet import captured_log

Pixels = npt.NDArray[np.uint8]


def to_tflite(deployable: Deployable, precision: str, calibration: Pixels | None) -> bytes:
    """Convert.

    Args:
        deployable: What to convert.
        precision: ``fp32``, ``fp16``, ``int8-dynamic``, ``int8`` or ``int16x8``.
        calibration: Images for ``int8`` and ``int16x8``, shape (n, height, width, channels).

    Returns:
        A flatbuffer. Its ends are uint8 for ``int8`` and float32 for all others.

    Raises:
        ConversionError: If TensorFlow's converter fails; what it said is in the message.
    """
    with captured_log() as log:
        # The path over a trackable object writes a SavedModel to a temporary folder and reads it
        # again, and gives the same operators.
        converter = tf.lite.TFLiteConverter.from_concrete_functions([deployable.function], None)
        _already_frozen(converter, deployable.function)
        _SETTINGS[precision](converter, calibration)
        try:
            return bytes(converter.convert())
        except Exception as error:
            raise ConversionError(
                f"TensorFlow's converter cannot make tflite-{precision}",
                observed=reason_of(error, log.text()),
                expected="layers that TFLite has operators for",
                remedy="replace the layers it names, or leave this variant out with --variant",
            ) from error


def with_uint8_ends(data: bytes) -> bytes:
    """Give an int8 flatbuffer with float32 ends uint8 ends, as the converter itself does it.

    Args:
        data: It begins with a QUANTIZE of its input and ends with a DEQUANTIZE.

    Returns:
        The same network; its input and output are uint8.

    Raises:
        ConversionError: If its ends are not of that kind.
    """
    from tensorflow.lite.python.util import modify_model_io_type

    with captured_log():
        try:
            return bytes(modify_model_io_type(data, tf.uint8, tf.uint8))
        except (ValueError, RuntimeError) as error:
            raise ConversionError(
                "the ends of a quantized network cannot be made uint8",
                observed=reason_of(error),
                expected="a QUANTIZE at its beginning and a DEQUANTIZE at its end",
                remedy="leave repair out, or tflite-int8",
            ) from error


def _already_frozen(converter: Any, function: Any) -> None:
    """Spare a converter the freezing of a function that holds no variable.

    It would make a second function of it, with all weights in it, and hold both to the end. The
    method is TensorFlow's own, and not public: where another version has none, nothing is spared.
    """
    name = "_freeze_concrete_function"
    if hasattr(converter, name):
        graph_def = function.graph.as_graph_def()
        setattr(converter, name, lambda: (graph_def, function.inputs, function.outputs, function))


def _fp32(converter: Any, calibration: Pixels | None) -> None:
    del converter, calibration


def _fp16(converter: Any, calibration: Pixels | None) -> None:
    del calibration
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _int8_dynamic(converter: Any, calibration: Pixels | None) -> None:
    del calibration
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def _int8(converter: Any, calibration: Pixels | None) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = _representative(calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    # A float input in 0..255 with uint8 ends gives one QUANTIZE; a uint8 input of the model
    # itself would give CAST and QUANTIZE.
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8


def _int16x8(converter: Any, calibration: Pixels | None) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = _representative(calibration)
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    ]


_SETTINGS: Final[dict[str, Callable[[Any, Pixels | None], None]]] = {
    "fp32": _fp32,
    "fp16": _fp16,
    "int8-dynamic": _int8_dynamic,
    "int8": _int8,
    "int16x8": _int16x8,
}


def _representative(calibration: Pixels | None) -> Callable[[], Iterator[list[Any]]]:
    assert calibration is not None  # noqa: S101 - the caller calibrates these variants
    images = calibration

    def one_by_one() -> Iterator[list[Any]]:
        for image in images:
            yield [image[np.newaxis].astype(np.float32)]

    return one_by_one
