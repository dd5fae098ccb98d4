"""Where a bundle is checked: on this machine, in another system's folder, or as its twin.

A bundle for arm64 cannot run on a workstation with another processor. Its twin can: the same
runner, models and installer, byte for byte, with the same versions of the libraries for this
processor. What is claimed of the twin is said of the twin.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from edgecnn.errors import PackageError
from edgecnn.files import write_json
from edgecnn.log import run_program
from edgecnn.package.pi.platforms import ARCHITECTURES, choose_platform
from edgecnn.package.pi.tree import file_entries
from edgecnn.package.pi.wheels import collect_wheels, unpack_wheel
from edgecnn.package.privacy.traced import Traced, traced, why_not
from edgecnn_installer.bundle import MANIFEST, SIGNATURE


class NoPlaceError(Exception):
    """The checks cannot run here; the message says why."""


@dataclass(frozen=True, kw_only=True)
class CheckedPlace:
    """A folder to check a bundle in.

    Attributes:
        folder: Empty but for ``bundle``, ``home`` and ``tmp``; as this machine sees it.
        root: The folder of the system that programs run in; None for this machine's own.
        architecture: What they run on.
        setting: What is run and where, in words.
        programs: The folders of programs there, as ``PATH`` has them.
    """

    folder: Path
    root: Path | None
    architecture: str
    setting: str
    programs: str

    def inside(self, path: Path) -> str:
        """Return a path as the programs see it."""
        return str(path if self.root is None else Path("/") / path.relative_to(self.root))

    def run(self, name: str, command: Sequence[str | Path], **environment: str) -> Traced:
        """Run a program in a network namespace without interfaces, traced.

        Args:
            name: What it is for.
            command: Paths are as this machine sees them.
            environment: Beyond ``PATH``, ``HOME`` and ``TMPDIR``.
        """
        return traced(
            name,
            [self.inside(part) if isinstance(part, Path) else part for part in command],
            environment={
                "PATH": self.programs,
                "HOME": self.inside(self.folder / "home"),
                "TMPDIR": self.inside(self.folder / "tmp"),
                **environment,
            },
            root=self.root,
        )


@contextlib.contextmanager
def place_for(
    bundle: Path, *, root: Path | None, wheels: Path | None, fetch: bool
) -> Iterator[CheckedPlace]:
    """Lay a bundle out where it can be run.

    Args:
        bundle: An unpacked bundle.
        root: The folder of a system for its architecture, to run it in by chroot; None for here.
        wheels: A folder that may hold the libraries of a twin.
        fetch: Whether pip may fetch them.

    Raises:
        NoPlaceError: If it cannot be run here.
    """
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    reason = why_not(root)
    if reason is not None:
        raise NoPlaceError(reason)
    with tempfile.TemporaryDirectory(
        prefix="edgecnn-", dir=None if root is None else root / "var/tmp"
    ) as name:
        folder = Path(name)
        for inner in ("home", "tmp"):
            (folder / inner).mkdir()
        copy = folder / "bundle"
        shutil.copytree(bundle, copy, symlinks=True)
        if root is not None:
            yield _elsewhere(folder, root, manifest)
            return
        here = os.uname().machine
        programs = _python(folder, manifest["python"])
        what = "the bundle itself"
        if manifest["architecture"] != here:
            _make_twin(copy, manifest, here, wheels, fetch=fetch)
            what = f"its twin, with the same runner and models and the same libraries for {here}"
        yield CheckedPlace(
            folder=folder,
            root=None,
            architecture=here,
            setting=f"{what}, on a workstation",
            programs=programs,
        )


def _elsewhere(folder: Path, root: Path, manifest: dict[str, Any]) -> CheckedPlace:
    here = os.uname().machine
    emulated = "" if manifest["architecture"] == here else f", emulated on {here}"
    folder.chmod(0o755)
    return CheckedPlace(
        folder=folder,
        root=root,
        architecture=manifest["architecture"],
        setting=f"the bundle itself, in a system for {manifest['architecture']}{emulated}",
        programs="/usr/local/bin:/usr/bin:/bin",
    )


def _python(folder: Path, version: str) -> str:
    """Return a ``PATH`` with the bundle's Python, and none of the programs that choose one."""
    found = shutil.which(f"python{version}")
    if found is None:
        raise NoPlaceError(f"there is no Python {version} here, which the bundle is for")
    done = run_program([found, "-I", "-c", "import sys; print(sys.executable)"], timeout_s=60)
    real = Path(done.stdout.strip())
    if done.returncode != 0 or not real.is_file():
        said = " ".join(done.stderr.split())[:120]
        raise NoPlaceError(f"python{version}, which the bundle is for, does not start: {said}")
    programs = folder / "programs"
    programs.mkdir()
    (programs / f"python{version}").symlink_to(real)
    return f"{programs}:/usr/bin:/bin"


_PER_ARCHITECTURE: Final = ("install.sh",)


def _make_twin(
    copy: Path, manifest: dict[str, Any], here: str, wheels: Path | None, *, fetch: bool
) -> None:
    if here not in ARCHITECTURES:
        raise NoPlaceError(f"there are no libraries for {here}, and the bundle is for another one")
    platform = choose_platform(manifest["system"], manifest["runtime"]["name"])
    try:
        found = collect_wheels(replace(platform, architecture=here), folder=wheels, fetch=fetch)
    except PackageError as error:
        raise NoPlaceError(
            f"the libraries for {here} that the checks need are not at hand: {error.observed}"
        ) from error
    shutil.rmtree(copy / "lib")
    for wheel in found:
        unpack_wheel(wheel, copy / "lib")
    for name in _PER_ARCHITECTURE:
        script = (copy / name).read_text(encoding="utf-8")
        (copy / name).write_text(script.replace(manifest["architecture"], here), encoding="utf-8")
    (copy / SIGNATURE).unlink(missing_ok=True)
    write_json(copy / MANIFEST, {**manifest, "architecture": here, "files": file_entries(copy)})
