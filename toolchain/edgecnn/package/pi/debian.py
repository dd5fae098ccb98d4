"""A bundle as a Debian package: ``sudo apt install ./x.deb`` installs, upgrades and removes it.

The files lie where ``install.sh`` would have its active release, ``/opt/edgecnn/MODEL/current``, as
a folder in place of a link. There is one release at a time: going back is installing the earlier
file. The package's scripts let the bundle's own installer check files, device and signature, and
let the models test themselves, before a service that runs is restarted.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.resources
import io
import os
import re
import shutil
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from edgecnn.errors import PackageError, UsageError
from edgecnn.files import atomic_file, wrap_os_errors
from edgecnn.log import run_program
from edgecnn.package.pi.platforms import ARCHITECTURES
from edgecnn.package.pi.tree import BundlePlan, fill_template
from edgecnn.package.request import ANY_BUILD, PackageRequest
from edgecnn_installer.bundle import read_manifest
from edgecnn_installer.main import PREFIX
from edgecnn_installer.service import collecting_unit

_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9.+~]*")
"""An upstream version of Debian's policy, 5.6.12, without epoch and revision."""

_SCRIPTS: Final = ("preinst", "postinst", "prerm", "postrm")
_TIMEOUT_S: Final = 600

_COLLECTING: Final = {
    "postinst": """if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
    systemctl try-restart "@UNIT@" || true
fi
""",
    "prerm": """if [ -d /run/systemd/system ] && [ "$1" = remove ]; then
    systemctl disable --now "@UNIT@" || true
fi
""",
    # After an upgrade to a package that may not collect, what runs is stopped.
    "postrm": """if [ "$1" = upgrade ] && [ -d /run/systemd/system ]; then
    [ -e "/usr/lib/systemd/system/@UNIT@" ] || systemctl stop "@UNIT@" || true
fi
if [ "$1" = remove ] || [ "$1" = purge ]; then
    [ ! -d "@FOLDER@" ] || echo "left: collected images, in @FOLDER@; they are yours to delete"
fi
""",
}
"""What scripts of a package do besides, where the bundle may collect."""


def check_debian(model: str, version: str, request: PackageRequest = ANY_BUILD) -> None:
    """Refuse what cannot become a Debian package, before anything is made.

    Args:
        model: The model's name.
        version: The bundle's version.
        request: What was asked for, which remedies give again.

    Raises:
        UsageError: If the version is none to Debian.
        PackageError: If there is no ``dpkg-deb`` here.
    """
    if not _VERSION.fullmatch(version):
        raise UsageError(
            f"{version} is no version to Debian, which orders packages by them",
            observed=f"--version {version}",
            expected="a digit first, then letters, digits, dots, plus signs and tildes",
            remedy=f"give another one: {replace(request, version='1.2.0').command()}",
        )
    if shutil.which("dpkg-deb") is None:
        raise PackageError(
            f"a Debian package of {model} cannot be made here",
            observed="no dpkg-deb on PATH",
            expected="dpkg-deb, which Debian and Ubuntu have",
            remedy="make a bundle in a .tar.gz, which takes no dpkg: "
            f"{replace(request, form=None).command()}; or install it (package dpkg)",
        )


def debian_name(model: str) -> str:
    """Return a package name for a model, as Debian's policy, 5.6.7, wants it."""
    return "edgecnn-" + re.sub(r"[^a-z0-9+.-]", "-", model.lower())


