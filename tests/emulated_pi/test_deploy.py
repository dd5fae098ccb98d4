"""``edgecnn deploy`` and ``--device`` over SSH: a real server whose user is shut in the tree."""

from __future__ import annotations

import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import edgecnn
from devices.sshd import Server, serving
from emulated_pi.bundles import Bundles, active, spoil_golden_vectors
from emulated_pi.pi import SHOWN_AT, Pi

pytestmark = [pytest.mark.slow, pytest.mark.emulated_pi]


@pytest.fixture(scope="module")
def board(fresh: Pi) -> Iterator[Pi]:
    """The Pi that the tests of this file share, in their order."""
    with fresh.copied() as pi:
        yield pi


@pytest.fixture(scope="module")
def server(board: Pi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "QEMU_CPU": "cortex-a72"}
    with serving(
        tmp_path_factory.mktemp("ssh") / "sshd",
        user="root",
        chroot=SHOWN_AT,
        environment=environment,
        started_by=board.shown_by("cortex-a72"),
    ) as running:
        yield running
    end = time.monotonic() + 30
    while left := programs_in(board):
        assert time.monotonic() < end, f"still running there: {left}"
        time.sleep(0.1)


def programs_in(pi: Pi) -> list[str]:
    """Return the command lines of what runs in the tree."""
    tree = pi.root.stat()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            root = (process / "root").stat()
            if (root.st_dev, root.st_ino) == (tree.st_dev, tree.st_ino):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it has ended
    return found


@pytest.fixture(scope="module")
def deployed(board: Pi, server: Server, bundles: Bundles) -> dict[str, object]:
    """What ``deploy`` says, once version 1.0 is on the board."""
    bundle = bundles.made("1.0", system=board.suite, signed=True)
    done = edgecnn("deploy", bundle, server.address, *server.options, "--json")
    assert done.code == 0, done.err
    said: dict[str, object] = done.json()
    return said


def test_a_bundle_is_deployed(deployed: dict[str, object], board: Pi) -> None:
    assert str(deployed["release"]).startswith("1.0-")
    (tested,) = json.loads(json.dumps(deployed["self_tests"]))
    assert tested["images"] == 16
    assert tested["kernels"].startswith("XNNPACK")
    assert active(board) == "1.0"
    assert (board.root / "usr/local/bin/edgecnn-resnet8").is_symlink()
    assert not list((board.root / "tmp").iterdir()), "the copy is removed"


def test_the_device_is_well(deployed: dict[str, object], board: Pi, server: Server) -> None:
    done = edgecnn("doctor", "--device", server.address, *server.options, "--json")
    assert done.code == 0, done.out + done.err
    checks = {check["name"]: check for check in done.json()["checks"]}
    assert checks["Model resnet8"]["state"] == "ok"
    assert checks["Machine"]["found"].startswith("aarch64")
    assert checks["ai-edge-litert"]["found"] == "starts, of resnet8"


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "build"
    done = edgecnn("demo", "--out", folder)
    assert done.code == 0, done.err
    return folder


def test_another_models_files_are_verified_there(
    deployed: dict[str, object], board: Pi, server: Server, build: Path, tmp_path: Path
) -> None:
    """The runtime is that of the installed bundle; the files and the runner are sent."""
    before = board.state()
    for name in ("digits-int8.tflite", "digits-fp32.tflite"):
        images = ("--images", "200", "--json")
        own = edgecnn("verify", build / name, *images, "--out", tmp_path / "own").json()["rows"][0]
        done = edgecnn(
            *("verify", build / name, *images, "--out", tmp_path / "there"),
            *("--device", server.address, *server.options),
        )
        assert done.code in (0, 4), done.err
        (row,) = done.json()["rows"]
        assert row["error"] is None
        assert row["metrics"]["images"] == 200
        assert row["kernels"] == own["kernels"]
        assert row["kernels"].startswith("XNNPACK")
        assert row["metrics"]["agreement"] == pytest.approx(own["metrics"]["agreement"], abs=0.02)
    assert board.state() == before, "nothing of it stays there"


def test_a_bundle_that_fails_its_self_test_there_changes_nothing(
    deployed: dict[str, object], board: Pi, server: Server, bundles: Bundles, tmp_path: Path
) -> None:
    bundle = bundles.made("2.0", system=board.suite)
    with tarfile.open(bundle) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / bundle.name.removesuffix(".tar.gz")
    spoil_golden_vectors(folder)
    before = board.state()
    done = edgecnn("deploy", folder, server.address, *server.options, "--json")
    assert (done.code, done.json()["error"]) == (16, "SelfTestError"), done.err
    assert "the release that was active still is" in done.json()["problem"]
    assert board.state() == before
    assert active(board) == "1.0"
