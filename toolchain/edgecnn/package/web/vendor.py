"""ONNX Runtime Web: three files of its npm package, each pinned by its SHA-256.

The package as a whole has 139 MB; npm fetches it once, these files go into a cache, and nothing
else of it is ever unpacked. ``vendor.json`` beside this file holds version, members and digests.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pooch

from edgecnn.errors import PackageError, some_of
from edgecnn.files import wrap_os_errors, write_whole
from edgecnn.log import run_program
from edgecnn.package.request import ANY_BUILD, PackageRequest

_TIMEOUT_S: Final = 600


@dataclass(frozen=True, kw_only=True)
class VendorFile:
    """One file of the runtime.

    Attributes:
        name: What a bundle calls it. Servers know ``.js`` better than ``.mjs``.
        member: Its path in the npm package.
        sha256: Of its bytes, lower-case hex.
        bytes: Its size.
    """

    name: str
    member: str
    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """What is pinned.

    Attributes:
        package: Name on npm.
        version: Its version.
        licence: SPDX expression.
        files: In the order of ``vendor.json``.
    """

    package: str
    version: str
    licence: str
    files: tuple[VendorFile, ...]


def read_vendor() -> Vendor:
    """Return what is pinned of ONNX Runtime Web."""
    place = importlib.resources.files("edgecnn.package.web") / "vendor.json"
    raw = json.loads(place.read_text(encoding="utf-8"))
    files = tuple(VendorFile(name=name, **entry) for name, entry in raw.pop("files").items())
    return Vendor(files=files, **raw)


def collect_vendor(
    folder: Path | None = None, request: PackageRequest = ANY_BUILD
) -> Mapping[str, bytes]:
    """Return the runtime's files, each with its pinned digest.

    Args:
        folder: Where they lie, named as in a bundle or as in the package; None to take them from
            the cache, and what is missing there by npm.
        request: What was asked for, which remedies give again.

    Returns:
        Name in a bundle to its bytes.

    Raises:
        PackageError: If one is missing or another one, or npm cannot fetch the package.
        WorkspaceError: If the cache cannot be written.
    """
    vendor = read_vendor()
    if folder is not None:
        return _from_folder(vendor, folder, request)
    cache = Path(pooch.os_cache("edgecnn")) / "web" / f"{vendor.package}-{vendor.version}"
    found = _matching(vendor, cache)
    if len(found) < len(vendor.files):
        found = _fetched(vendor, request)
        with wrap_os_errors(cache):
            cache.mkdir(parents=True, exist_ok=True)
        for name, data in found.items():
            write_whole(cache / name, data)
    return found


def _matching(vendor: Vendor, folder: Path) -> dict[str, bytes]:
    """Return those files of a folder that have their digest, by their names in a bundle."""
    found: dict[str, bytes] = {}
    for file in vendor.files:
        for name in (file.name, Path(file.member).name):
            try:
                data = (folder / name).read_bytes()
            except OSError:
                continue
            if hashlib.sha256(data).hexdigest() == file.sha256:
                found[file.name] = data
                break
    return found


def _from_folder(vendor: Vendor, folder: Path, request: PackageRequest) -> dict[str, bytes]:
    found = _matching(vendor, folder)
    missing = [file for file in vendor.files if file.name not in found]
    if missing:
        raise PackageError(
            f"{folder} lacks {len(missing)} of the {len(vendor.files)} files of {vendor.package}",
            observed="none with the pinned digest: "
            + some_of(f"{file.name} ({file.sha256[:12]}...)" for file in missing),
            expected=f"files of {vendor.package} {vendor.version}: "
            + some_of(file.member for file in vendor.files),
            remedy="let npm fetch them, where there is a network: "
            f"{replace(request, target='web', vendor=None).command()}; elsewhere, unpack what this "
            f"fetches, and copy these files: npm pack {vendor.package}@{vendor.version}",
        )
    return found


def _fetched(vendor: Vendor, request: PackageRequest) -> dict[str, bytes]:
    """Fetch the package by npm, as this machine has it configured, and take its files out."""
    wanted = f"{vendor.package}@{vendor.version}"
    npm = shutil.which("npm")
    if npm is None:
        raise _no_package(wanted, "no npm on PATH", request)
    with tempfile.TemporaryDirectory(prefix="edgecnn-npm-") as name:
        # In an empty folder: no project's settings, and no script of a package, is run.
        command = [npm, "pack", wanted, "--ignore-scripts", "--loglevel", "error"]
        command += ["--pack-destination", name]
        try:
            done = run_program(command, timeout_s=_TIMEOUT_S, cwd=name)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _no_package(wanted, str(error), request) from error
        packed = sorted(Path(name).glob("*.tgz"))
        if done.returncode != 0 or len(packed) != 1:
            said = f"npm ended with {done.returncode}: {_said(done.stderr)}"
            raise _not_fetched(wanted, said, request)
        return taken_from(packed[0], vendor, request)


def taken_from(
    archive: Path, vendor: Vendor, request: PackageRequest = ANY_BUILD
) -> dict[str, bytes]:
    """Return the pinned files of an npm package, read and never unpacked to a disk.

    Args:
        archive: The package's ``.tgz``.
        vendor: What is pinned.
        request: What was asked for, which remedies give again.

    Raises:
        PackageError: If one is missing, is no file, or has another digest.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as opened:
            for file in vendor.files:
                member = opened.getmember(file.member)
                # Its size first: what is larger than the pinned file is not read.
                source = opened.extractfile(member) if member.size == file.bytes else None
                data = b"" if source is None else source.read()
                digest = hashlib.sha256(data).hexdigest()
                if digest != file.sha256:
                    raise PackageError(
                        f"{file.member} of {vendor.package} is not the file that is pinned",
                        observed=f"{member.size:,} bytes, SHA-256 {digest}",
                        expected=f"{file.bytes:,} bytes, SHA-256 {file.sha256}",
                        remedy="ask whoever runs the registry that npm is set to (npm config get "
                        f"registry); or take the files from elsewhere: {_with_folder(request)}",
                    )
                found[file.name] = data
    except (tarfile.TarError, KeyError, EOFError, OSError, zlib.error) as error:
        raise _no_package(
            f"{vendor.package}@{vendor.version}", f"{type(error).__name__}: {error}", request
        ) from error
    return found


def _said(text: str) -> str:
    """Return npm's first line in words; codes stand before it, and hints and its log behind."""
    lines = [re.sub(r"^npm (?:error|ERR!)\s*", "", line).strip() for line in text.splitlines()]
    told = [line for line in lines if line and not re.match(r"(?:code|errno|syscall)\b", line)]
    return told[0][:300] if told else "no word about it"


def _with_folder(request: PackageRequest) -> str:
    """Return the command line that takes the files from a folder; ``DIR`` is the user's to name."""
    return replace(request, target="web", vendor=Path("DIR")).command()


def _not_fetched(wanted: str, observed: str, request: PackageRequest) -> PackageError:
    return PackageError(
        f"{wanted} cannot be had from npm",
        observed=observed,
        expected="a network, and a registry that has it: npm config get registry",
        remedy=f"see what it says: npm view {wanted}; where there is no network, name a folder "
        f"that holds its files: {_with_folder(request)}",
    )


def _no_package(wanted: str, observed: str, request: PackageRequest) -> PackageError:
    return PackageError(
        f"{wanted} cannot be had from npm",
        observed=observed,
        expected="npm, which comes with Node.js, and its registry",
        remedy="install npm (Debian, Ubuntu: sudo apt install npm) and try again; or name a "
        f"folder that holds its files: {_with_folder(request)}",
    )
