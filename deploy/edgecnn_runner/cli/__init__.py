"""``edgecnn-run``: the runner on a command line. Parses; ``commands`` does the work.

Results go to standard output, messages to standard error. With ``--json``, the result, or the
error that kept it from being had, is one JSON document on standard output.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from edgecnn_runner import __version__
from edgecnn_runner.cli.arguments import (
    PROGRAM,
    BadArgumentsError,
    make_parser,
    with_model,
    with_ranges_joined,
)
from edgecnn_runner.cli.streams import hold_standard_descriptors, write_message, write_result
from edgecnn_runner.errors import EdgeError, OutputError, UsageError
from edgecnn_runner.guard import Allowed, guarded

__all__ = ["main", "make_parser"]

_SHOWN: Final = 200  # characters of a command line


def main(arguments: Sequence[str] | None = None, *, model: str | None = None) -> int:
    """Run one command.

    While it runs, the process may read, and write its result, and nothing else; see ``guard``.

    Args:
        arguments: Without the program's name; None for those of the process.
        model: The model file meant where the command line names none, as in a bundle.

    Returns:
        The exit code: 0 done, 1 a bug, 2 usage, 130 interrupted, 141 nobody reads the output
        any more (what a shell reports of a program that SIGPIPE ended), or that of the error
        (``errors``).

    Raises:
        SystemExit: For ``--help`` and ``--version`` (0).
    """
    given = sys.argv[1:] if arguments is None else [*arguments]
    hold_standard_descriptors()
    for stream in (sys.stdout, sys.stderr):
        # A path or a label may hold what the terminal's encoding has no character for.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = _parse(given, model)
        # Compiled modules would be written beside the sources, on a device for no use.
        sys.dont_write_bytecode = True
        if options.command in ("watch", "camera"):
            from edgecnn_runner.collect import asked_terms

            options.terms = asked_terms(options)
        with guarded(_allowed(options)):
            code: int = _command(options.command)(options)
    except EdgeError as error:
        return _report(error, as_json=_wants_json(given))
    except KeyboardInterrupt:
        write_message("interrupted\n")
        return 130
    except BrokenPipeError:  # `edgecnn-run ... | head`
        return 141
    except Exception as error:  # noqa: BLE001 - the last resort: anything here is a bug of ours
        import traceback

        write_message("".join(traceback.format_exception(error)))
        write_message(
            f"\nThis is a bug in edgecnn-runner {__version__}, not a mistake of yours.\n"
            "Please report it in the project's issue tracker, with the text above.\n"
        )
        return 1
    return code


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    if name in ("watch", "camera"):
        from edgecnn_runner.cli import stream

        return getattr(stream, name)  # type: ignore[no-any-return]
    from edgecnn_runner.cli import commands

    return getattr(commands, name)  # type: ignore[no-any-return]


def _allowed(options: argparse.Namespace) -> Allowed:
    """Return what a command may do beyond reading."""
    output = getattr(options, "output", None) or getattr(options, "scores", None)
    deletes = getattr(options, "delete_after", False)
    streams = options.command in ("watch", "camera")
    terms = getattr(options, "terms", None)
    return Allowed(
        collects_in=None if terms is None else Path(os.path.realpath(terms.folder)),
        at_most=0 if terms is None else terms.at_most,
        output=None if output is None else Path(output),
        deletes_in=Path(options.folder) if deletes else None,
        notify=os.environ.get("NOTIFY_SOCKET") if streams else None,
    )


def _parse(given: Sequence[str], model: str | None) -> argparse.Namespace:
    # A bundle's program is called by the name of its link, as edgecnn-leaves.
    name = PROGRAM if model is None else os.path.basename(sys.argv[0])  # noqa: PTH119 - as run.py
    arguments = with_ranges_joined(given if model is None else with_model(given, model))
    try:
        parser = make_parser(arguments, name=name, model=model)
        options, unknown = parser.parse_known_args(arguments)
    except BadArgumentsError as error:
        usage = " ".join(error.parser.format_usage().split()).removeprefix("usage: ")
        raise _misused(str(error), [name, *given], usage, error.parser.prog) from None
    if unknown:  # parse_args would show the usage of all commands
        import shlex

        program = options.parser.prog
        said = f"unrecognized arguments: {_cut(shlex.join(unknown))}"
        raise _misused(said, [name, *given], f"{program} with options that its help lists", program)
    return options


def _misused(problem: str, words: Sequence[str], expected: str, program: str) -> UsageError:
    import shlex

    return UsageError(
        problem,
        observed=_cut(shlex.join(words)),
        expected=expected,
        remedy=f"see {program} --help",
    )


def _cut(text: str) -> str:
    """Return a text of at most some 200 characters: a command line may name many files."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."


def _wants_json(arguments: Sequence[str]) -> bool:
    """Tell whether JSON was asked for, also where the command line could not be parsed."""
    options = itertools.takewhile(lambda argument: argument != "--", arguments)
    return "--json" in options


def _report(error: EdgeError, *, as_json: bool) -> int:
    if as_json:
        import json

        # Standard output may be what the error is about; the message below says so then.
        with contextlib.suppress(OutputError, BrokenPipeError):
            write_result(json.dumps(error.to_dict(), indent=1, sort_keys=True) + "\n")
    write_message(f"error: {error}\n")
    return error.exit_code
