"""What layers in float cost: latency of a mixed file against int8 and float32, on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn_runner.machine import describe_machine
from edgecnn_runner.runtimes.quiet import without_native_chatter
from edgecnn_runner.session import Session
from edgecnn_runner.timing import measure, percentile

__all__ = ["latency_cost"]

_ROUNDS: Final = 10
_WARMUP: Final = 5
_SECONDS: Final = 6.0
_FEWEST, _MOST = 5, 60


def latency_cost(files: Mapping[str, Path], image: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """Time files of one model in turns, so that whatever else the machine does meets them alike.

    Args:
        files: What to call each file, and where it is.
        image: Shape (height, width, channels), uint8.

    Returns:
        JSON-ready: ``median_ns`` by name, ``n`` calls of each, ``threads``, ``runtime``, and the
        ``machine`` as ``edgecnn_runner.machine.describe_machine`` has it.
    """
    samples: dict[str, list[int]] = {name: [] for name in files}
    with contextlib.ExitStack() as stack:
        with without_native_chatter():
            opened = {name: Session.open(path) for name, path in files.items()}
        sessions = {name: stack.enter_context(one) for name, one in opened.items()}
        first = {
            name: measure(one, image, warmup=_WARMUP, runs=3) for name, one in sessions.items()
        }
        each_ns = sum(timing.summary()["median_ns"] for timing in first.values())
        runs = min(max(int(_SECONDS * 1e9 / (_ROUNDS * each_ns)), _FEWEST), _MOST)
        for _ in range(_ROUNDS):
            for name, session in sessions.items():
                samples[name] += measure(session, image, warmup=_WARMUP, runs=runs).samples_ns
        runtime = next(iter(sessions.values())).runtime
    return {
        "median_ns": {name: percentile(sorted(found), 50) for name, found in samples.items()},
        "n": _ROUNDS * runs,
        "threads": 1,
        "runtime": runtime,
        "machine": describe_machine(),
    }
