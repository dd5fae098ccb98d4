"""Why the notebook's second training fell to 59.55 %: the same again, and one thing changed a time.

The notebook trained its finished model on, for 50 epochs of all 50,000 training images, turned by
up to 40 degrees, shifted and zoomed by up to 20 % and mirrored, with RMSprop at its constant rate.
Each arm here begins with the weights of the notebook's own training
(`edgecnn build models/seed_cnn/recipe-notebook.toml`) and differs from the notebook in one thing.
After each epoch the test images are classified as they are, and turned, shifted and zoomed as the
training images were. Test images decide nothing here: no weights of this are released.

    .venv/bin/python tests/benchmarks/notebook_augmentation.py FOLDER OUT.json [--epochs N]

FOLDER is the build of the notebook's training. OUT.json is written after each epoch; arms that are
in it already are not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from measure import machine, versions

from edgecnn.data import Images, load_dataset
from edgecnn.files import file_digest, write_json
from edgecnn.recipe.load import Data
from edgecnn.train.architectures import build_network
from edgecnn.train.backend import keras, tf
from edgecnn.train.batches import augmented
from edgecnn.train.precision import choose_precision

BATCH: Final = 128
ROTATION: Final = math.radians(40)
SHIFT: Final = 0.2
ZOOM: Final = 0.2

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One training.

    Attributes:
        images: ``notebook`` (turned, shifted, zoomed, mirrored), ``mild`` (a crop from a
            reflected border of 4 pixels, mirrored) or ``none``.
        falls: Whether the rate falls to zero by a cosine.
        dropout: Factor on the network's dropout rates.
    """

    images: str = "notebook"
    falls: bool = False
    dropout: float = 1.0


ARMS: Final[Mapping[str, Arm]] = {
    "as the notebook": Arm(),
    "images mildly changed": Arm(images="mild"),
    "images unchanged": Arm(images="none"),
    "a rate that falls": Arm(falls=True),
    "no dropout": Arm(dropout=0.0),
}


def transforms(
    rotation: Any, shifts: Any, zooms: Any, mirrored: Any, *, height: int, width: int
) -> Any:
    """Return projective transforms as Keras's ``ImageDataGenerator`` applies them.

    Columns and rows of an output pixel, from the centre of the image, are zoomed, shifted and
    turned into those of the input pixel, in this order; mirroring comes last, and so first here.

    Args:
        rotation: Radians, shape (n,).
        shifts: Pixels, columns and rows, shape (n, 2).
        zooms: Factors, columns and rows, shape (n, 2).
        mirrored: Bool, shape (n,).
        height: Of the images.
        width: Of the images.

    Returns:
        Shape (n, 8), as ``tf.raw_ops.ImageProjectiveTransformV3`` takes them.
    """
    cos, sin = tf.cos(rotation), tf.sin(rotation)
    # Output to input: turn * shift * zoom.
    a, b = cos * zooms[:, 0], -sin * zooms[:, 1]
    c, d = sin * zooms[:, 0], cos * zooms[:, 1]
    middle_x, middle_y = width / 2 - 0.5, height / 2 - 0.5
    x = cos * shifts[:, 0] - sin * shifts[:, 1] + middle_x - a * middle_x - b * middle_y
    y = sin * shifts[:, 0] + cos * shifts[:, 1] + middle_y - c * middle_x - d * middle_y
    # Mirroring the result: its column i shows what column width - 1 - i would.
    sign = tf.where(mirrored, -1.0, 1.0)
    first = tf.where(mirrored, float(width - 1), 0.0)
    zeros = tf.zeros_like(a)
    rows = [a * sign, b, x + a * first, c * sign, d, y + c * first, zeros, zeros]
    return tf.stack(rows, axis=1)


