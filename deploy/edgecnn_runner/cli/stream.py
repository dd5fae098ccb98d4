"""Classify a stream of images, one JSON line each, until it ends or somebody says stop."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from edgecnn_runner.classifier import Classifier
from edgecnn_runner.cli.commands import open_classifier
from edgecnn_runner.cli.stopping import Notifier, Stop, stop_on_sigterm
from edgecnn_runner.cli.streams import write_message, write_result
from edgecnn_runner.collect import Collector
from edgecnn_runner.errors import ImageError, OutputError, ScoreError, SourceError
from edgecnn_runner.files import describe
from edgecnn_runner.guard import is_device
from edgecnn_runner.images.sources import Frame, FrameSource, ImageFolder, Watched


class Lines:
    """Where results go: one JSON document a line, complete as soon as it is written.

    Args:
        path: A file that lines are added to; None for standard output.

    Raises:
        OutputError: If the file cannot be opened; also later, if it takes no more.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._file = path, None if path is None else _opened(path)

    def write(self, value: dict[str, Any]) -> None:
        """Add a line."""
        line = json.dumps(value, allow_nan=False) + "\n"
        if self._file is None:
            write_result(line)
            return
        try:
            # One call for one line, unbuffered: a reader never sees half of one.
            self._file.write(line.encode())
        except OSError as error:
            raise _not_written(self._path or Path(), error) from error

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("ab", buffering=0)
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write {path}: {error.strerror or error}",
        observed=describe(path.parent),
        expected="a file that takes one more line",
        remedy="free some space, or name a file elsewhere",
    )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a stream is classified.

    Attributes:
        interval_s: Seconds between two looks at a live source.
        top: Classes to rank in each line.
        reject_below: The label is ``unknown`` below this probability.
        count: Lines after which it ends; None for no end.
        delete_after: Whether an image file is removed once its line is written.
    """

    interval_s: float
    top: int
    reject_below: float
    count: int | None = None
    delete_after: bool = False


def classify_stream(
    source: FrameSource,
    classifier: Classifier,
    lines: Lines,
    plan: Plan,
    *,
    stop: Stop,
    notifier: Notifier,
    collector: Collector | None = None,
) -> int:
    """Classify what a source gives.

    An image that cannot be read is a line with its error, and does not end the stream.

    Args:
        source: Where images come from.
        classifier: What classifies them.
        lines: Where the results go.
        plan: How.
        stop: Ends the stream when it is asked to: what was begun is finished.
        notifier: Hears that the work has begun, goes on, and ends.
        collector: Keeps some of the frames; None to keep none.

    Returns:
        How many lines were written.

    Raises:
        SourceError: If the source gives nothing any more.
        OutputError: If a line, or a frame that is to be kept, cannot be written.
    """
    written = 0
    notifier.ready(f"classifying {source.name}")
    try:
        while not stop and (plan.count is None or written < plan.count):
            notifier.alive()
            frame: Frame | None = None
            try:
                frame = source.read()
                if frame is None and not source.live:
                    break
                if frame is not None:
                    before = _state(frame)
                    lines.write(_result(frame, classifier, plan, collector))
                    written += 1
                    # One that was written over meanwhile is another image, and not yet seen.
                    if plan.delete_after and _state(frame) == before:
                        _delete(frame)
            except (ImageError, ScoreError) as error:
                said = {} if frame is None else {"source": frame.name}
                lines.write({"time": _now(), **said, **error.to_dict()})
                written += 1
            # A folder with more images in it is not kept waiting.
            if source.live and (frame is None or not isinstance(frame.image, Path)):
                _wait(plan.interval_s, stop, notifier)
    finally:
        notifier.ending()
        source.close()
    return written


def _result(
    frame: Frame, classifier: Classifier, plan: Plan, collector: Collector | None
) -> dict[str, Any]:
    image = frame.image
    if collector is not None and isinstance(image, Path):
        from edgecnn_runner.images.decode import read_image

        image = read_image(image)  # once, so that what is kept is what was classified
    result = classifier.classify(image, top=plan.top, reject_below=plan.reject_below)
    line = {"time": _now(), "source": frame.name, **result.to_dict()}
    if collector is None or isinstance(image, Path):
        return line
    collected = collector.saw(image)
    if collected["file"] is not None and collector.full:
        write_message(f"{collector.folder}: {collector.fullness()}\n")
    return {**line, "collected": collected}


def _now() -> str:
    """Return the time as ISO 8601 says it, in UTC, with milliseconds."""
    now = time.time_ns() // 1_000_000
    seconds, milliseconds = divmod(now, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{milliseconds:03}Z"


def _state(frame: Frame) -> tuple[int, ...] | None:
    """Return what tells a file from one that was put in its place; None if it is no file."""
    if not isinstance(frame.image, Path):
        return None
    try:
        status = frame.image.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _delete(frame: Frame) -> None:
    if not isinstance(frame.image, Path):
        return
    try:
        frame.image.unlink(missing_ok=True)
    except OSError as error:
        raise SourceError(
            f"{frame.image} cannot be deleted: {error.strerror or error}",
            observed=describe(frame.image.parent),
            expected="a folder in which files may be removed, as --delete-after asks",
            remedy="let the user that runs this write there, or leave out --delete-after",
        ) from error


def _wait(seconds: float, stop: Stop, notifier: Notifier) -> None:
    """Wait, and tell the watchdog meanwhile that nothing is stuck."""
    end = time.monotonic() + seconds
    while not stop and (left := end - time.monotonic()) > 0:
        notifier.alive()
        stop.wait(left if notifier.pause_s is None else min(left, notifier.pause_s))


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

    if is_device(path):
        return V4l2Camera(name, size)
    if path.is_file():
        return Video(path, interval_s)
    raise SourceError(
        f"there is no source {name}",
        observed=describe(path),
        expected="picamera2, a V4L2 device, a video file or a folder of images",
        remedy="connect the camera (ls /dev/video*); one on the ribbon cable of a Raspberry Pi "
        "takes a package: sudo apt install python3-picamera2; or name another source with --source",
    )


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
        contextlib.ExitStack() as stack,
    ):
        collector = None
        if options.terms is not None:
            collector = stack.enter_context(Collector(options.terms, classifier.contract))
            write_message(f"{collector.announcement()}\n")
        output = None if options.output is None else Path(options.output)
        classify_stream(
            source,
            classifier,
            stack.enter_context(Lines(output)),
            plan,
            stop=stop,
            notifier=Notifier(os.environ),
            collector=collector,
        )
    return 0
