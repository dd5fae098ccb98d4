"""``ssh://`` devices, by a real SSH server: who is let in, who is not, and what is said then."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.programs import LOOK, wait_until
from devices.sshd import Server, new_key, serving
from edgecnn.devices import choose_device, open_device, ssh
from edgecnn.devices.ask import Task, ask
from edgecnn.devices.protocol import Blob, Message
from edgecnn.devices.types import PythonCall
from edgecnn.errors import DeviceConnectionError, DeviceError, UsageError

pytestmark = pytest.mark.slow  # runs a server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "temporary").mkdir()
    environment = {"TMPDIR": str(folder / "temporary")}
    with serving(folder / "sshd", environment=environment) as running:
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without keys and without an agent, whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


def do(
    address: str,
    *,
    task: Task = LOOK,
    identity: Path | None = None,
    known_hosts: Path | None = None,
) -> Message:
    options = choose_device(address, identity=identity, known_hosts=known_hosts)
    assert options is not None
    with open_device(options) as device:
        return ask(device, task)


def test_a_known_host_and_a_known_key(server: Server) -> None:
    options = choose_device(
        server.address, identity=server.identity, known_hosts=server.known_hosts
    )
    assert options is not None
    before = server.log().count("Accepted publickey")
    with open_device(options) as device:
        for _ in range(2):
            assert ask(device, LOOK).values["python"]["bits"] == 64
    assert server.log().count("Accepted publickey") == before + 1, "one connection for both"


def test_the_users_own_files_and_configuration_count(server: Server, home: Path) -> None:
    folder = home / ".ssh"
    folder.mkdir()
    shutil.copy(server.known_hosts, folder / "known_hosts")
    shutil.copy(server.identity, folder / "id_ed25519")
    (folder / "config").write_text(
        f"Host mypi\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n"
        "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n"
    )
    assert do("ssh://mypi").kind == "done"
    (folder / "known_hosts").write_text("")
    with pytest.raises(DeviceConnectionError, match="is not known"):
        do("ssh://mypi")


def test_the_agents_keys(server: Server, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    if shutil.which("ssh-agent") is None:
        pytest.skip("ssh-agent is not installed")
    socket_ = home / "agent"
    with subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(socket_)], stdout=subprocess.DEVNULL
    ) as one:
        try:
            wait_until(socket_.exists)
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket_))
            add = ["ssh-add", str(server.identity)]
            subprocess.run(add, check=True, capture_output=True)
            assert do(server.address, known_hosts=server.known_hosts).kind == "done"
        finally:
            one.terminate()


def test_a_host_key_that_is_not_known(server: Server) -> None:
    with pytest.raises(DeviceConnectionError, match="is not known; nothing was sent") as caught:
        do(server.address, identity=server.identity)
    shown = ["ssh-keygen", "-lf", str(server.folder / "host_key.pub")]
    fingerprint = subprocess.run(shown, capture_output=True, text=True, check=True).stdout.split()[
        1
    ]
    assert fingerprint.startswith("SHA256:")
    assert caught.value.observed == f"ssh-ed25519 {fingerprint}"
    assert f"ssh-keyscan -p {server.port} 127.0.0.1 >> " in caught.value.remedy
    assert caught.value.exit_code == 37


def test_a_host_key_that_has_changed(server: Server, tmp_path: Path) -> None:
    other = new_key(tmp_path / "other").with_suffix(".pub").read_text()
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{server.port} {other}")
    with pytest.raises(DeviceConnectionError, match="has changed") as caught:
        do(server.address, identity=server.identity, known_hosts=known)
    assert str(caught.value.observed) != str(caught.value.expected)
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}' -f {known}" in caught.value.remedy


def test_known_hosts_that_cannot_be_read(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        do(server.address, identity=server.identity, known_hosts=tmp_path / "none")
    bad = tmp_path / "bad"
    bad.write_text("nothing\n")
    with pytest.raises(UsageError, match="cannot be read"):
        do(server.address, identity=server.identity, known_hosts=bad)


def test_a_key_that_the_device_does_not_know(server: Server, tmp_path: Path) -> None:
    other = new_key(tmp_path / "other")
    with pytest.raises(
        DeviceConnectionError, match=f"does not let user {server.user} in"
    ) as caught:
        do(server.address, identity=other, known_hosts=server.known_hosts)
    assert f"no agent (SSH_AUTH_SOCK) and the key {other}" in str(caught.value.observed)
    assert f"ssh-copy-id -p {server.port} {server.user}@127.0.0.1" in caught.value.remedy
    with pytest.raises(DeviceConnectionError, match="does not let") as caught:
        do(server.address, known_hosts=server.known_hosts)
    assert "the default ones of ~/.ssh" in str(caught.value.observed)


def test_an_identity_that_cannot_be_used(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no private key") as caught:
        do(server.address, identity=tmp_path / "none", known_hosts=server.known_hosts)
    assert caught.value.observed == "No such file or directory"
    locked = tmp_path / "locked"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "geheim", "-f", str(locked)]
    subprocess.run(make, check=True, capture_output=True)
    with pytest.raises(UsageError, match="is no private key") as caught:
        do(server.address, identity=locked, known_hosts=server.known_hosts)
    assert f"ssh-add {locked}" in caught.value.remedy


def test_nobody_answers(server: Server) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"ssh://pi@127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(DeviceConnectionError, match="cannot be reached"):
            do(address, identity=server.identity, known_hosts=server.known_hosts)


def test_what_answers_is_no_ssh_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "_LOGIN_S", 1)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        address = f"ssh://pi@127.0.0.1:{mute.getsockname()[1]}"
        begin = time.monotonic()
        with pytest.raises(DeviceConnectionError, match="cannot be reached"):
            do(address, identity=server.identity, known_hosts=server.known_hosts)
        assert time.monotonic() - begin < 10


def test_a_python_that_is_not_there(server: Server) -> None:
    task = dataclasses.replace(LOOK, python="python3.99")
    with pytest.raises(DeviceError, match="has no Python that can be started") as caught:
        do(server.address, task=task, identity=server.identity, known_hosts=server.known_hosts)
    assert "127" in str(caught.value.observed)


def test_root_that_nobody_may_be(server: Server) -> None:
    if shutil.which("sudo") is not None:
        pytest.skip("sudo is installed, and may well let this user")
    task = dataclasses.replace(LOOK, as_root=True)
    with pytest.raises(DeviceError):
        do(server.address, task=task, identity=server.identity, known_hosts=server.known_hosts)


@pytest.mark.parametrize("how", ["cut", "frozen"])
def test_a_connection_that_is_lost(
    how: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "_KEEPALIVE_S", 0.5)
    frozen: list[int] = []
    temporary = server.folder.parent / "temporary"

    def lose(done: int, total: int) -> None:
        if done > total // 4 and not frozen:
            wait_until(lambda: list(temporary.glob("*/big")))
            frozen.extend(server.sessions())
            if how == "cut":
                server.cut()
            else:
                for process in frozen:
                    os.kill(process, signal.SIGSTOP)

    options = choose_device(
        server.address, identity=server.identity, known_hosts=server.known_hosts
    )
    assert options is not None
    task = dataclasses.replace(LOOK, blobs=[Blob(name="big", data=bytes(100_000_000))])
    begin = time.monotonic()
    try:
        with open_device(options) as device:
            with pytest.raises(DeviceConnectionError, match="was lost"):
                ask(device, task, sending=lose)
            assert time.monotonic() - begin < 15
            assert ask(device, LOOK).kind == "done", "it connects again"
    finally:
        if how == "frozen":
            server.cut()
    wait_until(lambda: not list(temporary.iterdir()))


def test_what_looks_on_meanwhile_can_end_it(server: Server) -> None:
    """Nothing is said in either direction when it does; the program there ends, too."""
    begin = time.monotonic()

    def look_on() -> None:
        if time.monotonic() - begin > 2:
            raise KeyboardInterrupt

    options = choose_device(
        server.address, identity=server.identity, known_hosts=server.known_hosts
    )
    assert options is not None
    call = PythonCall(
        request=[b"9\n"],  # a program of nine bytes that never comes
        received=lambda _: None,
        sent=lambda _: None,
        silence_s=300,
        looked=look_on,
    )
    with open_device(options) as device:
        with pytest.raises(KeyboardInterrupt):
            device.run_python(call)
        assert time.monotonic() - begin < 15
    wait_until(lambda: not server.sessions())
