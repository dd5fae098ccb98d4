"""The numbers of one tensor, summed image by image so that no activation has to be kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """How a tensor of integers stands for real numbers: (integer - zero point) * scale.

    Attributes:
        scale: Real units per step, positive.
        zero_point: The integer that stands for 0.
        low: Smallest integer of the type.
        high: Largest integer of the type.
    """

    scale: float
    zero_point: int
    low: int
    high: int

    def real(self, stored: npt.NDArray[np.generic]) -> Values:
        """Return what integers stand for."""
        integers: Values = stored.astype(np.float64)
        return (integers - self.zero_point) * self.scale

    @property
    def bottom(self) -> float:
        """The least value that can be stored."""
        return (self.low - self.zero_point) * self.scale

    @property
    def top(self) -> float:
        """The greatest value that can be stored."""
        return (self.high - self.zero_point) * self.scale

    def store(self, values: Values) -> Values:
        """Return the nearest values that can be stored."""
        steps = np.rint(values / self.scale) + self.zero_point
        stored: Values = np.clip(steps, self.low, self.high) - self.zero_point
        return stored * self.scale

    def beyond(self, values: Values) -> npt.NDArray[np.bool_]:
        """Tell which values lie more than one step outside the range.

        Within one step clipping takes no more than twice what rounding may take, and the fixed
        range of TFLite's softmax, 0 to 255/256, is exactly one step short of 1.
        """
        # The scale is a float32, so "one step" is known to about 1 in 10^7.
        step = self.scale * (1 + 1e-6)
        outside: npt.NDArray[np.bool_] = (values > self.top + step) | (values < self.bottom - step)
        return outside


class Tally:
    """Sums over all images of one tensor.

    Args:
        grid: How the converted file stores it; None for real numbers.
        axis: Axis of the channels in what is added, which has the batch as axis 0.
    """

    def __init__(self, grid: Grid | None, axis: int) -> None:
        self._grid, self._axis = grid, axis
        self._signal: Values = np.zeros(1)
        self._noise: Values = np.zeros(1)
        self._peak: Values = np.zeros(1)
        self._count = self._saturated = 0
        self._stored: Values = np.zeros(1)
        self._clipped = 0.0

    def add(self, signal: npt.NDArray[np.generic], values: npt.NDArray[np.generic]) -> None:
        """Add a batch.

        Args:
            signal: The float file's tensor.
            values: The converted file's, dequantized, of the same shape.
        """
        by_channel = _by_channel(signal, self._axis)
        noise = by_channel - _by_channel(values, self._axis)
        # What became infinite or no number has no bounded error.
        squares = np.where(np.isfinite(noise), np.square(noise), np.inf)
        self._signal = self._signal + np.square(by_channel).sum(axis=1)
        self._noise = self._noise + squares.sum(axis=1)
        self._peak = np.maximum(self._peak, np.abs(by_channel).max(axis=1, initial=0.0))
        self._count += by_channel.size
        if self._grid is None:
            return
        outside = self._grid.beyond(by_channel)
        lost = np.square(by_channel - self._grid.store(by_channel))
        self._stored = self._stored + lost.sum(axis=1)
        if outside.any():
            self._clipped += float(lost[outside].sum())
            values_there = (by_channel - noise)[outside]
            half = self._grid.scale / 2
            at_end = (values_there > self._grid.top - half) | (
                values_there < self._grid.bottom + half
            )
            self._saturated += int(at_end.sum())

    @property
    def snr_db(self) -> float:
        """Ratio of the whole tensor."""
        return ratio_db(float(self._signal.sum()), float(self._noise.sum()))

    @property
    def channels_db(self) -> float:
        """Median ratio of the channels that are not always 0; of the whole where all are."""
        return _median_db(self._signal, self._noise)

    @property
    def saturated(self) -> float | None:
        """Share of saturated values, 0..1; None for real numbers."""
        return None if self._grid is None else self._saturated / max(self._count, 1)

    @property
    def storage_db(self) -> float | None:
        """Ratio of the signal when it is only stored; None for real numbers."""
        if self._grid is None:
            return None
        return ratio_db(float(self._signal.sum()), float(self._stored.sum()))

    @property
    def storage_channels_db(self) -> float | None:
        """Median of these of the channels; None for real numbers."""
        return None if self._grid is None else _median_db(self._signal, self._stored)

    @property
    def clipped(self) -> float | None:
        """Share of the noise of storing that comes from clipping; None for real numbers."""
        if self._grid is None:
            return None
        stored = float(self._stored.sum())
        return self._clipped / stored if stored > 0 else 0.0

    @property
    def spread(self) -> float:
        """The largest channel's peak over the median channel's; channels always 0 do not count."""
        alive = self._peak[self._peak > 0]
        return float(alive.max() / np.median(alive)) if len(alive) else 1.0


def median_db(signal: npt.NDArray[np.generic], values: npt.NDArray[np.generic], axis: int) -> float:
    """Return the median of the ratios along an axis; what is always 0 there does not count.

    Args:
        signal: Any array.
        values: Another of the same shape.
        axis: What to tell apart.
    """
    before = _by_channel(signal, axis)
    noise = before - _by_channel(values, axis)
    return _median_db(np.square(before).sum(axis=1), np.square(noise).sum(axis=1))


def ratio_db(signal: float, noise: float) -> float:
    """Return 10 log10(signal / noise) of two energies, within ``MOST_DB`` of 0.

    Args:
        signal: Sum of squares; not negative.
        noise: Sum of squares; not negative, possibly infinite.

    Returns:
        ``MOST_DB`` where there is no noise.
    """
    if noise == 0:
        return MOST_DB
    if signal == 0 or not math.isfinite(signal) or not math.isfinite(noise):
        return -MOST_DB
    return min(MOST_DB, max(-MOST_DB, 10 * (math.log10(signal) - math.log10(noise))))


def _by_channel(values: npt.NDArray[np.generic], axis: int) -> Values:
    """Return values as (channels, all else), float64."""
    moved = np.moveaxis(values.astype(np.float64), axis, 0)
    return moved.reshape(moved.shape[0], -1)


def _median_db(signal: Values, noise: Values) -> float:
    """Return the median ratio of energies; that of their sums where no signal is above 0."""
    alive = signal > 0
    if not alive.any():
        return ratio_db(0.0, float(noise.sum()))
    pairs = zip(signal[alive], noise[alive], strict=True)
    return float(np.median([ratio_db(float(one), float(other)) for one, other in pairs]))


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
