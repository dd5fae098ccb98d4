"""Makes networks of ``keras.applications`` whose random weights answer differently to each photo.

Keras's initial weights answer with constants: the averages of batch normalization are 0 and 1,
ConvNeXt's blocks count a millionth, and behind so many layers all photos look alike. So here

- what begins as 0 or 1 (gamma, beta, biases) is drawn, and ConvNeXt's blocks count some tenths;
- batch normalization gets its averages from photos, in one pass in the mode of training;
- the last layer reads the directions in which the photos differ most, turned at random, so that
  every class is some photo's and the scores are as sure as those of a trained network.

    python tests/benchmarks/network_weights.py survey
    python tests/benchmarks/network_weights.py make NAME SIDE PHOTOS FOLDER

Both print JSON. ``make`` writes ``model.keras`` and ``own.npz``, Keras's own scores of the photos
in ``PHOTOS/test``. How far these are from those of the same model with its weights rounded, in
Keras, says how much of a converted file's difference is the weights' own.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from applications import CLASSES, difference, pixels_of

Floats = npt.NDArray[np.float32]

_SPREAD: Final = 6.0
"""Deviation of a class's logits over the photos."""
_BATCH: Final = 10
ROUNDED: Final = ("float32", "float16", "int8")
_MEAN: Final = np.asarray([0.485, 0.456, 0.406], np.float32)
_DEVIATION: Final = np.asarray([0.229, 0.224, 0.225], np.float32)


def constructors() -> dict[str, Callable[..., Any]]:
    """Return what makes each network that ``keras.applications`` lists, by name."""
    import keras

    named = {name: getattr(keras.applications, name) for name in dir(keras.applications)}
    return {name: make for name, make in named.items() if name[0].isupper() and callable(make)}


def survey() -> dict[str, dict[str, Any]]:
    """Return the side that each network takes by default, pixels, or None, and its parameters."""
    import keras

    found = {}
    for name, make in constructors().items():
        with keras.StatelessScope():  # no weights are drawn
            model = make(weights=None, classes=CLASSES)
        found[name] = {"side": model.input_shape[1], "parameters": model.count_params()}
        keras.backend.clear_session()
        gc.collect()
    return found


def input_range_of(make: Callable[..., Any]) -> str:
    """Return the range that ``preprocess_input`` of a network's module makes of pixels.

    Returns:
        ``0..255``, ``-1..1`` or ``imagenet``; ``caffe`` for what no range says: blue first, less a
        mean.
    """
    pixels = np.asarray([[0, 0, 0], [255, 255, 255], [255, 0, 0]], np.float32)
    values = _own_preprocessing(make)(pixels.copy().reshape(1, 1, 3, 3)).reshape(3, 3)
    known = {
        "0..255": pixels,
        "-1..1": pixels / 127.5 - 1,
        "imagenet": (pixels / 255 - _MEAN) / _DEVIATION,
        "caffe": pixels[:, ::-1] - np.asarray([103.939, 116.779, 123.68], np.float32),
    }
    (found,) = [name for name, one in known.items() if np.allclose(values, one, atol=1e-3)]
    return found


def _own_preprocessing(make: Callable[..., Any]) -> Callable[[Any], Any]:
    module: ModuleType = sys.modules[make.__module__]
    preprocess: Callable[[Any], Any] = module.preprocess_input
    return preprocess


def network(name: str, side: int, photos: npt.NDArray[np.uint8]) -> tuple[Any, str]:
    """Return a network with weights whose answers differ.

    Args:
        name: In ``keras.applications``.
        side: Of its images, pixels.
        photos: To set averages and the last layer by, shape (n, side, side, 3), uint8.

    Returns:
        The model, and the input range that ``edgecnn convert`` has to be told.
    """
    import keras

    keras.utils.set_random_seed(1)
    make = constructors()[name]
    shape, wanted = (side, side, 3), input_range_of(make)
    values = photos.astype(np.float32)
    if wanted == "caffe":
        # No range says "blue first", so it is done in the model, as Keras's guides have it.
        image = keras.Input(shape)
        before = _own_preprocessing(make)(image)
        model = make(weights=None, classes=CLASSES, input_tensor=before)
        wanted = "0..255"
    else:
        model = make(weights=None, classes=CLASSES, input_shape=shape)
        values = _own_preprocessing(make)(values)
    _draw(model)
    _set_head(model, _settled_features(model, values))
    return model, wanted


def _draw(model: Any) -> None:
    """Draw what begins as 0 or 1, and give a Normalization the figures of ImageNet."""
    random = np.random.default_rng(1)
    for layer in model.layers:
        kind = type(layer).__name__
        for weight in layer.weights:
            what, shape = weight.path.rpartition("/")[2], weight.shape
            if kind == "LayerScale":
                weight.assign(random.uniform(0.1, 0.5, shape))
            elif kind == "Normalization" and what in ("mean", "variance"):
                weight.assign(np.reshape(_MEAN if what == "mean" else _DEVIATION**2, shape))
                layer.finalize_state()  # it computes with copies that are made here, and on loading
            elif what == "gamma":
                weight.assign(random.uniform(0.7, 1.3, shape))
            elif what == "beta":
                weight.assign(random.normal(0, 0.1, shape))
            elif what == "bias":
                weight.assign(random.normal(0, 0.02, shape))


