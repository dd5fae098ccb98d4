"""Can this device take the bundle? Architecture, Python, libc, rights and space."""

from __future__ import annotations

import os
import platform
import shutil
import struct
import sys
from pathlib import Path
from typing import Final

from edgecnn_installer.bundle import Manifest
from edgecnn_installer.problems import DeviceError

_SPARE_BYTES: Final = 16 << 20
"""Beyond the files: folders, the unit, and so that the disk is not full to the brim afterwards."""


def check_device(manifest: Manifest) -> None:
    """Compare this device with what the bundle is for.

    Raises:
        DeviceError: If it is for another architecture, Python or an older libc.
    """
    machine, bits = os.uname().machine, 8 * struct.calcsize("P")
    # A 64-bit kernel may run a 32-bit system, which cannot load the bundle's libraries.
    if machine != manifest.architecture or bits != 64:
        raise DeviceError(
            "this bundle is for another processor; nothing was changed",
            observed=f"{machine}, a Python of {bits} bits",
            expected=f"{manifest.architecture}, 64 bits",
            remedy="a Raspberry Pi 3 or newer with the 64-bit Raspberry Pi OS takes it",
        )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version != manifest.python or platform.python_implementation() != "CPython":
        raise DeviceError(
            "this bundle is for another Python; nothing was changed",
            observed=f"{platform.python_implementation()} {version}",
            expected=f"CPython {manifest.python}",
            remedy="package it for this system on the workstation: edgecnn package BUILD --os "
            "bookworm (Python 3.11) or trixie (3.13)",
        )
    name, _, text = (os.confstr("CS_GNU_LIBC_VERSION") or "unknown libc").partition(" ")
    numbers = tuple(int(part) for part in text.split(".") if part.isdecimal())
    if name != "glibc" or numbers < manifest.glibc:
        major, minor = manifest.glibc
        raise DeviceError(
            "this system's C library is too old, or not glibc; nothing was changed",
            observed=f"{name} {text}",
            expected=f"glibc {major}.{minor} or newer",
            remedy="update the system, or package the model for an older one",
        )


def check_room(folder: Path, manifest: Manifest) -> None:
    """Check that a folder can be written and has room for one more release.

    Args:
        folder: Where the release is to go; the nearest folder above it that exists is looked at.
        manifest: Of the bundle.

    Raises:
        DeviceError: If it cannot be written, or has too little room.
    """
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise DeviceError(
            f"{there} cannot be written; nothing was changed",
            observed=f"user {os.geteuid()}",
            expected="a user who may write there",
            remedy="run it with sudo, or install it elsewhere: --prefix DIR",
        )
    free = shutil.disk_usage(there).free
    needed = manifest.installed_bytes + _SPARE_BYTES
    if free < needed:
        raise DeviceError(
            f"{there} has too little room; nothing was changed",
            observed=f"{free / 1e6:.0f} MB free",
            expected=f"at least {needed / 1e6:.0f} MB",
            remedy="free some space, or install it elsewhere: --prefix DIR",
        )
