"""Releases side by side, one of them active: ``current`` is a link, and switching is one rename.

    PREFIX/MODEL/releases/VERSION-DIGEST/   a bundle's files
    PREFIX/MODEL/current                    link to the active one
    PREFIX/MODEL/previous                   link to the one before it

Whenever a kill or a power cut falls, ``current`` leads to a whole release: the old or the new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgecnn_installer.bundle import MANIFEST, SIGNATURE, Manifest, check_files
from edgecnn_installer.problems import DeviceError

_NEW: Final = ".new-"


@dataclass(frozen=True)
class Place:
    """Where one model is installed.

    Attributes:
        root: ``PREFIX/MODEL``.
    """

    root: Path

    @property
    def releases(self) -> Path:
        """The folder of all releases."""
        return self.root / "releases"

    @property
    def current(self) -> Path:
        """The link to the active release."""
        return self.root / "current"

    @property
    def previous(self) -> Path:
        """The link to the release that was active before."""
        return self.root / "previous"

    def active(self) -> Path | None:
        """Return the active release; None if there is none."""
        return _target(self.current)

    def before(self) -> Path | None:
        """Return the release to roll back to; None if there is none."""
        return _target(self.previous)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other installations of this model away; make the folders, clear what a kill left.

        Raises:
            DeviceError: If another one is at work.
        """
        made = [place for place in (self.root, *self.root.parents) if not place.exists()]
        self.releases.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.releases, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DeviceError(
                    f"another installation is at work in {self.root}; nothing was changed",
                    observed="its folder is locked",
                    expected="one at a time",
                    remedy="wait for its end, and try again",
                ) from None
            for left in self.releases.glob(f"{_NEW}*"):
                shutil.rmtree(left)
            yield
        finally:
            os.close(descriptor)
            for empty in (self.releases, *made):
                try:
                    empty.rmdir()
                except OSError:
                    break  # it holds a release, or was there before

    def unpacked(self, bundle: Path, manifest: Manifest) -> Path:
        """Copy a bundle beside the releases, and compare the copy with the manifest.

        Args:
            bundle: The unpacked bundle.
            manifest: Its manifest.

        Returns:
            The copy, not yet a release.

        Raises:
            BundleError: If the copy is not what was packaged.
            OSError: If there is no room, or it cannot be written; the copy is removed then.
        """
        copy = self.releases / f"{_NEW}{manifest.release}"
        try:
            copy.mkdir()
            (copy / MANIFEST).write_bytes(manifest.data)
            names = [*manifest.files, *([SIGNATURE] if (bundle / SIGNATURE).is_file() else [])]
            for name in names:
                target = copy / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(bundle / name, target)
                executable = manifest.files.get(name, {}).get("executable", False)
                target.chmod(0o755 if executable else 0o644)
            for place in (copy, *(folder for folder in copy.rglob("*") if folder.is_dir())):
                place.chmod(0o755)
            check_files(copy, manifest)
        except BaseException:
            shutil.rmtree(copy, ignore_errors=True)
            raise
        return copy

    def add(self, copy: Path, manifest: Manifest) -> Path:
        """Make a copy a release.

        Returns:
            The release's folder.
        """
        # The same bundle again: what is there may be damaged, and it may be active, so it stays
        # where it is until another one takes over.
        names = (manifest.release, *(f"{manifest.release}.{number}" for number in range(1, 100)))
        release = next(place for name in names if not (place := self.releases / name).exists())
        copy.replace(release)
        return release

    def switch(self, release: Path) -> None:
        """Make a release the active one, and the active one the previous.

        Args:
            release: A folder in ``releases``.
        """
        active = self.active()
        if active is not None and active != release:
            self._link(self.previous, active)
        self._link(self.current, release)

    def _link(self, link: Path, release: Path) -> None:
        new = link.with_name(f"{_NEW}{link.name}")
        new.unlink(missing_ok=True)
        new.symlink_to(release.relative_to(self.root))
        new.replace(link)
        _flush(self.root)

    def prune(self) -> None:
        """Remove the releases that are neither active nor the previous one."""
        kept = {self.active(), self.before()}
        for release in self.releases.iterdir():
            if release not in kept:
                shutil.rmtree(release, ignore_errors=True)


def _target(link: Path) -> Path | None:
    if not link.is_symlink():
        return None
    target = link.parent / link.readlink()
    return target if target.is_dir() else None


def _flush(folder: Path) -> None:
    """Have a rename in this folder reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
