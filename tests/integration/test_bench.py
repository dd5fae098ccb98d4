"""``edgecnn bench`` on the files of a real build."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from command import Finished, edgecnn
from edgecnn.bench import read_bench

pytestmark = pytest.mark.slow  # builds, and starts processes

QUICK = ("--runs", "10", "--seconds", "0.05", "--starts", "1", "--threads", "1")
RESNET8 = Path(__file__).parents[2] / "models/resnet8"


@pytest.fixture
def build(demo: tuple[Path, Finished], tmp_path: Path) -> Path:
    """A copy, so that nothing is written into the build that others share."""
    return Path(shutil.copytree(demo[0], tmp_path / "build"))


def test_a_build_is_measured_with_what_its_verification_found(build: Path) -> None:
    manifest = (build / "manifest.json").read_text()
    parity = json.loads((build / "parity.json").read_text())
    done = edgecnn("bench", build, *QUICK)
    assert done.code == 0, done.err
    report = read_bench(build / "bench.json")
    (device,) = report.devices
    assert device.device == "local"
    assert device.error is None
    found = {row.file: row for row in device.rows}
    assert [*found] == [row["file"] for row in parity["rows"]]
    for row in parity["rows"]:
        one = found[row["file"]]
        assert one.error is None
        assert one.verdict == row["verdict"] == "PASS"
        assert one.accuracy == row["metrics"]["artifact"]["accuracy"]
        assert one.sha256 == row["sha256"]
        assert one.macs
        assert one.best is not None
        assert one.best.peak_memory_bytes
        assert row["variant"] in done.out
        assert one.runtime == row["runtime"]
        assert one.best.kernels == row["kernels"]
    assert "bench.json" in done.out
    assert "local: 6 measured" in done.err
    assert (build / "manifest.json").read_text() == manifest
    assert report.versions["edgecnn"]
    # What was verified was another file.
    (build / "parity.json").write_text(
        (build / "parity.json").read_text().replace(parity["rows"][0]["sha256"], "0" * 64)
    )
    done = edgecnn("bench", build / parity["rows"][0]["file"], *QUICK, "--json", "-q")
    (row,) = done.json()["devices"][0]["rows"]
    assert (row["verdict"], row["accuracy"], done.err) == (None, None, "")


def test_where_the_report_goes(build: Path, tmp_path: Path) -> None:
    file = build / "digits-int8.tflite"
    done = edgecnn("bench", file, *QUICK, "--sustain", "1")
    assert (done.code, (build / "bench.json").exists()) == (0, False)
    (device,) = read_bench(build / "bench-partial.json").devices
    assert [row.file for row in device.rows] == ["digits-int8.tflite"]
    assert device.sustained is not None
    assert device.sustained.file == "digits-int8.tflite"
    assert device.sustained.points
    (build / "bench-partial.json").unlink()
    (build / "bench-partial.html").unlink()
    released = RESNET8 / "resnet8-int8.tflite"
    done = edgecnn("bench", file, released, *QUICK, "--out", tmp_path / "new/out")
    assert done.code == 0, done.err
    found = read_bench(tmp_path / "new/out/bench.json").devices[0].rows
    assert [row.file for row in found] == ["digits-int8.tflite", "resnet8-int8.tflite"]
    assert found[1].verdict == "PASS"
    assert found[1].accuracy is not None
    done = edgecnn("bench", file, released, *QUICK)
    assert done.code == 0
    assert "--out FOLDER" in done.err
    assert not list(build.glob("bench*"))
    done = edgecnn("bench", file, "--out", build)
    assert (done.code, "cannot be put into a build" in done.err) == (2, True)


def test_devices_from_a_list_and_one_that_is_not_there(build: Path, tmp_path: Path) -> None:
    address = f"cmd:{sys.executable}"
    (tmp_path / "devices").write_text(f"# at the office\n\n{address}\n  cmd:/no/such/python\n")
    file = build / "digits-int8.onnx"
    done = edgecnn("bench", file, "--devices", tmp_path / "devices", "--device", "local", *QUICK)
    assert done.code == 0, done.err
    devices = read_bench(build / "bench-partial.json").devices
    assert [one.device for one in devices] == ["local", address, "cmd:/no/such/python"]
    assert [one.error is None for one in devices] == [True, True, False]
    assert "cmd:/no/such/python cannot be started" in done.out
    assert "cmd:/no/such/python cannot be started" in done.err


def test_nothing_measured_is_an_error_and_leaves_the_earlier_report(build: Path) -> None:
    (build / "bench.json").write_text("earlier")
    done = edgecnn("bench", build, "--device", "cmd:/no/such/python", *QUICK, "--json")
    assert done.code == 34
    assert done.json()["devices"][0]["error"]["error"] == "DeviceError"
    assert (build / "bench.json").read_text() == "earlier"
    damaged = build / "digits-int8.onnx"
    damaged.write_bytes(b"nonsense")
    assert edgecnn("bench", damaged, *QUICK).code == 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--threads", "0"), "--threads is no number of threads"),
        (("--threads", "many"), "--threads is no number of threads"),
        (("--device", "nonsense"), "no device's address"),
        (("--device", "local", "--device", "local"), "named twice"),
        (("--devices", "no-such-file"), "cannot be read"),
        (("--identity", "key"), "--identity is for"),
        (("--runs", "0"), "--runs"),
    ],
)
def test_mistakes_on_the_command_line(arguments: tuple[str, ...], said: str) -> None:
    done = edgecnn("bench", RESNET8 / "resnet8-int8.tflite", *arguments)
    assert done.code == 2, done.err
    assert said in done.err


def test_what_is_neither_a_build_nor_a_file(tmp_path: Path) -> None:
    assert edgecnn("bench", tmp_path / "none").code == 29


def test_ctrl_c_ends_it_and_what_it_has_started(build: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "edgecnn", "bench", str(build), "--seconds", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    end = time.monotonic() + 60
    while not (started := _measuring_in(temporary)):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert not (build / "bench.json").exists()
    end = time.monotonic() + 10
    while list(temporary.iterdir()) or any(Path(f"/proc/{one}").exists() for one in started):
        assert time.monotonic() < end, "something of it is left"
        time.sleep(0.1)


def _measuring_in(temporary: Path) -> list[str]:
    """Return the processes that measure files in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words: Any = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(temporary).encode() in words and b'"mode": "start"' in words:
            found.append(process.name)
    return found
