"""A web bundle on a disk: read whole, and compared with its digests, before anything is done."""

from __future__ import annotations

import errno
import hashlib
import re
import stat
from pathlib import Path
from typing import Final

from edgecnn.errors import BundleError
from edgecnn.log import has_read
from edgecnn.package.web.contents import MANIFEST, SUMS
from edgecnn.serve.policy import PAGE

_LARGEST: Final = 1 << 30
_LINE: Final = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*)")


def is_web_bundle(folder: Path) -> bool:
    """Tell whether a folder has what every web bundle has."""
    return all((folder / name).is_file() for name in (SUMS, MANIFEST, PAGE))


def read_web_bundle(folder: Path) -> dict[str, bytes]:
    """Read the files that a web bundle's digests name, and no others.

    Args:
        folder: The bundle.

    Returns:
        Name to bytes, the digests among them, in the order of the names.

    Raises:
        BundleError: If it is no web bundle, or a file is altered, missing, or leads elsewhere.
    """
    if folder.is_file() and folder.suffix == ".html":
        raise BundleError(
            f"{folder} is a file that needs no server",
            observed="one HTML file",
            expected="a folder that edgecnn package BUILD --target web made",
            remedy="open it in a browser, on this device or on any that it is copied to; or name "
            "the folder beside it, MODEL-VERSION-web",
        )
    try:
        _regular_size(folder / SUMS)
        text = (folder / SUMS).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{folder} is no web bundle",
            observed=f"{folder / SUMS}: {getattr(error, 'strerror', None) or error}",
            expected="a folder that edgecnn package BUILD --target web made",
            remedy="name that folder; it is called MODEL-VERSION-web",
        ) from error
    has_read(folder)
    lines = [_LINE.fullmatch(line) for line in text.splitlines()]
    named = {found[2]: found[1] for found in lines if found is not None}
    if None in lines or len(named) != len(lines) or PAGE not in named:
        raise _altered(folder, f"a line of {SUMS} that edgecnn did not write")
    files = {SUMS: text.encode()}
    root = folder.resolve()
    total = 0
    for name, digest in named.items():
        path = folder / name
        parts = name.split("/")
        try:
            # A link could show the browser a file from elsewhere.
            if {".", ".."} & set(parts) or path.resolve() != root / name:
                raise _altered(folder, f"{name} is not in the folder")
            total += _regular_size(path)
            if total > _LARGEST:
                raise _altered(folder, "more than a bundle ever holds")
            files[name] = path.read_bytes()
        except OSError as error:
            raise _altered(folder, f"{name}: {error.strerror or error}") from error
        found = hashlib.sha256(files[name]).hexdigest()
        if found != digest:
            raise _altered(folder, f"{name} has SHA-256 {found}, not {digest}")
    return dict(sorted(files.items()))


def named_files(folder: Path) -> frozenset[str]:
    """Return what a web bundle's digests name, and they themselves; lines that name none count not.

    Args:
        folder: For which ``is_web_bundle`` holds.

    Raises:
        OSError: If they cannot be read.
    """
    lines = (folder / SUMS).read_text(encoding="ascii", errors="replace").splitlines()
    return frozenset({SUMS, *(found[2] for line in lines if (found := _LINE.fullmatch(line)))})


def _regular_size(path: Path) -> int:
    """Return a file's size; opening what is none, as a named pipe, could wait for ever."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return found.st_size


def _altered(folder: Path, observed: str) -> BundleError:
    return BundleError(
        f"{folder} is not what was packaged",
        observed=observed,
        expected=f"the files that {SUMS} names, unchanged",
        remedy="make it anew: edgecnn package BUILD --target web",
    )
