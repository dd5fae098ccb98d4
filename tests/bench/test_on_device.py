"""The program that measures, on real files in real processes; some of them die."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.bench.measuring import PICTURE_SIZE, camera_jpeg
from edgecnn.devices.on_device import bench, sustain
from edgecnn.devices.on_device.bench_children import Children
from edgecnn.devices.on_device.libraries import place_of
from edgecnn.devices.protocol import code_zip
from edgecnn.errors import ArtifactError
from edgecnn_runner.contract import RESIZE_RULE
from edgecnn_runner.images.decode import read_image
from edgecnn_runner.runtimes.choice import RUNTIMES

pytestmark = pytest.mark.slow  # each starts processes

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "models/resnet8/resnet8-int8.tflite", ROOT / "models/wren/wren-int8.onnx"]


class Call:
    """What ``bootstrap`` gives a task."""

    def __init__(self, folder: Path, parameters: Mapping[str, Any]) -> None:
        self.folder, self.parameters = str(folder), parameters
        self.frames: list[tuple[str, Mapping[str, Any]]] = []
        self.listen: Callable[[Mapping[str, Any]], object] = lambda _: None

    def send(self, kind: str, values: Mapping[str, Any], blobs: object = ()) -> None:
        self.frames.append((kind, values))
        self.listen(values)


def asked(folder: Path, *files: Path, **changes: Any) -> Call:
    (folder / "code.zip").write_bytes(code_zip())
    (folder / "picture.jpg").write_bytes(camera_jpeg())
    for file in files:
        if file.exists():
            shutil.copy(file, folder)
    parameters = {
        "artifacts": [{"name": file.name, "format": file.suffix[1:]} for file in files],
        "runtimes": {
            name: {"module": info.module, "format": info.model_format}
            for name, info in RUNTIMES.items()
            if name != "tflite-runtime"
        },
        "prefixes": [], "paths": [], "threads": [1], "runs": 10, "seconds": 0.1, "starts": 2,
        "seed": 0, "picture": "picture.jpg", "size": list(PICTURE_SIZE),
        "inputs": [[32, 32, 3, RESIZE_RULE], [20, 30, 1, "stretch-bilinear-antialias-1"]],
    }  # fmt: skip
    return Call(folder, parameters | changes)


def children_of(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(number) for number in text.split()]


def modes_of_children() -> dict[str, int]:
    """Return what each process that measures was asked to do, and which it is."""
    found = {}
    for child in children_of(os.getpid()):
        words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
        if len(words) > 5 and words[5].startswith("{"):
            found[json.loads(words[5])["mode"]] = child
    return found


def test_two_files_of_two_formats(tmp_path: Path) -> None:
    call = asked(tmp_path, *FILES, threads=[1, 0])
    kind, values, blobs = bench.run(call)
    assert kind == "done"
    assert [row["runtime_name"] for row in values["rows"]] == ["litert", "onnxruntime"]
    assert len(blobs) == sum(len(row["by_threads"]) for row in values["rows"])
    for row in values["rows"]:
        assert row["error"] is None
        for one in row["by_threads"]:
            assert len(one["turns"]) >= 10
            assert sum(one["turns"]) >= 10
            assert len(one["starts_ns"]) == 2
            # Python alone takes some milliseconds and megabytes to start; a test process, which
            # started them, has more.
            assert min(one["starts_ns"]) > 10e6
            assert one["load_ns"] + one["first_ns"] < min(one["starts_ns"])
            assert 10e6 < one["peak_memory_bytes"] < 300e6
            assert one["warmup"] >= 3
        assert len(row["decode_ns"]) >= 30
        assert [len(one) >= 30 for one in row["preprocess_ns"]] == [True, True]
    total = [np.frombuffer(one, "<u8").sum() for one in blobs]
    assert min(total) >= 0.1e9
    assert values["rows"][0]["by_threads"][0]["kernels"].startswith("XNNPACK")
    assert values["conditions"]["before"]["processor"]
    assert values["conditions"]["before"]["other_cpu_share"] is not None
    assert len(values["conditions"]["during"]) == 2 * len(values["rows"][0]["by_threads"])
    phases = [values["at"] for kind, values in call.frames if kind == "phase"]
    assert phases[0] == "looking"
    assert "1 thread: runs" in phases
    assert json.dumps(values)


def test_memory_is_that_of_the_process_not_of_the_one_that_started_it(tmp_path: Path) -> None:
    ballast = np.ones(60_000_000)
    assert ballast.nbytes > 400e6
    _, values, _ = bench.run(asked(tmp_path, FILES[0]))
    assert values["rows"][0]["by_threads"][0]["peak_memory_bytes"] < 300e6
    del ballast


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGALRM, signal.SIGSEGV])
def test_a_process_that_dies_takes_one_file_with_it(how: signal.Signals, tmp_path: Path) -> None:
    """It is killed while it measures; the others are measured again without the one it was at."""
    call = asked(tmp_path, *FILES, seconds=1.0)
    killed: list[int] = []

    def kill(values: Mapping[str, Any]) -> None:
        if "done" in values and not killed and "times" in modes_of_children():
            killed.append(modes_of_children()["times"])
            os.kill(killed[0], how)

    call.listen = kill
    _, values, blobs = bench.run(call)
    assert len(killed) == 1
    (bad,) = (row for row in values["rows"] if row["error"] is not None)
    (good,) = (row for row in values["rows"] if row["error"] is None)
    assert bad["by_threads"] == []
    said = {
        signal.SIGKILL: "SIGKILL; the kernel does that when memory runs out",
        signal.SIGALRM: "longer than 120 s",
        signal.SIGSEGV: "SIGSEGV",
    }
    assert said[how] in bad["error"]["observed"]
    assert len(good["by_threads"]) == len(blobs) == 1


def test_a_file_that_a_runtime_refuses_is_a_row_with_its_words(tmp_path: Path) -> None:
    damaged = tmp_path / "from" / "damaged.tflite"
    damaged.parent.mkdir()
    damaged.write_bytes(FILES[0].read_bytes()[:-100])
    call = asked(tmp_path, damaged, FILES[1])
    _, values, _ = bench.run(call)
    bad, good = values["rows"]
    assert bad["error"]["error"] in ("ArtifactError", "ContractError")
    assert good["error"] is None


def test_a_format_without_a_runtime_is_a_row(tmp_path: Path) -> None:
    runtimes = {"litert": {"module": "ai_edge_litert", "format": "tflite"}}
    _, values, _ = bench.run(asked(tmp_path, *FILES, runtimes=runtimes))
    assert values["rows"][0]["error"] is None
    assert values["rows"][1]["error"]["error"] == "RuntimeMissingError"
    assert values["rows"][1]["runtime_name"] is None


def test_steady_load(tmp_path: Path) -> None:
    shutil.copy(FILES[0], tmp_path)
    (tmp_path / "code.zip").write_bytes(code_zip())
    parameters = {
        "model": FILES[0].name, "runtime_name": "litert", "module": "ai_edge_litert",
        "threads": 1, "seconds": 3, "prefixes": [], "paths": [],
    }  # fmt: skip
    call = Call(tmp_path, parameters)
    _, values, _ = sustain.run(call)
    assert 3 <= len(values["points"]) <= 4
    for point in values["points"]:
        # Without pause: what a second has is its runs.
        assert point["n"] * point["median_ns"] > 0.2e9
        assert point["median_ns"] <= point["p90_ns"]
        assert set(point) >= {"temperatures_c", "clock_hz", "throttled"}
    assert [kind for kind, _ in call.frames].count("progress") >= 3


def test_a_steady_load_that_dies_says_so(tmp_path: Path) -> None:
    shutil.copy(FILES[0], tmp_path)
    (tmp_path / "code.zip").write_bytes(code_zip())
    parameters = {
        "model": FILES[0].name, "runtime_name": "litert", "module": "ai_edge_litert",
        "threads": 1, "seconds": 60, "prefixes": [], "paths": [],
    }  # fmt: skip
    call = Call(tmp_path, parameters)

    def kill(_: object) -> None:
        if "sustain" in modes_of_children():
            os.kill(modes_of_children()["sustain"], signal.SIGKILL)

    call.listen = kill
    with pytest.raises(ArtifactError) as caught:
        sustain.run(call)
    assert "SIGKILL" in str(caught.value.observed)


def test_code_is_compiled_once_and_nothing_is_left_running(tmp_path: Path) -> None:
    (tmp_path / "code.zip").write_bytes(code_zip())
    children = Children(tmp_path, [])
    place = place_of("ai_edge_litert", [])
    assert place is not None
    before = children_of(os.getpid())
    with children.started(place, {"mode": "sustain", "file": "none", "runtime": None}):
        assert list((tmp_path / "code/edgecnn_runner/__pycache__").glob("session.*.pyc"))
        assert len(children_of(os.getpid())) == len(before) + 1
    assert children_of(os.getpid()) == before


def test_the_picture_is_one_of_a_camera() -> None:
    assert read_image(camera_jpeg()).shape == (*PICTURE_SIZE, 3)
    assert 50_000 < len(camera_jpeg()) < 300_000
