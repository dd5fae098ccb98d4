"""Classify a stream of images, one JSON line each, until it ends or somebody says stop."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from edgecnn_runner.classifier import Classifier
from edgecnn_runner.cli.notify import Notifier
from edgecnn_runner.cli.stopping import Stop
from edgecnn_runner.cli.streams import write_result
from edgecnn_runner.errors import ImageError, OutputError, ScoreError, SourceError
from edgecnn_runner.files import describe
from edgecnn_runner.images.sources import Frame, FrameSource


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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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

    Returns:
        How many lines were written.

    Raises:
        SourceError: If the source gives nothing any more.
        OutputError: If a line cannot be written.
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
                    lines.write(_result(frame, classifier, plan))
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


def _result(frame: Frame, classifier: Classifier, plan: Plan) -> dict[str, Any]:
    result = classifier.classify(frame.image, top=plan.top, reject_below=plan.reject_below)
    return {"time": _now(), "source": frame.name, **result.to_dict()}


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