def moved(pixels: Any, matrices: Any) -> Any:
    """Apply projective transforms: bilinear, and beyond the border its nearest pixel."""
    _, height, width, _ = pixels.shape
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(pixels, tf.float32),
        transforms=matrices,
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def as_the_notebook(pixels: Any) -> Any:
    """Turn, shift, zoom and mirror a batch at random, as the notebook's generator does."""
    count, (height, width) = tf.shape(pixels)[0], pixels.shape[1:3]
    shifts = tf.random.uniform((count, 2), -SHIFT, SHIFT) * (float(width), float(height))
    matrices = transforms(
        tf.random.uniform((count,), -ROTATION, ROTATION),
        shifts,
        tf.random.uniform((count, 2), 1 - ZOOM, 1 + ZOOM),
        tf.random.uniform((count,)) < 0.5,
        height=height,
        width=width,
    )
    return moved(pixels, matrices)


def mildly(pixels: Any) -> Any:
    """Crop from a reflected border of 4 pixels and mirror a batch at random."""
    count = tf.shape(pixels)[0]
    shifts = tf.random.uniform((count, 2), -4, 5, tf.int32)
    return tf.cast(augmented(pixels, shifts, tf.random.uniform((count,)) < 0.5), tf.float32)


CHANGES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "notebook": as_the_notebook,
    "mild": mildly,
    "none": lambda pixels: tf.cast(pixels, tf.float32),
}


def train(arm: Arm, start: Path, images: Images, test: Images, epochs: int) -> Any:
    """Yield a row of figures after each epoch of one arm."""
    tf.keras.utils.set_random_seed(0)
    network: Any = build_network(
        "seed_cnn",
        shape=(32, 32, 3),
        classes=10,
        precision=choose_precision("auto").name,
        seed=0,
        dropout=arm.dropout,
    )
    network.set_weights(keras.models.load_model(start, compile=False).get_weights())
    steps = -(-len(images) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps * epochs) if arm.falls else 1e-3
    network.compile(
        keras.optimizers.RMSprop(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
        steps_per_execution=8,
    )
    batches = (
        tf.data.Dataset.from_tensor_slices((images.pixels, images.labels))
        .shuffle(len(images))
        .batch(BATCH)
        .map(lambda pixels, labels: (CHANGES[arm.images](pixels), labels))
        .prefetch(4)
    )
    plain = test.pixels.astype(np.float32)
    as_trained = np.concatenate(
        [CHANGES[arm.images](tf.constant(part)).numpy() for part in np.array_split(test.pixels, 20)]
    )
    for epoch in range(epochs):
        begin = time.monotonic()
        done = network.fit(batches, epochs=1, verbose=0).history
        loss, accuracy = network.evaluate(plain, test.labels, batch_size=256, verbose=0)
        _, changed = network.evaluate(as_trained, test.labels, batch_size=256, verbose=0)
        yield {
            "epoch": epoch + 1,
            "train_loss": done["loss"][0],
            "train_accuracy": done["accuracy"][0],
            "test_loss": loss,
            "test_accuracy": accuracy,
            "changed_test_accuracy": changed,
            "seconds": time.monotonic() - begin,
        }


def main() -> None:
    """Run the arms that are asked for and not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--arm", action="append", choices=[*ARMS], help="default: all")
    options = parser.parse_args()
    start = options.folder / "model.keras"
    dataset = load_dataset(Data(name="cifar10"))
    images = dataset.train.joined(dataset.validation)
    facts: dict[str, Any] = {"arms": {}}
    if options.out.is_file():
        facts = json.loads(options.out.read_text(encoding="utf-8"))
    facts |= {
        "start_sha256": file_digest(start),
        "precision": choose_precision("auto").name,
        "machine": dict(machine()),
        "tools": dict(versions("tensorflow", "keras", "numpy")),
    }
    for name in options.arm or ARMS:
        rows: list[dict[str, Any]] = facts["arms"].get(name, [])
        if len(rows) == options.epochs:
            continue
        rows = facts["arms"][name] = []
        for row in train(ARMS[name], start, images, dataset.test, options.epochs):
            rows.append(row)
            write_json(options.out, facts)
            print(
                f"{name}, epoch {row['epoch']}: train {100 * row['train_accuracy']:.1f} %, "
                f"test {100 * row['test_accuracy']:.2f} % (loss {row['test_loss']:.3f}), "
                f"changed as in training {100 * row['changed_test_accuracy']:.2f} %",
                flush=True,
            )


if __name__ == "__main__":
    main()
