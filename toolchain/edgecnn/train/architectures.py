"""The networks a recipe can name.

Every network takes raw pixels 0..255 as float32, NHWC, and scales them itself in its first layer,
so that a saved model carries its own preprocessing; it ends in a softmax, computed in float32
whatever the precision of the rest. Weights start from explicit seeds: building a network
changes no global random state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edgecnn.recipe.rules import SMALLEST_SIDES

if TYPE_CHECKING:
    import keras

Shape = tuple[int, int, int]
"""Height, width and channels."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network family.

    Attributes:
        smallest_side: Least height and width of the images it can take, pixels.
        body: Adds the layers between input scaling and class scores.
    """

    smallest_side: int
    body: Callable[[_Layers, Any, Shape], Any]  # symbolic Keras tensors, which have no types


def build_network(
    architecture: str,
    *,
    shape: Shape,
    classes: int,
    precision: str,
    seed: int,
    dropout: float = 1.0,
    norm_momentum: float = 0.99,
    fused: bool = False,
) -> keras.Model:
    """Build an untrained network.

    Args:
        architecture: A key of ``ARCHITECTURES``.
        shape: Height, width and channels; at least the architecture's smallest side.
        classes: Number of outputs, at least 2.
        precision: ``float32`` or ``mixed_bfloat16`` (weights stay float32).
        seed: Decides initial weights and dropout.
        dropout: Factor on the architecture's dropout rates, 0..1.
        norm_momentum: What batch normalization keeps of its moving averages at each step, 0..1.
        fused: Use the faster batch normalization, for a network that is trained but not saved.

    Returns:
        A Keras model from (batch, height, width, channels) to (batch, classes) probabilities.
    """
    from edgecnn.train.backend import keras

    layers = _Layers(precision, seed, dropout=dropout, norm_momentum=norm_momentum, fused=fused)
    pixels = keras.Input(shape, name="pixels")
    x = keras.layers.Rescaling(1 / 255, dtype=layers.policy, name="scale")(pixels)
    x = ARCHITECTURES[architecture].body(layers, x, shape)
    return keras.Model(pixels, layers.scores(classes)(x), name=architecture)


class _Layers:
    """Makes layers with one precision, consecutive names, and a seed for each."""

    def __init__(
        self, precision: str, seed: int, *, dropout: float, norm_momentum: float, fused: bool
    ) -> None:
        from edgecnn.train.backend import keras

        self.policy = keras.DTypePolicy(precision)
        self._keras = keras
        self._seed = seed
        self._dropout = dropout
        self._norm_momentum = norm_momentum
        self._fused = fused
        self._counts: dict[str, int] = {}

    def _name(self, kind: str) -> str:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"{kind}{self._counts[kind]}"

    def _next_seed(self) -> int:
        # Any injective mixing would do; 1009 is a prime larger than the layers of a network.
        return (self._seed * 1009 + sum(self._counts.values())) % 2**31

    def conv(self, filters: int, *, padding: str = "same") -> Any:
        """A 3x3 convolution with ReLU."""
        return self._keras.layers.Conv2D(
            filters,
            3,
            padding=padding,
            activation="relu",
            dtype=self.policy,
            name=self._name("conv"),
            kernel_initializer=self._keras.initializers.GlorotUniform(seed=self._next_seed()),
        )

    def linear_conv(
        self, filters: int, *, size: int = 3, strides: int = 1, bias: bool = False
    ) -> Any:
        """A convolution without activation, padded to keep the size before strides."""
        return self._keras.layers.Conv2D(
            filters,
            size,
            strides=strides,
            padding="same",
            use_bias=bias,
            dtype=self.policy,
            name=self._name("conv"),
            kernel_initializer=self._keras.initializers.HeNormal(seed=self._next_seed()),
        )

    def norm(self, *, start: float = 1.0) -> Any:
        """Batch normalization whose scale begins at ``start``."""
        kind = self._keras.layers.BatchNormalization
        if self._fused:
            from edgecnn.train.batch_norm import FusedBatchNormalization

            kind = FusedBatchNormalization
        return kind(
            momentum=self._norm_momentum,
            dtype=self.policy,
            name=self._name("norm"),
            gamma_initializer=self._keras.initializers.Constant(start),
        )

    def relu(self) -> Any:
        """The positive part."""
        return self._keras.layers.ReLU(dtype=self.policy, name=self._name("relu"))

    def add(self) -> Any:
        """The sum of a list of equal shapes."""
        return self._keras.layers.Add(dtype=self.policy, name=self._name("add"))

    def average(self) -> Any:
        """The mean over height and width."""
        return self._keras.layers.GlobalAveragePooling2D(
            dtype=self.policy, name=self._name("average")
        )

    def pool(self) -> Any:
        """Halves height and width, taking the largest of each 2x2."""
        return self._keras.layers.MaxPooling2D(dtype=self.policy, name=self._name("pool"))

    def dropout(self, rate: float) -> Any:
        """Drops inputs in training."""
        name = self._name("dropout")
        return self._keras.layers.Dropout(
            rate * self._dropout, seed=self._next_seed(), dtype=self.policy, name=name
        )

    def flatten(self) -> Any:
        """Joins height, width and channels."""
        return self._keras.layers.Flatten(dtype=self.policy, name=self._name("flatten"))

    def dense(self, units: int) -> Any:
        """A fully connected layer with ReLU."""
        return self._keras.layers.Dense(
            units,
            activation="relu",
            dtype=self.policy,
            name=self._name("dense"),
            kernel_initializer=self._keras.initializers.GlorotUniform(seed=self._next_seed()),
        )

    def scores(self, classes: int) -> Any:
        """The last layer: class probabilities in float32."""
        name = self._name("dense")
        return self._keras.layers.Dense(
            classes,
            activation="softmax",
            dtype="float32",
            name=name,
            kernel_initializer=self._keras.initializers.GlorotUniform(seed=self._next_seed()),
        )


def _seed_cnn(layers: _Layers, x: Any, shape: Shape) -> Any:
    """The CNN of the notebook: 1,676,842 parameters for 32x32x3 and 10 classes."""
    del shape
    x = layers.conv(32)(x)
    x = layers.conv(32)(x)
    x = layers.dropout(0.25)(layers.pool()(x))
    x = layers.conv(64)(x)
    # The notebook's Conv2D(64, 3, 3) meant a 3x3 kernel without padding in the Keras of its day.
    x = layers.conv(64, padding="valid")(x)
    x = layers.dropout(0.25)(layers.pool()(x))
    x = layers.dense(512)(layers.flatten()(x))
    return layers.dropout(0.5)(x)


def _resnet8(layers: _Layers, x: Any, shape: Shape) -> Any:
    """The image classifier of MLPerf Tiny: 78,666 parameters for 32x32x3 and 10 classes.

    Three residual blocks of 16, 32 and 64 filters after He et al. 2016, arXiv:1512.03385, section
    4.2; convolutions have biases and shortcuts no normalization, as in the benchmark's reference
    (mlcommons/tiny, ``keras_model.py``).
    """
    del shape
    x = layers.relu()(layers.norm()(layers.linear_conv(16, bias=True)(x)))
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        y = layers.linear_conv(filters, strides=strides, bias=True)(x)
        y = layers.relu()(layers.norm()(y))
        y = layers.norm()(layers.linear_conv(filters, bias=True)(y))
        if strides > 1:
            x = layers.linear_conv(filters, size=1, strides=strides, bias=True)(x)
        x = layers.relu()(layers.add()([x, y]))
    return layers.average()(x)


def _wren(layers: _Layers, x: Any, shape: Shape) -> Any:
    """A small residual network with its work at low resolution: 226,570 parameters.

    That is for 32x32x3 and 10 classes. Against ResNet-14 it has one block instead of two at full
    resolution, where a multiply-accumulate costs most memory traffic, and wider ones after it.
    The last normalization of a block begins at zero, so that the block begins as the identity
    (Goyal et al. 2017, arXiv:1706.02677, section 5.1).
    """
    del shape
    return _residual(layers, x, first_strides=1)


def _residual(layers: _Layers, x: Any, *, first_strides: int) -> Any:
    """The blocks of ``_wren`` and ``_finch``."""
    x = layers.relu()(layers.norm()(layers.linear_conv(16, strides=first_strides)(x)))
    for filters, strides in ((16, 1), (40, 2), (40, 1), (72, 2), (72, 1)):
        y = layers.linear_conv(filters, strides=strides)(x)
        y = layers.relu()(layers.norm()(y))
        y = layers.norm(start=0.0)(layers.linear_conv(filters)(y))
        if strides > 1:
            x = layers.norm()(layers.linear_conv(filters, size=1, strides=strides)(x))
        x = layers.relu()(layers.add()([x, y]))
    return layers.average()(x)


def _finch(layers: _Layers, x: Any, shape: Shape) -> Any:
    """Wren for photos: the same layers, the first one with stride 2; 226,570 parameters.

    That is for images of three channels and 10 classes. Photos of 64 pixels and more show little
    at full resolution that a class depends on, and a quarter of the work leaves time for more
    epochs.
    """
    del shape
    return _residual(layers, x, first_strides=2)


def _tiny_cnn(layers: _Layers, x: Any, shape: Shape) -> Any:
    """A small CNN: 9,930 parameters for 8x8x1 and 28,714 for 32x32x3, with 10 classes.

    Convolutions of 32 filters alternate with pooling until the shorter side is below 8 pixels.
    """
    side = min(shape[:2])
    x = layers.conv(16)(x)
    x = layers.conv(32)(x)
    while side >= 8:
        x = layers.pool()(x)
        side //= 2
        if side >= 8:
            x = layers.conv(32)(x)
    return layers.dropout(0.25)(layers.flatten()(x))


_BODIES: Final = {
    "seed_cnn": _seed_cnn,
    "resnet8": _resnet8,
    "wren": _wren,
    "tiny_cnn": _tiny_cnn,
    "finch": _finch,
}
ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    name: Architecture(smallest_side=SMALLEST_SIDES[name], body=body)
    for name, body in _BODIES.items()
}
"""Name to network family; the names are those that recipes may use."""
