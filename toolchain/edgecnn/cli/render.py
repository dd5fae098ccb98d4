"""How results, errors and tables reach the terminal: results on stdout, messages on stderr."""

from __future__ import annotations

import errno
import functools
import io
import json
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

from edgecnn_runner.cli.streams import write_message
from edgecnn_runner.errors import EdgeError, OutputError

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED: Final = 130
READER_GONE: Final = 141
"""What a shell reports of a program whose reader went away, as in ``edgecnn ... | head``."""


def out_console() -> Console:
    """Return a console on stdout; 100 columns when stdout is not a terminal."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            _reader_gone()

    return Output(width=None if is_terminal(sys.stdout) else 100, highlight=False)


def err_console() -> Console:
    """Return the console on stderr: one for messages, log and bars, which make room for lines."""
    return _err_console(is_terminal(sys.stderr))


@functools.cache
def _err_console(terminal: bool) -> Console:
    from rich.console import Console

    return Console(stderr=True, width=None if terminal else 100, highlight=False)


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a stream is a terminal; a closed one, which Python gives as None, is not."""
    return stream is not None and stream.isatty()


def say(text: str) -> None:
    """Write to standard error, if there is one."""
    write_message(text)


def command_line(*arguments: str | Path) -> str:
    """Return what to type to run this program with these arguments, as a shell wants it.

    The program is ``edgecnn``, or the shorter of its two paths if it is not on PATH.
    """
    import shlex
    import shutil

    program = "edgecnn"
    if not shutil.which(program) and sys.argv[0].endswith("edgecnn"):
        paths = (os.path.relpath(sys.argv[0]), os.path.abspath(sys.argv[0]))  # noqa: PTH100 - links stay
        program = min(paths, key=len)
    return shlex.join([program, *map(str, arguments)])


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _reader_gone()


def full_output(error: OSError) -> OutputError:
    """Return the error for output that could not be written."""
    return OutputError(
        "the output cannot be written",
        observed=f"{error.strerror} ({errno.errorcode.get(error.errno or 0, 'unknown')})",
        expected="room for it where standard output goes",
        remedy="free some space, or send the output elsewhere",
    )


def drop_output() -> None:
    """Send the rest of the output nowhere: Python would complain when it flushes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reader_gone() -> NoReturn:
    drop_output()
    raise SystemExit(READER_GONE)


def wants_json() -> bool:
    """Tell whether the command line asked for JSON, also before or without its parsing."""
    return "--json" in sys.argv[1:]


def report_error(error: EdgeError) -> int:
    """Show an error that kept a command from its result, and return its exit code.

    With ``--json`` it is the JSON document on stdout; always, in words, on stderr.
    """
    if wants_json():
        try:
            print_json(error.to_dict())
        except OSError:  # a full disk: the words and the code are what is left
            drop_output()
    return explain(error)


def exit_for(error: EdgeError | None) -> None:
    """End a command whose result is out already: in words on stderr, and by its exit code.

    Raises:
        typer.Exit: If there is an error. A second JSON document would spoil the first.
    """
    if error is not None:
        import typer

        raise typer.Exit(explain(error))


def explain(error: EdgeError) -> int:
    """Show an error in words on stderr and return its exit code."""
    _log(str(error))
    from rich.console import Console
    from rich.text import Text

    first, *rest = str(error).splitlines()
    # Put together first: rich would raise on a standard error that is a full disk.
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=is_terminal(sys.stderr), highlight=False)
    console.print(Text.assemble(("error: ", "bold red"), first), soft_wrap=True)
    for line in rest:
        label, colon, value = line.partition(":")
        known = label.strip() in ("observed", "expected", "remedy")
        parts = ((f"{label}:", "bold"), value) if colon and known else (line,)
        console.print(Text.assemble(*parts), soft_wrap=True)
    write_message(shown.getvalue())
    return error.exit_code


def _log(text: str) -> None:
    from edgecnn.log import LOG

    LOG.error("%s", text, extra={"shown": True})


def report_bug(error: Exception) -> int:
    """Show an unexpected exception with its traceback, say where to report it; return 1."""
    _log("".join(traceback.format_exception(error)))
    say("".join(traceback.format_exception(error)))
    say(
        f"\nThis is a bug in edgecnn ({type(error).__name__}), not a mistake of yours.\n"
        "Please report it in the project's issue tracker, with the text above and the output of:\n"
        "  edgecnn doctor --json\n"
    )
    return 1
