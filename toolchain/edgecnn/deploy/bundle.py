"""A bundle on the workstation: unpacked with care, and compared with its manifest and its key."""

from __future__ import annotations

import contextlib
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from edgecnn.devices.ask import error_of
from edgecnn.errors import BundleError
from edgecnn.os_errors import wrap_os_errors
from edgecnn_installer.bundle import MANIFEST, SIGNATURE, Manifest, check_files, read_manifest
from edgecnn_installer.problems import InstallError
from edgecnn_installer.signature import check_signature

__all__ = ["Bundle", "opened"]

_MOST_BYTES: Final = 1 << 30
_MOST_FILES: Final = 20_000
_ELSEWHERE: Final = "name a roomier folder for temporary files: export TMPDIR=FOLDER"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle whose files are what its manifest says.

    Attributes:
        folder: Its files.
        manifest: Its manifest.
        signature_by: Who checked its signature, ``openssl`` or ``edgecnn``; None if no key was
            asked for.
    """

    folder: Path
    manifest: Manifest
    signature_by: str | None

    def names(self) -> list[str]:
        """Return the paths of all its files, the manifest and its signature among them."""
        signed = [SIGNATURE] if (self.folder / SIGNATURE).is_file() else []
        return [MANIFEST, *signed, *self.manifest.files]


@contextlib.contextmanager
def opened(path: Path, *, key: Path | None) -> Iterator[Bundle]:
    """Open and check a bundle.

    Args:
        path: A ``.tar.gz`` as ``edgecnn package`` writes it, or the folder it unpacks to.
        key: A public key that it must be signed with.

    Yields:
        The bundle; an archive's files are gone after the block.

    Raises:
        BundleError: If it is no bundle, or a file is altered, missing or too many.
        SignatureError: If it is not signed with the key.
        WorkspaceError: If there is no room to unpack it.
    """
    with contextlib.ExitStack() as stack:
        folder = path
        if not path.is_dir():
            place = Path(tempfile.gettempdir())
            with wrap_os_errors(place, elsewhere=_ELSEWHERE):
                # Private: nobody exchanges a file between the check and the copy.
                made = tempfile.TemporaryDirectory(prefix="edgecnn-", ignore_cleanup_errors=True)
                place = Path(stack.enter_context(made))
            folder = _unpacked(path, place)
        try:
            manifest = read_manifest(folder)
            by = None if key is None else check_signature(folder, manifest, key)
            check_files(folder, manifest)
        except InstallError as error:
            raise error_of(error.to_dict()) from error
        yield Bundle(folder=folder, manifest=manifest, signature_by=by)


def _unpacked(path: Path, place: Path) -> Path:
    """Unpack an archive; return the one folder that is in it."""
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:gz") as archive:
            top = _unpack(path, archive, place)
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
        raise _no_bundle(path, f"{type(error).__name__}: {error}") from error
    if top is None:
        raise _no_bundle(path, "an empty archive")
    return place / top


def _unpack(path: Path, archive: tarfile.TarFile, place: Path) -> str | None:
    """Write an archive's files, and nothing else that it may hold; return the top folder's name."""
    top, total = None, 0
    for number, entry in enumerate(archive):
        name = PurePosixPath(entry.name)
        if name.is_absolute() or ".." in name.parts or not name.parts or not name.parts[0]:
            raise _no_bundle(path, f"{entry.name!a} leads out of it")
        if top not in (None, name.parts[0]):
            raise _no_bundle(path, f"{top} and {name.parts[0]} side by side")
        top = name.parts[0]
        total += entry.size
        if total > _MOST_BYTES or number >= _MOST_FILES:
            raise _no_bundle(path, "more than 1 GiB, or than 20,000 files")
        if entry.isdir():
            continue
        source = archive.extractfile(entry) if entry.isreg() and len(name.parts) > 1 else None
        if source is None:
            raise _no_bundle(path, f"{entry.name!a} is no regular file in a folder")
        target = place / name
        with source, wrap_os_errors(target, elsewhere=_ELSEWHERE):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                shutil.copyfileobj(source, file)
            target.chmod(0o700 if entry.mode & 0o100 else 0o600)
    return top


def _no_bundle(path: Path, observed: str) -> BundleError:
    return BundleError(
        f"{path} is no bundle; nothing was sent to the device",
        observed=observed,
        expected="a .tar.gz that edgecnn package wrote, or the folder it unpacks to",
        remedy="check the path, or make the bundle again: edgecnn package BUILD --target pi",
    )
