from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from edgecnn.data import Images
from edgecnn.recipe.sections import Augment
from edgecnn.train.backbones import fine_tuning
from edgecnn.train.backbones.fine_tuning import TrunkCopies
from edgecnn.train.backend import keras, tf


def test_a_file_that_is_written_in_parts_is_what_numpy_saves() -> None:
    values = np.random.default_rng(0).normal(size=(7, 3, 2)).astype(np.float16)
    whole, parts = io.BytesIO(), io.BytesIO()
    np.save(whole, values)
    fine_tuning._write_header(parts, values.shape)
    parts.write(values[:4].data)
    parts.write(values[4:].data)
    assert parts.getvalue() == whole.getvalue()


def test_copies_are_kept_batch_by_batch_and_read_again(tmp_path: Path) -> None:
    """The trunk of two ends: what the tail takes; the photos as they are, and a changed copy."""
    image = keras.Input((8, 8, 3))
    first = keras.layers.Conv2D(2, 3, strides=2)(image)
    second = keras.layers.Conv2D(4, 3)(first)
    copies = TrunkCopies.__new__(TrunkCopies)
    network = keras.Model(image, [first, second])
    copies._tail = type("Tail", (), {"inputs_of_network": (first, second)})()
    copies._compute = lambda pixels: network(tf.cast(pixels, "float32"))
    copies._folder, copies._augment, copies._seed, copies.copies = tmp_path, Augment(), 0, 2
    images = Images(
        pixels=np.random.default_rng(1).integers(0, 256, (70, 8, 8, 3), np.uint8),
        labels=np.zeros(70, np.int64),
        ids=tuple(map(str, range(70))),
    )
    done: list[int] = []
    found = copies.of(images, "photos", copies=2, advance=done.append)
    assert sum(done) == 140
    expected = network.predict(images.pixels.astype(np.float32), verbose=0)
    for own, other in zip(found[0], expected, strict=True):
        assert own.dtype == np.float16
        np.testing.assert_allclose(own, other, rtol=2e-3, atol=2e-1)
    assert len(list(tmp_path.iterdir())) == 4
    done.clear()
    again = copies.of(images, "photos", copies=2, advance=done.append)
    assert done == [70, 70]
    np.testing.assert_array_equal(again[1][0], found[1][0])
