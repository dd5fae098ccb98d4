"""Hide what a runtime's native code says for its own developers while it loads a model."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import IO

from edgecnn_runner.errors import PrivacyError


@contextlib.contextmanager
def quiet_while_alone() -> Iterator[None]:
    """Do as ``without_native_chatter``, if this is the only thread of the process.

    For libraries: no other thread's words are held back then, and no other thread can start a
    program that would write into the temporary file. A process of several threads sees the
    chatter. What native code says before it ends the whole process inside the block is lost.

    Yields:
        Nothing.
    """
    with contextlib.ExitStack() as stack:
        if threading.active_count() == 1:
            stack.enter_context(without_native_chatter())
        yield


@contextlib.contextmanager
def without_native_chatter() -> Iterator[None]:
    """Drop lines that begin with ``INFO: `` from the standard error of native code.

    TFLite tells on every start that it made its XNNPACK delegate, from C++ and straight to file
    descriptor 2; no setting of its Python packages keeps it from that. Everything else that was
    written is passed on when the block ends. The descriptor belongs to the whole process: for
    command lines; ``quiet_while_alone`` is for libraries. Where standard error is closed, or no
    temporary file can be made, nothing is dropped.

    Yields:
        Nothing.
    """
    with contextlib.ExitStack() as stack:
        # A service may run without standard error, or without a temporary folder it may write to;
        # chatter is no reason to fail then.
        if sys.stderr is not None:
            with contextlib.suppress(OSError, PrivacyError):
                _redirect(stack)
        yield


def _redirect(stack: contextlib.ExitStack) -> None:
    """Send standard error to a temporary file until ``stack`` closes; all or nothing.

    Raises:
        OSError: If that cannot be; standard error is as it was then.
    """
    with contextlib.ExitStack() as opened:
        # First of all, lest the temporary file get the number of a closed standard error.
        saved = os.dup(2)
        opened.callback(os.close, saved)
        caught = opened.enter_context(_unnamed_file())
        _flush()
        os.dup2(caught.fileno(), 2)
        stack.push(opened.pop_all())
        stack.callback(_restore, saved, caught)


def _unnamed_file() -> IO[bytes]:
    if hasattr(os, "memfd_create"):  # Linux: nothing is written to any disk
        return os.fdopen(os.memfd_create("edgecnn-stderr"), "w+b")
    import tempfile

    return tempfile.TemporaryFile()


def _restore(saved: int, caught: IO[bytes]) -> None:
    _flush()
    os.dup2(saved, 2)
    with contextlib.suppress(OSError):  # it may be full or a broken pipe
        caught.seek(0)
        for line in caught:
            if not line.startswith(b"INFO: "):  # Python's own logging writes INFO:name:
                os.write(2, line)


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError):  # full, or closed by somebody
        sys.stderr.flush()
