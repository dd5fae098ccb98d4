"""Frames of a Raspberry Pi camera, by picamera2 of the system's Python packages.

Its format ``RGB888`` is named after the bits of a little-endian word: the bytes of a pixel arrive
as blue, green, red (picamera2 manual, appendix A). They are turned round here.
"""

from __future__ import annotations

import importlib.util
from typing import Any, Final

import numpy as np

from edgecnn_runner.errors import ImageError, SourceError
from edgecnn_runner.images.sources import Frame

_LOOK: Final = "rpicam-hello --list-cameras shows the cameras; check the cable and try again"


def has_picamera2() -> bool:
    """Tell whether picamera2 is installed, without loading it."""
    return importlib.util.find_spec("picamera2") is not None


class PiCamera:
    """The camera of a Raspberry Pi.

    Args:
        size: Width and height of the frames.

    Raises:
        SourceError: If picamera2 is missing, or finds no camera.
    """

    live: Final = True

    def __init__(self, size: tuple[int, int]) -> None:
        self.name = "the Raspberry Pi camera"
        try:
            from picamera2 import Picamera2
        except ImportError as error:
            raise SourceError(
                "the Raspberry Pi camera is read by picamera2, which is not here",
                observed=str(error),
                expected="the Python package picamera2",
                remedy="sudo apt install python3-picamera2",
            ) from error
        try:
            self._camera: Any = Picamera2()
            self._camera.configure(
                self._camera.create_video_configuration(main={"format": "RGB888", "size": size})
            )
            self._camera.start()
        except (IndexError, RuntimeError, OSError) as error:  # no camera is an IndexError there
            raise SourceError(
                "the Raspberry Pi camera cannot be opened",
                observed=f"{type(error).__name__}: {error}",
                expected="a camera that no other program uses",
                remedy=_LOOK,
            ) from error
        self._count = 0

    def read(self) -> Frame:
        """Return the next frame."""
        self._count += 1
        name = f"frame {self._count}"
        try:
            image = np.asarray(self._camera.capture_array("main"))
        except (RuntimeError, OSError) as error:
            raise SourceError(
                f"{self.name} gives no frames any more",
                observed=f"{type(error).__name__}: {error}",
                expected="a frame for each that is asked for",
                remedy=_LOOK,
            ) from error
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ImageError(
                f"{name} of {self.name} is not of the format that was asked for",
                observed=f"shape {image.shape}, {image.dtype}",
                expected="shape (height, width, 3), uint8",
                remedy="none is needed for a single frame; it is skipped",
            )
        return Frame(name=name, image=np.ascontiguousarray(image[:, :, ::-1]))

    def close(self) -> None:
        """Let others use the camera."""
        self._camera.stop()
        self._camera.close()
