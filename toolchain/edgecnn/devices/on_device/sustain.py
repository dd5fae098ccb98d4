"""Runs one file without pause for minutes, and reads heat and clock each second."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecnn.devices.on_device.bench_children import DIED, Children
from edgecnn.devices.on_device.conditions import read_state
from edgecnn.devices.on_device.libraries import place_of
from edgecnn_runner.errors import ArtifactError
from edgecnn_runner.runtimes.telemetry import no_telemetry


def run(call: Any) -> tuple[str, Mapping[str, Any], list[bytes]]:
    """Run.

    Args:
        call: A ``bootstrap.Call``. Parameters: ``model`` (a file in the folder),
            ``runtime_name``, ``module``, ``threads``, ``seconds``, ``prefixes`` and ``paths``.

    Returns:
        The last frame: ``done`` and ``points``, one for each second: ``n`` runs, their
        ``median_ns`` and ``p90_ns``, and what ``conditions.read_state`` gives.

    Raises:
        ArtifactError: If the runtime does not come to the end.
    """
    no_telemetry()
    asked = call.parameters
    sys.path += asked["paths"]
    place = place_of(asked["module"], asked["prefixes"])
    if place is None:
        raise _ended("the runtime is gone")
    told = {
        "mode": "sustain",
        "file": str(Path(call.folder) / asked["model"]),
        "runtime": asked["runtime_name"],
        **{key: asked[key] for key in ("threads", "seconds")},
    }
    points: list[dict[str, Any]] = []
    waiting = b""

    def tell() -> None:
        call.send("progress", {"done": len(points) / max(1, asked["seconds"])})

    children = Children(Path(call.folder), asked["paths"], tick=tell)
    with children.started(place, told) as child:
        while part := child.read(1 << 16, tell):
            *lines, waiting = (waiting + part).split(b"\n")
            for line in lines:
                points.append({**json.loads(line), **read_state()})
                tell()
        observed = child.ending()
    if observed is not None:
        raise _ended(observed)
    return "done", {"points": points}, []


def _ended(observed: str) -> ArtifactError:
    return ArtifactError(
        DIED,
        observed=observed,
        expected="runs without pause until the end",
        remedy="try again for a shorter time; a device that runs out of memory ends programs",
    )
