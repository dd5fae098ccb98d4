"""Bundles of a released model, made by ``edgecnn package`` once for all tests that need them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from command import edgecnn
from edgecnn_installer.bundle import check_files, read_manifest
from edgecnn_runner.golden import read_golden, write_golden
from emulated_pi.pi import Pi
from raspberry_pi.small_bundle import signing_key

RESNET8: Final = Path(__file__).parents[2] / "models/resnet8"


class Bundles:
    """Makes bundles, each once in a run of the tests, whatever number of processes it has.

    Args:
        factory: pytest's.
    """

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        base = factory.getbasetemp()
        # That of a worker of pytest-xdist lies in the one that all of them share.
        self.folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(
        self,
        version: str = "1.0",
        *,
        system: str = "bookworm",
        runtime: str = "litert",
        signed: bool = False,
        form: str = "tar",
        collect: tuple[str, int, int] | None = None,
    ) -> Path:
        """Return a bundle, a ``.tar.gz`` or a ``.deb``.

        Args:
            version: The bundle's.
            system: Name of the device's system.
            runtime: What it runs on.
            signed: Whether it is signed; the public key lies beside it.
            form: ``tar`` or ``deb``.
            collect: Folder, every so manieth frame and most pictures of one that may collect.
        """
        kind = "".join(
            f"-{word}" for word, is_so in (("signed", signed), ("collect", collect)) if is_so
        )
        out = self.folder / f"bundle-{system}-{runtime}-{version}{kind}-{form}"
        terms: list[str] = []
        if collect is not None:
            folder, every, at_most = collect
            terms += ["--collect", folder, "--collect-every", str(every)]
            terms += ["--collect-at-most", str(at_most)]
        with self._alone(out.name):
            if not out.exists():
                new = out.with_name(f".{out.name}")
                done = edgecnn(
                    *("package", RESNET8, "--out", new, "--version", version, "--os", system),
                    *("--runtime", runtime, *(("--sign", self._key()) if signed else ())),
                    *("--format", form),
                    *terms,
                )
                assert done.code == 0, done.err
                new.rename(out)
        (bundle,) = out.glob("*.tar.gz" if form == "tar" else "*.deb")
        return bundle

    def _key(self) -> Path:
        with self._alone("key"):
            private = self.folder / "key.pem"
            return private if private.exists() else signing_key(self.folder, "key")[0]

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        with (self.folder / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def put(bundle: Path, pi: Pi) -> str:
    """Unpack a bundle in a Pi's home; return its folder, a path in the tree."""
    where: list[str | Path] = ["--file", bundle, "--directory", pi.home]
    subprocess.run(["tar", "--extract", "--no-same-owner", *where], check=True)
    folder = f"/root/{bundle.name.removesuffix('.tar.gz')}"
    assert (pi.root / folder.lstrip("/") / "install.sh").is_file()
    return folder


def active(pi: Pi) -> str:
    """Return the version of the active release; its files are as they were packaged."""
    link = pi.root / "opt/edgecnn/resnet8/current"
    release = link.parent / link.readlink()
    manifest = read_manifest(release)
    check_files(release, manifest, compiled=True)
    return manifest.version


def spoil_golden_vectors(folder: Path) -> None:
    """Give the golden images each other's answers, and package that as it should be."""
    path = folder / "models/golden.npz"
    golden = read_golden(path)
    write_golden(path, replace(golden, reference=golden.reference[::-1].copy()))
    data = path.read_bytes()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["models/golden.npz"].update(
        bytes=len(data), sha256=hashlib.sha256(data).hexdigest()
    )
    (folder / "manifest.json").write_text(json.dumps(manifest))
