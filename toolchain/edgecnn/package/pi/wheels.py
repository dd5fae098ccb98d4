"""The libraries of a bundle: pinned wheels for the device's platform, by pip or from a folder.

pip fetches and checks them; nothing of them is installed or run on the workstation. What is in the
cache with the right digest is not fetched again, so a second bundle needs no network.
"""

from __future__ import annotations

import re
import shlex
import stat
import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

import pooch

from edgecnn.errors import PackageError, some_of
from edgecnn.files import file_digest, wrap_os_errors
from edgecnn.log import run_program
from edgecnn.package.pi.platforms import Platform
from edgecnn.package.request import ANY_BUILD, PackageRequest

_PIN: Final = re.compile(r"(?P<name>[a-z0-9.-]+)==(?P<version>[0-9a-z.+]+)")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_MANYLINUX: Final = re.compile(r"manylinux_(\d+)_(\d+)_")
_OLDEST_GLIBC: Final = (2, 17)
_TIMEOUT_S: Final = 1800


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """One distribution of a lock.

    Attributes:
        name: Normalized as PEP 503 says, with hyphens.
        version: Exactly this one.
        sha256: Digests of the wheels that it may be, lower-case hex.
    """

    name: str
    version: str
    sha256: frozenset[str]


def normalized(name: str) -> str:
    """Return a distribution's name as PEP 503 compares them, with hyphens."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(platform: Platform) -> list[Pinned]:
    """Return what a platform's lock pins."""
    text = platform.lock.read_text(encoding="utf-8").replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        pin = _PIN.match(line)
        if pin is not None:
            hashes = frozenset(_HASH.findall(line))
            found.append(Pinned(name=pin["name"], version=pin["version"], sha256=hashes))
    return found


def collect_wheels(
    platform: Platform,
    *,
    folder: Path | None = None,
    fetch: bool = True,
    request: PackageRequest = ANY_BUILD,
) -> list[Path]:
    """Return the wheels of a platform's libraries, each with a digest of its lock.

    Args:
        platform: What they are for.
        folder: Where they lie; None to take them from the cache, and what is missing there by pip.
        fetch: Whether pip may be asked.
        request: What was asked for, which remedies give again.

    Returns:
        One file for each distribution, in the lock's order.

    Raises:
        PackageError: If one is missing from ``folder``, or pip cannot fetch it.
    """
    pins = read_lock(platform)
    if folder is not None:
        found = _matching(pins, folder, platform)
        missing = [pin for pin in pins if pin.name not in found]
        if missing:
            raise _missing(missing, folder, platform, request)
        return [found[pin.name] for pin in pins]
    cache = Path(pooch.os_cache("edgecnn")) / "wheels"
    with wrap_os_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
    found = _matching(pins, cache, platform)
    missing = [pin for pin in pins if pin.name not in found]
    if missing and fetch:
        _fetch(missing, cache, platform, request)
        found = _matching(pins, cache, platform)
        missing = [pin for pin in pins if pin.name not in found]
    if missing:
        raise _missing(missing, cache, platform, request)
    return [found[pin.name] for pin in pins]


def needed_glibc(wheels: Sequence[Path]) -> tuple[int, int]:
    """Return the oldest C library that all of these wheels load with.

    Args:
        wheels: Named as PEP 427 says; a name may hold several platform tags, each of which is true.

    Returns:
        For example (2, 28); (2, 17), the oldest that PEP 600 has an alias for, where no wheel says
        more.
    """
    return max([_OLDEST_GLIBC, *(_glibc_of(path) for path in wheels)])


def _glibc_of(wheel: Path) -> tuple[int, int]:
    tags = wheel.name.removesuffix(".whl").split("-")[-1].split(".")
    numbers = [_MANYLINUX.match(tag) for tag in tags]
    said = [(int(found[1]), int(found[2])) for found in numbers if found is not None]
    return min(said, default=_OLDEST_GLIBC)


def _matching(pins: Sequence[Pinned], folder: Path, platform: Platform) -> Mapping[str, Path]:
    """Return name to wheel, for those that are in a folder with a digest of the lock."""
    found: dict[str, Path] = {}
    with wrap_os_errors(folder):
        paths = sorted(folder.glob("*.whl"))
    for path in paths:
        parts = path.name.removesuffix(".whl").split("-")
        name = normalized(parts[0])
        for pin in pins:
            if pin.name == name and parts[1:2] == [pin.version] and _fits(parts[-1], platform):
                with wrap_os_errors(path):
                    digest = file_digest(path)
                if digest in pin.sha256:
                    found[name] = path
    return found