def _head_of(model: Any) -> Any:
    """Return the last layer with a kernel: a Dense, or a convolution of one pixel."""
    return [layer for layer in model.layers if hasattr(layer, "kernel")][-1]


def _settled_features(model: Any, values: Floats) -> Floats:
    """Set batch normalization's averages by images, and return what the last layer then reads.

    One pass in the mode of training does it: every layer sees what the layers before it will
    make of these images while they classify. Nothing is dropped meanwhile.
    """
    import keras
    import tensorflow as tf

    settings = {"momentum": 0.0, "rate": 0.0, "drop_path_rate": 0.0}
    before = [
        (layer, name, getattr(layer, name))
        for layer in model._flatten_layers()
        for name in settings
        if hasattr(layer, name)
    ]
    for layer, name, _ in before:
        setattr(layer, name, settings[name])
    inner = keras.Model(model.inputs, _head_of(model).input)
    # A graph frees what no later layer reads, which running layer by layer does not.
    settle = tf.function(lambda images: inner(images, training=True), autograph=False)
    features = np.asarray(settle(tf.constant(values)), np.float32)
    for layer, name, value in before:
        setattr(layer, name, value)
    return features.reshape(len(values), -1)


def _set_head(model: Any, features: Floats) -> None:
    """Let each class's logit follow another mixture of the directions in which images differ."""
    mean = features.mean(axis=0, dtype=np.float64)
    _, sizes, directions = np.linalg.svd(features - mean, full_matrices=False)
    turned, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(CLASSES, CLASSES)))
    deviations = sizes[:CLASSES] / np.sqrt(len(features))
    kernel = _SPREAD * (directions[:CLASSES].T / deviations) @ turned
    head = _head_of(model)
    head.kernel.assign(kernel.reshape(head.kernel.shape))
    head.bias.assign(-mean @ kernel)


def _round(model: Any, kind: str) -> None:
    """Round a model's kernels as a file in fewer bits has them, in place.

    For ``float32`` each weight is made larger or smaller by 2**-22 of itself, two to four of its
    last bits: about what another order of summing does to a layer's result.
    """
    random = np.random.default_rng(3)
    for layer in model._flatten_layers():
        for weight in layer.weights:
            value = np.asarray(weight)
            if kind == "float32":
                weight.assign(value * (1 + random.choice([-1, 1], value.shape) * 2.0**-22))
            elif kind == "float16":
                weight.assign(value.astype(np.float16).astype(np.float32))
            elif value.ndim > 1 and "kernel" in weight.path.rpartition("/")[2]:
                # A scale for each output channel; a depthwise kernel has two axes of them.
                axes = (0, 1) if "depthwise" in type(layer).__name__.lower() else None
                kept = axes or tuple(range(value.ndim - 1))
                scale = np.abs(value).max(axis=kept, keepdims=True) / 127
                scale = np.where(scale == 0, 1, scale)
                weight.assign(np.rint(value / scale) * scale)


def make_and_ask(
    name: str, side: int, photos: Path, folder: Path, *, rounded: Sequence[str] = ROUNDED
) -> dict[str, Any]:
    """Write a network and its own scores.

    Args:
        name: In ``keras.applications``.
        side: Of its images, pixels.
        photos: Holds ``train`` and ``test`` with class folders.
        folder: Gets ``model.keras`` and ``own.npz``.
        rounded: What its weights are rounded to, too, for comparison.

    Returns:
        JSON-ready: the range to tell, what rounded weights come to, and how the answers spread.
    """
    model, wanted = network(name, side, pixels_of(photos / "train"))
    model.save(folder / "model.keras")
    values = pixels_of(photos / "test").astype(np.float32)
    if wanted != "0..255":
        values = _own_preprocessing(constructors()[name])(values)
    scores = model.predict(values, batch_size=_BATCH, verbose=0)
    of_rounded = {}
    for kind in rounded:
        model.load_weights(folder / "model.keras")
        _round(model, kind)
        answers = model.predict(values, batch_size=_BATCH, verbose=0)
        of_rounded[kind] = difference(answers, scores)
    np.savez(folder / "own.npz", scores=scores)
    ordered = np.sort(scores, axis=1)
    return {
        "input_range": wanted,
        "rounded_weights": of_rounded,
        "classes_answered": len(set(scores.argmax(axis=1).tolist())),
        "median_margin": float(np.median(ordered[:, -1] - ordered[:, -2])),
    }


if __name__ == "__main__":
    task, *given = sys.argv[1:]
    if task == "survey":
        print(json.dumps(survey()))
    else:
        print(json.dumps(make_and_ask(given[0], int(given[1]), Path(given[2]), Path(given[3]))))
