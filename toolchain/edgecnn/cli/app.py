"""The ``edgecnn`` command, and the only place that turns an error into an exit code.

Nothing heavy is imported here: ``edgecnn --help`` must stay instant, so every command imports
its stage inside its function.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from edgecnn import __version__
from edgecnn.cli import (
    adopt,
    bench,
    build,
    convert,
    data,
    demo,
    deploy,
    doctor,
    evaluate,
    init,
    inspect,
    package,
    privacy,
    run,
    serve,
    train,
    verify,
)
from edgecnn.cli.log import LogFileOption, VerboseOption, end_log, start_log, with_log
from edgecnn.cli.progress import remember_interrupts, was_interrupted
from edgecnn.cli.render import (
    INTERRUPTED,
    READER_GONE,
    drop_output,
    explain,
    full_output,
    report_bug,
    report_error,
    say,
)
from edgecnn.errors import EdgeError, UsageError

app = typer.Typer(
    name="edgecnn",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_COMMANDS: Final = {
    "The chain": (demo.demo, build.build, train.train, convert.convert, verify.verify),
    "One file": (adopt.adopt, run.run, evaluate.evaluate, inspect.inspect),
    "To a device": (package.package, serve.serve, privacy.privacy, deploy.deploy, bench.bench),
    "Set-up": (init.init, data.data, doctor.doctor),
}
"""Panel of the help to its commands, in order."""

for _panel, _commands in _COMMANDS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(with_log(_command))


_COMPLETING: Final = "_EDGECNN_COMPLETE"
"""Set by a shell that asks for the words that could come next."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edgecnn {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[  # noqa: ARG001 - its callback is all
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    verbose: VerboseOption = False,
    log_file: LogFileOption = None,
) -> None:
    """Take a CNN image classifier from training to a device, and prove it still works.

    Start with `edgecnn demo`: the whole chain in about a minute, with no download.

    Exit codes: 0 done, 1 a bug of ours, 2 usage, 3 parity FAIL, 4 parity INCONCLUSIVE,
    130 interrupted; the manual lists the others.
    """
    start_log(verbose=verbose, file=log_file)


def main() -> None:
    """Run the command line and exit with the code of what happened."""
    for stream in (sys.stdout, sys.stderr):
        # A class name or a bar that the terminal has no character for must not end a command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    begun = time.monotonic()
    remember_interrupts()
    try:
        code = _exit_code()
    except KeyboardInterrupt:  # while an error was being shown
        code = INTERRUPTED
    if was_interrupted():
        say("interrupted\n")
        code = INTERRUPTED
    end_log(code, time.monotonic() - begun)
    sys.exit(code)


def _exit_code() -> int:
    try:
        refuse_empty_values(sys.argv[1:])
        code = app(prog_name="edgecnn", standalone_mode=False)
    except EdgeError as error:
        return INTERRUPTED if was_interrupted() else report_error(error)
    except USAGE_ERRORS as error:
        if shows_help(error):
            return UsageError.exit_code
        return report_error(usage_error(error, sys.argv[1:]))
    except SystemExit as end:
        # How Typer and rich end a program whose reader went away while they wrote.
        if not isinstance(end.__context__, BrokenPipeError):
            if "--install-completion" in sys.argv:
                _complete_at_once()
            raise
        drop_output()
        return READER_GONE
    except OSError as error:
        if was_interrupted():
            return INTERRUPTED
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            return report_bug(error)
        return explain(full_output(error))
    except Exception as error:  # noqa: BLE001 - the last resort: anything here is a bug of ours
        if _COMPLETING in os.environ:
            return 1  # a shell asks, amid a line that is being typed: say nothing
        return INTERRUPTED if was_interrupted() else report_bug(error)
    return int(code or 0)


def _complete_at_once() -> None:
    """Let zsh complete at the first tab, which by Typer's script alone only loads the script."""
    script = Path.home() / ".zfunc/_edgecnn"
    with contextlib.suppress(OSError):
        text = script.read_text(encoding="utf-8")
        if "funcstack" not in text:
            ours = '[ "$funcstack[1]" = _edgecnn ] && _edgecnn_completion "$@"'
            script.write_text(f"{text.rstrip()}\n\n{ours}\n", encoding="utf-8")


# Typer names only the leaves of the tree its parser raises from, and the tree has moved between
# packages; its second class is what all usage errors are, its third what all parser errors are.
USAGE_ERRORS: Final[tuple[type[BaseException], ...]] = typer.BadParameter.__mro__[1:3]


def refuse_empty_values(arguments: Sequence[str]) -> None:
    """Refuse an argument or a value that is empty: as a path it would mean the current folder.

    Args:
        arguments: The command line without the program's name.

    Raises:
        UsageError: If there is one.
    """
    before = ""
    for argument in arguments:
        option = argument[:-1] if re.fullmatch(r"--[a-z-]+=", argument) else None
        if option is None and argument == "":
            option = before if before.startswith("-") else "an argument"
        if option is not None:
            raise UsageError(
                f"{option} has an empty value",
                observed=f"edgecnn {shlex.join(arguments)}",
                expected="a value that is not empty",
                remedy="give a value, or leave the option out; a shell variable that is not set "
                "gives an empty one",
            )
        before = argument


def shows_help(error: Any) -> bool:  # a class of Typer's parser, which has no public name
    """Show the help if that is all the error is about: a group without a command."""
    if "NoArgs" not in type(error).__name__:
        return False
    error.show()
    return True


def usage_error(error: Any, arguments: Sequence[str]) -> UsageError:
    """Return what Typer's parser refused as an error of ours.

    Args:
        error: One of ``USAGE_ERRORS``.
        arguments: The command line without the program's name.
    """
    context = getattr(error, "ctx", None)
    usage = " ".join(context.get_usage().split()) if context else "edgecnn COMMAND"
    command = context.command_path if context else "edgecnn"
    return UsageError(
        error.format_message().rstrip("."),
        observed=f"edgecnn {shlex.join(arguments)}",
        expected=usage.removeprefix("Usage: "),
        remedy=f"see {command} --help",
    )