def _fits(tag: str, platform: Platform) -> bool:
    """Tell whether a wheel is for the platform's processor, or for any."""
    return any(one == "any" or one.endswith(f"_{platform.architecture}") for one in tag.split("."))


def _fetch(
    pins: Sequence[Pinned], cache: Path, platform: Platform, request: PackageRequest
) -> None:
    requirements = "".join(
        f"{pin.name}=={pin.version} "
        + " ".join(f"--hash=sha256:{h}" for h in sorted(pin.sha256))
        + "\n"
        for pin in pins
    )
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--require-hashes", "--only-binary=:all:", "--implementation", "cp",
        "--python-version", platform.system.python,
        *(part for tag in platform.wheel_tags() for part in ("--platform", tag)),
        "--dest", str(cache), "--requirement", "/dev/stdin",
    ]  # fmt: skip
    done = run_program(command, timeout_s=_TIMEOUT_S, fed=requirements)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise PackageError(
            f"the libraries for {platform.system.name} cannot be fetched",
            observed=" ".join(
                (lines or done.stderr.strip().splitlines() or ["pip failed"])[-1].split()
            ),
            expected=some_of(f"{pin.name} {pin.version}" for pin in pins),
            remedy="check the network, or pip's settings (pip config list), and try again: "
            f"{request.command()}; or name a folder that holds the wheels: "
            f"{replace(request, wheels=Path('DIR')).command()}",
        )


def _missing(
    pins: Sequence[Pinned], folder: Path, platform: Platform, request: PackageRequest
) -> PackageError:
    tags = platform.wheel_tags()
    online = replace(request, wheels=None)
    return PackageError(
        f"{folder} lacks {len(pins)} of the libraries for {platform.system.name}",
        observed="no wheel with the pinned digest of "
        + some_of(f"{pin.name} {pin.version}" for pin in pins),
        expected=f"the wheels that {platform.lock.name} pins, for Python {platform.system.python} "
        f"and {tags[0]} or older",
        remedy=f"let pip fetch them, where there is a network; the cache keeps them: "
        f"{online.command()}",
    )


# A wheel is a ZIP (PEP 427) whose root goes on ``sys.path``; so does what it holds in
# ``NAME.data/purelib`` and ``platlib``. Scripts and headers stay behind: a device has no
# use for them.

_LARGEST: Final = 1 << 30
"""Bytes that a wheel may unpack to; the largest known has a tenth of it."""

_KEPT: Final = ("purelib", "platlib")


def unpack_wheel(wheel: Path, folder: Path) -> None:
    """Unpack a wheel whose digest was checked.

    Args:
        wheel: The file.
        folder: Where to; files of others in it stay.

    Raises:
        PackageError: If it is damaged, leads out of the folder, or is unreasonably large.
        WorkspaceError: If the folder cannot be written.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > _LARGEST:
                raise _bad(wheel, "more than 1 GiB unpacked")
            for entry in entries:
                name = _place(wheel, entry)
                if name is None:
                    continue
                target = folder / name
                data = archive.read(entry)
                with wrap_os_errors(target):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if target.exists() and target.read_bytes() != data:
                        raise _bad(wheel, f"{name} is another one's file, too")
                    target.write_bytes(data)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise _bad(wheel, f"{type(error).__name__}: {error}") from error


def _place(wheel: Path, entry: zipfile.ZipInfo) -> str | None:
    """Return where an entry goes; None if it is left behind."""
    path = PurePosixPath(entry.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in entry.filename:
        raise _bad(wheel, f"{entry.filename!a} leads out of it")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise _bad(wheel, f"{entry.filename!a} is a link")
    if path.suffix == ".pyc":
        return None
    if path.parts[0].endswith(".data"):
        return "/".join(path.parts[2:]) if path.parts[1] in _KEPT else None
    return str(path)


def _bad(wheel: Path, observed: str) -> PackageError:
    return PackageError(
        f"{wheel} cannot be unpacked",
        observed=observed,
        expected="a wheel as pip installs it",
        remedy=f"remove it, so that it is fetched again: rm {shlex.quote(str(wheel))}",
    )
