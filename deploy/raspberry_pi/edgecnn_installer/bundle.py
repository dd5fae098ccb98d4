"""A bundle's files, compared with its manifest: none altered, none missing, none too many."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from edgecnn_installer.problems import BundleError

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.json.sig"
"""Ed25519 (RFC 8032) of the manifest's bytes, 64 bytes."""

SCHEMA: Final = 1
_LARGEST_MANIFEST: Final = 16 << 20
_MALFORMED: Final = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
_AGAIN: Final = "copy the bundle again from the workstation, and unpack it into an empty folder"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        data: The file's bytes, which are what is signed.
        model: The model's name, fit for a file name.
        version: The bundle's version.
        release: The name of the folder it is installed in: version and digest.
        architecture: As ``uname -m`` gives it.
        python: Version of CPython, for example ``3.11``.
        glibc: The oldest that its libraries run with.
        artifacts: File names of its models, the one to use first.
        not_proven: Of these, those without a PASS: what is not proven of each, one line.
        collect: What it may collect, as its manifest says it: ``folder``, ``every``, ``at_most``;
            None for a bundle that keeps no image.
        files: Path to ``sha256``, ``bytes`` and ``executable``.
    """

    data: bytes
    model: str
    version: str
    release: str
    architecture: str
    python: str
    glibc: tuple[int, int]
    artifacts: tuple[str, ...]
    not_proven: Mapping[str, str]
    collect: Mapping[str, Any] | None
    files: Mapping[str, Mapping[str, Any]]

    @property
    def installed_bytes(self) -> int:
        """What its files take, on a file system of 4 KiB blocks."""
        return sum(-(-int(entry["bytes"]) // 4096) * 4096 for entry in self.files.values())


def read_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest.

    Args:
        folder: The unpacked bundle.

    Raises:
        BundleError: If there is none, or it is not of a form that this installer knows.
    """
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _LARGEST_MANIFEST:
            raise ValueError(f"{path.stat().st_size} bytes")
        data = path.read_bytes()
        return parse_manifest(data)
    except _MALFORMED as error:
        raise BundleError(
            f"{path} cannot be read",
            observed=f"{type(error).__name__}: {error}",
            expected=f"a bundle's manifest of schema {SCHEMA}",
            remedy=_AGAIN,
        ) from error


def parse_manifest(data: bytes) -> Manifest:
    """Return the manifest that these bytes are.

    Raises:
        ValueError: If they are none; also ``KeyError``, ``TypeError``, ``AttributeError`` and
            ``RecursionError``.
    """
    raw = json.loads(data)
    if raw["schema"] != SCHEMA or raw["kind"] != "edgecnn bundle":
        raise ValueError(f"{raw['kind']}, schema {raw['schema']}")
    files: dict[str, Mapping[str, Any]] = raw["files"]
    for name, entry in files.items():
        _check_name(name)
        if not (isinstance(entry["bytes"], int) and isinstance(entry["sha256"], str)):
            raise TypeError(name)
        if not isinstance(entry["executable"], bool):
            raise TypeError(name)
    major, minor = (int(part) for part in raw["glibc"].split("."))
    model, version = plain_name(raw["model"]), plain_name(raw["version"])
    digest = hashlib.sha256(data).hexdigest()
    artifacts = tuple(str(row["file"]) for row in raw["artifacts"])
    if not artifacts or not all(name in files for name in artifacts):
        raise ValueError("its artifacts are not among its files")
    not_proven = {
        str(row["file"]): _line(row["not_proven"]["statement"])
        for row in raw["artifacts"]
        if row.get("not_proven") is not None
    }
    return Manifest(
        data=data,
        model=model,
        version=version,
        release=f"{version}-{digest[:12]}",
        architecture=str(raw["architecture"]),
        python=str(raw["python"]),
        glibc=(major, minor),
        artifacts=artifacts,
        not_proven=not_proven,
        collect=_collect(raw.get("collect")),
        files=files,
    )


def _collect(found: Any) -> Mapping[str, Any] | None:
    """Return what a manifest says of collecting."""
    if found is None:
        return None
    if set(found) != {"folder", "every", "at_most"}:
        raise ValueError(f"collecting with {', '.join(map(ascii, found))}")
    folder = PurePosixPath(_line(found["folder"]))
    if not folder.is_absolute() or ".." in folder.parts or len(folder.parts) < 3:
        raise ValueError(f"collecting in {found['folder']!a}")
    for name in ("every", "at_most"):
        if type(found[name]) is not int or found[name] < 1:
            raise ValueError(f"collecting with {name} of {found[name]!a}")
    return {**found, "folder": str(folder)}


def plain_name(name: str) -> str:
    """Return a name that is safe as a part of a path, a unit's name and an argument.

    Raises:
        ValueError: If it is not.
    """
    if not (0 < len(name) <= 64 and name[0].isalnum() and name.isascii()):
        raise ValueError(f"{name!a} is no plain name")
    if not all(letter.isalnum() or letter in "._+-" for letter in name):
        raise ValueError(f"{name!a} is no plain name")
    return name


def _line(text: object) -> str:
    """Return a text from a manifest as one line that a terminal can be shown."""
    if not isinstance(text, str):
        raise TypeError(f"{type(text).__name__} in place of a sentence")
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or str(path) != name or not name.isprintable():
        raise ValueError(f"{name!a} is no path inside of a bundle")


def check_files(folder: Path, manifest: Manifest, *, compiled: bool = False) -> None:
    """Compare every file of a bundle with its manifest.

    Args:
        folder: The unpacked bundle, or an installed release.
        manifest: Its manifest.
        compiled: Whether bytecode may lie beside its Python files, as in an installed release;
            what is in it is not looked at.

    Raises:
        BundleError: If a file is altered, missing, too many or no regular file; it is named.
    """
    found = dict(_walk(folder))
    for name in sorted(set(found) - set(manifest.files) - {MANIFEST, SIGNATURE}):
        if compiled and _is_bytecode(name, manifest):
            continue
        raise _wrong(folder, name, observed="a file", expected="no such file in the manifest")
    for name, entry in sorted(manifest.files.items()):
        status = found.get(name)
        if status is None:
            raise _wrong(folder, name, observed="nothing there", expected=f"{entry['bytes']} bytes")
        if not stat.S_ISREG(status.st_mode):
            kind = stat.filemode(status.st_mode)
            raise _wrong(folder, name, observed=kind, expected="a regular file")
        if status.st_size != entry["bytes"]:
            size, expected = f"{status.st_size} bytes", f"{entry['bytes']} bytes"
            raise _wrong(folder, name, observed=size, expected=expected)
        digest = _digest(folder / name)
        if digest != entry["sha256"]:
            expected = f"SHA-256 {entry['sha256']}"
            raise _wrong(folder, name, observed=f"SHA-256 {digest}", expected=expected)


def _is_bytecode(name: str, manifest: Manifest) -> bool:
    """Tell the bytecode of a bundle's file: ``__pycache__/b.cpython-311.pyc`` of ``b.py``."""
    path = PurePosixPath(name)
    if path.parent.name != "__pycache__" or path.suffix != ".pyc":
        return False
    return str(path.parents[1] / f"{path.name.split('.')[0]}.py") in manifest.files


def _walk(folder: Path, inside: str = "") -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{inside}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{name}/")
            else:
                yield name, entry.stat(follow_symlinks=False)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wrong(folder: Path, name: str, *, observed: str, expected: str) -> BundleError:
    return BundleError(
        f"{name} is not the file that was packaged; nothing was changed",
        observed=f"{folder / name}: {observed}",
        expected=expected,
        remedy=_AGAIN,
    )
