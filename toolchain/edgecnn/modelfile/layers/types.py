"""What a comparison of two files tells of each of their tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_DB: Final = 150.0
"""Ratios are told between this and its negative, dB: no difference at all would be infinite, and a
float32 has 24 bits of mantissa, 20 log10(2^24) = 144.5 dB, so that more means nothing."""


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """How far one tensor of a converted file is from the float file's, over all images.

    Signal-to-noise ratios are 10 log10(sum signal^2 / sum (signal - value)^2), dB, where the
    signal is the float file's and values are dequantized; see ``MOST_DB``.

    Attributes:
        name: The tensor's name in the float file: the output of an operator.
        operator: Type of the operator that makes it, for example CONV_2D or Conv; where the
            converted file computes several operators of the float file in one, the first of them.
        position: Its place along the network, from 0.
        snr_db: Signal-to-noise ratio of the whole tensor. The noise is what has piled up to here.
        channels_db: Median of the ratios of single channels; channels that are always 0 do not
            count. Far below ``snr_db`` where a few channels are much larger than the others.
        saturated: Share of values, 0..1, that stand at an end of the tensor's range while the
            float value lies more than one step beyond that end; None for a tensor that is not
            quantized. A zero of a ReLU is a value of the range and no saturation; nor is a
            probability of 1, one step beyond TFLite's fixed range of softmax.
        storage_db: Ratio of the float file's own values when nothing is done to them but to be
            stored in this tensor's range and steps; None for a tensor that is not quantized.
        storage_channels_db: Median of these of single channels; None for a tensor that is not
            quantized.
        clipped: Share, 0..1, of the noise of storing that comes from values beyond the range; the
            rest is rounding. None for a tensor that is not quantized.
        spread: The largest channel's largest magnitude over the median channel's, at least 1.
        weights_db: Ratio of the operator's weights: the median of those that belong to one input
            channel each, so that a channel with large weights does not hide what became of the
            others. None for an operator without weights.
        inputs: Positions of the layers whose values it reads; none where it reads the image alone.
        fused: Names of the float file's tensors that the converted file computes inside this
            operator and has no tensor for.
    """

    name: str
    operator: str
    position: int
    snr_db: float
    channels_db: float
    saturated: float | None = None
    storage_db: float | None = None
    storage_channels_db: float | None = None
    clipped: float | None = None
    spread: float = 1.0
    weights_db: float | None = None
    inputs: tuple[int, ...] = ()
    fused: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LayerComparison:
    """Two files of one model, tensor by tensor.

    Attributes:
        layers: In the order in which the float file computes them.
        unmatched: Names of the float file's tensors, in order, that the converted file has no
            counterpart for: they are not compared.
    """

    layers: tuple[LayerError, ...]
    unmatched: tuple[str, ...] = ()
