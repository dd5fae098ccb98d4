from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecnn_runner.cli.stopping import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)
        yield receiver


def heard(manager: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(manager.recv(1000).decode())
        except BlockingIOError:
            return messages


def test_without_a_manager_nothing_happens() -> None:
    notifier = Notifier({"WATCHDOG_USEC": "1000000"})
    assert notifier.pause_s is None
    notifier.ready("here")
    notifier.alive()
    notifier.ending()


def test_the_manager_hears_the_beginning_and_the_end(
    manager: socket.socket, tmp_path: Path
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    notifier.ready("classifying")
    notifier.alive()
    notifier.ending()
    assert heard(manager) == ["READY=1\nSTATUS=classifying", "STOPPING=1"]


def test_the_watchdog_is_fed_in_time_and_not_more_often(
    manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("edgecnn_runner.cli.stopping.time.monotonic", lambda: now)
    notifier = Notifier(
        {
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "10000000",
            "WATCHDOG_PID": str(os.getpid()),
        }
    )
    assert notifier.pause_s == 4.0
    for step in (0.0, 3.9, 0.1, 0.1, 4.0):
        now += step
        notifier.alive()
    assert heard(manager) == ["WATCHDOG=1"] * 3


def test_another_process_s_watchdog_is_not_ours(tmp_path: Path) -> None:
    environment = {"NOTIFY_SOCKET": "x", "WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}
    assert Notifier(environment).pause_s is None


def test_a_manager_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("classifying")


def test_an_abstract_address() -> None:
    name = f"edgecnn-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + name)
        Notifier({"NOTIFY_SOCKET": "@" + name}).ending()
        assert receiver.recv(100) == b"STOPPING=1"
