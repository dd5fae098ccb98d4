"""The child's side: one way of classifying, timed when the parent says so.

Runs in each peer's own environment, so it needs the standard library and numpy alone. A peer is a
program that calls ``main`` with what it can do:

    python -m peers.peer_litert FILE IMAGES.npy THREADS

It says ``{"ready": {...}}`` or ``{"error": "..."}``, a line of JSON each, on what was its standard
output; whatever a library prints goes to standard error. Then it answers each line ``go K`` with
``{"times": [...]}``, K raw times in nanoseconds, and ends at ``quit`` or when its input ends.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


class Loaded(NamedTuple):
    """A model, ready.

    Attributes:
        classify: From an image (height, width, channels), uint8, to an answer.
        version: Package and version of what runs it.
        details: How it was set up, or what it says of itself.
        class_of: The class in an answer; not timed.
        measure: Takes so many raw times its own way; None to time ``classify``.
    """

    classify: Callable[[Image], Any]
    version: str
    details: str = ""
    class_of: Callable[[Any], int] = int
    measure: Callable[[int], Sequence[int]] | None = None


def timed(classify: Callable[[Image], Any], image: Image) -> Callable[[int], list[int]]:
    """Return what takes so many times, after one run that fills the caches again."""

    def measure(count: int) -> list[int]:
        clock = time.perf_counter_ns
        classify(image)
        times = []
        for _ in range(count):
            begin = clock()
            classify(image)
            times.append(clock() - begin)
        return times

    return measure


def serve(loaded: Loaded, images: Image, commands: TextIO, answers: TextIO) -> None:
    """Answer the parent until it quits.

    Args:
        loaded: What is measured.
        images: Shape (n, height, width, channels); all are classified once, the first is timed.
        commands: Lines of the parent.
        answers: Lines for it.
    """

    def answer(values: dict[str, Any]) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    ready = {
        "version": loaded.version,
        "details": loaded.details,
        "python": ".".join(map(str, sys.version_info[:3])),
        "numpy": np.__version__,
        "classes": [loaded.class_of(loaded.classify(image)) for image in images],
    }
    measure = loaded.measure or timed(loaded.classify, images[0])
    answer({"ready": ready})
    gc.collect()
    gc.disable()
    for line in commands:
        words = line.split()
        if words == ["quit"]:
            return
        if len(words) != 2 or words[0] != "go" or not words[1].isdigit():
            answer({"error": f"{line.strip()!r} is no command"})
            return
        answer({"times": [int(one) for one in measure(int(words[1]))]})


def main(load: Callable[[Path, int], Loaded]) -> None:
    """Be a peer.

    Args:
        load: Loads a file for so many threads; what it raises is told the parent.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    path, images, threads = Path(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3])
    try:
        loaded = load(path, threads)
    except Exception as error:  # noqa: BLE001 - whatever a runtime raises, the parent tells it
        reason = " ".join(str(error).split())[:300]
        answers.write(json.dumps({"error": f"{type(error).__name__}: {reason}"}) + "\n")
        answers.flush()
        sys.exit(1)
    serve(loaded, images, sys.stdin, answers)
