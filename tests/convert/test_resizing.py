"""The resize rules against TensorFlow and Keras, on photographs; Pillow's are in tests/runner."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edgecnn.data import load_judged_images
from edgecnn.recipe.load import Data
from edgecnn_runner.images.decode import read_image
from edgecnn_runner.images.preprocess import prepare

pytestmark = pytest.mark.slow

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Library = Callable[[Any, Pixels, int, int], Any]

# Down, up, both at once; square, wide, high; multiples and none.
SIZES = [(224, 224), (32, 32), (96, 131), (300, 640), (500, 700), (427, 180)]
TRASHNET = Path(os.environ.get("EDGECNN_DATA", "data")) / "trashnet"


@pytest.fixture(scope="module")
def photographs() -> list[Pixels]:
    """The two photographs that scikit-learn ships, 427 x 640; one of them on its side."""
    from sklearn.datasets import load_sample_images

    china, flower = map(np.ascontiguousarray, load_sample_images().images)
    return [china, np.ascontiguousarray(flower.transpose(1, 0, 2))]


@pytest.fixture(scope="module")
def tf() -> Any:
    import tensorflow as tf

    return tf


def smart_resize(interpolation: str) -> Library:
    """What Keras's datasets do with ``crop_to_aspect_ratio=True``."""

    def resize(tf: Any, image: Pixels, height: int, width: int) -> Any:
        from keras.preprocessing.image import smart_resize

        floats = image.astype(np.float32)
        return smart_resize(floats, (height, width), interpolation=interpolation)

    return resize


LIBRARIES: dict[str, Library] = {
    "stretch-bilinear-1": lambda tf, image, h, w: tf.image.resize(image, (h, w)),
    "stretch-box-average-1": lambda tf, image, h, w: tf.image.resize(image, (h, w), "area"),
    "stretch-bilinear-antialias-1": lambda tf, image, h, w: tf.image.resize(
        image, (h, w), antialias=True
    ),
    "centre-crop-bilinear-1": smart_resize("bilinear"),
    "pad-bilinear-1": lambda tf, image, h, w: tf.image.resize_with_pad(image, h, w),
    "pad-box-average-1": lambda tf, image, h, w: tf.image.resize_with_pad(image, h, w, "area"),
}


def worst_difference(
    tf: Any, photographs: list[Pixels], rule: str, library: Library, sizes: list[tuple[int, int]]
) -> float:
    """Return by how many grey levels a rule differs from a library, whose values are floats."""
    worst = 0.0
    for photo, (height, width) in itertools.product(photographs, sizes):
        ours = prepare(photo, height=height, width=width, channels=3, rule=rule)
        theirs = np.asarray(library(tf, photo, height, width), np.float64)
        worst = max(worst, float(np.abs(ours - theirs).max()))
    return worst


@pytest.mark.parametrize("rule", LIBRARIES)
def test_is_what_tensorflow_does_within_a_grey_level(
    tf: Any,
    photographs: list[Pixels],
    rule: str,
    record_property: Callable[[str, object], None],
) -> None:
    worst = worst_difference(tf, photographs, rule, LIBRARIES[rule], SIZES)
    record_property("measured", f"{rule}: {worst:.3f} grey levels from TensorFlow at most")
    # Its antialias does not round between the two directions, Pillow's and ours does.
    assert worst <= (1.01 if "antialias" in rule else 1)


@pytest.mark.parametrize("rule", ["stretch-bilinear-1", "centre-crop-bilinear-1", "pad-bilinear-1"])
def test_sizes_of_common_photographs_are_brought_to_common_inputs(tf: Any, rule: str) -> None:
    """TensorFlow rounds its geometry in float32: 384 x 512 becomes 168 x 223 at 224 x 224."""
    sides = [(384, 512), (512, 384), (480, 640), (768, 1024), (1080, 1920), (375, 500), (427, 640)]
    photos = [
        np.random.default_rng(0).integers(0, 256, (*side, 3), dtype=np.uint8) for side in sides
    ]
    assert worst_difference(tf, photos, rule, LIBRARIES[rule], [(224, 224), (160, 160)]) <= 1


def test_photographs_of_trashnet(tf: Any, record_property: Callable[[str, object], None]) -> None:
    files = sorted(TRASHNET.rglob("*.jpg"))[::250]
    if not files:
        pytest.skip(f"there is no trashnet in {TRASHNET.parent} (EDGECNN_DATA)")
    photos = [read_image(file) for file in files]
    for rule, library in LIBRARIES.items():
        worst = worst_difference(tf, photos, rule, library, [(96, 96), (224, 224)])
        record_property(
            "measured", f"{rule}: {worst:.3f} grey levels at most, {len(files)} of trashnet"
        )
        assert worst <= (1.01 if "antialias" in rule else 1)


@pytest.fixture(scope="module")
def folder(photographs: list[Pixels], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of the photographs and parts of them, as PNG, which all decode alike."""
    root = tmp_path_factory.mktemp("photographs")
    for name, photo in zip(("china", "flower"), photographs, strict=True):
        (root / name).mkdir()
        for index, part in enumerate((photo, photo[40:333, 100:290], photo[:97, :400])):
            Image.fromarray(part).save(root / name / f"{index}.png")
    return root


def as_loaded(folder: Path, height: int, width: int, **rule: Any) -> Pixels:
    section = Data(name="folder", path=folder, **rule)
    return load_judged_images(section, (height, width, 3)).images.pixels


def test_a_folder_is_read_as_image_dataset_from_directory_does(folder: Path, tf: Any) -> None:
    import keras

    for options, rule in (
        ({}, {"fit": "stretch", "resample": "bilinear"}),
        ({"crop_to_aspect_ratio": True}, {"fit": "crop", "resample": "bilinear"}),
    ):
        dataset = keras.utils.image_dataset_from_directory(
            folder, image_size=(64, 80), shuffle=False, batch_size=6, verbose=False, **options
        )
        (theirs,) = [images.numpy() for images, _ in dataset]
        assert np.abs(as_loaded(folder, 64, 80, **rule) - theirs).max() <= 1


def test_a_folder_is_read_as_flow_from_directory_does(folder: Path, tf: Any) -> None:
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator().flow_from_directory(
        str(folder), target_size=(64, 80), shuffle=False, batch_size=6
    )
    theirs, _ = next(generator)
    ours = as_loaded(folder, 64, 80, fit="stretch", resample="nearest")
    np.testing.assert_array_equal(ours, theirs)
