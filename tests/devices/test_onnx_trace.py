"""onnxruntime's trace files, as it writes them and as it would not."""

from __future__ import annotations

from typing import Any

import pytest

from edgecnn.devices.on_device.profile import OperatorRuns, TraceError, read_trace


def node(name: str, begin: int, duration: int, *, op: str = "Conv") -> dict[str, Any]:
    arguments = {"op_name": op, "output_type_shape": [{"float": [1, 8, 8, 4]}]}
    return {
        "cat": "Node", "name": f"{name}_kernel_time", "ts": begin, "dur": duration,
        "args": arguments,
    }  # fmt: skip


def whole(begin: int, duration: int) -> dict[str, Any]:
    return {"cat": "Session", "name": "model_run", "ts": begin, "dur": duration, "args": {}}


# As onnxruntime does, the run is told after what ran in it.
LOADING = {"cat": "Session", "name": "model_loading_uri", "ts": 0, "dur": 9, "args": {}}
TWO_RUNS = [
    LOADING,
    *(node("a", 101, 50), node("b", 160, 5, op="Relu"), whole(100, 90)),
    *(node("a", 201, 10), node("b", 220, 7, op="Relu"), whole(200, 30)),
]


def test_operators_have_a_time_for_each_run() -> None:
    operators, runs = read_trace(TWO_RUNS, skip=0)
    assert runs == [90_000, 30_000]
    assert operators == [
        OperatorRuns("a", "Conv", [1, 8, 8, 4], 1, [50_000, 10_000]),
        OperatorRuns("b", "Relu", [1, 8, 8, 4], 1, [5_000, 7_000]),
    ]


def test_the_first_runs_do_not_count() -> None:
    operators, runs = read_trace(TWO_RUNS, skip=1)
    assert runs == [30_000]
    assert [one.times_ns for one in operators] == [[10_000], [7_000]]


def test_what_runs_again_within_a_run_is_summed() -> None:
    events = [node("a", 101, 50), node("a", 160, 5), whole(100, 90)]
    [found], _ = read_trace(events, skip=0)
    assert (found.calls, found.times_ns) == (2, [55_000])


def test_other_events_of_operators_are_left_out() -> None:
    fence = {"cat": "Node", "name": "a_fence_before", "ts": 101, "dur": 3, "args": {}}
    [found], _ = read_trace([fence, node("a", 104, 50), whole(100, 90)], skip=0)
    assert found.times_ns == [50_000]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "holds 0 runs"),
        ([LOADING], "holds 0 runs"),
        ([whole(100, 90)], "no operator"),
        ([node("a", 300, 5), whole(100, 90)], "no operator"),
        ([{"cat": "Node", "name": "a_kernel_time"}], "lacks something"),
        ([{**node("a", 101, 5), "ts": "soon"}, whole(100, 90)], "lacks something"),
    ],
)
def test_what_onnxruntime_does_not_write_is_refused(events: list[Any], said: str) -> None:
    with pytest.raises(TraceError, match=said):
        read_trace(events, skip=0)


def test_fewer_runs_than_are_to_be_skipped_are_refused() -> None:
    with pytest.raises(TraceError, match="2 runs, not more than 2"):
        read_trace(TWO_RUNS, skip=2)
