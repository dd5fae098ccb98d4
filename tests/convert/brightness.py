"""A classifier whose right answers are known without any framework.

It tells pictures of night, dusk and noon apart by how bright they are. Its weights are set by
hand, and ``scores_of`` computes its answers in numpy; so a test need not trust the float model
that edgecnn loaded. It is right on all pictures when it gets black as -1 and white as 1, and on
a third or two thirds of them when it gets another range.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from command import Finished, edgecnn_here
from edgecnn.build.reference import read_reference
from edgecnn.quiet import captured_log
from edgecnn_runner.session import Session

NAMES = ("night", "dusk", "noon")
SIDE = 16
FLOAT32 = 1e-4
"""How far apart probabilities of the same float32 network may be."""
_LEVELS = ((15, 70), (108, 147), (185, 240))
_TINT = (8, 0, -8)  # exchanged colours change the scores
_LUMINANCE = (0.2, 0.3, 0.5)
_SCORES = (((-8, 8), 0), ((0, 0), 2), ((8, -8), 0))  # by the bright half, the dark half, and a bias

Floats = npt.NDArray[np.floating[Any]]


def pictures(each: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return pictures (n, 16, 16, 3) and their classes, ``each`` of every class."""
    random = np.random.default_rng(seed)
    made, labels = [], []
    for label, (low, high) in enumerate(_LEVELS):
        for _ in range(each):
            level = random.uniform(low, high) + np.asarray(_TINT)
            made.append(level + random.normal(0, 6, (SIDE, SIDE, 3)))
            labels.append(label)
    return np.clip(made, 0, 255).round().astype(np.uint8), np.asarray(labels)


def write_pictures(folder: Path) -> Path:
    """Write ``train`` and ``test`` with a folder a class, and ``labels.txt`` beside them."""
    for part, each, seed in (("train", 8, 1), ("test", 14, 2)):
        for index, (pixels, label) in enumerate(zip(*pictures(each, seed), strict=True)):
            place = folder / "images" / part / NAMES[label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place / f"{index:03}.png")
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in NAMES))
    return folder


def scores_of(values: Floats) -> Floats:
    """Return the right probabilities of images (n, 16, 16, 3) in -1..1, computed in float64."""
    luminance = np.asarray(values, np.float64) @ np.asarray(_LUMINANCE)
    bright = np.maximum(luminance, 0).mean(axis=(1, 2))
    dark = np.maximum(-luminance, 0).mean(axis=(1, 2))
    logits = np.stack([a * bright + b * dark + bias for (a, b), bias in _SCORES], axis=1)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def body(layers: Any, values: Any, *, softmax: bool = True, **last: Any) -> Any:
    """Put the classifier's layers, of any Keras, behind ``values`` in -1..1."""
    halves = layers.Conv2D(2, 1, activation="relu", name="halves")(values)
    pooled = layers.GlobalAveragePooling2D(name="pool")(halves)
    activation = "softmax" if softmax else None
    return layers.Dense(3, activation=activation, name="scores", **last)(pooled)


def set_by_hand(model: Any) -> Any:
    """Give the layers of ``body`` their weights, wherever they are in a model."""
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, :, 0], kernel[0, 0, :, 1] = _LUMINANCE, np.negative(_LUMINANCE)
    model.get_layer("halves").set_weights([kernel, np.zeros(2, np.float32)])
    weights = np.asarray([pair for pair, _ in _SCORES], np.float32).T
    model.get_layer("scores").set_weights([weights, np.asarray([b for _, b in _SCORES], "f4")])
    return model


def fitted(
    model: Any, *, of: Callable[[Floats], Floats] = lambda pixels: pixels, library: Any = None
) -> Any:
    """Set a model's last layer, a Dense, so that it tells the pictures apart: by least squares.

    Args:
        model: Its other weights may be any.
        of: What is made of pixels 0..255 before the model gets them.
        library: The Keras it is of; None for Keras 3.
    """
    if library is None:
        with captured_log():
            import keras

            library = keras
    pixels, labels = pictures(40, seed=6)
    hidden_model = library.Model(model.inputs[0], model.layers[-1].input)
    hidden = np.asarray(hidden_model(of(pixels.astype(np.float32)), training=False), np.float64)
    hidden = np.concatenate([hidden, np.ones((len(hidden), 1))], axis=1)
    square = hidden.T @ hidden
    square += 1e-3 * np.trace(square) / len(square) * np.eye(len(square))
    wanted = 8 * (np.eye(len(NAMES))[labels] - 1 / len(NAMES))
    weights = np.linalg.solve(square, hidden.T @ wanted)
    model.layers[-1].set_weights([weights[:-1], weights[-1]])
    return model


