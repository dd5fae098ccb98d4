"""``edgecnn-run watch`` and ``camera``: images that keep coming."""

from __future__ import annotations

import argparse
import os
import stat
from pathlib import Path

from edgecnn_runner.cli.commands import open_classifier
from edgecnn_runner.cli.notify import Notifier
from edgecnn_runner.cli.stopping import stop_on_sigterm
from edgecnn_runner.cli.stream import Lines, Plan, classify_stream
from edgecnn_runner.errors import SourceError
from edgecnn_runner.files import describe
from edgecnn_runner.images.sources import FrameSource, ImageFolder, Watched


def watch(options: argparse.Namespace) -> int:
    """Classify images as they are put into a folder.

    Args:
        options: ``file``, ``folder``, ``delete_after``, and those of ``_stream``.

    Returns:
        0, once SIGTERM or ``count`` ended it.
    """
    output = None if options.output is None else Path(options.output)
    source = Watched(Path(options.folder), except_for=output)
    return _stream(options, source, delete_after=options.delete_after)


def camera(options: argparse.Namespace) -> int:
    """Classify frames of a camera, a video or a folder of images.

    Args:
        options: ``file``, ``source``, ``size``, and those of ``_stream``.

    Returns:
        0, once SIGTERM, ``count`` or the end of the video ended it.
    """
    source = open_source(options.source, size=options.size, interval_s=options.interval)
    return _stream(options, source, delete_after=False)


def open_source(name: str, *, size: tuple[int, int], interval_s: float) -> FrameSource:
    """Open what ``--source`` names.

    Args:
        name: ``auto``, ``picamera2``, a V4L2 device, a video file or a folder of images.
        size: Width and height that a camera is asked for.
        interval_s: Seconds of a video between two frames.

    Raises:
        SourceError: If it cannot be opened.
    """
    if name == "auto":
        from edgecnn_runner.images.camera_picamera2 import has_picamera2

        name = "picamera2" if has_picamera2() else "/dev/video0"
    if name == "picamera2":
        from edgecnn_runner.images.camera_picamera2 import PiCamera

        return PiCamera(size)
    path = Path(name)
    if path.is_dir():
        return ImageFolder(path)
    from edgecnn_runner.images.camera_v4l2 import V4l2Camera, Video

    if _is_device(path):
        return V4l2Camera(name, size)
    if path.is_file():
        return Video(path, interval_s)
    raise SourceError(
        f"there is no source {name}",
        observed=describe(path),
        expected="picamera2, a V4L2 device, a video file or a folder of images",
        remedy="connect the camera (ls /dev/video*), or name another source with --source",
    )


def _is_device(path: Path) -> bool:
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _stream(options: argparse.Namespace, source: FrameSource, *, delete_after: bool) -> int:
    """Classify a source as ``interval``, ``top``, ``reject_below``, ``output``, ``count`` say."""
    plan = Plan(
        interval_s=options.interval,
        top=options.top,
        reject_below=options.reject_below,
        count=options.count,
        delete_after=delete_after,
    )
    with (
        stop_on_sigterm() as stop,
        open_classifier(options) as classifier,
        Lines(None if options.output is None else Path(options.output)) as lines,
    ):
        classify_stream(source, classifier, lines, plan, stop=stop, notifier=Notifier(os.environ))
    return 0
