"""The ``edgecnn`` command, and the only place that turns an error into an exit code.

Nothing heavy is imported here: ``edgecnn --help`` must stay instant, so every command imports
its stage inside its function.
"""

from __future__ import annotations

import errno
import io
import sys
from typing import Annotated

import typer

from edgecnn import __version__
from edgecnn.cli import (
    build,
    convert,
    demo,
    doctor,
    init,
    inspect,
    run,
    train,
    verify,
)
from edgecnn.cli.render import INTERRUPTED, explain, full_output, report_bug, report_error, say
from edgecnn_runner.errors import EdgeError

__all__ = ["app", "main"]

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
_SETUP = "Set-up"

app.command(rich_help_panel=_CHAIN)(demo.demo)
app.command(rich_help_panel=_CHAIN)(build.build)
app.command(rich_help_panel=_CHAIN)(train.train)
app.command(rich_help_panel=_CHAIN)(convert.convert)
app.command(rich_help_panel=_CHAIN)(verify.verify)
app.command(rich_help_panel=_ONE_FILE)(run.run)
app.command(rich_help_panel=_ONE_FILE)(inspect.inspect)
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
    130 interrupted; the README lists the others.
    """


def main() -> None:
    """Run the command line and exit with the code of what happened."""
    for stream in (sys.stdout, sys.stderr):
        # A class name or a bar that the terminal has no character for must not end a command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="edgecnn")
    except EdgeError as error:
        sys.exit(report_error(error))
    except SystemExit as end:
        if end.code == INTERRUPTED:  # Typer's word for Ctrl-C
            say("interrupted\n")
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            sys.exit(report_bug(error))
        sys.exit(explain(full_output(error)))
    except Exception as error:  # noqa: BLE001 - the last resort: anything here is a bug of ours
        sys.exit(report_bug(error))
