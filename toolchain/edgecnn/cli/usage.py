"""Mistakes on the command line, told as every other error is: in words and as JSON."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any, Final

import typer

from edgecnn.errors import UsageError

__all__ = ["USAGE_ERRORS", "refuse_empty_values", "shows_help", "usage_error"]

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
