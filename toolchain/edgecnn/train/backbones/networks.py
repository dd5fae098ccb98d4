"""Opens a pretrained network: its layers with their weights, and its features as one output.

This module imports Keras; ``edgecnn.train.transfer`` imports it when a recipe names a backbone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DownloadError, RecipeError, UsageError
from edgecnn.files import file_digest, wrap_os_errors
from edgecnn.log import has_read
from edgecnn.progress import Progress
from edgecnn.recipe.load import Model
from edgecnn.train.architectures import build_network
from edgecnn.train.backbones.catalog import BACKBONES
from edgecnn.train.backbones.efficientnet_lite0 import build_lite0, load_lite0
from edgecnn.train.backbones.weights import LITE0_SHA256, lite0_tensors
from edgecnn.train.backend import keras

_RELEASED: Final = Path(__file__).resolve().parents[4] / "models"
_ALPHAS: Final = {"mobilenet_025": 0.25, "mobilenet_050": 0.5}


@dataclass(frozen=True, kw_only=True, eq=False)
class Pretrained:
    """A pretrained network without its classifier.

    Attributes:
        name: What the recipe calls it; ``start`` for a file of the user's.
        network: A Keras model (untyped) from raw pixels 0..255, (batch, height, width, channels),
            to features, (batch, features), float32.
        widths: How many of the features come from each tap, in their order.
        trunk: The name of the last layer that fine-tuning leaves as it is; None where the network
            is not fine-tuned.
        sha256: Of the weights: of the file they came in or, where a library fetched them, of
            themselves.
        notice: Whose work they are; empty for this project's own and the user's.
    """

    name: str
    network: Any
    widths: tuple[int, ...]
    trunk: str | None
    sha256: str
    notice: str


def open_backbone(
    model: Model, shape: tuple[int, int, int], *, weights: Path | None, progress: Progress
) -> Pretrained:
    """Return the network that a recipe names, with its weights.

    Args:
        model: The recipe's section, with ``backbone``, ``start`` or both.
        shape: Height, width and channels of the images.
        weights: A file of published weights, for those that are fetched otherwise.
        progress: Who to tell what is fetched.

    Raises:
        RecipeError: If ``start`` is no network for these images.
        UsageError: If the file of weights is not there, or the released weights are not.
        DownloadError: If weights cannot be fetched; the remedy names a way without a network.
        ChecksumError: If a file is not the published one.
    """
    if model.start is not None:
        return _from_file(model.start, model.backbone, shape)
    name = str(model.backbone)
    if name == "efficientnet_lite0":
        network = build_lite0(shape)
        load_lite0(network, lite0_tensors(weights, progress=progress))
        return _tapped(name, network, LITE0_SHA256)
    if name in _ALPHAS:
        network = _mobilenet(_ALPHAS[name], shape, weights)
        return _tapped(name, network, weights_digest(network))
    file = _RELEASED / name / f"{name}.keras"
    if not file.is_file():
        raise UsageError(
            f"the released weights of {name} are not here",
            observed=f"no file {file}",
            expected=f"models/{name}/{name}.keras of edgecnn's repository",
            remedy="name a copy of that file in the recipe: start under [model]",
        )
    return _from_file(file, name, shape)


class PhotoFeatures:
    """Features of photos by EfficientNet-Lite0, for whoever looks at photos before a training.

    Args:
        weights: A file of its published weights; None to fetch them.
        progress: Who to tell what is fetched.

    Attributes:
        name: What the network is called.
        size: Height and width of the photos that it takes, pixels.
    """

    name: Final = "EfficientNet-Lite0"
    size: Final = 160

    def __init__(self, *, weights: Path | None, progress: Progress) -> None:
        model = Model(name="photos", backbone="efficientnet_lite0")
        shape = (self.size, self.size, 3)
        self._network = open_backbone(model, shape, weights=weights, progress=progress).network

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return features, shape (n, features), of raw pixels (n, size, size, 3), uint8."""
        features: npt.NDArray[np.float32] = np.asarray(
            self._network(pixels.astype(np.float32), training=False)
        )
        return features


def weights_digest(network: Any) -> str:
    """Return the SHA-256 over a network's weights, in the order of its layers."""
    digest = hashlib.sha256()
    for value in network.get_weights():
        digest.update(repr(value.shape).encode())
        digest.update(value.astype("<f4").tobytes())
    return digest.hexdigest()


