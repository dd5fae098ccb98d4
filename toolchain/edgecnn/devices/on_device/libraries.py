"""Installed bundles on this device, and their libraries for a Python that has none of its own."""

from __future__ import annotations

import importlib.util
import json
import platform
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_LARGEST_MANIFEST = 16 << 20


def installed(prefixes: Sequence[str]) -> list[dict[str, Any]]:
    """Find the active releases.

    Args:
        prefixes: Folders that models are installed below.

    Returns:
        ``path`` of each release, and its ``manifest``; where that cannot be read, ``problem``.
    """
    found: list[dict[str, Any]] = []
    for prefix in prefixes:
        try:
            places = sorted(Path(prefix).iterdir())
        except OSError:
            continue
        for place in places:
            current = place / "current"
            if not is_folder(current):
                continue
            entry: dict[str, Any] = {"model": place.name, "prefix": prefix}
            entry["path"] = str(current.resolve())
            try:
                with (current / "manifest.json").open(encoding="utf-8") as file:
                    entry["manifest"] = json.loads(file.read(_LARGEST_MANIFEST))
            except (OSError, ValueError) as error:
                entry["problem"] = f"{type(error).__name__}: {error}"
            found.append(entry)
    return found


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder that this user may know of."""
    try:
        return path.is_dir()
    except OSError:  # in a folder of somebody else
        return False


def has_own(modules: Sequence[str]) -> bool:
    """Tell whether this Python has numpy, and any of these modules, without a bundle's help."""
    return _found("numpy") and any(_found(module) for module in modules)


def _found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def use_installed(modules: Sequence[str], prefixes: Sequence[str]) -> str | None:
    """Put the libraries of an installed bundle in front of the system's.

    Args:
        modules: Runtimes; one of them is enough.
        prefixes: Folders that models are installed below.

    Returns:
        The folder; None if there is none with such a runtime for this Python.
    """
    version = ".".join(map(str, sys.version_info[:2]))
    for entry in installed(prefixes):
        manifest: Mapping[str, Any] = entry.get("manifest", {})
        libraries = Path(entry["path"]) / "lib"
        if str(manifest.get("python")) == version and any(
            is_folder(libraries / module) for module in modules
        ):
            sys.path.insert(0, str(libraries))
            return str(libraries)
    return None


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


def no_runtime(model_format: str, modules: Sequence[str], prefixes: Sequence[str]) -> Any:
    """Return the ``RuntimeMissingError`` of a device that has no runtime for a format.

    Args:
        model_format: Of the file.
        modules: Those that would run it; one of them is enough.
        prefixes: Folders that models are installed below.
    """
    from edgecnn_runner.errors import RuntimeMissingError

    models = [f"{entry['model']} in {entry['prefix']}" for entry in installed(prefixes)]
    return RuntimeMissingError(
        f"the device has no runtime for {model_format} files",
        observed=f"neither in its Python {platform.python_version()} nor in an installed bundle "
        f"({', '.join(models) or 'there is none'})",
        expected=f"one of {', '.join(modules)}, with numpy",
        remedy="install a bundle with it there: edgecnn deploy BUNDLE ADDRESS",
    )
