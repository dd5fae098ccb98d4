"""A bundle that was made: unpacked and compared with its manifest before anything else is done."""

from __future__ import annotations

import contextlib
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edgecnn.errors import BundleError
from edgecnn.log import has_read
from edgecnn_installer.bundle import MANIFEST, Manifest, check_files, read_manifest
from edgecnn_installer.problems import InstallError

_LARGEST: Final = 4 << 30
"""Bytes that a bundle may unpack to; the largest known has a twentieth of it."""
_MEMBERS: Final = 100_000
_REMEDY: Final = "make it anew: edgecnn package BUILD --target pi"


@contextlib.contextmanager
def opened_bundle(path: Path) -> Iterator[tuple[Path, Manifest]]:
    """Unpack a bundle into a folder of its own, and compare it with its manifest.

    Args:
        path: The ``.tar.gz``, or the folder that it was unpacked into.

    Yields:
        The folder, which goes away with the block unless it was given, and the manifest.

    Raises:
        BundleError: If it is no bundle, or not what was packaged.
    """
    with contextlib.ExitStack() as stack:
        folder = path
        if not path.is_dir():
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix="edgecnn-bundle-"))
            folder = _unpacked(path, Path(name))
        try:
            manifest = read_manifest(folder)
            check_files(folder, manifest)
        except InstallError as error:
            raise BundleError(
                error.problem.removesuffix("; nothing was changed"),
                observed=error.observed,
                expected=error.expected,
                remedy=_REMEDY,
            ) from error
        has_read(path)
        yield folder, manifest


def _unpacked(path: Path, folder: Path) -> Path:
    """Unpack an archive; return its one top-level folder."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            total = 0
            for number, member in enumerate(archive):
                total += member.size
                if total > _LARGEST or number > _MEMBERS:
                    raise _no_bundle(path, "more than a bundle ever holds")
                if not (member.isfile() or member.isdir()):
                    raise _no_bundle(path, f"{member.name!a}, which is neither file nor folder")
                # Refuses what leads out of the folder, and rights that no file of ours has.
                archive.extract(member, folder, filter="data")
    except (tarfile.TarError, EOFError, zlib.error, OSError, UnicodeError) as error:
        raise _no_bundle(path, f"{type(error).__name__}: {error}") from error
    found = sorted(folder.iterdir())
    if len(found) != 1 or not (found[0] / MANIFEST).is_file():
        names = ", ".join(one.name for one in found) or "nothing in it"
        raise _no_bundle(path, names)
    return found[0]


def _no_bundle(path: Path, observed: str) -> BundleError:
    return BundleError(
        f"{path} is no bundle, or is damaged",
        observed=observed,
        expected=f"a .tar.gz with one folder, and {MANIFEST} in it; or that folder",
        remedy=_REMEDY,
    )
