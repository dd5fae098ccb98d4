"""Several devices: those that fail, hang, drop out or lie are entries with their reason."""

from __future__ import annotations

import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devices.sshd import serving
from edgecnn.bench.measuring import fastest, measure_on
from edgecnn.bench.plan import BenchFile, plan
from edgecnn.bench.results import BenchReport, DeviceBench, Settings
from edgecnn.bench.stage import (
    AT_ONCE,
    StoppedError,
    WatchedDevice,
    _in_parallel,
    _Shown,
    host_of,
    run,
)
from edgecnn.devices import DeviceOptions, choose_device
from edgecnn.devices.opening import choose_devices
from edgecnn.devices.types import Completed, PythonCall
from edgecnn.errors import DeviceConnectionError, UsageError
from edgecnn.progress import NO_PROGRESS, ProgressTask

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "models/resnet8/resnet8-int8.tflite", ROOT / "models/wren/wren-int8.onnx"]
QUICK = Settings(runs=10, seconds=0.1, threads=(1,), starts=1)
HANGS = "sleep 600"


def script(folder: Path, name: str, text: str) -> str:
    """Return the address of a device that is a shell script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return f"cmd:{path}"


def options(address: str) -> DeviceOptions | None:
    return choose_device(address)


def measured(*addresses: str, files: Any = None, **changes: Any) -> BenchReport:
    return run(
        plan(files or FILES, {}),
        [options(address) for address in addresses],
        changes.pop("settings", QUICK),
        versions={},
        created="",
        **changes,
    )


# The first call of a device asks what it is, the second one measures.
SECOND = 'n=$(cat "$0.count" 2>/dev/null || echo 0); echo $((n + 1)) >"$0.count"\n[ "$n" = 0 ] || '


@pytest.mark.slow
def test_devices_that_fail_and_one_that_does_not(tmp_path: Path) -> None:
    python = shlex.quote(sys.executable)
    hangs = script(tmp_path, "hangs", f'{SECOND}exec {HANGS}\nexec {python} "$@"')
    drops = script(
        tmp_path, "drops", f'{SECOND}{{ {python} "$@" & p=$!; sleep 2; kill -9 $p $$; }} <&0\n'
        f'exec {python} "$@"',
    )  # fmt: skip
    nonsense = script(tmp_path, "nonsense", "yes")
    gone = script(tmp_path, "gone", "exit 3")
    good = f"cmd:{sys.executable}"
    report = measured(hangs, drops, nonsense, good, gone, silence_s=4)
    assert [one.device for one in report.devices] == [hangs, drops, nonsense, good, gone]
    errors = [one.error and one.error.error for one in report.devices]
    assert errors == ["DeviceConnectionError", "DeviceError", "DeviceError", None, "DeviceError"]
    said = [one.error.problem if one.error else "" for one in report.devices]
    assert "fallen silent" in said[0]
    assert "answer" in said[1]
    assert "does not say" in said[2]
    assert report.devices[0].machine["cores"], "what it had said before is kept"
    assert all(row.error is None and row.best for row in report.devices[3].rows)
    assert [row.file for row in report.devices[3].rows] == [file.name for file in FILES]


@pytest.mark.slow
def test_this_machine_is_another_process_and_gives_what_a_command_gives(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(b"nonsense")
    report = measured("local", f"cmd:{sys.executable}", files=[*FILES, damaged])
    for device in report.devices:
        assert device.error is None
        assert [row.error is None for row in device.rows] == [True, True, False]
        first = device.rows[0]
        assert first.best is not None
        assert first.best.kernels.startswith("XNNPACK")
        assert first.runtime_name == "litert"
        assert first.decode_ns
        assert first.preprocess_ns
        assert device.system
        assert device.conditions is not None
        assert device.conditions.before["processor"]
    assert [one.device for one in report.devices] == ["local", f"cmd:{sys.executable}"]


@pytest.mark.slow
def test_steady_load_of_the_fastest(tmp_path: Path) -> None:
    settings = Settings(runs=10, seconds=0.1, threads=(1,), starts=1, sustain=2)
    (device,) = measured("local", settings=settings).devices
    best = fastest(device)
    assert best is not None
    assert device.sustained is not None
    assert device.sustained.error is None
    assert device.sustained.file == best.file
    assert len(device.sustained.points) in (2, 3)


@pytest.mark.slow
def test_steady_load_of_what_is_chosen() -> None:
    settings = Settings(runs=10, seconds=0.1, threads=(1,), starts=1, sustain=1)
    (device,) = measured("local", settings=settings, choose=lambda one: one.rows[-1]).devices
    assert device.sustained is not None
    assert device.sustained.file == FILES[-1].name
    (none,) = measured("local", settings=settings, choose=lambda _: None).devices
    assert none.sustained is None


@pytest.mark.slow
def test_over_ssh_and_a_cable_that_is_pulled(tmp_path: Path) -> None:
    """A device that is good, and one whose connections end in the midst of it."""
    with serving(tmp_path / "good") as good, serving(tmp_path / "cut") as cut:
        ended = threading.Event()

        def pull() -> None:
            while not ended.wait(0.1):
                # The second program is the one that measures.
                if cut.log().count("Starting session: command") >= 2:
                    time.sleep(1)
                    cut.cut()
                    return

        thread = threading.Thread(target=pull)
        thread.start()
        try:
            found = [
                choose_device(one.address, identity=one.identity, known_hosts=one.known_hosts)
                for one in (cut, good)
            ]
            report = run(plan(FILES, {}), found, QUICK, versions={}, created="", silence_s=20)
        finally:
            ended.set()
            thread.join()
    lost, fine = report.devices
    assert lost.error is not None
    assert lost.error.error == "DeviceConnectionError"
    assert fine.error is None
    assert all(row.error is None for row in fine.rows)


def test_a_device_named_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="named twice"):
        measured("local", "cmd:x", "local")


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("local", "local"),
        ("cmd:docker exec -i box python3", "local"),
        ("ssh://pi@127.0.0.1:2201", "local"),
        ("ssh://pi@localhost", "local"),
        ("ssh://[::1]:22", "local"),
        ("ssh://pi@Raspberrypi.local", "ssh://raspberrypi.local"),
        ("ssh://other@raspberrypi.local:2222", "ssh://raspberrypi.local"),
        ("ssh://10.0.0.7", "ssh://10.0.0.7"),
    ],
)
def test_which_devices_are_one_machine(address: str, host: str) -> None:
    assert host_of(options(address)) == host


def test_options_go_to_the_devices_they_are_for() -> None:
    local, ssh, cmd = choose_devices(
        ["local", "ssh://pi@a", "cmd:x"], identity=Path("key"), prefix="/srv"
    )
    assert local is None
    assert ssh is not None
    assert cmd is not None
    assert (ssh.identity, ssh.prefix) == (Path("key"), "/srv")
    assert (cmd.identity, cmd.prefix) == (None, "/srv")
    with pytest.raises(UsageError, match="--identity is for"):
        choose_devices(["local", "cmd:x"], identity=Path("key"))
    with pytest.raises(UsageError, match="--prefix is for"):
        choose_devices(["local"], prefix="/srv")


class Steps:
    """A task that keeps what it was told; may interrupt as Ctrl-C does."""

    def __init__(self, interrupt: Callable[[], bool] = lambda: False) -> None:
        self.steps, self._interrupt = 0, interrupt

    def advance(self, steps: int = 1) -> None:
        assert steps >= 0
        self.steps += steps
        if self._interrupt():
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        pass


def test_some_are_measured_at_once_and_those_of_one_machine_are_not() -> None:
    """Six machines, one with two devices: never more than four at once."""
    groups = [[options(f"ssh://host{n}")] for n in range(5)]
    groups.append([options("ssh://a@twin"), options("ssh://b@twin")])
    lock, now, most = threading.Lock(), list[str](), 0

    def measure(one: DeviceOptions | None, told: Callable[[float, str], object]) -> DeviceBench:
        nonlocal most
        assert one is not None
        with lock:
            assert one.address.host not in now
            now.append(one.address.host)
            most = max(most, len(now))
        told(0.5, "at it")
        time.sleep(0.2)
        with lock:
            now.remove(one.address.host)
        return DeviceBench(device=one.address.text)

    steps = Steps()
    found = _in_parallel(groups, measure, _Shown(steps, NO_PROGRESS))
    assert len(found) == 7
    assert most == AT_ONCE


def test_a_bug_in_a_thread_is_not_swallowed() -> None:
    def measure(one: object, told: object) -> DeviceBench:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _in_parallel([[None]], measure, _Shown(Steps(), NO_PROGRESS))


class _Showing:
    """A progress of one task."""

    def __init__(self, task: ProgressTask) -> None:
        self._task = task

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[ProgressTask]:
        yield self._task

    def message(self, text: str) -> None:
        pass


@pytest.mark.slow
def test_an_interrupt_ends_devices_that_hang(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    hangs = script(tmp_path, "hangs", f"echo $$ >{pid}; exec {HANGS}")
    begin = time.monotonic()
    progress = _Showing(Steps(interrupt=pid.exists))
    with pytest.raises(KeyboardInterrupt):
        measured(hangs, progress=progress, silence_s=300)
    assert time.monotonic() - begin < 15
    process = Path(f"/proc/{int(pid.read_text())}")
    end = time.monotonic() + 5
    while process.exists() and " Z " not in (process / "stat").read_text():
        assert time.monotonic() < end, "it still runs"


class Talking:
    """A device that talks for ever."""

    name = "ssh://talks"

    def run_python(self, call: PythonCall) -> Completed:
        while True:
            call.looked()
            time.sleep(0.01)

    def close(self) -> None:
        pass


def test_a_device_that_never_ends_is_given_up() -> None:
    files: tuple[BenchFile, ...] = plan(FILES, {})
    device = WatchedDevice(Talking(), stop=threading.Event(), longest_s=0.2)
    found = measure_on(device, files, QUICK, options=options("ssh://talks"), choose=fastest)
    assert found.error is not None
    assert "does not come to an end" in found.error.problem
    assert type(found.error.to_error()) is DeviceConnectionError
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        measure_on(
            WatchedDevice(Talking(), stop=stop, longest_s=9), files, QUICK,
            options=options("ssh://talks"), choose=fastest,
        )  # fmt: skip
