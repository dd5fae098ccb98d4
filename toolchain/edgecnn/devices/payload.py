"""The code that is sent to a device: the very runner and installer that this workstation has."""

from __future__ import annotations

import functools
import io
import zipfile
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

_DATE: Final = (1980, 1, 1, 0, 0, 0)


@functools.cache
def bootstrap() -> bytes:
    """Return the first program; see there."""
    return (resources.files("edgecnn.devices.on_device") / "bootstrap.py").read_bytes()


@functools.cache
def code_zip() -> bytes:
    """Return the modules that the tasks import, as a ZIP that goes on ``sys.path``."""
    packages = {
        "edgecnn_runner": "edgecnn_runner",
        "edgecnn_installer": "edgecnn_installer",
        "edgecnn/devices/on_device": "edgecnn.devices.on_device",
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        # The toolchain's own packages would import what a device does not have.
        for empty in ("edgecnn/__init__.py", "edgecnn/devices/__init__.py"):
            archive.writestr(zipfile.ZipInfo(empty, _DATE), b"")
        for folder, package in packages.items():
            for name, text in _modules(resources.files(package), folder):
                entry = zipfile.ZipInfo(name, _DATE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, text)
    return data.getvalue()


def _modules(package: Traversable, folder: str) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the text of each module, also of sub-packages, in a fixed order."""
    for entry in sorted(package.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".py"):
            yield f"{folder}/{entry.name}", entry.read_bytes()
        elif entry.is_dir() and (entry / "__init__.py").is_file():
            yield from _modules(entry, f"{folder}/{entry.name}")
