"""From an address to a device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edgecnn.devices.address import Address
from edgecnn.devices.types import Device
from edgecnn.errors import UsageError

__all__ = ["open_device"]


@contextlib.contextmanager
def open_device(
    address: Address, *, identity: Path | None = None, known_hosts: Path | None = None
) -> Iterator[Device]:
    """Open a device; the way there is taken when something is asked of it.

    Args:
        address: An ``ssh`` or a ``cmd`` device.
        identity: A private key for ``ssh``, besides those of the agent.
        known_hosts: The file of known host keys; None for the user's and the system's.

    Yields:
        The device.

    Raises:
        UsageError: If the address is ``local``, which is no device to go to, or an option does
            not fit it.
    """
    for option, value in (("--identity", identity), ("--known-hosts", known_hosts)):
        if value is not None and address.kind != "ssh":
            raise UsageError(
                f"{option} is for ssh:// devices",
                observed=f"{option} {value} with {address.text}",
                expected="an ssh:// address",
                remedy=f"leave {option} out",
            )
    device: Device
    if address.kind == "ssh":
        from edgecnn.devices.ssh import SshDevice

        device = SshDevice(address, identity=identity, known_hosts=known_hosts)
    elif address.kind == "cmd":
        from edgecnn.devices.command import CommandDevice

        device = CommandDevice(address)
    else:
        raise UsageError(
            "local is this machine, and no device to connect to",
            observed=address.text,
            expected="ssh://USER@HOST or cmd:COMMAND",
            remedy="name a device, or leave --device out",
        )
    try:
        yield device
    finally:
        device.close()
