"""``ssh://`` devices, by asyncssh; its one user in the whole program, with its two helpers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgecnn.devices.address import Address
from edgecnn.devices.types import LOADER, Completed, PythonCall, StderrTail, printable, silent
from edgecnn.errors import DeviceConnectionError, UsageError
from edgecnn.log import timed_command

if TYPE_CHECKING:
    import asyncssh
    from asyncssh import SSHClientConnection, SSHClientProcess, SSHKey, SSHKnownHosts


_CHUNK: Final = 1 << 16
_LOOK_S: Final = 0.5
_CLOSE_S: Final = 5.0


class SshDevice:
    """See ``types.Device``. Connects when something is asked of it, and again when that was lost.

    Args:
        address: An ``ssh`` address.
        identity: A private key; None for the agent's and the default ones.
        known_hosts: The file of known host keys; None for the user's and the system's.
    """

    def __init__(
        self, address: Address, *, identity: Path | None, known_hosts: Path | None
    ) -> None:
        self.name = address.text
        self._address, self._identity, self._known_hosts = address, identity, known_hosts
        self._runner: asyncio.Runner | None = None
        self._connection: SSHClientConnection | None = None

    def run_python(self, call: PythonCall) -> Completed:
        """See ``types.Device``."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        with timed_command([self.name, call.python]) as ended:
            done = self._runner.run(self._run(call))
            ended.append(done.code)
        return done

    def close(self) -> None:
        """See ``types.Device``."""
        if self._runner is not None:
            with contextlib.suppress(Exception):  # it may be lost already
                self._runner.run(self._disconnect())
            self._runner.close()
        self._runner = self._connection = None

    async def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            await asyncio.wait_for(self._connection.wait_closed(), _CLOSE_S)

    async def _run(self, call: PythonCall) -> Completed:
        import asyncssh

        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(
                self._address, identity=self._identity, known_hosts=self._known_hosts
            )
        command = shlex.join([call.python, "-I", "-B", "-c", LOADER])
        if call.as_root:
            command = f"sudo -n {command}"
        try:
            process = await self._connection.create_process(command, encoding=None)
        except (asyncssh.Error, OSError) as error:
            raise _lost(self.name, str(error)) from error
        exchange = _Exchange(process, call)
        try:
            return await exchange.run(self.name, self._connection)
        finally:
            process.close()