def saved(model: Any, path: Path) -> Path:
    """Save a model as a file by its suffix, or as a SavedModel."""
    with captured_log():
        if path.suffix:
            model.save(path)
        else:
            model.export(path, verbose=False)
    return path


def own_scores(path: Path, values: Floats) -> Floats:
    """Return a model's probabilities as its own framework loads and runs it, no edgecnn in it.

    Args:
        path: A file of Keras 3, or a SavedModel.
        values: Images (n, height, width, channels) in the range that it wants.
    """
    with captured_log():
        import keras
        import tensorflow as tf

        if path.suffix:
            model = keras.saving.load_model(path, compile=False)
            answers = np.asarray(model(values.astype(np.float32), training=False), np.float64)
        else:
            # It has to live while its function is called.
            loaded = tf.saved_model.load(str(path))
            signature = loaded.signatures["serving_default"]
            ((name, spec),) = signature.structured_input_signature[1].items()
            (answer,) = signature(**{name: tf.cast(values, spec.dtype)}).values()
            answers = tf.cast(answer, tf.float64).numpy()
    if np.allclose(answers.sum(axis=1), 1, atol=0.05) and answers.min() >= 0:
        return answers
    powers = np.exp(answers - answers.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@dataclass(frozen=True, kw_only=True)
class Built:
    """What ``edgecnn convert`` came to."""

    done: Finished
    folder: Path

    def reference(self) -> Floats:
        """Return the saved scores of the float model on the test pictures."""
        return read_reference(self.folder / "reference.npz").scores

    def pixels(self) -> npt.NDArray[np.uint8]:
        """Return the test pictures in the order of the reference."""
        root = self.folder.parent / "images"
        ids = read_reference(self.folder / "reference.npz").ids
        return np.stack([np.asarray(Image.open(root / name)) for name in ids])

    def scores(self, variant: str = "tflite-fp32") -> Floats:
        """Return an artifact's scores of the same pictures, run as a device runs it."""
        rows = json.loads((self.folder / "manifest.json").read_text())["variants"]
        (file,) = (row["file"] for row in rows if row["variant"] == variant)
        with Session.open(self.folder / file) as session:
            return session.predict(self.pixels())

    def accuracy(self) -> float:
        """Return the share of test pictures the float model is right on."""
        reference = read_reference(self.folder / "reference.npz")
        return float((reference.scores.argmax(axis=1) == reference.labels).mean())


def convert(
    model: Path, data: Path, *options: str, variants: Sequence[str] = ("tflite-fp32",)
) -> Built:
    """Run ``edgecnn convert`` on a model with the pictures that ``write_pictures`` wrote."""
    out = data / f"build-{model.name.replace('.', '-')}-{len(list(data.glob('build-*')))}"
    wanted = [word for variant in variants for word in ("--variant", variant)]
    done = edgecnn_here(
        "convert", model, "--data", data / "images", "--labels", data / "labels.txt",
        "--out", out, *wanted, *options,
    )  # fmt: skip
    return Built(done=done, folder=out)


def check_right(
    built: Built,
    *,
    of_pixels: Callable[[Floats], Floats] = lambda pixels: pixels / 127.5 - 1,
    variants: Sequence[str] = ("tflite-fp32",),
    reference: float = FLOAT32,
    artifacts: float = FLOAT32,
) -> None:
    """Assert that a conversion worked, and that reference and artifacts have the right scores.

    Args:
        built: The conversion.
        of_pixels: What the model as a whole makes of pixels 0..255 before ``body``.
        variants: Whose artifacts to run.
        reference: How far the saved scores of the float model may be from the right ones.
        artifacts: The same of the artifacts.
    """
    assert built.done.code == 0, built.done.err
    right = scores_of(of_pixels(built.pixels().astype(np.float64)))
    np.testing.assert_allclose(built.reference(), right, rtol=0, atol=reference)
    assert built.accuracy() == 1
    for variant in variants:
        np.testing.assert_allclose(
            built.scores(variant), right, rtol=0, atol=artifacts, err_msg=variant
        )


def check_refused(built: Built, *said: str, code: int | None = None) -> None:
    """Assert that a conversion ended with a typed error that says these things, and wrote nothing.

    Args:
        built: The conversion.
        said: Texts of its message.
        code: The exit code; None for that of any typed error.
    """
    assert built.done.code == code if code is not None else built.done.code >= 2, built.done.err
    message = " ".join(built.done.err.split())
    assert "error:" in message
    assert "remedy:" in message, message
    for text in said:
        assert text in message, message
    assert not built.folder.exists()
