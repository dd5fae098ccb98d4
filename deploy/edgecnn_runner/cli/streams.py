"""Standard output and standard error of a command, which may be closed, full or a broken pipe."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

from edgecnn_runner.errors import OutputError


def hold_standard_descriptors() -> None:
    """Let standard streams that are closed lead nowhere.

    Otherwise the next file that is opened, a model or a result, would get such a stream's number,
    and what native code writes to standard error would go into it.
    """
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)


def write_result(text: str) -> None:
    """Write to standard output, at once.

    Args:
        text: May be empty: then only what was written before is sent on its way.

    Raises:
        OutputError: If standard output is closed or cannot take it.
        BrokenPipeError: If nobody reads it any more.
    """
    stream: TextIO | None = sys.stdout
    if stream is None:
        raise OutputError(
            "cannot write the result: standard output is closed",
            observed="no standard output",
            expected="a terminal, a file or a program that takes it",
            remedy="let standard output go to a terminal, a file or a program",
        )
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _discard(stream)
        raise
    except OSError as error:
        _discard(stream)
        raise OutputError(
            "cannot write the result to standard output",
            observed=error.strerror or error,
            expected=f"room for {len(text)} characters",
            remedy="free some space, or let standard output go elsewhere",
        ) from error


def write_message(text: str) -> None:
    """Write to standard error, if there is one: a message that nobody can get is no failure.

    Args:
        text: Whole lines.
    """
    stream: TextIO | None = sys.stderr
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        _discard(stream)


def _discard(stream: TextIO) -> None:
    """Let a stream lead nowhere, or Python would fail again when it flushes it at its end."""
    # What a test or a program has put in its place may have no descriptor.
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)
