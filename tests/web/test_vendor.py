"""ONNX Runtime Web: pinned, fetched once, and nothing else accepted."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import socket
import tarfile
from pathlib import Path

import pytest

from edgecnn.errors import PackageError
from edgecnn.package.web.vendor import (
    Vendor,
    VendorFile,
    collect_vendor,
    read_vendor,
    taken_from,
)
from web.made import MODELS, package, vendor


def pinned(data: bytes) -> Vendor:
    digest = hashlib.sha256(data).hexdigest()
    file = VendorFile(name="a.js", member="package/dist/a.mjs", sha256=digest, bytes=len(data))
    return Vendor(package="x", version="1", licence="MIT", files=(file,))


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for member, data in members:
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return path


def test_the_pinned_member_alone_is_read(tmp_path: Path) -> None:
    packed = archive(
        tmp_path / "x.tgz",
        (tarfile.TarInfo("../../escaped"), b"out"),
        (tarfile.TarInfo("package/dist/a.mjs"), b"good"),
    )
    assert taken_from(packed, pinned(b"good")) == {"a.js": b"good"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.tgz"]


@pytest.mark.parametrize("data", [b"evil", b"longer than it should be", b""])
def test_another_file_of_its_name_is_refused(tmp_path: Path, data: bytes) -> None:
    packed = archive(tmp_path / "x.tgz", (tarfile.TarInfo("package/dist/a.mjs"), data))
    with pytest.raises(PackageError, match="is not the file that is pinned"):
        taken_from(packed, pinned(b"good"))


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    link = tarfile.TarInfo("package/dist/a.mjs")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
    packed = archive(tmp_path / "x.tgz", (link, b""))
    with pytest.raises(PackageError):
        taken_from(packed, pinned(b"good"))


@pytest.mark.parametrize("data", [b"", b"no archive", b"\x1f\x8b\x08 cut"])
def test_what_is_no_package_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.tgz"
    path.write_bytes(data)
    with pytest.raises(PackageError, match="cannot be had from npm"):
        taken_from(path, pinned(b"good"))


def test_a_folder_serves_in_place_of_a_network(tmp_path: Path) -> None:
    """By the names of the package, and by those of a bundle."""
    files = vendor()
    names = {file.name: Path(file.member).name for file in read_vendor().files}
    for folder, renamed in (
        (tmp_path / "npm", names),
        (tmp_path / "bundle", {n: n for n in names}),
    ):
        folder.mkdir()
        for name, data in files.items():
            (folder / renamed[name]).write_bytes(data)
        assert collect_vendor(folder) == dict(files)
    (tmp_path / "npm/ort.wasm.min.mjs").write_bytes(b"changed")
    with pytest.raises(PackageError, match="lacks 1 of the 3 files"):
        collect_vendor(tmp_path / "npm")


def test_without_npm_the_error_says_what_to_do(tmp_path: Path) -> None:
    """In a process whose cache is empty and whose PATH has no npm."""
    cache, programs = tmp_path / "cache", tmp_path / "bin"
    programs.mkdir()
    env = {"XDG_CACHE_HOME": str(cache), "PATH": str(programs)}
    done = package(MODELS / "resnet8", "--out", tmp_path / "dist", env=env)
    assert done.returncode == 35, done.stderr
    assert "no npm on PATH" in done.stderr
    assert "--vendor-dir" in done.stderr
    assert not (tmp_path / "dist").exists()


def test_where_npm_fetches_nothing_its_own_words_are_told(tmp_path: Path) -> None:
    """A real npm, set to a registry at a port that nobody listens at."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listening
        settings = {
            "npm_config_registry": f"http://127.0.0.1:{taken.getsockname()[1]}/",
            "npm_config_fetch_retries": "0",
            "npm_config_cache": str(tmp_path / "npm"),
        }
        env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), **settings}
        done = package(MODELS / "resnet8", "--out", tmp_path / "dist", env=env)
    assert done.returncode == 35, done.stderr
    assert "ECONNREFUSED" in done.stderr
    assert "a registry that has it" in done.stderr
    assert "apt install" not in done.stderr


@pytest.mark.slow
def test_npm_fetches_it_into_the_cache_once(tmp_path: Path) -> None:
    vendor()  # skips where there is no npm
    code = (
        "from edgecnn.package.web.vendor import collect_vendor, read_vendor\n"
        "found = collect_vendor()\n"
        "assert len(found) == len(read_vendor().files) == 3\n"
    )
    import subprocess
    import sys

    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    first = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    if first.returncode and "cannot be had from npm" in first.stderr:
        pytest.skip(f"npm fetches nothing here: {first.stderr.splitlines()[-1]}")
    assert first.returncode == 0, first.stderr
    kept = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert kept == sorted(file.name for file in read_vendor().files)
    # From the cache: with no npm, and a damaged file is not taken.
    without = {**env, "PATH": ""}
    subprocess.run([sys.executable, "-c", code], env=without, check=True)
    next(tmp_path.rglob("*.wasm")).write_bytes(b"damaged")
    again = subprocess.run(
        [sys.executable, "-c", code], env=without, capture_output=True, text=True
    )
    assert "no npm on PATH" in again.stderr
