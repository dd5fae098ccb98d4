"""A bundle on the workstation, compared with its manifest, and with a key."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecnn.build.bundle import opened_bundle
from edgecnn.devices.ask import error_of
from edgecnn_installer.bundle import MANIFEST, SIGNATURE, Manifest
from edgecnn_installer.problems import InstallError
from edgecnn_installer.signature import check_signature

__all__ = ["Bundle", "opened"]


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
    """
    with opened_bundle(path) as (folder, manifest):
        try:
            by = None if key is None else check_signature(folder, manifest, key)
        except InstallError as error:
            raise error_of(error.to_dict()) from error
        yield Bundle(folder=folder, manifest=manifest, signature_by=by)
