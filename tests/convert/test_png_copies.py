"""What TensorFlow decodes of JPEG files, against what Pillow does."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.convert.source.png_copies import png_copy
from edgecnn.quiet import captured_log
from edgecnn_runner.images.decode import read_image

pytestmark = pytest.mark.slow  # imports TensorFlow

ORIENTATION = 0x0112


def photo(path: Path, orientation: int = 1) -> Path:
    rng = np.random.default_rng(1)
    image = Image.fromarray(rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)).resize((120, 80))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image.save(path, quality=90, exif=exif)
    return path


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_copy_is_the_same_photo_some_levels_away(tmp_path: Path, orientation: int) -> None:
    path = photo(tmp_path / "a.jpg", orientation)
    copy = png_copy(path)
    assert copy is not None
    ours, theirs = read_image(path).astype(int), read_image(copy).astype(int)
    assert ours.shape == theirs.shape
    assert 1 <= np.abs(ours - theirs).max() <= 12
    assert np.abs(ours - theirs).mean() < 2


def test_it_is_what_tensorflow_decodes_by_itself(tmp_path: Path) -> None:
    """The decoder of Keras's image_dataset_from_directory, which names no method."""
    path = photo(tmp_path / "a.jpg")
    with captured_log():
        import tensorflow as tf

        decoded = tf.io.decode_image(path.read_bytes(), channels=3, expand_animations=False)
    copy = png_copy(path)
    assert copy is not None
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(copy))), decoded)


def test_only_jpeg_files_that_tensorflow_decodes_have_one(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert png_copy(tmp_path / "a.png") is None
    torn = photo(tmp_path / "b.jpg").read_bytes()[:60]
    (tmp_path / "b.jpg").write_bytes(torn)
    assert png_copy(tmp_path / "b.jpg") is None
