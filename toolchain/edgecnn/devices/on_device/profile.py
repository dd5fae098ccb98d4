"""Where the time of one inference goes, operator by operator, as far as the runtime tells.

First the file is timed as it runs in production; then, where the runtime can profile, it is run
again with the profiler on, which slows it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecnn.devices.on_device.onnx_trace import read_trace
from edgecnn.devices.on_device.predict import find_libraries


def run(call: Any) -> tuple[str, Mapping[str, Any], list[bytes]]:
    """Time one image again and again, then profile it.

    Args:
        call: See ``bootstrap.Call``. Parameters: ``model`` (the file's name), ``format``,
            ``modules`` (what runs that format), ``runtime`` (a key of
            ``edgecnn_runner.runtimes.choice.RUNTIMES``, or None for the best there is),
            ``threads``, ``warmup`` and ``runs`` (each at least 1), ``seed`` of the image's pixels,
            ``prefixes``, and ``paths`` for the end of ``sys.path``.

    Returns:
        The last frame: ``done``; the facts ``runtime``, ``kernels``, ``threads``,
        ``model_sha256``, ``plain_ns`` (raw, without the profiler), ``profiled_ns`` (raw, with
        it) and ``operators`` (see ``onnx_trace.OperatorRuns``); and as a blob the graph that
        really ran, as ONNX. Where the runtime has no profiler, both lists are empty and there
        is no blob.

    Raises:
        EdgeError: See ``edgecnn_runner.session.Session``.
    """
    asked = call.parameters
    sys.path += [one for one in asked["paths"] if one not in sys.path]
    find_libraries(asked)
    import numpy as np

    from edgecnn_runner.formats.container import read_container
    from edgecnn_runner.images.feed import make_feed
    from edgecnn_runner.runtimes.quiet import without_native_chatter
    from edgecnn_runner.session import Session
    from edgecnn_runner.timing import measure

    path = Path(call.folder) / asked["model"]
    with without_native_chatter():
        session = Session.open(path, threads=asked["threads"], runtime=asked["runtime"])
    with session:
        spec = session.contract.input
        shape = (spec.height, spec.width, spec.channels)
        image = np.random.default_rng(asked["seed"]).integers(0, 256, shape, dtype=np.uint8)
        plain = measure(session, image, warmup=asked["warmup"], runs=asked["runs"])
        facts: dict[str, Any] = {
            "runtime": session.runtime,
            "kernels": session.kernels,
            "threads": session.threads,
            "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "plain_ns": list(plain.samples_ns),
            "profiled_ns": [],
            "operators": [],
        }
        call.send("progress", {"done": asked["runs"]})
        if session.runtime_name != "onnxruntime":
            return "done", facts, []
        min_runtime = session.contract.min_runtime
    from edgecnn_runner.runtimes.backend_onnx import OnnxBackend

    prefix = str(Path(call.folder) / "profile")
    backend = OnnxBackend(
        read_container(path).data,
        threads=asked["threads"],
        min_runtime=min_runtime,
        profile=prefix,
    )
    feed = make_feed(spec)
    for _ in range(asked["warmup"] + asked["runs"]):
        backend.run(feed(image))
    events = json.loads(Path(backend.end_profile()).read_bytes())
    operators, facts["profiled_ns"] = read_trace(events, skip=asked["warmup"])
    facts["operators"] = [one._asdict() for one in operators]
    return "done", facts, [Path(f"{prefix}.onnx").read_bytes()]
