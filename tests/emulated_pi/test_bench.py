"""``edgecnn bench`` over SSH on a device of another processor; its times mean nothing there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import edgecnn
from devices.sshd import Server, serving
from edgecnn.bench import read_bench
from emulated_pi.bundles import RESNET8
from emulated_pi.pi import SHOWN_AT, Pi

pytestmark = [pytest.mark.slow, pytest.mark.emulated_pi]

QUICK = ("--runs", "10", "--seconds", "0.1", "--starts", "1", "--threads", "1")


@pytest.fixture(scope="module")
def server(with_1: Pi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "QEMU_CPU": "cortex-a72"}
    with serving(
        tmp_path_factory.mktemp("ssh") / "sshd",
        user="root",
        chroot=SHOWN_AT,
        environment=environment,
        started_by=with_1.shown_by("cortex-a72"),
    ) as running:
        yield running


@pytest.mark.long  # takes minutes
def test_three_devices_of_which_one_is_an_arm64_board_and_one_is_broken(
    with_1: Pi, server: Server, tmp_path: Path
) -> None:
    """The board has LiteRT from the installed bundle, and nothing that runs ONNX files."""
    files = [RESNET8 / "resnet8-int8.tflite", RESNET8 / "resnet8-int8.onnx"]
    before = with_1.state()
    devices = ("--device", server.address, "--device", "local", "--device", "cmd:sh -c 'exit 1'")
    done = edgecnn("bench", *files, *devices, *server.options, *QUICK, "--out", tmp_path)
    assert done.code == 0, done.err
    board, here, broken = read_bench(tmp_path / "bench.json").devices
    assert broken.error is not None
    assert board.error is None, board.error
    assert here.error is None
    assert [row.error is None for row in here.rows] == [True, True]
    good, without = board.rows
    assert without.error is not None
    assert without.error.error == "RuntimeMissingError"
    assert without.runtime_name is None
    assert good.error is None
    assert good.best is not None
    assert good.best.kernels == "XNNPACK; builtin: QUANTIZE, SOFTMAX"
    assert good.best.peak_memory_bytes
    assert len(good.best.samples_ns) >= 10
    assert board.machine["architecture"] == "aarch64"
    assert board.conditions is not None
    assert board.conditions.before["processor"] == "Cortex-A72"
    assert board.conditions.before["governors"] is None
    assert "bookworm" in board.system
    end = time.monotonic() + 30
    while with_1.state() != before:
        assert time.monotonic() < end, "something of it stays there"
        time.sleep(0.5)
