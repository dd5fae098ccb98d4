"""From an image of the model's size to the array the runtime is fed, NHWC or NCHW.

The table of ``quantize.input_table`` is always right; where it does nothing, or what one
arithmetic instruction does too, it is not used, since a gather costs more than a copy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from edgecnn_runner.contract import InputSpec
from edgecnn_runner.quantize import input_table

if TYPE_CHECKING:
    import numpy.typing as npt

Feed: TypeAlias = "Callable[[npt.NDArray[np.uint8]], npt.NDArray[Any]]"
"""An image (height, width, channels) to a batch of one as the model wants it."""


def make_feed(spec: InputSpec) -> Feed:
    """Return the function that makes a model's input from an image.

    Args:
        spec: The input part of the contract.

    Returns:
        A function of an image (height, width, channels), uint8; it checks nothing.

    Raises:
        ContractError: If the range does not fit the number of channels.
    """
    convert = _conversion(input_table(spec))
    if spec.layout == "NCHW":
        if convert is None:
            return lambda image: np.ascontiguousarray(image.transpose(2, 0, 1))[np.newaxis]
        return lambda image: np.ascontiguousarray(convert(image).transpose(2, 0, 1))[np.newaxis]
    if convert is None:
        return lambda image: image[None]
    return lambda image: convert(image)[np.newaxis]


def _conversion(table: npt.NDArray[Any]) -> Feed | None:
    """Return the fastest function that equals the table; None if the table changes nothing."""
    pixels = np.arange(256)[:, np.newaxis]
    same_for_all_channels = bool((table == table[:, :1]).all())
    if (table == pixels).all():
        if table.dtype == np.uint8:
            return None
        kind = table.dtype  # float16 holds every whole number to 2048
        return lambda image: image.astype(kind)
    if table.dtype == np.int8 and (table == pixels - 128).all():
        # Subtracting 128 from a byte is flipping its highest bit.
        return lambda image: np.bitwise_xor(image, 0x80).view(np.int8)
    if same_for_all_channels:
        column = np.ascontiguousarray(table[:, 0])
        return lambda image: column[image]
    channels = np.arange(table.shape[1])
    return lambda image: table[image, channels]
