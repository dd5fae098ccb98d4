"""The ``edgecnn`` command, and the only place that turns an error into an exit code.

Nothing heavy is imported here: ``edgecnn --help`` must stay instant, so every command imports
its stage inside its function.
"""

from __future__ import annotations

import errno
import io
import re
import shlex
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from edgecnn import __version__
from edgecnn.cli import (
    bench,
    build,
    convert,
    demo,
    deploy,
    doctor,
    init,
    inspect,
    package,
    privacy,
    run,
    serve,
    train,
    verify,
)
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
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_CHAIN = "The chain"
_ONE_FILE = "One file"
_DEVICE = "To a device"
_SETUP = "Set-up"

app.command(rich_help_panel=_CHAIN)(demo.demo)
app.command(rich_help_panel=_CHAIN)(build.build)
app.command(rich_help_panel=_CHAIN)(train.train)
app.command(rich_help_panel=_CHAIN)(convert.convert)
app.command(rich_help_panel=_CHAIN)(verify.verify)
app.command(rich_help_panel=_ONE_FILE)(run.run)
app.command(rich_help_panel=_ONE_FILE)(inspect.inspect)
app.command(rich_help_panel=_DEVICE)(package.package)
app.command(rich_help_panel=_DEVICE)(serve.serve)
app.command(rich_help_panel=_DEVICE)(privacy.privacy)
app.command(rich_help_panel=_DEVICE)(deploy.deploy)
app.command(rich_help_panel=_DEVICE)(bench.bench)
app.command(rich_help_panel=_SETUP)(init.init)
app.command(rich_help_panel=_SETUP)(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edgecnn {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Take a CNN image classifier from training to a device, and prove it still works.

    Start with `edgecnn demo`: the whole chain in about a minute, with no download.

    Exit codes: 0 done, 1 a bug of ours, 2 usage, 3 parity FAIL, 4 parity INCONCLUSIVE,
    130 interrupted; the manual lists the others.
    """


def main() -> None:
    """Run the command line and exit with the code of what happened."""
    for stream in (sys.stdout, sys.stderr):
        # A class name or a bar that the terminal has no character for must not end a command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    remember_interrupts()
    try:
        code = _exit_code()
    except KeyboardInterrupt:  # while an error was being shown
        code = INTERRUPTED
    if was_interrupted():
        say("interrupted\n")
        code = INTERRUPTED
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
        return INTERRUPTED if was_interrupted() else report_bug(error)
    return int(code or 0)


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
