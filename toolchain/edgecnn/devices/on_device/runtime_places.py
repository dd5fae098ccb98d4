"""Where each runtime is on this device: in its own Python, or in an installed bundle."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edgecnn.devices.on_device.libraries import has_own, installed, is_folder


class RuntimePlace(NamedTuple):
    """A Python that has a runtime.

    Attributes:
        python: The program.
        libraries: A folder for the front of its path; empty for what it has itself.
    """

    python: str
    libraries: str = ""


def place_of(module: str, prefixes: Sequence[str]) -> RuntimePlace | None:
    """Return where a runtime can be started; None if it is not here.

    Args:
        module: Its name for Python.
        prefixes: Folders that models are installed below.
    """
    if has_own([module]):
        return RuntimePlace(sys.executable)
    for entry in installed(prefixes):
        manifest: Mapping[str, Any] = entry.get("manifest", {})
        libraries = Path(entry["path"]) / "lib"
        version = str(manifest.get("python"))
        if not is_folder(libraries / module) or re.fullmatch(r"3\.\d{1,2}", version) is None:
            continue
        if version == ".".join(map(str, sys.version_info[:2])):
            return RuntimePlace(sys.executable, str(libraries))
        python = shutil.which(f"python{version}")
        if python is not None:
            return RuntimePlace(python, str(libraries))
    return None
