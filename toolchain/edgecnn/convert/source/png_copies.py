"""Makes PNG copies of JPEG files, decoded by TensorFlow: what another decoder makes of them.

A JPEG file does not say to the level what its pixels are: decoders round differently, and those of
training programs are not the one that devices use here. TensorFlow's own default, which Keras's
``image_dataset_from_directory`` uses, is the fast inverse transform of libjpeg-turbo; Pillow's, and
so the runner's, is the accurate one.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np

from edgecnn.build.keras_settings import start_keras
from edgecnn.quiet import captured_log

_JPEG: Final = b"\xff\xd8\xff"


def png_copy(path: Path) -> bytes | None:
    """Return a PNG file with the pixels that TensorFlow decodes, and the same orientation.

    Args:
        path: An image file.

    Returns:
        None for a file that is no JPEG, or that TensorFlow does not decode.
    """
    data = path.read_bytes()
    if not data.startswith(_JPEG):
        return None
    with captured_log():
        start_keras()
        import tensorflow as tf
        from PIL import Image

        try:
            decoded = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_FAST")
        except tf.errors.OpError:
            return None
        copy = io.BytesIO()
        with Image.open(io.BytesIO(data)) as image:
            exif = image.getexif()
        Image.fromarray(np.asarray(decoded)).save(copy, "PNG", compress_level=1, exif=exif)
    return copy.getvalue()