def _tapped(name: str, network: Any, sha256: str) -> Pretrained:
    """Return a network whose output is the average over the picture of each of its taps."""
    known = BACKBONES[name]
    maps = [network.get_layer(tap).output for tap in known.taps]
    means = [
        keras.layers.GlobalAveragePooling2D(name=f"features{number}")(one)
        for number, one in enumerate(maps, 1)
    ]
    joined = keras.layers.Concatenate(name="features")(means)
    return Pretrained(
        name=name,
        network=keras.Model(network.inputs[0], joined, name=name),
        widths=tuple(int(one.shape[-1]) for one in maps),
        trunk=known.trunk,
        sha256=sha256,
        notice=known.notice,
    )


def _mobilenet(alpha: float, shape: tuple[int, int, int], weights: Path | None) -> Any:
    pixels = keras.Input(shape, name="pixels")
    scaled = keras.layers.Rescaling(1 / 127.5, -1.0, name="scale")(pixels)
    title = f"MobileNet {alpha}"
    try:
        return keras.applications.MobileNet(
            input_tensor=scaled,
            alpha=alpha,
            include_top=False,
            weights="imagenet" if weights is None else str(weights),
        )
    except Exception as error:  # urllib's and h5py's errors, and those of the layers they are for
        side = shape[0] if shape[0] == shape[1] and shape[0] in (128, 160, 192) else 224
        name = f"mobilenet_{'2_5' if alpha == 0.25 else '5_0'}_{side}_tf_no_top.h5"
        raise DownloadError(
            f"the weights of {title} cannot be {'fetched' if weights is None else 'read'}",
            observed=" ".join(f"{type(error).__name__}: {error}".split())[:200],
            expected=f"Keras's file {name}",
            remedy=f"fetch {name} where there is a network (Keras keeps it in ~/.keras/models), "
            "and name it with --weights FILE; or choose another network: "
            "backbone = 'efficientnet_lite0'",
        ) from error


def _from_file(path: Path, name: str | None, shape: tuple[int, int, int]) -> Pretrained:
    """Return the network in a ``.keras`` file without its last layers.

    Args:
        path: The file.
        name: The architecture it has to be of; None for any.
        shape: Of the images.
    """
    stored = _loaded(path)
    sha256 = file_digest(path)
    if name is not None:
        network = build_network(name, shape=shape, classes=2, precision="float32", seed=0)
        own, given = network.get_weights()[:-2], stored.get_weights()[:-2]
        if [one.shape for one in own] != [one.shape for one in given]:
            raise _unusable(path, f"other layers than those of {name}", f"a network of {name}")
        network.set_weights([*given, *network.get_weights()[-2:]])
        return _tapped(name, network, sha256)
    if tuple(stored.input_shape[1:]) != shape:
        sides = "x".join(map(str, stored.input_shape[1:]))
        raise _unusable(
            path, f"images of {sides}", f"a network for images of {'x'.join(map(str, shape))}"
        )
    dense = [layer for layer in stored.layers if isinstance(layer, keras.layers.Dense)]
    if not dense or len(dense[-1].input.shape) != 2:
        raise _unusable(path, "no last fully connected layer", "a classifier that ends in one")
    features = dense[-1].input
    return Pretrained(
        name="start",
        network=keras.Model(stored.inputs[0], features, name="start"),
        widths=(int(features.shape[-1]),),
        trunk=None,
        sha256=sha256,
        notice="",
    )


def _loaded(path: Path) -> Any:
    has_read(path)
    with wrap_os_errors(path), path.open("rb"):
        pass
    try:
        # A file with code of its own in it is refused by Keras: safe mode is its default.
        stored = keras.models.load_model(path, compile=False)
        single = len(stored.inputs) == len(stored.outputs) == 1
    except Exception as error:  # what damaged archives, weights and configurations raise is open
        observed = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise _unusable(path, observed, "a .keras file of a classifier") from error
    if not single:
        raise _unusable(path, "several inputs or outputs", "a network of one input and one output")
    return stored


def _unusable(path: Path, observed: str, expected: str) -> RecipeError:
    return RecipeError(
        f"model.start = {str(path)!r}: no network to start from for these images",
        observed=observed,
        expected=expected,
        remedy="name the .keras file of a classifier that takes raw pixels 0..255, as edgecnn "
        "train writes it, with data.image_size and data.channels as it has them; or "
        "backbone = 'efficientnet_lite0'",
    )
