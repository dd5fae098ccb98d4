"""The images of the measurement are those that the notebook's generator would have made."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,  # loads TensorFlow
    # Of the generator, which Keras keeps as it was.
    pytest.mark.filterwarnings("ignore:.*scipy.ndimage:DeprecationWarning"),
]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(
    ("degrees", "shifts", "zooms"),
    [
        (0, (0, 0), (1, 1)),
        (0, (3, -5), (1, 1)),
        (0, (0, 0), (0.8, 1.2)),
        (40, (0, 0), (1, 1)),
        (-25, (6.4, -2.5), (1.15, 0.85)),
    ],
)
def test_an_image_is_moved_as_keras_2_moved_it(
    degrees: float,
    shifts: tuple[float, float],
    zooms: tuple[float, float],
    mirrored: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import notebook_augmentation as ours
    import tensorflow as tf

    generator = tf.keras.preprocessing.image.ImageDataGenerator(fill_mode="nearest")
    random = np.random.default_rng(1)
    # Smooth, since the two differ in the last bits of a coordinate.
    image = np.cumsum(random.normal(size=(32, 32, 3)), axis=0).astype(np.float32)
    wanted = generator.apply_transform(
        image,
        {
            "theta": degrees,
            "tx": shifts[0],
            "ty": shifts[1],
            "zx": zooms[0],
            "zy": zooms[1],
            "flip_horizontal": mirrored,
        },
    )
    matrices = ours.transforms(
        tf.constant([math.radians(degrees)], tf.float32),
        tf.constant([shifts], tf.float32),
        tf.constant([zooms], tf.float32),
        tf.constant([mirrored]),
        height=32,
        width=32,
    )
    found = ours.moved(tf.constant(image[None]), matrices)[0].numpy()
    assert "notebook_augmentation" in sys.modules
    # At the border the two fill a little otherwise.
    assert np.abs(found - wanted)[1:-1, 1:-1].max() < 0.02 * np.abs(image).max()
