"""Opens and runs model files named on standard input; says what came of each on standard output.

In a process of its own, so that a native crash ends this and not the test: one line in, one line
out, ``RESULT``, the name of the error's class, or ``CRASH`` or ``HANG`` and more for a file that
had to be run to be refused, and ended the trial's process.
"""

from __future__ import annotations

import sys

import numpy as np

from edgecnn_runner.classifier import Classifier
from edgecnn_runner.errors import EdgeError
from edgecnn_runner.runtimes.probe import ENDS_THE_PROGRAM, TAKES_TOO_LONG

LABELS = ("a", "b", "c", "d")


def outcome(path: str, input_range: str) -> str:
    rng = np.random.default_rng(0)
    foreign = input_range != "-"
    try:
        classifier = (
            Classifier(path, labels=LABELS, input_range=input_range)
            if foreign
            else Classifier(path)
        )
        with classifier:
            for _ in range(2):
                classifier.classify(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    except EdgeError as error:
        for end, name in ((ENDS_THE_PROGRAM, "CRASH"), (TAKES_TOO_LONG, "HANG")):
            if end in error.problem:
                return f"{name} {error.observed}"
        return type(error).__name__
    return "RESULT"


def main() -> None:
    for line in sys.stdin:
        path, input_range = line.split()
        print(outcome(path, input_range), flush=True)


if __name__ == "__main__":
    main()
