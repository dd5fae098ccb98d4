"""Describes what this device is, has, and holds; nothing on it is changed."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecnn.devices.on_device.libraries import has_own, installed, is_folder

# What ``edgecnn_runner.runtimes.telemetry`` sets, for Pythons that are too old to read it.
_NO_REPORTS = {"ORT_DISABLE_TELEMETRY": "1", "ORT_TELEMETRY_DISABLED": "1"}
_START_S = 120
_SUDO_S = 30
# What a Raspberry Pi has as video devices without any camera: codecs and image processors.
_NO_CAMERAS = ("bcm2835-codec", "bcm2835-isp", "pispbe", "rpi-hevc", "rpivid")


def run(call: Any) -> tuple[str, Mapping[str, Any], list[bytes]]:
    """Look at the device.

    Args:
        call: A ``bootstrap.Call``. Parameters: ``prefixes``, ``runtimes`` (name to module and
            package), ``start`` (whether to start the runtimes and to check installed files),
            ``places`` (folders whose room is asked for).

    Returns:
        The last frame: ``done`` and the facts.
    """
    asked = call.parameters
    releases = installed(asked["prefixes"])
    return (
        "done",
        {
            "machine": _machine(),
            "python": _python(),
            "pythons": _pythons(),
            "system": _system(),
            "libc": os.confstr("CS_GNU_LIBC_VERSION") or "unknown",
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "user": _user(),
            "uid": os.geteuid(),
            "sudo": os.geteuid() == 0 or _sudo(),
            "rooms": {place: _room(place) for place in asked["places"]},
            "runtimes": {
                name: _runtime(entry, releases, start=asked["start"])
                for name, entry in asked["runtimes"].items()
            },
            "installed": [_release(entry, check=asked["start"]) for entry in releases],
            "systemd": is_folder(Path("/run/systemd/system")),
            "cameras": _cameras(),
        },
        [],
    )


def _machine() -> dict[str, Any]:
    if sys.version_info < (3, 11):  # noqa: UP036 - any Python can be looked at
        return {"architecture": platform.machine(), "cores": os.cpu_count()}
    from edgecnn_runner.machine import describe_machine

    return describe_machine()


def _python() -> dict[str, Any]:
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "bits": 8 * struct.calcsize("P"),
        "program": sys.executable,
    }


def _pythons() -> list[str]:
    """Name the versions of Python 3 that are on PATH, for a bundle needs one of its own."""
    return [f"3.{minor}" for minor in range(7, 20) if shutil.which(f"python3.{minor}")]


def _system() -> str:
    try:
        with Path("/etc/os-release").open(encoding="utf-8") as file:
            lines = file.read(100_000).splitlines()
    except OSError:
        return platform.system()
    named = [line[12:].strip('"') for line in lines if line.startswith("PRETTY_NAME=")]
    return named[0] if named else platform.system()


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _sudo() -> bool:
    """Tell whether this user may do as root what they like, with no password asked."""
    try:
        done = subprocess.run(
            ["sudo", "-n", "true"],  # noqa: S607 - wherever it is
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SUDO_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _room(place: str) -> dict[str, Any]:
    """Say what is free where ``place`` is or would be, and whether this user may write there."""
    there = next(one for one in (Path(place), *Path(place).parents) if is_folder(one))
    try:
        free: int | None = shutil.disk_usage(str(there)).free
    except OSError:
        free = None
    return {
        "folder": str(there),
        "free": free,
        "writable": os.access(str(there), os.W_OK | os.X_OK),
    }


def _runtime(
    entry: Mapping[str, str], releases: Sequence[Mapping[str, Any]], *, start: bool
) -> dict[str, Any]:
    """Look for a runtime in the device's Python and in installed bundles, and start what is there.

    Each start is a process of its own: one that crashes there is a finding.
    """
    found = []
    if has_own([entry["module"]]):
        found.append({"place": "its own Python", "python": sys.executable, "path": ""})
    for release in releases:
        libraries = Path(release["path"]) / "lib"
        if is_folder(libraries / entry["module"]):
            python = f"python{release.get('manifest', {}).get('python', '3')}"
            found.append({"place": release["model"], "python": python, "path": str(libraries)})
    for one in found:
        one["problem"] = _start(one["python"], one["path"], entry["starts"]) if start else ""
    return {"found": found}


def _start(python: str, path: str, module: str) -> str:
    """Import a module in a Python; return what went wrong, empty if nothing did."""
    code = f"import sys; sys.path[0:0] = [p for p in [{path!r}] if p]; import {module}"
    try:
        done = subprocess.run(  # noqa: S603 - a Python of the device, no shell
            [python, "-I", "-B", "-c", code],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_START_S,
            check=False,
            env={**os.environ, **_NO_REPORTS},
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return (lines or [f"exit code {done.returncode}"])[-1][:300]


def _release(entry: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """Say what is installed, and whether its files are as they were packaged."""
    manifest = entry.get("manifest", {})
    facts = {
        "model": entry["model"],
        "prefix": entry["prefix"],
        "release": Path(entry["path"]).name,
        "python": str(manifest.get("python", "")),
        "problem": entry.get("problem", ""),
    }
    if check and not facts["problem"] and sys.version_info >= (3, 11):
        from edgecnn_installer.bundle import check_files, read_manifest
        from edgecnn_installer.problems import InstallError

        folder = Path(entry["path"])
        try:
            check_files(folder, read_manifest(folder), compiled=True)
        except InstallError as error:
            facts["problem"] = f"{error.problem} ({error.observed})"
    return facts


def _cameras() -> list[dict[str, Any]]:
    found = []
    for device in sorted(Path("/dev").glob("video*")):
        try:
            named = Path("/sys/class/video4linux") / device.name / "name"
            about = named.read_text(encoding="utf-8", errors="replace")[:200].strip()
        except OSError:
            about = "unknown"
        if not about.startswith(_NO_CAMERAS):
            readable = os.access(str(device), os.R_OK | os.W_OK)
            found.append({"device": str(device), "name": about, "readable": readable})
    return found
