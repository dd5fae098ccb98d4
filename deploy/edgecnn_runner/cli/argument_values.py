"""Values on the command line of ``edgecnn-run``: read from their text, or refused."""

from __future__ import annotations

import argparse
from collections.abc import Callable

__all__ = ["count", "probability", "seconds", "size"]


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
