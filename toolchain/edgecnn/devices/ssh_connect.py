"""An SSH connection to a device, or an error that says why there is none."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgecnn.devices.address import Address
from edgecnn.devices.host_keys import OfferedKey, known_hosts_files, read_known_hosts
from edgecnn.devices.types import printable
from edgecnn.errors import DeviceConnectionError, UsageError

if TYPE_CHECKING:
    import asyncssh

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
