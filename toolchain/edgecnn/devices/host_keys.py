"""Whose device is it? Host keys are always checked; there is no way to leave that out."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgecnn.devices.address import Address
from edgecnn.errors import DeviceConnectionError, UsageError

if TYPE_CHECKING:
    from asyncssh import SSHKey, SSHKnownHosts

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
