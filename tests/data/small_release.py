"""A small release in the format of CIFAR-10, with checksums of its own."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.data.download import PublishedFile

NAMES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def make_batch(seed: int, rows: int = 40) -> bytes:
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (rows, 3072), dtype=np.uint8)
    # Protocol 3 stores bytes as they are; protocol 2 would need a constructor for them.
    return pickle.dumps({b"data": pixels, b"labels": [i % 10 for i in range(rows)]}, protocol=3)


def make_archive(files: dict[str, bytes], folder: str = "cifar-10-batches-py") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def make_release(files: dict[str, bytes], archive: bytes, base_url: str = "") -> PublishedFile:
    return PublishedFile(
        base_url=base_url,
        archive="small.tar.gz",
        archive_md5=md5(archive),
        archive_bytes=len(archive),
        folder="cifar-10-batches-py",
        files={name: md5(data) for name, data in files.items()},
    )


@dataclass(frozen=True)
class Small:
    """A release and what is in it."""

    release: PublishedFile
    files: dict[str, bytes]
    archive: bytes

    def unpack(self, root: Path) -> Path:
        folder = root / self.release.folder
        folder.mkdir(parents=True)
        for name, data in self.files.items():
            (folder / name).write_bytes(data)
        return folder


def make_small() -> Small:
    files = {name: make_batch(seed) for seed, name in enumerate(NAMES)}
    archive = make_archive(files)
    return Small(make_release(files, archive), files, archive)