def write_debian(plan: BundlePlan, bundle: Path, path: Path, *, work: Path, date: int) -> None:
    """Write a Debian package of a bundle; the same files and date give the same bytes.

    Args:
        plan: What the bundle holds.
        bundle: The bundle's folder, complete.
        path: The file to write; it appears whole or not at all.
        work: An empty folder on the disk of the bundle's.
        date: What its files get as their time, in seconds since 1970.

    Raises:
        PackageError: If dpkg-deb fails.
        WorkspaceError: If it cannot be written.
    """
    model = plan.proven.model
    root = work / "root"
    place = root / PREFIX.lstrip("/") / model / "current"
    with wrap_os_errors(work):
        place.parent.mkdir(parents=True)
        shutil.copytree(bundle, place)
        unit, configuration = f"edgecnn-{model}.service", f"{model}.conf"
        _copy(place / "service" / unit, root / "usr/lib/systemd/system" / unit)
        collecting = collecting_unit(model)
        if (place / "service" / collecting).is_file():
            _copy(place / "service" / collecting, root / "usr/lib/systemd/system" / collecting)
        _copy(place / "service" / configuration, root / "etc/edgecnn" / configuration)
        command = root / "usr/bin" / f"edgecnn-{model}"
        command.parent.mkdir(parents=True)
        command.symlink_to(f"{PREFIX}/{model}/current/bin/edgecnn-run")
        _write_control(plan, bundle, root)
        for one in (root, *root.rglob("*")):
            if one.is_dir():
                one.chmod(0o755)
    made = work / "made.deb"
    done = run_program(
        ["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", str(root), str(made)],
        timeout_s=_TIMEOUT_S,
        env={"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": str(date)},
    )
    if done.returncode != 0:
        raise PackageError(
            "dpkg-deb cannot make the package",
            observed=" ".join(done.stderr.split())[-300:],
            expected="a Debian package",
            remedy="make a bundle in a .tar.gz: leave out --format deb",
        )
    with atomic_file(path) as file, made.open("rb") as source:
        shutil.copyfileobj(source, file)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write_control(plan: BundlePlan, bundle: Path, root: Path) -> None:
    """Write what dpkg reads: the package's facts, its scripts, and its files' digests."""
    model, manifest = plan.proven.model, read_manifest(bundle)
    major, minor = manifest.python.split(".")
    glibc = ".".join(map(str, manifest.glibc))
    values = {
        "MODEL": model,
        "NAME": debian_name(model),
        "VERSION": plan.version,
        "DEBIAN_ARCHITECTURE": ARCHITECTURES[plan.platform.architecture],
        "PREFIX": PREFIX,
        "SIZE": str(-(-manifest.installed_bytes // 1024)),
        "DEPENDS": f"libc6 (>= {glibc}), python3 (>= {manifest.python}~), "
        f"python3 (<< {major}.{int(minor) + 1}~)",
        "CLASSES": str(len(plan.proven.files[0].contract.labels)),
        "PROVEN": plan.proven.state,
        "IMAGES": "keeps no image",
    }
    scripts: dict[str, str] = {}
    if plan.collect is not None:
        values["IMAGES"] = f"keeps images only in {plan.collect.folder}"
        values |= {"FOLDER": plan.collect.folder, "UNIT": collecting_unit(model)}
        scripts = _COLLECTING
    control = root / "DEBIAN"
    control.mkdir()
    templates = importlib.resources.files("edgecnn.package") / "templates/debian"
    for name in ("control", "conffiles", *_SCRIPTS):
        text = (templates / name).read_text(encoding="utf-8") + scripts.get(name, "")
        (control / name).write_text(fill_template(text, values), encoding="utf-8")
        (control / name).chmod(0o755 if name in _SCRIPTS else 0o644)
    lines = [
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  "
        f"{path.relative_to(root).as_posix()}\n"
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink() and control not in path.parents
    ]
    (control / "md5sums").write_text("".join(lines), encoding="utf-8")


_LEVEL: Final = 9


def source_date() -> int:
    """Return the time that files of a bundle get: ``SOURCE_DATE_EPOCH``, else now; in seconds.

    See https://reproducible-builds.org/specs/source-date-epoch/.

    Raises:
        UsageError: If ``SOURCE_DATE_EPOCH`` is set and no number of seconds.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if text is None:
        return int(time.time())
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 33):
        raise UsageError(
            "SOURCE_DATE_EPOCH is no time",
            observed=text,
            expected="seconds since 1970, for example 1700000000",
            remedy="unset SOURCE_DATE_EPOCH, or set it: export SOURCE_DATE_EPOCH=$(git log -1 "
            "--format=%ct)",
        )
    return int(text)


def write_archive(folder: Path, path: Path, *, name: str, date: int) -> None:
    """Write a folder's files as a gzipped tar; owners, times and order say nothing of this machine.

    Args:
        folder: What goes in.
        path: The file to write; it appears whole or not at all.
        name: The archive's one top-level folder.
        date: What its files get as their time, in seconds since 1970.

    Raises:
        WorkspaceError: If it cannot be written.
    """
    with (
        atomic_file(path) as file,
        gzip.GzipFile("", "wb", _LEVEL, file, mtime=date) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for place in [folder, *sorted(folder.rglob("*"))]:
            inside = place.relative_to(folder).as_posix()
            entry = tarfile.TarInfo(name if inside == "." else f"{name}/{inside}")
            entry.mtime = date
            if place.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
                continue
            data = place.read_bytes()
            entry.size = len(data)
            entry.mode = 0o755 if place.stat().st_mode & 0o100 else 0o644
            archive.addfile(entry, io.BytesIO(data))
