"""``--verbose`` and ``--log-file``: options of every command that let the log be read."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from logging import LogRecord

VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Say each step, file and external command, with its time."
    ),
]
LogFileOption = Annotated[
    Path | None,
    typer.Option(
        "--log-file",
        metavar="FILE",
        help="Append the same to this file, with the date. A new file is readable by you alone.",
    ),
]
_OPTIONS = {"verbose": (VerboseOption, False), "log_file": (LogFileOption, None)}


def with_log(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options ``--verbose`` and ``--log-file``, which are seen to before it."""

    @functools.wraps(command)
    def logged(**values: Any) -> None:
        start_log(verbose=values.pop("verbose"), file=values.pop("log_file"))
        command(**values)

    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)
        for name, (option, default) in _OPTIONS.items()
    ]
    own = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [*own, *added]
    # Typer reads both.
    logged.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    logged.__annotations__ = {one.name: one.annotation for one in parameters}
    return logged


def start_log(*, verbose: bool, file: Path | None) -> None:
    """Let the log be read: on standard error, in a file, both, or not at all.

    Args:
        verbose: Whether on standard error.
        file: A file to append to, with times as ISO 8601 has them; None for none. One that is not
            there is made for its owner alone: the log names files, devices and commands.

    Raises:
        UsageError: If the file cannot be opened.
    """
    if not verbose and file is None:
        return
    from edgecnn import __version__, log
    from edgecnn.errors import UsageError

    before = len(log.LOG.handlers)
    if verbose and not any(handler.name == "terminal" for handler in log.LOG.handlers):
        log.LOG.addHandler(_terminal())
    if file is not None and not any(handler.name == str(file) for handler in log.LOG.handlers):
        try:
            log.LOG.addHandler(_file(file))
        except OSError as error:
            raise UsageError(
                f"the log file {file} cannot be opened",
                observed=error.strerror or str(error),
                expected="a file that can be written, in a folder that exists",
                remedy="name another one: --log-file FILE, or leave it out",
            ) from error
    if log.LOG.propagate:
        # What a program that uses edgecnn does with its own root logger is not this command's way.
        log.LOG.propagate = False
        log.LOG.setLevel("INFO")
        log.log_children()
    if len(log.LOG.handlers) > before:
        log.LOG.info("edgecnn %s: %s", __version__, log.shown_command(sys.argv[1:]))


def end_log(code: int, seconds: float) -> None:
    """Say last how the command ended; nothing is imported for a log that nobody reads."""
    if "edgecnn.log" in sys.modules:
        from edgecnn.log import LOG

        LOG.info("exit code %d after %.2f s", code, seconds)


def _terminal() -> Any:
    import logging

    from rich.text import Text

    from edgecnn.cli.render import err_console

    class Terminal(logging.Handler):
        """Writes on the console of the progress bars, which makes room for each line."""

        def emit(self, record: LogRecord) -> None:
            if not getattr(record, "shown", False):
                time = f"{self.formatter.formatTime(record, '%H:%M:%S')} " if self.formatter else ""
                line = Text(f"{time}{_one_line(record)}", style="dim")
                err_console().print(line, soft_wrap=True)

    handler = Terminal()
    handler.set_name("terminal")
    handler.setFormatter(logging.Formatter())
    return handler


def _file(path: Path) -> Any:
    import datetime as dt
    import logging

    class Lines(logging.StreamHandler[Any]):
        def format(self, record: LogRecord) -> str:
            time = dt.datetime.fromtimestamp(record.created).astimezone()
            return f"{time.isoformat(timespec='milliseconds')} {record.levelname} " + _one_line(
                record
            )

        def handleError(self, record: LogRecord) -> None:  # noqa: N802 - logging's name
            """Go on without the log, and say so once: a full disk is no reason to stop."""
            del record
            from edgecnn import log
            from edgecnn.cli.render import say

            log.LOG.removeHandler(self)
            say(f"note: the log file {path} cannot be written any more\n")

    number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    handler = Lines(os.fdopen(number, "a", encoding="utf-8", errors="backslashreplace"))
    handler.set_name(str(path))
    return handler


def _one_line(record: LogRecord) -> str:
    """Return what a record says, without characters that would begin a line or steer a terminal."""
    text = record.getMessage()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
