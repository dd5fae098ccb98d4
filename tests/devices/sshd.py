"""A real SSH server on loopback, for tests: its own keys, its own user files, a free port.

It is used as a Raspberry Pi, too, with ``chroot`` a tree of another processor.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

_SSHD = "/usr/sbin/sshd"
_START_S = 10


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server.

    Attributes:
        port: Where on 127.0.0.1.
        folder: Its files.
        user: Who may come in.
        identity: The private key that lets them in.
        known_hosts: The file that knows its host key.
        process: The listener.
    """

    port: int
    folder: Path
    user: str
    identity: Path
    known_hosts: Path
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        """The device's address."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}"

    @property
    def options(self) -> tuple[str, ...]:
        """What a command line needs to get in."""
        return "--identity", str(self.identity), "--known-hosts", str(self.known_hosts)

    def log(self) -> str:
        """Return what the server said."""
        return (self.folder / "log").read_text(errors="replace")

    def sessions(self) -> list[int]:
        """Return the processes of the connections that are open now."""
        return _children(self.process.pid)

    def cut(self) -> None:
        """End all connections as a cable that is pulled does: nobody says goodbye."""
        for child in self.sessions():
            for process in (*_children(child), child):
                with contextlib.suppress(ProcessLookupError):
                    if _name(process).startswith("sshd"):
                        os.kill(process, signal.SIGKILL)


def new_key(path: Path) -> Path:
    """Make a key pair without a passphrase."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


@contextlib.contextmanager
def serving(
    folder: Path,
    *,
    user: str | None = None,
    chroot: Path | None = None,
    environment: Mapping[str, str] | None = None,
    settings: Sequence[str] = (),
    started_by: Sequence[str] = (),
) -> Iterator[Server]:
    """Run a server while the block runs; skip the test where there can be none.

    Args:
        folder: Where its files go; made.
        user: Who comes in; None for who runs the tests.
        chroot: The tree that the user is shut in. It and each folder above belong to root.
        environment: Of what is started there; PATH finds this Python unless it says otherwise.
        settings: More lines of its configuration.
        started_by: A command that becomes the server that its arguments are, once it has done
            what it does.
    """
    if not Path(_SSHD).exists() or shutil.which("ssh-keygen") is None:
        pytest.skip("openssh-server is not installed")
    if chroot is not None and os.geteuid() != 0:
        pytest.skip("only root can shut a user in a tree")
    folder.mkdir(mode=0o700, parents=True)
    user = user or getpass.getuser()
    host_key, identity = new_key(folder / "host_key"), new_key(folder / "identity")
    authorized = folder / "authorized_keys"
    authorized.write_text((folder / "identity.pub").read_text())
    port = _free_port()
    found = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {"PATH": found, "SHLVL": "2", **(environment or {})}
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {host_key}",
        f"PidFile {folder / 'pid'}",
        f"AuthorizedKeysFile {authorized}",
        "StrictModes no",  # the folder is one of pytest's
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        "UsePAM no",
        "LogLevel VERBOSE",
        # The level keeps bash from reading its user's .bashrc, which may put other Pythons first.
        "SetEnv " + " ".join(f"{name}={value}" for name, value in variables.items()),
        *settings,
        *([f"Match User {user}", f"  ChrootDirectory {chroot}"] if chroot else []),
    ]
    (folder / "config").write_text("\n".join(lines) + "\n")
    (folder / "known_hosts").write_text(
        f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it shuts its own child in
    command = [*started_by, _SSHD, "-D", "-e", "-f", str(folder / "config")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    server = Server(
        port=port,
        folder=folder,
        user=user,
        identity=identity,
        known_hosts=folder / "known_hosts",
        process=process,
    )
    try:
        _wait_for(server)
        yield server
    finally:
        server.cut()
        process.terminate()
        process.wait(10)


def _wait_for(server: Server) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        if server.process.poll() is not None:
            pytest.skip(f"sshd does not start here: {server.log().strip()[-300:]}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", server.port), 1).close()
            return
        time.sleep(0.05)
    pytest.skip(f"sshd does not listen here: {server.log().strip()[-300:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(parent: int) -> list[int]:
    try:
        text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    except OSError:
        return []
    return [int(number) for number in text.split()]


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""
