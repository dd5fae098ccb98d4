"""What a device answers is checked: each lie is found, and the truth comes through."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.bench.plan import BenchFile, plan
from edgecnn.bench.reply import Collected, collect, collect_points
from edgecnn.devices.protocol import Message
from edgecnn.errors import ArtifactError, DeviceError
from edgecnn_runner.contract import RESIZE_RULE

RESNET8 = Path(__file__).parents[2] / "models/resnet8"
FILES = plan([RESNET8 / "resnet8-int8.tflite", RESNET8 / "resnet8-int8.onnx"], {})
STATE = {"temperatures_c": {"cpu-thermal": 50.0}, "clock_hz": 1_500_000_000, "throttled": 0}
FULL = {
    **STATE, "board": "Raspberry Pi 4", "processor": "Cortex-A72", "cores": 4,
    "governors": ["performance"], "load": 0.1, "other_cpu_share": 0.0,
    "frequencies_hz": [{"current": 1, "least": None, "most": 2}],
}  # fmt: skip


def threads(number: int, turns: list[int]) -> dict[str, Any]:
    return {
        "threads": number, "turns": turns, "warmup": 9, "stable": True, "kernels": "XNNPACK",
        "first_ns": 10, "load_ns": 20, "starts_ns": [30, 40], "peak_memory_bytes": 1000,
    }  # fmt: skip


def answer() -> dict[str, Any]:
    rows = [
        {
            "artifact": index, "sha256": FILES[index].row.sha256, "runtime_name": name,
            "runtime": f"{name} 1", "error": None, "decode_ns": [5, 6], "preprocess_ns": [[7, 8]],
            "by_threads": [threads(1, [2, 1]), threads(2, [1])],
        }
        for index, name in enumerate(("litert", "onnxruntime"))
    ]  # fmt: skip
    conditions = {"before": FULL, "during": [STATE], "after": FULL}
    return copy.deepcopy({"machine": {"cores": 4}, "conditions": conditions, "rows": rows})


TIMES = [[100, 110, 120], [60], [300, 300, 300], [310]]


def collected(
    change: Callable[[dict[str, Any]], object] = lambda _: None, times: Any = None
) -> Collected:
    values = answer()
    change(values)
    blobs = tuple(np.array(one, "<u8").tobytes() for one in times or TIMES)
    frame = Message(kind="done", values=values, blobs=blobs)
    return collect(frame, FILES, [(32, 32, 3, RESIZE_RULE)], device="ssh://pi@host")


def test_the_truth_comes_through() -> None:
    found = collected()
    first, second = found.rows
    assert first.by_threads[0].turns == ((100, 110), (120,))
    assert first.by_threads[0].samples_ns == (100, 110, 120)
    assert (first.chosen, second.chosen) == (2, 1)
    assert first.decode_ns == (5, 6)
    assert first.preprocess_ns == (7, 8)
    assert first.macs == FILES[0].row.macs
    assert (first.runtime_name, second.runtime_name) == ("litert", "onnxruntime")
    assert found.machine["cores"] == 4
    assert found.conditions.before["board"] == "Raspberry Pi 4"
    assert found.conditions.during == (STATE,)
    assert found.conditions.invalid is None


def test_throttling_that_it_reports_makes_it_invalid() -> None:
    found = collected(lambda v: v["conditions"]["during"][0].update(throttled=1))
    assert found.conditions.invalid is not None


def test_an_error_of_one_row_leaves_the_others() -> None:
    def fail(values: dict[str, Any]) -> None:
        error = {"error": "RuntimeTooOldError", "problem": "too \x1bold", "remedy": "newer"}
        values["rows"][0].update(error=error, by_threads=[])

    first, second = collected(fail, TIMES[2:]).rows
    assert first.error is not None
    assert (first.error.error, first.error.exit_code) == ("RuntimeTooOldError", 14)
    assert first.error.problem == "too  old", "nothing in it can steer a terminal"
    assert first.chosen is None
    assert second.error is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.pop("rows"), "rows"),
        (lambda v: v.update(rows="nonsense"), "rows"),
        (lambda v: v["rows"].pop(), "not of all"),
        (lambda v: v["rows"][0].update(artifact=7), "other files"),
        (lambda v: v["rows"][0].update(artifact=-1), "other files"),
        (lambda v: v["rows"][0].update(runtime_name="onnxruntime"), "ran with onnxruntime"),
        (lambda v: v["rows"][0].update(runtime_name="tflite-micro"), "ran with tflite-micro"),
        (lambda v: v["rows"][0].update(runtime=None), "neither figures nor an error"),
        (lambda v: v["rows"][0]["by_threads"].pop(), "lists of times"),
        (lambda v: v["rows"][0]["by_threads"][0].update(turns=[3, 3]), "bytes of times"),
        (lambda v: v["rows"][0]["by_threads"][0].update(turns=[4, -1]), "bytes of times"),
        (lambda v: v["rows"][0]["by_threads"][0].update(turns=[]), "bytes of times"),
        (lambda v: v["rows"][0]["by_threads"][0].update(first_ns=-3), "cannot be"),
        (lambda v: v["rows"][0]["by_threads"][0].update(starts_ns=[]), "cannot be"),
        (lambda v: v["rows"][0]["by_threads"][0].update(threads=0), "cannot be"),
        (lambda v: v["rows"][0]["by_threads"][0].update(peak_memory_bytes=0), "cannot be"),
        (lambda v: v["rows"][0]["by_threads"][0].update(kernels=None), "kernels"),
        (lambda v: v["rows"][0].update(preprocess_ns=[[1], [2]]), "other sizes"),
        (lambda v: v["rows"][0].update(decode_ns=[0]), "times of images"),
        (lambda v: v["conditions"]["before"].update(other_cpu_share=1.5), "state"),
        (lambda v: v["conditions"]["before"].update(load=float("nan")), "state"),
        (lambda v: v["conditions"]["after"].update(throttled=-1), "bits"),
        (lambda v: v["conditions"]["after"].update(clock_hz=10**18), "clock"),
        (lambda v: v["conditions"]["during"][0].update(temperatures_c={"a": 1e9}), "temperatures"),
        (lambda v: v["conditions"]["before"].update(governors=["x"] * 5000), "state"),
        (lambda v: v["conditions"].update(during=3), "during"),
        (lambda v: v.update(machine=[]), "machine"),
    ],
)
def test_nonsense_is_refused(change: Callable[[dict[str, Any]], object], said: str) -> None:
    with pytest.raises(DeviceError, match="make no sense") as caught:
        collected(change)
    assert said in str(caught.value.observed)


@pytest.mark.parametrize("times", [[[0, 1, 2], *TIMES[1:]], [[10**16, 1, 2], *TIMES[1:]]])
def test_times_that_cannot_be_are_refused(times: list[list[int]]) -> None:
    with pytest.raises(DeviceError, match="make no sense"):
        collected(times=times)


def test_another_file_than_the_one_that_was_sent_is_refused() -> None:
    with pytest.raises(ArtifactError, match="did not measure the file that was sent"):
        collected(lambda v: v["rows"][0].update(sha256="00" * 32))


def test_seconds_of_steady_load() -> None:
    def points(**changes: Any) -> Any:
        values = {"n": 9, "median_ns": 100, "p90_ns": 120, **STATE, **changes}
        frame = Message(kind="done", values={"points": [values]}, blobs=())
        return collect_points(frame, device="local")

    (one,) = points(temperatures_c={"cpu": 50.0, "gpu": 61.0})
    assert (one.n, one.median_ns, one.p90_ns, one.temperature_c) == (9, 100, 120, 61.0)
    assert one.throttled == 0
    assert points(temperatures_c=None)[0].temperature_c is None
    for bad in ({"n": 0}, {"median_ns": -1}, {"clock_hz": "fast"}, {"throttled": 1 << 40}):
        with pytest.raises(DeviceError, match="make no sense"):
            points(**bad)


def test_files_are_what_was_planned() -> None:
    assert all(isinstance(one, BenchFile) and one.row.error is None for one in FILES)
