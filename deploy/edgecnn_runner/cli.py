"""``edgecnn-run``: the runner on a command line. Parses; ``commands`` does the work.

Results go to standard output, messages to standard error. With ``--json``, the result, or the
error that kept it from being had, is one JSON document on standard output.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from edgecnn_runner import __version__
from edgecnn_runner.contract import INPUT_RANGES, OUTPUT_KINDS
from edgecnn_runner.errors import EdgeError, OutputError, UsageError
from edgecnn_runner.streams import hold_standard_descriptors, write_message, write_result

__all__ = ["main", "make_parser"]

# The keys of runtimes.RUNTIMES, which would import numpy only to show the help.
_RUNTIMES = ("litert", "tflite-runtime", "onnxruntime")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; None for those of the process.

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
        options = _parse(given)
        from edgecnn_runner import commands

        code: int = getattr(commands, options.command)(options)
    except EdgeError as error:
        return _report(error, as_json=_wants_json(given))
    except KeyboardInterrupt:
        write_message("interrupted\n")
        return 130
    except BrokenPipeError:  # `edgecnn-run ... | head`
        return 141
    except Exception as error:  # noqa: BLE001 - the last resort: anything here is a bug of ours
        write_message("".join(traceback.format_exception(error)))
        write_message(
            f"\nThis is a bug in edgecnn-runner {__version__}, not a mistake of yours.\n"
            "Please report it in the project's issue tracker, with the text above.\n"
        )
        return 1
    return code


class _BadArgumentsError(Exception):
    """What argparse says about a command line; ``parser`` is that of the command."""

    def __init__(self, message: str, parser: argparse.ArgumentParser) -> None:
        super().__init__(message)
        self.parser = parser


class _Parser(argparse.ArgumentParser):
    """Leaves to ``main`` what is said about mistakes, and whether the help could be written."""

    def error(self, message: str) -> NoReturn:
        raise _BadArgumentsError(message, self)

    def _print_message(self, message: str, file: Any = None) -> None:  # noqa: ARG002 - argparse's
        # For the help and the version. argparse would leave them for the end of the process, or
        # swallow the failure: a help that nobody got would be a success, or a traceback.
        write_result(message)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    try:
        options, unknown = make_parser().parse_known_args(_with_ranges_joined(arguments))
        if unknown:  # parse_args would show the usage of all commands
            options.parser.error(f"unrecognized arguments: {shlex.join(unknown)}")
        return options
    except _BadArgumentsError as error:
        usage = " ".join(error.parser.format_usage().split()).removeprefix("usage: ")
        raise UsageError(
            str(error),
            observed=shlex.join(["edgecnn-run", *arguments]),
            expected=usage,
            remedy=f"see {error.parser.prog} --help",
        ) from None


def _with_ranges_joined(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with ``--input-range -1..1`` as ``--input-range=-1..1``.

    argparse takes what begins with a hyphen, and is no number, for an option.
    """
    joined: list[str] = []
    for argument in arguments:
        if joined[-1:] == ["--input-range"] and argument in INPUT_RANGES:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


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


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = _Parser(
        prog="edgecnn-run",
        allow_abbrev=False,
        description="Classify images with a model file on this device; nothing leaves it.",
        epilog="Example: edgecnn-run classify model.tflite photo.jpg",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"edgecnn-run {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_classify(commands)
    _add_selftest(commands)
    _add_bench(commands)
    _add_info(commands)
    _add_predict(commands)
    return parser


def _add_classify(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = _command(
        commands,
        "classify",
        "Name what images show.",
        "edgecnn-run classify model.tflite photo.jpg --top 3 --reject-below 0.6",
    )
    command.add_argument("images", metavar="IMAGE", nargs="+", help="image files of any size")
    command.add_argument(
        "--top", metavar="K", type=_count, default=3, help="classes to show (default 3)"
    )
    command.add_argument(
        "--reject-below",
        metavar="P",
        type=_probability,
        default=0.0,
        help='answer "unknown" when the best score is below P (0 to 1)',
    )
    _add_foreign(command)


def _add_selftest(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = _command(
        commands,
        "selftest",
        "Check that this device reproduces the golden vectors.",
        "edgecnn-run selftest model.tflite golden.npz",
    )
    command.add_argument(
        "golden", metavar="GOLDEN", nargs="?", help="default: golden.npz beside FILE"
    )


def _add_bench(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = _command(
        commands,
        "bench",
        "Measure the latency of one image, from pixels of the model's size to class and score.",
        "edgecnn-run bench model.tflite --runs 2000 --json",
    )
    command.add_argument("image", metavar="IMAGE", nargs="?", help="default: a generated one")
    command.add_argument(
        "--runs", metavar="N", type=_count, default=1000, help="calls measured (default 1000)"
    )
    command.add_argument(
        "--warmup", metavar="N", type=_count, default=50, help="calls before (default 50)"
    )
    _add_foreign(command)


def _add_info(commands: argparse._SubParsersAction[_Parser]) -> None:
    _command(
        commands,
        "info",
        "Show a file's contract and the runtime it would run on here.",
        "edgecnn-run info model.tflite",
    )


def _add_predict(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = _command(
        commands,
        "predict",
        "Score many images of the model's size: from `images` in one .npz to `scores` in another.",
        "edgecnn-run predict model.tflite images.npz scores.npz",
    )
    command.add_argument("images", metavar="IMAGES", help=".npz: images (n, h, w, c), uint8")
    command.add_argument("scores", metavar="SCORES", help=".npz to write: scores (n, classes)")
    _add_foreign(command)


def _command(
    commands: argparse._SubParsersAction[_Parser],
    name: str,
    description: str,
    example: str,
) -> _Parser:
    command = commands.add_parser(
        name,
        help=description,
        description=description,
        epilog=f"Example: {example}",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(parser=command)
    command.add_argument("file", metavar="FILE", help="a .tflite or .onnx file")
    command.add_argument(
        "--threads", metavar="N", type=_count, default=1, help="threads to run on (default 1)"
    )
    command.add_argument("--runtime", choices=_RUNTIMES, help="default: the best installed")
    command.add_argument("--json", action="store_true", help="print JSON")
    return command


def _add_foreign(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("for files that edgecnn did not make")
    group.add_argument("--labels", metavar="FILE", help="class names, one a line, in output order")
    group.add_argument(
        "--input-range", choices=[*INPUT_RANGES], help="what pixels 0 to 255 become for the model"
    )
    group.add_argument(
        "--output-kind", choices=OUTPUT_KINDS, help="what its scores are, where they do not tell"
    )


def _count(text: str) -> int:
    value = _number(int, text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return int(value)


def _probability(text: str) -> float:
    value = _number(float, text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _number(kind: Callable[[str], float], text: str) -> float:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
