"""Time per operator, from the real runtimes in a process of their own."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from command import edgecnn
from edgecnn.bench import profile as profiling
from edgecnn.bench.profile import Asking, profile_file, with_profile
from edgecnn.bench.report.json import read_bench, write_bench
from edgecnn.bench.results import (
    ArtifactBench,
    BenchReport,
    DeviceBench,
    OperatorTime,
    Profile,
    Settings,
)
from edgecnn.devices.address import Address
from edgecnn.devices.command import CommandDevice
from edgecnn.devices.types import Completed, Device, PythonCall
from edgecnn.errors import DeviceError, RowError
from edgecnn.modelfile import read_graph

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests/runner/fixtures"
RESNET8 = ROOT / "models/resnet8/resnet8-int8.onnx"

pytestmark = pytest.mark.slow  # each starts a process with a runtime


HERE = CommandDevice(Address(text="local", kind="cmd", command=(sys.executable,)))


def profiled(path: Path, device: Device = HERE, *, runs: int) -> Profile:
    return profile_file(path.name, path.read_bytes(), device, asking=Asking(runs=runs))


@pytest.fixture(scope="module")
def resnet8() -> Profile:
    return profiled(RESNET8, runs=60)


def row_of(path: Path, runtime: str, **more: object) -> ArtifactBench:
    row = ArtifactBench(
        model="m", variant="v", file=path.name, sha256="0", bytes=1, runtime_name=runtime, chosen=1
    )
    return dataclasses.replace(row, **more)  # type: ignore[arg-type]


def test_shares_sum_to_one_and_times_stay_within_the_whole(resnet8: Profile) -> None:
    timed = resnet8.operators
    assert sum(one.share or 0 for one in timed) == pytest.approx(1)
    assert sum(one.mac_share or 0 for one in timed) == pytest.approx(1)
    assert resnet8.plain_ns is not None
    assert resnet8.profiled_ns is not None
    medians = sum(one.median_ns or 0 for one in timed)
    # Each operator's time lies within a run, so their medians cannot sum to much more than one;
    # the rest is what the profiler does between operators.
    assert 0.3 * resnet8.profiled_ns < medians < 1.2 * resnet8.profiled_ns
    assert all((one.total_ns or 0) >= (one.median_ns or 0) for one in timed)
    assert resnet8.runs == 60
    assert resnet8.lacks is None


def test_operators_and_their_macs_are_those_of_the_file(resnet8: Profile) -> None:
    graph = read_graph(RESNET8)
    # The runtime fuses quantization into its operators: as many convolutions, under another name.
    convolutions = [one for one in graph.operators if one.name == "Conv"]
    fused = [one for one in resnet8.operators if one.type == "QLinearConv"]
    assert len(fused) == len(convolutions) > 5
    assert sorted(one.macs or 0 for one in fused) == sorted(one.macs or 0 for one in convolutions)
    assert sum(one.macs or 0 for one in resnet8.operators) == graph.macs
    assert resnet8.runtime is not None
    assert resnet8.runtime.startswith("onnxruntime ")


def test_convolutions_take_most_of_the_time(resnet8: Profile) -> None:
    share = sum(one.share or 0 for one in resnet8.operators if one.type == "QLinearConv")
    assert share > 0.4


def test_a_float_file_has_its_macs_too() -> None:
    found = profiled(FIXTURES / "rgb-fp32.onnx", runs=20)
    graph = read_graph(FIXTURES / "rgb-fp32.onnx")
    # Channels may be padded to the width of the processor's registers; then there are more.
    assert sum(one.macs or 0 for one in found.operators) >= graph.macs > 0
    assert sum(one.share or 0 for one in found.operators) == pytest.approx(1)


def test_litert_says_that_it_tells_no_times_and_gives_macs() -> None:
    path = ROOT / "models/resnet8/resnet8-int8.tflite"
    found = profiled(path, runs=20)
    graph = read_graph(path)
    assert found.lacks is not None
    assert found.lacks.startswith("no time per operator: ai-edge-litert ")
    assert found.profiled_ns is None
    assert found.plain_ns is not None
    assert found.plain_ns > 0
    assert [one.type for one in found.operators] == [one.name for one in graph.operators]
    assert [one.macs for one in found.operators] == [one.macs for one in graph.operators]
    assert {one.median_ns for one in found.operators} == {None}
    assert sum(one.mac_share or 0 for one in found.operators) == pytest.approx(1)


def test_a_profile_reads_back_from_a_report(resnet8: Profile, tmp_path: Path) -> None:
    row = row_of(RESNET8, "onnxruntime", profile=resnet8)
    device = DeviceBench(device="local", rows=(row,))
    report = BenchReport(settings=Settings(), devices=(device,), versions={}, created="now")
    write_bench(tmp_path / "bench.json", report)
    assert read_bench(tmp_path / "bench.json") == report


def test_nothing_is_left_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    profiled(FIXTURES / "rgb-int8.onnx", runs=5)
    assert list(tmp_path.iterdir()) == []


def test_a_row_gets_its_profile_or_the_reason() -> None:
    path = FIXTURES / "rgb-int8.onnx"
    data, row = path.read_bytes(), row_of(path, "onnxruntime")
    done = with_profile(row, data, HERE, Asking(runs=5))
    assert done.profile is not None
    assert done.profile.operators
    failed = with_profile(row, data[:200], HERE, Asking(runs=5))
    assert failed.profile is not None
    assert failed.profile.operators == ()
    assert failed.profile.lacks
    error = RowError(error="DeviceError", exit_code=1, problem="it hangs", remedy="wait")
    unmeasured = with_profile(row_of(path, "onnxruntime", error=error), data, HERE)
    assert unmeasured.profile == Profile(
        lacks="it was not measured, so not profiled either: it hangs"
    )


def test_a_runtime_that_is_not_there_is_the_reason() -> None:
    path = FIXTURES / "rgb-int8.tflite"
    row = with_profile(row_of(path, "tflite-runtime"), path.read_bytes(), HERE, Asking(runs=5))
    assert row.profile is not None
    assert row.profile.lacks is not None
    assert "tflite_runtime" in row.profile.lacks


def test_the_command_shows_profiles_and_keeps_them(tmp_path: Path) -> None:
    done = edgecnn(
        "bench", str(RESNET8), "--profile", "--threads", "1", "--seconds", "0", "--starts", "1",
        "--out", str(tmp_path / "report"), "--quiet",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "With the profiler on" in done.out
    [row] = read_bench(tmp_path / "report/bench.json").devices[0].rows
    assert row.profile is not None
    assert sum(one.share or 0 for one in row.profile.operators) == pytest.approx(1)


class Changed:
    """A real device whose answer is altered on the way, in a length that stays the same."""

    name = "changed"

    def __init__(self, change: Callable[[bytes], bytes]) -> None:
        address = Address(text="changed", kind="cmd", command=(sys.executable,))
        self._inner, self._change = CommandDevice(address), change

    def run_python(self, call: PythonCall) -> Completed:
        answer = bytearray()
        done = self._inner.run_python(dataclasses.replace(call, received=answer.extend))
        call.received(self._change(bytes(answer)))
        return done

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("before", "after", "observed"),
    [
        (b'"model_sha256": "', b'"model_sha265": "', "another file"),
        (b'"plain_ns": [', b'"plain_xx": [', "something else than nanoseconds"),
        (b'"operators": [', b'"operatxxx": [', "without operators"),
        (b'"calls": 1', b'"calls": 0', "without a time for each run"),
        (b'"times_ns": [', b'"times_xx": [', "something else than nanoseconds"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(before: bytes, after: bytes, observed: str) -> None:
    device = Changed(lambda data: data.replace(before, after, 1))
    with pytest.raises(DeviceError, match="does not fit") as caught:
        profiled(FIXTURES / "rgb-int8.onnx", device, runs=5)
    assert observed in str(caught.value.observed)


def test_the_same_answer_unchanged_is_taken() -> None:
    found = profiled(FIXTURES / "rgb-int8.onnx", Changed(lambda data: data), runs=5)
    assert found.operators


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="0 runs, of 1 to 1000"):
        profiled(RESNET8, runs=0)


def test_operators_whose_macs_are_unknown_have_no_share() -> None:
    rows = profiling._with_mac_shares(
        [OperatorTime(name="a", type="LSTM"), OperatorTime(name="b", type="Conv", macs=5)]
    )
    assert [one.mac_share for one in rows] == [None, None]
