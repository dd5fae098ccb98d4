"""Can this device take this bundle? Told before a byte of it is copied."""

from __future__ import annotations

import re
from typing import Final

from edgecnn.devices.facts import DeviceFacts
from edgecnn.errors import DeviceError
from edgecnn_installer.bundle import Manifest
from edgecnn_runner.quantities import size_text

__all__ = ["check_fitness"]

_SPARE_BYTES: Final = 16 << 20
"""What ``install.sh`` asks for beyond the files, too."""


def check_fitness(
    facts: DeviceFacts, manifest: Manifest, *, device: str, prefix: str, as_root: bool
) -> None:
    """Compare a device with what a bundle is for.

    Args:
        facts: What the device is.
        manifest: The bundle's.
        device: What to call it.
        prefix: Where the bundle is to go.
        as_root: Whether that takes another user than the one who came in.

    Raises:
        DeviceError: If it is for another processor, Python or an older C library, or if there is
            no room or no right to install it. The device is as it was.
    """
    architecture = str(facts.machine.get("architecture"))
    if architecture != manifest.architecture or facts.python.bits != 64:
        raise _unfit(
            f"this bundle is for another processor than that of {device}",
            observed=f"{architecture}, a Python of {facts.python.bits} bits",
            expected=f"{manifest.architecture}, 64 bits",
            remedy="a Raspberry Pi 3 or newer with the 64-bit Raspberry Pi OS takes it",
        )
    if manifest.python not in facts.pythons:
        raise _unfit(
            f"this bundle is for another Python than {device} has",
            observed=", ".join(f"Python {version}" for version in facts.pythons)
            or f"Python {facts.python.version}",
            expected=f"Python {manifest.python}, as python{manifest.python} on PATH",
            remedy="package it for this system: edgecnn package BUILD --target pi --os bookworm "
            "(Python 3.11) or trixie (3.13)",
        )
    found = re.fullmatch(r"glibc (\d+)\.(\d+)", facts.libc)
    if found is None or (int(found[1]), int(found[2])) < manifest.glibc:
        raise _unfit(
            f"the C library of {device} is too old, or not glibc",
            observed=facts.libc,
            expected="glibc {}.{} or newer".format(*manifest.glibc),
            remedy="update the system, or package the model for an older one",
        )
    _check_rights(facts, device=device, prefix=prefix, as_root=as_root)
    room = facts.rooms[prefix]
    needed = manifest.installed_bytes + _SPARE_BYTES
    if room.free is not None and room.free < needed:
        raise _unfit(
            f"{device} has too little room in {room.folder}",
            observed=f"{size_text(room.free)} free",
            expected=f"at least {size_text(needed)}",
            remedy="free some space there, or install it elsewhere: --prefix DIR",
        )


def _check_rights(facts: DeviceFacts, *, device: str, prefix: str, as_root: bool) -> None:
    room = facts.rooms[prefix]
    if as_root and not facts.sudo:
        raise _unfit(
            f"{facts.user} may not install in {prefix} of {device}",
            observed="sudo asks for a password, or is not there",
            expected="root, or sudo without a password",
            remedy="install it without a service in a folder of your own: --prefix "
            f"/home/{facts.user}/edgecnn; or allow sudo without a password there, with visudo",
        )
    if not as_root and not room.writable:
        raise _unfit(
            f"{facts.user} may not install in {prefix} of {device}",
            observed=f"{room.folder} cannot be written",
            expected="a folder that this user may write",
            remedy=f"install it in another one: --prefix /home/{facts.user}/edgecnn",
        )


def _unfit(problem: str, *, observed: str, expected: str, remedy: str) -> DeviceError:
    return DeviceError(
        f"{problem}; nothing was copied", observed=observed, expected=expected, remedy=remedy
    )
