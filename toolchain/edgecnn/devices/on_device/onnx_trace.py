"""Reads what onnxruntime writes when it profiles: which operator ran when, and for how long.

The file is a list of events in Chrome's trace format. An event of an operator has the category
``Node`` and a name that ends in ``_kernel_time``; one named ``model_run`` spans each call of
``run``. Times are whole microseconds, cut off: an operator's is up to 1 us too low.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

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
