"""Real numbers to a model's integers and back, and the table that feeds pixels to a model.

Pixels have only 256 values, so whatever a model wants to be fed (another range, another type,
a mean and deviation per channel) is a table of 256 entries a channel: computed once, exact, and
as fast as one gather.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn_runner.contract import FLOATS, InputSpec, affine_of
from edgecnn_runner.errors import CONVERT_AGAIN, ContractError

if TYPE_CHECKING:
    import numpy.typing as npt


def quantize(
    real: npt.ArrayLike, scale: float, zero_point: int, dtype: npt.DTypeLike
) -> npt.NDArray[Any]:
    """Map real numbers to integers: ``clamp(round(real / scale) + zero_point)``.

    Halves round away from zero, as TFLite's own QUANTIZE operator does (``TfLiteRound`` in
    ``AffineQuantize``, tensorflow/lite/kernels/internal/reference/quantize.h); numpy's ``round``
    would round them to even. The division is done in float64.

    Args:
        real: Any shape; finite.
        scale: Real units per step; positive.
        zero_point: The integer that stands for real 0.
        dtype: ``uint8`` or ``int8``.

    Returns:
        An array of ``dtype`` and the shape of ``real``; values beyond the type's range become
        its nearest end.

    Raises:
        ContractError: If the scale is not positive and finite.
    """
    _check_scale(scale)
    steps = np.asarray(real, np.float64) / scale
    whole = np.trunc(steps)
    # Not trunc(steps + 0.5): that sum rounds 0.49999999999999994 up to 1.
    away = np.copysign(np.abs(steps - whole) >= 0.5, steps)
    rounded = whole + away + zero_point
    limits = np.iinfo(dtype)
    clipped: npt.NDArray[Any] = np.clip(rounded, limits.min, limits.max).astype(dtype)
    return clipped


def dequantize(values: npt.NDArray[Any], scale: float, zero_point: int) -> npt.NDArray[np.float32]:
    """Map a model's integers to real numbers: ``(value - zero_point) * scale``.

    Args:
        values: Any shape, any integer type of at most 32 bits.
        scale: Real units per step; positive.
        zero_point: The integer that stands for real 0.

    Returns:
        float32, the shape of ``values``; each is the float32 nearest to the exact product.

    Raises:
        ContractError: If the scale is not positive and finite.
    """
    _check_scale(scale)
    return ((values.astype(np.int64) - zero_point) * float(scale)).astype(np.float32)


def input_table(spec: InputSpec) -> npt.NDArray[Any]:
    """Return what a model is fed for each pixel value.

    Args:
        spec: The input part of a contract.

    Returns:
        Shape (256, channels), of the model's input type: entry ``[p, c]`` is fed for pixel value
        ``p`` in channel ``c``.

    Raises:
        ContractError: If the range has values for another number of channels than the model.
    """
    scale, offset = (np.asarray(values, np.float64) for values in affine_of(spec.range))
    if scale.size not in (1, spec.channels):
        raise ContractError(
            f"the input range {spec.range} is for colour images",
            observed=f"a model with {spec.channels} channel(s)",
            expected=f"{scale.size} channels",
            remedy="name the range the model was trained with: --input-range 0..1, for example, or "
            "one number each for --input-mean and --input-std",
        )
    pixels = np.arange(256, dtype=np.float64)[:, np.newaxis]
    real = np.broadcast_to(pixels * scale + offset, (256, spec.channels))
    if spec.dtype in FLOATS:
        return real.astype(spec.dtype)
    return quantize(real, spec.scale, spec.zero_point, spec.dtype)


def _check_scale(scale: float) -> None:
    if not 0 < scale < float("inf"):
        raise ContractError(
            "a quantization scale is not positive",
            observed=scale,
            expected="a positive number",
            remedy=CONVERT_AGAIN,
        )
