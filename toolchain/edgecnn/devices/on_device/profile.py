"""Profiles where the time of one inference goes, operator by operator, as far as the runtime tells.

First the file is timed as it runs in production; then, where the runtime can profile, it is run
again with the profiler on, which slows it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from edgecnn.devices.on_device.predict import find_libraries


def run(call: Any) -> tuple[str, Mapping[str, Any], list[bytes]]:
    """Time one image again and again, then profile it.

    Args:
        call: A ``bootstrap.Call``. Parameters: ``model`` (the file's name), ``format``,
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
        EdgeError: If the file cannot be read, or does not run.
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


# The file is a list of events in Chrome's trace format. An event of an operator has the category
# ``Node`` and a name that ends in ``_kernel_time``; one named ``model_run`` spans each call of
# ``run``. Times are whole microseconds, cut off: an operator's is up to 1 us too low.

_KERNEL: Final = "_kernel_time"


class TraceError(ValueError):
    """A trace is not what onnxruntime writes."""


class _Kernel(NamedTuple):
    begin: int
    duration: int
    label: str
    type: str
    shape: list[int] | None


class OperatorRuns(NamedTuple):
    """One operator in all runs.

    Attributes:
        label: Its own name in the graph that ran.
        type: What it is, for example ``QLinearConv``.
        shape: Of its first output; None if the trace does not tell.
        calls: How often it ran in one run; more than once only in a loop's body.
        times_ns: What it took in each run, altogether; multiples of 1000.
    """

    label: str
    type: str
    shape: list[int] | None
    calls: int
    times_ns: list[int]


def read_trace(
    events: Sequence[Mapping[str, Any]], *, skip: int
) -> tuple[list[OperatorRuns], list[int]]:
    """Gather the operators of a trace.

    Args:
        events: The whole trace.
        skip: Runs at its beginning that do not count.

    Returns:
        The operators in the order in which they first ran, and what each counted run took as a
        whole, in nanoseconds.

    Raises:
        TraceError: If nothing ran beyond ``skip`` runs.
    """
    try:
        whole = [one for one in events if one["cat"] == "Session" and one["name"] == "model_run"]
        spans = sorted((int(one["ts"]), int(one["dur"])) for one in whole)[skip:]
        nodes = sorted(_kernels(events), key=lambda one: one.begin)
    except (KeyError, TypeError, ValueError) as error:
        raise TraceError(f"an event lacks something: {error!r}") from error
    if not spans:
        raise TraceError(f"it holds {len(whole)} runs, not more than {skip}")
    found: dict[tuple[str, str], list[list[int]]] = {}
    shapes: dict[tuple[str, str], list[int] | None] = {}
    position = 0
    for run, (begin, duration) in enumerate(spans):
        while position < len(nodes) and nodes[position].begin < begin:
            position += 1
        while position < len(nodes) and nodes[position].begin <= begin + duration:
            one = nodes[position]
            key = (one.label, one.type)
            found.setdefault(key, [[] for _ in spans])[run].append(one.duration)
            shapes.setdefault(key, one.shape)
            position += 1
    if not found:
        raise TraceError("it holds no operator within its runs")
    return (
        [
            OperatorRuns(
                label=label,
                type=kind,
                shape=shapes[label, kind],
                calls=max(len(run) for run in runs),
                times_ns=[1000 * sum(run) for run in runs],
            )
            for (label, kind), runs in found.items()
        ],
        [1000 * duration for _, duration in spans],
    )


def _kernels(events: Sequence[Mapping[str, Any]]) -> list[_Kernel]:
    found = []
    for one in events:
        # Older versions add events for what comes before and after a kernel.
        if one["cat"] != "Node" or not str(one["name"]).endswith(_KERNEL):
            continue
        arguments = one["args"]
        outputs = arguments.get("output_type_shape") or []
        shape = next(iter(outputs[0].values()), None) if outputs else None
        found.append(
            _Kernel(
                begin=int(one["ts"]),
                duration=int(one["dur"]),
                label=str(one["name"]).removesuffix(_KERNEL),
                type=str(arguments["op_name"]),
                shape=shape,
            )
        )
    return found
