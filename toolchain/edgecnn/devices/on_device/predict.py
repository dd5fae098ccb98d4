"""Scores many images with one model file, as ``edgecnn verify`` does on the workstation."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from edgecnn.devices.on_device.libraries import has_own, no_runtime, use_installed

_EVERY_S: Final = 0.2


def run(call: Any) -> tuple[str, Mapping[str, Any], list[bytes]]:
    """Run every image through the runner's own session.

    Args:
        call: A ``bootstrap.Call``. Parameters: ``model`` (the file's name), ``format``,
            ``modules`` (what runs that format), ``threads``, ``contract`` (of a file that carries
            none, else None), ``shape`` of the images and ``prefixes``. In memory: ``images``,
            uint8.

    Returns:
        The last frame: ``done``, the facts, and the scores as float32, little-endian.

    Raises:
        EdgeError: If the file cannot be read, or does not run.
    """
    asked = call.parameters
    libraries = find_libraries(asked)
    import numpy as np

    from edgecnn_runner.contract import parse_contract
    from edgecnn_runner.machine import describe_machine
    from edgecnn_runner.session import Session

    path = Path(call.folder) / asked["model"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    # They stay in memory: no image is written anywhere on the device.
    images = np.frombuffer(call.memory["images"], np.uint8).reshape(asked["shape"])
    done, told = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, told
        done += count
        if time.monotonic() - told >= _EVERY_S:
            call.send("progress", {"done": done})
            told = time.monotonic()

    contract = None if asked["contract"] is None else parse_contract(asked["contract"])
    with Session.open(path, contract=contract, threads=asked["threads"]) as session:
        call.send("phase", {"runtime": session.runtime, "kernels": session.kernels})
        scores = session.predict(images, advance=advance)
    facts = {"libraries": libraries, "machine": describe_machine(), "model_sha256": digest}
    return "done", facts, [np.ascontiguousarray(scores, "<f4").tobytes()]


def find_libraries(asked: Mapping[str, Any]) -> str:
    """Make a runtime importable; say where it is.

    Args:
        asked: ``modules``, one of which is enough, ``prefixes`` and ``format``, as for ``run``.

    Raises:
        RuntimeMissingError: If the device has none of them.
    """
    if has_own(asked["modules"]):
        return "the device's own Python"
    found = use_installed(asked["modules"], asked["prefixes"])
    if found is None:
        raise no_runtime(asked["format"], asked["modules"], asked["prefixes"])
    return found
