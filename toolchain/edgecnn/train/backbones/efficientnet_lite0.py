"""EfficientNet-Lite0 without its classifier: 3,413,024 parameters, 1,280 features.

The network is that of Tan and Le 2019, arXiv:1905.11946, table 1, as its authors made it for
devices (tensorflow/tpu, ``models/official/efficientnet/lite``): no squeeze-and-excitation, ReLU6
instead of swish, and a stem and head of fixed width. Padding is TensorFlow's "same".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.train.backend import keras

# Kernel size, stride of the first block, expansion, filters, blocks.
_STAGES: Final = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_STEM: Final = 32
_HEAD: Final = 1280
_EPSILON: Final = 1e-3
_MEAN, _SCALE = 127.0, 1 / 128

TRUNK: Final = "block10_out"
"""The layer before the last five blocks, which are what fine-tuning changes."""


def build_lite0(shape: tuple[int, int, int]) -> Any:
    """Return the network with arbitrary weights.

    Args:
        shape: Height, width and 3 channels of the images.

    Returns:
        A Keras model (untyped) from raw pixels 0..255, (batch, height, width, 3), to features,
        (batch, 1280), float32.
    """
    layers = keras.layers
    pixels = keras.Input(shape, name="pixels")
    x = layers.Rescaling(_SCALE, -_MEAN * _SCALE, name="scale")(pixels)
    x = _convolved(x, layers.Conv2D(_STEM, 3, 2, "same", use_bias=False, name="stem_conv"))
    at = 0
    for size, strides, expansion, filters, count in _STAGES:
        for number in range(count):
            x = _block(x, f"block{at}", size, 1 if number else strides, expansion, filters)
            at += 1
    x = _convolved(x, layers.Conv2D(_HEAD, 1, use_bias=False, name="head_conv"))
    x = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(pixels, x, name="efficientnet_lite0")


def _convolved(x: Any, convolution: Any, *, activated: bool = True) -> Any:
    name = convolution.name.removesuffix("_conv")
    x = convolution(x)
    x = keras.layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_norm")(x)
    return keras.layers.ReLU(max_value=6.0, name=f"{name}_relu")(x) if activated else x


def _block(x: Any, name: str, size: int, strides: int, expansion: int, filters: int) -> Any:
    """An inverted residual block: expand, convolve each channel, project; and add where it fits."""
    layers, start = keras.layers, x
    if expansion > 1:
        wide = layers.Conv2D(x.shape[-1] * expansion, 1, use_bias=False, name=f"{name}_expand_conv")
        x = _convolved(x, wide)
    depthwise = layers.DepthwiseConv2D(
        size, strides, "same", use_bias=False, name=f"{name}_depthwise_conv"
    )
    x = _convolved(x, depthwise)
    project = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project_conv")
    x = _convolved(x, project, activated=False)
    if strides == 1 and start.shape[-1] == filters:
        return layers.Add(name=f"{name}_out")([x, start])
    return layers.Identity(name=f"{name}_out")(x)


_NAMES: Final[Mapping[str, str]] = {
    "stem": "_conv_stem _bn0",
    "head": "_conv_head _bn1",
    "expand": "_expand_conv _bn0",
    "depthwise": "_depthwise_conv _bn1",
    "project": "_project_conv _bn2",
}
"""What each convolution and its normalization are called in the published file."""
_CLASSIFIER: Final = frozenset({"_fc.weight", "_fc.bias"})
_COUNTER: Final = "num_batches_tracked"  # of training; no part of what a network computes


def load_lite0(network: Any, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """Give the network the weights of the published PyTorch file.

    Args:
        network: What ``build_lite0`` made; changed in place.
        tensors: Name to array, as ``read_torch_tensors`` gives them.

    Raises:
        ValueError: If a tensor is missing, left over, or of another shape.
    """
    left = {
        name: array
        for name, array in tensors.items()
        if name not in _CLASSIFIER and not name.endswith(_COUNTER)
    }

    def taken(name: str) -> npt.NDArray[Any]:
        try:
            return left.pop(name)
        except KeyError:
            raise ValueError(f"there is no tensor {name}") from None

    for layer in network.layers:
        block, _, kind = layer.name.removesuffix("_conv").removesuffix("_norm").rpartition("_")
        if not layer.weights:
            continue
        prefix = f"_blocks.{block.removeprefix('block')}." if block else ""
        convolution, norm = _NAMES[kind].split()
        if layer.name.endswith("_conv"):
            kernel = taken(f"{prefix}{convolution}.weight")
            # Stored as (out, in, height, width); of a depthwise one, "in" is 1.
            axes = (2, 3, 0, 1) if kind == "depthwise" else (2, 3, 1, 0)
            values = [kernel.transpose(axes)] if kernel.ndim == 4 else [kernel]
        else:
            parts = ("weight", "bias", "running_mean", "running_var")
            values = [taken(f"{prefix}{norm}.{part}") for part in parts]
        shapes = [tuple(variable.shape) for variable in layer.weights]
        if [value.shape for value in values] != shapes:
            raise ValueError(f"{layer.name} has other sides: {[v.shape for v in values]}, {shapes}")
        if not all(np.isfinite(value).all() for value in values):
            raise ValueError(f"{layer.name} has weights that are no numbers")
        layer.set_weights(values)
    if left:
        raise ValueError(f"{len(left)} tensors belong to no layer, such as {min(left)}")
