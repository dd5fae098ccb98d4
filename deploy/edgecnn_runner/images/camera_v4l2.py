"""Frames of a V4L2 camera or of a video file, by OpenCV where it is installed.

OpenCV gives blue, green, red; the model wants red, green, blue. On a Raspberry Pi it comes with
``apt install python3-opencv``; a bundle does not carry it.
"""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path
from typing import Any, Final

import numpy as np

from edgecnn_runner.errors import ImageError, SourceError
from edgecnn_runner.files import describe
from edgecnn_runner.images.sources import Frame

_INSTALL: Final = "sudo apt install python3-opencv (on a workstation: pip install opencv-python)"
_LOST_IN_A_ROW: Final = 10
"""So many frames missing one after the other mean that the camera is gone."""


def has_opencv() -> bool:
    """Tell whether OpenCV is installed, without loading it."""
    return importlib.util.find_spec("cv2") is not None


class V4l2Camera:
    """A camera behind ``/dev/video0`` or another V4L2 device.

    Args:
        device: Its path.
        size: Width and height that it is asked for; it may give others.

    Raises:
        SourceError: If OpenCV is missing, or the device cannot be opened or gives no frame.
    """

    live: Final = True

    def __init__(self, device: str, size: tuple[int, int]) -> None:
        cv2 = _opencv("a V4L2 camera")
        self.name = f"the camera {device}"
        self._capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise _cannot_open(f"the camera {device}", Path(device), "v4l2-ctl --list-devices")
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        # Else the frame after a pause would be one from before it.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._count = self._lost = 0

    def read(self) -> Frame:
        """Return a fresh frame."""
        self._capture.grab()  # the one that waited in the buffer
        found, image = self._capture.read()
        self._count += 1
        name = f"frame {self._count}"
        if found and image is not None and image.ndim == 3:
            self._lost = 0
            return Frame(name=name, image=np.ascontiguousarray(image[:, :, ::-1]))
        self._lost += 1
        if self._lost >= _LOST_IN_A_ROW:
            raise SourceError(
                f"{self.name} gives no frames any more",
                observed=f"{self._lost} frames missing in a row",
                expected="a frame for each that is asked for",
                remedy="check its cable, and whether another program uses it",
            )
        raise _lost_frame(name, self.name)

    def close(self) -> None:
        """Let others use the camera."""
        self._capture.release()


class Video:
    """The frames of a video file, one for each interval of its own time.

    Args:
        path: The file.
        interval_s: Seconds of the video between two frames; 0 for every frame.

    Raises:
        SourceError: If OpenCV is missing, or cannot read the file.
    """

    live: Final = False

    def __init__(self, path: Path, interval_s: float) -> None:
        cv2 = _opencv("a video file")
        self.name = f"the video {path}"
        if not path.is_file():
            raise _cannot_open(self.name, path, f"ls -l {path}")
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise _cannot_open(self.name, path, f"ffprobe {path}")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self._frames = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._step = max(1, round(interval_s * rate)) if 0 < rate < float("inf") else 1
        self._next = 0

    def read(self) -> Frame | None:
        """Return the next frame; None after the last."""
        skipped = self._step - 1 if self._next else 0
        for _ in range(skipped):
            self._capture.grab()
        self._next += skipped
        found, image = self._capture.read()
        self._next += 1
        name = f"frame {self._next}"
        if found and image is not None:
            return Frame(name=name, image=np.ascontiguousarray(image[:, :, ::-1]))
        if self._next > self._frames:
            return None
        raise _lost_frame(name, self.name)

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


def _opencv(what: str) -> Any:
    try:
        import cv2
    except ImportError as error:
        raise SourceError(
            f"{what} is read by OpenCV, which is not here",
            observed=str(error),
            expected="the Python package cv2",
            remedy=_INSTALL,
        ) from error
    # What it logs of damaged frames is said here, in our words. Old versions cannot be told.
    with contextlib.suppress(AttributeError):
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


def _cannot_open(name: str, path: Path, look: str) -> SourceError:
    return SourceError(
        f"{name} cannot be opened",
        observed=describe(path),
        expected="a device or a file that OpenCV can read",
        remedy=f"look at it: {look}",
    )


def _lost_frame(name: str, source: str) -> ImageError:
    return ImageError(
        f"{name} of {source} cannot be read",
        observed="no image",
        expected="an image of 3 channels",
        remedy="none is needed for a single frame; it is skipped",
    )
