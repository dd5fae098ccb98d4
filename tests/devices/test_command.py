"""``cmd:`` devices: a real Python in another process, and commands that are none."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.programs import LOOK, wait_until
from edgecnn.devices import choose_device, open_device
from edgecnn.devices.ask import Task, ask
from edgecnn.devices.facts import look
from edgecnn.devices.on_device.bootstrap import room
from edgecnn.devices.protocol import Blob, Message, bootstrap, code_zip, encode_request
from edgecnn.devices.types import LOADER, PythonCall
from edgecnn.errors import DeviceConnectionError, DeviceError

pytestmark = pytest.mark.slow  # each starts processes


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the program on the device makes its folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def do(task: Task, *command: str) -> Message:
    options = choose_device("cmd:" + shlex.join(command))
    assert options is not None
    with open_device(options) as device:
        return ask(device, task)


def test_a_python_says_what_it_is_and_leaves_nothing(temporary: Path) -> None:
    options = choose_device(f"cmd:{sys.executable}")
    assert options is not None
    with open_device(options) as device:
        facts = look(device, start=True)
    assert facts.machine["architecture"] == os.uname().machine
    assert facts.python.version == ".".join(map(str, sys.version_info[:3]))
    assert facts.rooms["/opt/edgecnn"].free
    assert [one.problem for one in facts.runtimes["litert"].found] == [""]
    assert list(temporary.iterdir()) == []


def test_chatter_before_and_meanwhile_is_no_answer() -> None:
    script = 'echo Welcome; echo \'to your Pi\' >&2; exec "$0" "$@"'
    frame = do(LOOK, "sh", "-c", script, sys.executable)
    assert frame.values["python"]["bits"] == 64


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(DeviceError, match="cannot be started") as caught:
        do(LOOK, "/no/such/program")
    assert caught.value.observed == "/no/such/program: No such file or directory"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 3", "exit code 3"),
        ("echo it is broken >&2; exit 1", "exit code 1: it is broken"),
        ("kill -9 $$", "exit code -9"),
        ("cat >/dev/null & echo hello", "exit code 0"),
        (f"exec {shlex.quote(sys.executable)} -c pass </dev/null", "exit code 0"),
        (f'exec {shlex.quote(sys.executable)} "$@" </dev/null', "ValueError: invalid literal"),
    ],
)
def test_a_command_that_does_not_answer(script: str, said: str) -> None:
    with pytest.raises(DeviceError, match="does not answer") as caught:
        do(LOOK, "sh", "-c", script, "sh")
    assert said in str(caught.value.observed)
    assert "docker exec wants -i" in caught.value.remedy


def test_no_python() -> None:
    with pytest.raises(DeviceError, match="has no Python that can be started"):
        do(LOOK, "sh", "-c", "exec no-such-python", "sh")


def test_nonsense_without_end_is_ended() -> None:
    with pytest.raises(DeviceError, match="what our program there does not say"):
        do(LOOK, "sh", "-c", "yes", "sh")


def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    begin = time.monotonic()
    script = f"sleep 600 & echo $! > {tmp_path / 'pid'}; echo waiting >&2; wait"
    with pytest.raises(DeviceConnectionError, match="has fallen silent") as caught:
        do(dataclasses.replace(LOOK, silence_s=1), "sh", "-c", script, "sh")
    assert caught.value.observed == "nothing for 1 s; it said: waiting"
    assert time.monotonic() - begin < 10
    child = int((tmp_path / "pid").read_text())
    wait_until(lambda: not Path(f"/proc/{child}/cmdline").exists() or _is_dead(child))


def _is_dead(process: int) -> bool:
    return " Z " in Path(f"/proc/{process}/stat").read_text()


def test_an_interrupt_ends_it_and_clears_up(temporary: Path) -> None:
    """A listener that raises, as progress does after Ctrl-C."""

    def interrupt(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    options = choose_device(f"cmd:{sys.executable}")
    assert options is not None
    blob = Blob(name="big", data=bytes(20_000_000))
    with open_device(options) as device, pytest.raises(KeyboardInterrupt):
        ask(device, dataclasses.replace(LOOK, blobs=[blob]), sending=interrupt)
    wait_until(lambda: not list(temporary.iterdir()))


def test_interrupts_at_any_moment_leave_nothing_there(temporary: Path) -> None:
    # The end of its input and the signal arrive together, in whatever order it notices them.
    options = choose_device(f"cmd:{sys.executable}")
    assert options is not None
    blob = Blob(name="big", data=bytes(4_000_000))
    for share in range(12):
        left = iter(range(share + 1))

        def interrupt(_done: int, _total: int, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt

        with open_device(options) as device, contextlib.suppress(KeyboardInterrupt):
            ask(device, dataclasses.replace(LOOK, blobs=[blob]), sending=interrupt)
        wait_until(lambda: not list(temporary.iterdir()))


def test_a_task_that_fails_says_how(temporary: Path) -> None:
    broken = dataclasses.replace(LOOK, parameters={})
    with pytest.raises(DeviceError, match="fails") as caught:
        do(broken, sys.executable)
    assert "KeyError: 'prefixes'" in str(caught.value.observed)
    assert list(temporary.iterdir()) == []


def test_no_room_is_said_before_anything_is_written() -> None:
    assert room(1 << 60)[0] is None
    place, seen = room(0)
    assert (place is not None, seen) == (True, "")


@pytest.mark.parametrize("how", ["end of input", "terminated", "hung up"])
def test_whoever_is_gone_leaves_nothing_there(how: str, temporary: Path) -> None:
    """A task that never ends, and a workstation that goes away."""
    hangs = b"import time\ndef run(call):\n    time.sleep(600)\n"
    blobs = [Blob(name="code.zip", data=code_zip()), Blob(name="edgecnn_test.py", data=hangs)]
    _, parts = encode_request("look", {}, blobs, any_python=True)
    program = bootstrap().replace(b"edgecnn.devices.on_device.{request['task']}", b"edgecnn_test")
    program = program.replace(b'str(Path(folder) / "code.zip")', b"str(Path(folder))", 1)
    parts[0], parts[1] = f"{len(program)}\n".encode(), program
    command = [sys.executable, "-I", "-B", "-c", LOADER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        for part in parts:
            process.stdin.write(part)
        process.stdin.flush()
        wait_until(lambda: list(temporary.glob("*/edgecnn_test.py")))
        time.sleep(0.2)
        if how == "end of input":
            process.stdin.close()
        else:
            process.send_signal(signal.SIGTERM if how == "terminated" else signal.SIGHUP)
        assert process.wait(10) != 0
    assert list(temporary.iterdir()) == []


def test_several_calls_at_once_do_not_mix() -> None:
    found: list[Message] = []
    threads = [
        threading.Thread(target=lambda: found.append(do(LOOK, sys.executable))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3


def test_what_looks_on_meanwhile_can_end_it(temporary: Path) -> None:
    """Nothing is said in either direction when it does."""
    looks = 0

    def look_on() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise KeyboardInterrupt

    options = choose_device("cmd:sh -c 'exec sleep 600'")
    assert options is not None
    begin = time.monotonic()
    call = PythonCall(
        request=[],
        received=lambda _: None,
        sent=lambda _: None,
        silence_s=300,
        looked=look_on,
    )
    with open_device(options) as device, pytest.raises(KeyboardInterrupt):
        device.run_python(call)
    assert time.monotonic() - begin < 10
