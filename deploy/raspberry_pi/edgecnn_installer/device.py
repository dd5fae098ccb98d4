"""The rule of what a device must have to take a bundle: processor, Python, libc, rights and space.

The installer asks it of the device that it runs on, ``edgecnn deploy`` of a device before anything
is copied, and ``edgecnn doctor --device`` for any bundle.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgecnn_installer.bundle import Manifest
from edgecnn_installer.problems import DeviceError

_SPARE_BYTES: Final = 16 << 20
"""Beyond the files: folders, the unit, and so that the disk is not full to the brim afterwards."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a bundle needs of a device.

    Attributes:
        architectures: As ``uname -m`` gives them; one of them.
        pythons: Versions of CPython, for example ``3.11``; one of them.
        glibc: The oldest.
        free_bytes: Room where it is installed.
    """

    architectures: Sequence[str]
    pythons: Sequence[str]
    glibc: tuple[int, int]
    free_bytes: int


@dataclass(frozen=True, kw_only=True)
class Has:
    """What a device has.

    Attributes:
        name: What to call it.
        architecture: As ``uname -m`` gives it.
        bits: Of a pointer: a 64-bit kernel may run a 32-bit system, which cannot load a bundle's
            libraries.
        python: The Python that answers, for people.
        pythons: Versions of CPython that a bundle may be started with.
        libc: For example ``glibc 2.36``.
        user: Who would install.
        folder: The folder that is there, of those above the place of installation.
        writable: Whether the user may write in it.
        free: Bytes free there; None if that is not known.
    """

    name: str
    architecture: str
    bits: int
    python: str
    pythons: Sequence[str]
    libc: str
    user: str
    folder: str
    writable: bool
    free: int | None


@dataclass(frozen=True, kw_only=True)
class Lack:
    """A lack; ``what`` is ``processor``, ``python``, ``libc``, ``rights`` or ``room``."""

    what: str
    problem: str
    observed: str
    expected: str
    remedy: str


def lacks(needs: Needs, has: Has) -> Iterator[Lack]:
    """Compare what a device has with what a bundle needs.

    Args:
        needs: The bundle's side.
        has: The device's.

    Yields:
        What it lacks, in order of weight.
    """
    if has.architecture not in needs.architectures or has.bits != 64:
        yield Lack(
            what="processor",
            problem=f"this bundle is for another processor than that of {has.name}",
            observed=f"{has.architecture}, a Python of {has.bits} bits",
            expected=f"{' or '.join(needs.architectures)}, 64 bits",
            remedy="a Raspberry Pi 3 or newer with the 64-bit Raspberry Pi OS takes it",
        )
    if not set(needs.pythons) & set(has.pythons):
        yield Lack(
            what="python",
            problem=f"this bundle is for another Python than {has.name} has",
            observed=", ".join(f"CPython {version}" for version in has.pythons) or has.python,
            expected=" or ".join(f"CPython {one}, as python{one} on PATH" for one in needs.pythons),
            remedy="package it for this system on the workstation: edgecnn package BUILD --target "
            "pi --os bookworm (Python 3.11) or trixie (3.13)",
        )
    found = re.fullmatch(r"glibc (\d+)\.(\d+)(\..*)?", has.libc)
    if found is None or (int(found[1]), int(found[2])) < needs.glibc:
        yield Lack(
            what="libc",
            problem=f"{has.name}'s C library is too old, or not glibc",
            observed=has.libc,
            expected="glibc {}.{} or newer".format(*needs.glibc),
            remedy="update the system, or package the model for an older one",
        )
    if not has.writable:
        yield Lack(
            what="rights",
            problem=f"{has.folder} of {has.name} cannot be written",
            observed=f"user {has.user}",
            expected="a user who may write there",
            remedy="install it as root, with sudo, or in a folder of your own: --prefix DIR",
        )
    if has.free is not None and has.free < needs.free_bytes:
        yield Lack(
            what="room",
            problem=f"{has.folder} of {has.name} has too little room",
            observed=f"{has.free / 1e6:.0f} MB free",
            expected=f"at least {needs.free_bytes / 1e6:.0f} MB",
            remedy="free some space there, or install it elsewhere: --prefix DIR",
        )


def needs_of(manifest: Manifest) -> Needs:
    """Return what a bundle needs, by its manifest."""
    return Needs(
        architectures=(manifest.architecture,),
        pythons=(manifest.python,),
        glibc=manifest.glibc,
        free_bytes=manifest.installed_bytes + _SPARE_BYTES,
    )


def check_device(manifest: Manifest, folder: Path | None) -> None:
    """Compare this device with what a bundle needs.

    Args:
        manifest: The bundle's.
        folder: Where the release is to go; the nearest folder above it that exists is looked at.
            None for a bundle whose files are in their place already.

    Raises:
        DeviceError: If it lacks something.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    kind = platform.python_implementation()
    place = Path("/") if folder is None else folder
    there = next(found for found in (place, *place.parents) if found.exists())
    has = Has(
        name="this device",
        architecture=os.uname().machine,
        bits=8 * struct.calcsize("P"),
        python=f"{kind} {version}",
        pythons=[version] if kind == "CPython" else [],
        libc=os.confstr("CS_GNU_LIBC_VERSION") or "unknown libc",
        user=str(os.geteuid()),
        folder=str(there),
        writable=folder is None or os.access(there, os.W_OK | os.X_OK),
        free=None if folder is None else shutil.disk_usage(there).free,
    )
    for lack in lacks(needs_of(manifest), has):
        raise DeviceError(
            f"{lack.problem}; nothing was changed",
            observed=lack.observed,
            expected=lack.expected,
            remedy=lack.remedy,
        )
