"""The command line of ``edgecnn-run``: what can be asked, and how argparse understands it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from edgecnn_runner import __version__
from edgecnn_runner.cli.streams import write_result
from edgecnn_runner.contract import FILTERS, FITS, INPUT_RANGES, LAYOUTS, OUTPUT_KINDS

PROGRAM: Final = "edgecnn-run"

# The keys of runtimes.RUNTIMES, which would import numpy only to show the help.
_RUNTIMES = ("litert", "tflite-runtime", "onnxruntime")


class BadArgumentsError(Exception):
    """What argparse says about a command line; ``parser`` is that of the command."""

    def __init__(self, message: str, parser: argparse.ArgumentParser) -> None:
        super().__init__(message)
        self.parser = parser


class _Parser(argparse.ArgumentParser):
    """Leaves to ``main`` what is said about mistakes, and whether the help could be written."""

    def error(self, message: str) -> NoReturn:
        raise BadArgumentsError(message, self)

    def _print_message(self, message: str, file: Any = None) -> None:  # noqa: ARG002 - argparse's
        # For the help and the version. argparse would leave them for the end of the process, or
        # swallow the failure: a help that nobody got would be a success, or a traceback.
        write_result(message)


def with_model(arguments: Sequence[str], model: str) -> list[str]:
    """Return the arguments with the model file behind the command, if they name none.

    Args:
        arguments: Without the program's name.
        model: The file meant then.
    """
    named = any(part.endswith((".tflite", ".onnx")) for part in arguments)
    if named or not arguments or arguments[0].startswith("-"):
        return [*arguments]
    return [arguments[0], model, *arguments[1:]]


def with_ranges_joined(arguments: Sequence[str]) -> list[str]:
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


def make_parser(
    arguments: Sequence[str] = (), *, name: str = PROGRAM, model: str | None = None
) -> argparse.ArgumentParser:
    """Return the parser of a command line.

    Args:
        arguments: What it is to parse. If a command stands first, it knows that command alone,
            since making the others' takes longer than to classify an image; else all of them.
        name: What the program was called by.
        model: The model file meant where the command line names none, which ``with_model`` puts
            there. The help then shows none.
    """
    parser = _Parser(
        prog=name,
        allow_abbrev=False,
        description="Classify images with a model file on this device; nothing leaves it.",
        epilog=f"Example: {_example(name, 'classify', 'photo.jpg', model)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    adders = {
        "classify": _add_classify,
        "watch": _add_watch,
        "camera": _add_camera,
        "selftest": _add_selftest,
        "bench": _add_bench,
        "info": _add_info,
        "predict": _add_predict,
    }
    named = arguments[0] if arguments and arguments[0] in adders else None
    for command, add in adders.items():
        if named in (None, command):
            add(_Commands(commands, name, model))
    return parser


class _Commands(NamedTuple):
    """What a command is added to."""

    all: argparse._SubParsersAction[_Parser]
    program: str
    model: str | None


def _example(program: str, command: str, arguments: str, model: str | None) -> str:
    file = "model.tflite" if model is None else ""
    return " ".join(part for part in (program, command, file, arguments) if part)


def _add_classify(commands: _Commands) -> None:
    command = _command(
        commands,
        "classify",
        "Name what images show.",
        "photo.jpg --top 3 --reject-below 0.6",
    )
    command.add_argument("images", metavar="IMAGE", nargs="+", help="image files of any size")
    command.add_argument(
        "--top", metavar="K", type=count, help="classes to show (default 3, of many classes 5)"
    )
    _add_reject(command)
    _add_foreign(command)


def _add_watch(commands: _Commands) -> None:
    command = _command(
        commands,
        "watch",
        "Classify images as they are put into a folder; one JSON line each, until SIGTERM.",
        "inbox --delete-after --output results.jsonl",
    )
    command.add_argument("folder", metavar="DIR", help="the folder")
    command.add_argument(
        "--delete-after", action="store_true", help="delete each image once it is classified"
    )
    _add_stream(command, interval_s=1.0, interval="seconds between two looks at the folder")


def _add_camera(commands: _Commands) -> None:
    command = _command(
        commands,
        "camera",
        "Classify frames of a camera, a video or a folder; one JSON line each, until SIGTERM.",
        "--interval 2 --reject-below 0.6",
    )
    command.add_argument(
        "--source",
        metavar="SOURCE",
        default="auto",
        help="auto (default: picamera2 if it is installed, else /dev/video0), picamera2, a V4L2 "
        "device, a video file or a folder of images",
    )
    command.add_argument(
        "--size",
        metavar="WxH",
        type=size,
        default=(640, 480),
        help="frame size to ask a camera for (default 640x480)",
    )
    _add_stream(
        command,
        interval_s=1.0,
        interval="seconds between two frames; of a video, in its own time; 0 for every frame",
    )


def _add_stream(command: argparse.ArgumentParser, *, interval_s: float, interval: str) -> None:
    command.add_argument(
        "--interval",
        metavar="S",
        type=seconds,
        default=interval_s,
        help=f"{interval} (default {interval_s:g})",
    )
    command.add_argument(
        "--top", metavar="K", type=count, default=1, help="classes in each line (default 1)"
    )
    _add_reject(command)
    command.add_argument(
        "--output",
        metavar="FILE",
        help="add the lines to FILE; default: standard output",
    )
    command.add_argument(
        "--count", metavar="N", type=count, help="end after N lines (default: go on)"
    )
    group = command.add_argument_group(
        "to collect pictures for edgecnn verify --unlabelled (off unless asked for)"
    )
    group.add_argument("--collect", metavar="DIR", help="keep some of the frames in DIR, as PNG")
    group.add_argument("--every", metavar="N", type=count, help="with --collect: every N-th frame")
    group.add_argument(
        "--at-most",
        metavar="M",
        type=count,
        help="with --collect: at most M files in DIR in all, those that are there included",
    )
    _add_foreign(command)


def _add_reject(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--reject-below",
        metavar="P",
        type=probability,
        default=0.0,
        help='answer "unknown" when the best score is below P (0 to 1)',
    )


def _add_selftest(commands: _Commands) -> None:
    command = _command(
        commands,
        "selftest",
        "Check that this device reproduces the golden vectors.",
        "golden.npz" if commands.model is None else "",
    )
    command.add_argument(
        "golden", metavar="GOLDEN", nargs="?", help="default: golden.npz beside the model file"
    )


def _add_bench(commands: _Commands) -> None:
    command = _command(
        commands,
        "bench",
        "Measure the latency of one image, from pixels of the model's size to class and score.",
        "--runs 2000 --json",
    )
    command.add_argument("image", metavar="IMAGE", nargs="?", help="default: a generated one")
    command.add_argument(
        "--runs", metavar="N", type=count, default=1000, help="calls measured (default 1000)"
    )
    command.add_argument(
        "--warmup", metavar="N", type=count, default=50, help="calls before (default 50)"
    )
    _add_foreign(command)


def _add_info(commands: _Commands) -> None:
    _command(
        commands,
        "info",
        "Show a file's contract and the runtime it would run on here.",
        "",
    )


def _add_predict(commands: _Commands) -> None:
    command = _command(
        commands,
        "predict",
        "Score many images of the model's size: from `images` in one .npz to `scores` in another.",
        "images.npz scores.npz",
    )
    command.add_argument("images", metavar="IMAGES", help=".npz: images (n, h, w, c), uint8")
    command.add_argument("scores", metavar="SCORES", help=".npz to write: scores (n, classes)")
    _add_foreign(command, resizes=False)


def _command(
    commands: _Commands,
    name: str,
    description: str,
    example: str,
) -> _Parser:
    """Add a command with the options that all have; ``example`` is what stands behind FILE."""
    shown = f"Example: {_example(commands.program, name, example, commands.model)}"
    if commands.model is not None:
        shown += f"\nIt runs {commands.model}; to run another file, name it behind {name}."
    command = commands.all.add_parser(
        name,
        help=description,
        description=description,
        epilog=shown,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(parser=command)
    command.add_argument(
        "file",
        metavar="FILE",
        help="a .tflite or .onnx file" if commands.model is None else argparse.SUPPRESS,
    )
    command.add_argument(
        "--threads", metavar="N", type=count, default=1, help="threads to run on (default 1)"
    )
    command.add_argument("--runtime", choices=_RUNTIMES, help="default: the best installed")
    command.add_argument("--json", action="store_true", help="print JSON")
    return command


def _add_foreign(command: argparse.ArgumentParser, *, resizes: bool = True) -> None:
    group = command.add_argument_group("for files that edgecnn did not make")
    group.add_argument("--labels", metavar="FILE", help="class names, one a line, in output order")
    group.add_argument(
        "--input-range", choices=[*INPUT_RANGES], help="what pixels 0 to 255 become for the model"
    )
    group.add_argument(
        "--input-mean",
        metavar="A[,B,C]",
        help="instead of --input-range, with --input-std: what is subtracted from pixels brought "
        "to 0..1, as torchvision's Normalize has it",
    )
    group.add_argument(
        "--input-std", metavar="A[,B,C]", help="with --input-mean: what is divided by then"
    )
    group.add_argument(
        "--output-kind", choices=OUTPUT_KINDS, help="what its scores are, where they do not tell"
    )
    group.add_argument(
        "--layout", choices=LAYOUTS, help="the order of its input's axes, where it does not tell"
    )
    if not resizes:
        return
    group.add_argument(
        "--fit",
        choices=FITS,
        help="what becomes of an image of another shape: keep its middle (default), distort it, "
        "or add black edges",
    )
    group.add_argument(
        "--crop-fraction",
        metavar="F",
        help="with crop: how much of height and width is kept; 0.875 for torchvision's "
        "Resize(256) and CenterCrop(224) (default 1)",
    )
    group.add_argument(
        "--resample",
        choices=[*FILTERS],
        help="how pixels are resampled (default box); bilinear as image_dataset_from_directory, "
        "nearest as flow_from_directory, bilinear-antialias as Pillow and torchvision",
    )


def count(text: str) -> int:
    """Return a whole number, 1 or more."""
    value = _number(int, text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return int(value)


def seconds(text: str) -> float:
    """Return a time in seconds, 0 or more."""
    value = _number(float, text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a time in seconds, 0 or more")
    return value


def size(text: str) -> tuple[int, int]:
    """Return width and height of a size such as ``640x480``."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 640x480")
    return int(width), int(height)


def probability(text: str) -> float:
    """Return a number between 0 and 1."""
    value = _number(float, text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _number(kind: Callable[[str], float], text: str) -> float:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