class _Exchange:
    """Writes the request and reads the answer at the same time."""

    def __init__(self, process: SSHClientProcess[bytes], call: PythonCall) -> None:
        self._process, self._call = process, call
        self._tail = StderrTail()
        self._heard = time.monotonic()

    async def run(self, name: str, connection: SSHClientConnection) -> Completed:
        reading = asyncio.ensure_future(self._read())
        tasks: list[asyncio.Future[Any]] = [
            reading,
            asyncio.ensure_future(self._write()),
            asyncio.ensure_future(self._read_stderr()),
        ]
        try:
            while not reading.done():
                await asyncio.wait([reading], timeout=_LOOK_S)
                self._call.looked()
                if time.monotonic() - self._heard > self._call.silence_s:
                    raise silent(name, self._call.silence_s, self._tail.text())
                for task in tasks:
                    if task.done():
                        task.result()  # what a listener raised, for example at Ctrl-C
            reading.result()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait_closed(), _CLOSE_S)
            await asyncio.wait([tasks[2]], timeout=_LOOK_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        code = self._process.returncode
        if code is None and connection.is_closed():
            raise _lost(name, self._tail.text())
        return Completed(code=code, stderr=self._tail.text())

    async def _write(self) -> None:
        import asyncssh

        try:
            for part in self._call.request:
                whole = memoryview(part)
                for start in range(0, len(whole), _CHUNK):
                    chunk = bytes(whole[start : start + _CHUNK])
                    self._process.stdin.write(chunk)
                    await self._process.stdin.drain()
                    self._heard = time.monotonic()
                    self._call.sent(len(chunk))
        except (OSError, asyncssh.Error):
            return  # it has ended, or refused the rest; what it says about that is to be read

    async def _read(self) -> None:
        import asyncssh

        try:
            while data := await self._process.stdout.read(_CHUNK):
                self._heard = time.monotonic()
                self._call.received(data)
        except (OSError, asyncssh.Error):
            return  # lost: the connection knows

    async def _read_stderr(self) -> None:
        import asyncssh

        try:
            while data := await self._process.stderr.read(_CHUNK):
                self._tail.add(data)
        except (OSError, asyncssh.Error):
            return


def _lost(name: str, said: str) -> DeviceConnectionError:
    return DeviceConnectionError(
        f"the connection to {name} was lost",
        observed=said[-300:] or "it was closed on the way",
        expected="a connection until the answer is here",
        remedy="check the network and the device, and try again",
    )


_CONNECT_S: Final = 15
_LOGIN_S: Final = 30
_KEEPALIVE_S: Final = 5
_KEEPALIVES: Final = 4
"""A connection on which these many questions stay unanswered is lost."""


async def connect(
    address: Address, *, identity: Path | None, known_hosts: Path | None
) -> asyncssh.SSHClientConnection:
    """Connect, with the agent's keys, the given or default ones, and the user's configuration.

    Args:
        address: An ``ssh`` address.
        identity: A private key to use besides the agent's; None for the default ones.
        known_hosts: See ``host_keys.read_known_hosts``.

    Raises:
        DeviceConnectionError: If the device cannot be reached, its host key is not known, or it
            lets nobody in.
        UsageError: If a file named cannot be used.
    """
    import asyncssh

    known = read_known_hosts(known_hosts)
    offered = OfferedKey(known, known_hosts_files(known_hosts))

    class Client(asyncssh.SSHClient):
        def validate_host_public_key(
            self, host: str, addr: str, port: int, key: asyncssh.SSHKey
        ) -> bool:
            offered.note(host, addr, port, key)
            return False

    options: dict[str, object] = {
        # Named, so that no configuration can switch the check off or look elsewhere.
        "known_hosts": known,
        "client_factory": Client,
        # Nobody is asked for anything.
        "preferred_auth": "publickey",
        "connect_timeout": _CONNECT_S,
        "login_timeout": _LOGIN_S,
        "keepalive_interval": _KEEPALIVE_S,
        "keepalive_count_max": _KEEPALIVES,
        "agent_forwarding": False,
        "x11_forwarding": False,
    }
    if address.user is not None:
        options["username"] = address.user
    if address.port is not None:
        options["port"] = address.port
    if identity is not None:
        options["client_keys"] = [_checked_identity(identity)]
    try:
        return await asyncssh.connect(address.host, **options)
    except asyncssh.HostKeyNotVerifiable as error:
        raise offered.error(address, error.reason) from error
    except asyncssh.PermissionDenied as error:
        raise _denied(address, identity, error.reason) from error
    except asyncssh.KeyImportError as error:
        raise _bad_key(str(identity or "a default identity"), str(error)) from error
    except asyncssh.ConfigParseError as error:
        raise UsageError(
            "the SSH configuration cannot be read",
            observed=str(error),
            expected="a file as ssh takes it",
            remedy="correct ~/.ssh/config",
        ) from error
    except (OSError, asyncssh.Error, TimeoutError, asyncio.IncompleteReadError) as error:
        raise _unreachable(address, error) from error


def _checked_identity(identity: Path) -> str:
    """Return a private key's path; a key that no agent holds has to be readable as it is."""
    import asyncssh

    try:
        asyncssh.read_private_key(str(identity))
    except (OSError, asyncssh.KeyImportError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _bad_key(str(identity), reason or "it cannot be read") from error
    return str(identity)


def _bad_key(name: str, reason: str) -> UsageError:
    return UsageError(
        f"{name} is no private key that can be used",
        observed=reason,
        expected="a private key without a passphrase, in OpenSSH's form or in PEM",
        remedy=f"a key with a passphrase goes to the agent: ssh-add {name}; then leave --identity "
        "out",
    )


def _denied(address: Address, identity: Path | None, reason: str) -> DeviceConnectionError:
    agent = "the agent's keys" if os.environ.get("SSH_AUTH_SOCK") else "no agent (SSH_AUTH_SOCK)"
    keys = f"the key {identity}" if identity is not None else "the default ones of ~/.ssh"
    who = f"user {address.user}" if address.user else "the user that the SSH configuration names"
    where = f"{address.user}@{address.host}" if address.user else address.host
    port = f" -p {address.port}" if address.port else ""
    return DeviceConnectionError(
        f"{address.text} does not let {who} in",
        observed=f"{printable(reason)}; tried: {agent} and {keys}",
        expected="a key that the device knows",
        remedy=f"let it know one: ssh-copy-id{port} {where}; or name another one: --identity FILE",
    )


def _unreachable(address: Address, error: BaseException) -> DeviceConnectionError:
    remedy = "check that the device is on, in this network, and that SSH is enabled there"
    if isinstance(error, socket.gaierror):
        observed = f"no address for the name {address.host}: {error.strerror}"
        remedy = "check the name, or use the device's number"
    elif isinstance(error, TimeoutError):
        observed = f"no answer within {_CONNECT_S} s"
    elif isinstance(error, OSError):
        observed = error.strerror or str(error)
    else:
        observed = printable(str(error)) or type(error).__name__
    return DeviceConnectionError(
        f"{address.text} cannot be reached",
        observed=observed,
        expected=f"an SSH server at port {address.port or 22}",
        remedy=remedy,
    )


_USERS: Final = "~/.ssh/known_hosts"
_SYSTEMS: Final = Path("/etc/ssh/ssh_known_hosts")


def known_hosts_files(given: Path | None) -> list[Path]:
    """Return the files that count: the one given, or else the user's and the system's."""
    return [Path(_USERS).expanduser(), _SYSTEMS] if given is None else [given]


def read_known_hosts(given: Path | None) -> SSHKnownHosts:
    """Read the known host keys.

    Args:
        given: The file to use; None for the user's and the system's, where they exist.

    Raises:
        UsageError: If the given file is not there, or one of them cannot be read.
    """
    import asyncssh

    files = [file for file in known_hosts_files(given) if given is not None or file.is_file()]
    try:
        return asyncssh.read_known_hosts([str(file) for file in files])
    except (OSError, ValueError) as error:
        names = " and ".join(map(str, files))
        raise UsageError(
            f"the known host keys in {names} cannot be read",
            observed=f"{type(error).__name__}: {error}",
            expected="a file as ssh writes it: host, key type, key",
            remedy="check the file, or name another one: --known-hosts FILE",
        ) from error


class OfferedKey:
    """A host key that is not among the known ones, and what is known of that host.

    Args:
        known: The keys read.
        files: Where from.
    """

    def __init__(self, known: SSHKnownHosts, files: list[Path]) -> None:
        self._known, self._files = known, files
        self._offered: tuple[str, str, int, SSHKey] | None = None

    def note(self, host: str, address: str, port: int, key: SSHKey) -> None:
        """Remember what a device offered."""
        self._offered = host, address, port, key

    def error(self, device: Address, reason: str) -> DeviceConnectionError:
        """Return the error for it.

        Args:
            device: The device.
            reason: What asyncssh says, for what no key was noted of.
        """
        if self._offered is None:
            return DeviceConnectionError(
                f"the host key of {device.text} cannot be verified; nothing was sent to it",
                observed=reason,
                expected="a key, or a certificate, that is known",
                remedy="compare it with the device's own: ssh-keygen -lf "
                "/etc/ssh/ssh_host_ed25519_key.pub, there",
            )
        host, address, port, key = self._offered
        print_ = f"{key.get_algorithm()} {key.get_fingerprint()}"
        name = host if port == 22 else f"[{host}]:{port}"
        file = self._files[0]
        scan = shlex.join(["ssh-keyscan", "-p", str(port), host])
        add = f"{scan} >> {shlex.quote(str(file))}"
        own = (
            f"on the device: ssh-keygen -lf /etc/ssh/ssh_host_{_kind(key.get_algorithm())}_key.pub"
        )
        known = self._known.match(host, address, port)[0]
        if known:
            prints = dict.fromkeys(
                f"{one.get_algorithm()} {one.get_fingerprint()}" for one in known
            )
            forget = shlex.join(["ssh-keygen", "-R", name, "-f", str(file)])
            return DeviceConnectionError(
                f"the host key of {device.text} has changed: it is not the device it was, or "
                "somebody is in between; nothing was sent to it",
                observed=print_,
                expected=", ".join(prints),
                remedy=f"only if the device was set up anew, and this is its own key ({own}): "
                f"{forget}; then {add}",
            )
        return DeviceConnectionError(
            f"the host key of {device.text} is not known; nothing was sent to it",
            observed=print_,
            expected=f"a key for {name} in {' or '.join(map(str, self._files))}",
            remedy=f"compare it with the device's own ({own}); if it is the same: {add}, or "
            "connect once with ssh",
        )


def _kind(algorithm: str) -> str:
    """Return how the file of a host key of this algorithm is named."""
    return next((kind for kind in ("ecdsa", "rsa") if kind in algorithm), "ed25519")
