"""Keep what TensorFlow, absl, tf2onnx and onnxruntime say off the terminal, but not lost.

These libraries write to file descriptor 2 from C++, to loggers they configure themselves, and
through ``warnings``. The first two go to one temporary log while a block runs; when the block's
work fails, the end of that log is what explains it (``reasons.reason_of``). Python warnings are
dropped: they speak to these libraries' developers.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import IO, Final

from edgecnn.log import LOG

_LOGGERS: Final = ("", "absl", "tensorflow", "tf2onnx", "onnxruntime", "onnxscript")
_STDERR: Final = 2
_TAIL_BYTES: Final = 1 << 16


class CapturedLog:
    """What was said during a ``captured_log`` block.

    Args:
        file: Where it was written to.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def text(self) -> str:
        """Return the end of what was said, up to 64 KiB, as it was said; see ``reasons``."""
        if self._file.closed:
            return ""
        size = os.fstat(self._file.fileno()).st_size
        start = max(0, size - _TAIL_BYTES)
        text = os.pread(self._file.fileno(), _TAIL_BYTES, start).decode(errors="replace")
        # Not with half a line, whose prefix could not be told.
        return text.partition("\n")[2] if start else text


@contextlib.contextmanager
def captured_log() -> Iterator[CapturedLog]:
    """Send descriptor 2 and the libraries' loggers to a temporary log; drop Python warnings.

    ``sys.stderr`` itself goes on reaching the terminal, so that a progress bar keeps moving.

    Yields:
        The log; it can be read until the block ends.
    """
    with tempfile.TemporaryFile() as file, contextlib.ExitStack() as stack:
        stack.enter_context(_redirected_stderr(file))
        stack.enter_context(_redirected_loggers(file))
        seen = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        stack.callback(seen.clear)
        yield CapturedLog(file)


@contextlib.contextmanager
def _redirected_stderr(file: IO[bytes]) -> Iterator[None]:
    if sys.stderr is None:  # closed by whoever started us: nothing can reach a terminal
        yield
        return
    sys.stderr.flush()
    terminal = os.dup(_STDERR)
    python_stderr = sys.stderr
    own = None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        # A replaced sys.stderr (a test's capture) has no descriptor, or another one.
        if python_stderr.fileno() == _STDERR:
            own = open(terminal, "w", encoding=python_stderr.encoding, closefd=False, buffering=1)  # noqa: SIM115
    try:
        if own is not None:
            sys.stderr = own
        os.dup2(file.fileno(), _STDERR)
        yield
    finally:
        os.dup2(terminal, _STDERR)
        if own is not None:
            sys.stderr = python_stderr
            own.close()
        os.close(terminal)


@contextlib.contextmanager
def _redirected_loggers(file: IO[bytes]) -> Iterator[None]:
    handler = logging.StreamHandler(_Writer(file))
    # What explains a failure is what the libraries say, not our own log.
    handler.addFilter(lambda record: record.name != LOG.name)
    saved = []
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        saved.append((logger, logger.handlers, logger.propagate))
        logger.handlers, logger.propagate = [handler], False
    try:
        yield
    finally:
        for logger, handlers, propagate in saved:
            logger.handlers, logger.propagate = handlers, propagate


class _Writer:
    """A text stream over a binary file, as ``logging.StreamHandler`` wants it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> None:
        os.write(self._file.fileno(), text.encode(errors="replace"))

    def flush(self) -> None:
        pass
