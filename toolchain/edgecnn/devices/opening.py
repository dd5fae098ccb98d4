"""From what the command line says of a device to the device."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.devices.address import Address, parse_address
from edgecnn.devices.types import Device
from edgecnn.errors import UsageError
from edgecnn_installer.main import PREFIX


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """A device, and how to get in.

    Attributes:
        address: An ``ssh`` or a ``cmd`` device.
        identity: A private key for ``ssh``, besides those of the agent.
        known_hosts: The file of known host keys; None for the user's and the system's.
        prefix: The folder of the device that models are installed below.
    """

    address: Address
    identity: Path | None = None
    known_hosts: Path | None = None
    prefix: str = PREFIX


def choose_device(
    text: str | None,
    *,
    identity: Path | None = None,
    known_hosts: Path | None = None,
    prefix: str | None = None,
) -> DeviceOptions | None:
    """Return the device that a command line means; None for this machine.

    Args:
        text: An address, or None.
        identity: A private key for ``ssh``.
        known_hosts: The file of known host keys.
        prefix: The folder of the device that models are installed below; None for the usual one.

    Raises:
        UsageError: If the address is none, an option does not fit it, or ``prefix`` is no
            absolute path.
    """
    address = parse_address("local" if text is None else text)
    for option, value, kinds in (
        ("--identity", identity, ("ssh",)),
        ("--known-hosts", known_hosts, ("ssh",)),
        ("--prefix", prefix, ("ssh", "cmd")),
    ):
        if value is not None and address.kind not in kinds:
            wanted = " or ".join(f"{kind}:{'//' if kind == 'ssh' else ''}" for kind in kinds)
            raise UsageError(
                f"{option} is for a device of the kind {wanted}",
                observed=f"{option} {value} with {address.text}",
                expected=f"an address that begins with {wanted}",
                remedy=f"leave {option} out, or name such a device",
            )
    if address.kind == "local":
        return None
    if prefix is not None and not prefix.startswith("/"):
        raise UsageError(
            "--prefix is a folder of the device, from its root on",
            observed=prefix,
            expected="an absolute path, for example /home/pi/edgecnn",
            remedy="write it with a / in front",
        )
    place = PREFIX if prefix is None else posixpath.normpath(prefix)
    return DeviceOptions(address=address, identity=identity, known_hosts=known_hosts, prefix=place)


def choose_devices(
    texts: Sequence[str],
    *,
    identity: Path | None = None,
    known_hosts: Path | None = None,
    prefix: str | None = None,
) -> list[DeviceOptions | None]:
    """Return the devices that a command line means; None for this machine.

    Args:
        texts: Addresses.
        identity: As ``choose_device``; for those of the devices that it fits.
        known_hosts: As ``identity``.
        prefix: As ``identity``.

    Raises:
        UsageError: As ``choose_device``, and if an option fits none of the devices.
    """
    found: list[DeviceOptions | None] = []
    kinds = [parse_address(text).kind for text in texts]
    for text, kind in zip(texts, kinds, strict=True):
        ssh = kind == "ssh" or "ssh" not in kinds
        placed = kind != "local" or set(kinds) == {"local"}
        found.append(
            choose_device(
                text,
                identity=identity if ssh else None,
                known_hosts=known_hosts if ssh else None,
                prefix=prefix if placed else None,
            )
        )
    return found


@contextlib.contextmanager
def open_device(options: DeviceOptions) -> Iterator[Device]:
    """Open a device; the way there is taken when something is asked of it.

    Args:
        options: From ``choose_device``.

    Yields:
        The device.
    """
    device: Device
    if options.address.kind == "ssh":
        from edgecnn.devices.ssh import SshDevice

        device = SshDevice(
            options.address, identity=options.identity, known_hosts=options.known_hosts
        )
    else:
        from edgecnn.devices.command import CommandDevice

        device = CommandDevice(options.address)
    try:
        yield device
    finally:
        device.close()
