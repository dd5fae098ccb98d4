from __future__ import annotations

import hashlib
import os
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecnn.errors import PackageError
from edgecnn.package.pi import wheels
from edgecnn.package.pi.platforms import Platform, choose_platform
from edgecnn.package.pi.wheels import Pinned, collect_wheels, unpack_wheel


def wheel(path: Path, entries: dict[str, str | zipfile.ZipInfo]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            if isinstance(text, zipfile.ZipInfo):
                archive.writestr(text, "target")
            else:
                archive.writestr(name, text)
    return path


@pytest.fixture
def platform() -> Platform:
    return choose_platform("bookworm", "litert")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two small wheels that the lock pins, one of them for this processor alone."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    names = ["first_one-1.0-cp311-cp311-manylinux_2_28_aarch64.whl", "second-2.0-py3-none-any.whl"]
    pins = []
    for name in names:
        path = wheel(folder / name, {"module.py": name})
        distribution, version = name.split("-")[:2]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        pins.append(
            Pinned(name=distribution.replace("_", "-"), version=version, sha256=frozenset({digest}))
        )
    monkeypatch.setattr(wheels, "read_lock", lambda _: pins)
    return folder


def refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("pip is not to be asked")


def test_wheels_of_a_folder_need_no_network(
    shelf: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", refuse)
    found = collect_wheels(platform, folder=shelf)
    assert [path.name.split("-")[0] for path in found] == ["first_one", "second"]


@pytest.mark.parametrize("harm", ["remove", "alter", "rename", "other processor"])
def test_a_wheel_that_is_not_the_pinned_one_counts_as_missing(
    harm: str, shelf: Path, platform: Platform
) -> None:
    path = next(shelf.glob("first_one*"))
    if harm == "remove":
        path.unlink()
    elif harm == "alter":
        path.write_bytes(path.read_bytes() + b"x")
    elif harm == "rename":
        path.rename(path.with_name(path.name.replace("1.0", "1.1")))
    else:
        platform = replace(platform, architecture="x86_64")
    with pytest.raises(PackageError) as caught:
        collect_wheels(platform, folder=shelf)
    assert "first-one 1.0" in str(caught.value)
    assert "second" not in str(caught.value.observed)


def test_what_is_cached_is_not_fetched_again(
    shelf: Path, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache/edgecnn").mkdir(parents=True)
    shelf.rename(tmp_path / "cache/edgecnn/wheels")
    monkeypatch.setattr(subprocess, "run", refuse)
    assert len(collect_wheels(platform)) == 2


@pytest.mark.slow
def test_pip_fetches_the_pinned_wheels_of_the_device(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real pip and the real index, for one small library of the real lock."""
    (pin,) = [pin for pin in wheels.read_lock(platform) if pin.name == "ml-dtypes"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(wheels, "read_lock", lambda _: [pin])
    (path,) = collect_wheels(platform)
    assert path.parent == tmp_path / "edgecnn/wheels"
    assert "cp311" in path.name
    assert path.name.endswith("_aarch64.whl")
    unpack_wheel(path, tmp_path / "lib")
    assert (tmp_path / "lib/ml_dtypes/__init__.py").is_file()
    wrong = replace(pin, sha256=frozenset({"0" * 64}))
    monkeypatch.setattr(wheels, "read_lock", lambda _: [wrong])
    with pytest.raises(PackageError, match="cannot be fetched"):
        collect_wheels(platform)


def test_without_a_network_the_error_names_a_way_out(
    shelf: Path, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(PackageError, match="cannot be fetched") as caught:
        collect_wheels(platform)
    assert "--wheels DIR" in caught.value.remedy


def test_a_wheel_is_unpacked_without_its_scripts(tmp_path: Path) -> None:
    path = wheel(
        tmp_path / "a-1-py3-none-any.whl",
        {
            "a/__init__.py": "code",
            "a/__pycache__/x.pyc": "",
            "a-1.data/platlib/b.py": "beside",
            "a-1.data/scripts/run": "no",
            "a-1.data/headers/a.h": "no",
            "a-1.dist-info/METADATA": "Name: a",
        },
    )
    unpack_wheel(path, tmp_path / "lib")
    found = {
        str(p.relative_to(tmp_path / "lib")) for p in (tmp_path / "lib").rglob("*") if p.is_file()
    }
    assert found == {"a/__init__.py", "b.py", "a-1.dist-info/METADATA"}


def test_wheels_may_share_a_file_only_if_it_is_the_same(tmp_path: Path) -> None:
    for name, text in (("a", "x"), ("b", "x"), ("c", "y")):
        wheel(tmp_path / f"{name}-1-py3-none-any.whl", {"google/__init__.py": text})
    unpack_wheel(tmp_path / "a-1-py3-none-any.whl", tmp_path / "lib")
    unpack_wheel(tmp_path / "b-1-py3-none-any.whl", tmp_path / "lib")
    with pytest.raises(PackageError, match="another one's file"):
        unpack_wheel(tmp_path / "c-1-py3-none-any.whl", tmp_path / "lib")


@pytest.mark.parametrize("name", ["../out.py", "/out.py", "a/../../out.py", "a\\..\\out.py"])
def test_a_wheel_that_leads_out_of_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    path = wheel(tmp_path / "a-1-py3-none-any.whl", {name: "x"})
    with pytest.raises(PackageError, match="leads out"):
        unpack_wheel(path, tmp_path / "inner/lib")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_link_in_a_wheel_is_refused(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("a/link")
    entry.external_attr = 0o120777 << 16
    path = wheel(tmp_path / "a-1-py3-none-any.whl", {"a/link": entry})
    with pytest.raises(PackageError, match="is a link"):
        unpack_wheel(path, tmp_path / "lib")


@pytest.mark.parametrize("keep", [0, 10, 60, -1])
def test_a_damaged_wheel_is_refused(keep: int, tmp_path: Path) -> None:
    path = wheel(tmp_path / "a-1-py3-none-any.whl", {"a.py": "x" * 1000})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PackageError, match="cannot be unpacked"):
        unpack_wheel(path, tmp_path / "lib")


@pytest.mark.parametrize(
    ("tags", "glibc"),
    [
        ([], (2, 17)),
        (["any", "manylinux2014_aarch64"], (2, 17)),
        (["manylinux_2_27_aarch64.manylinux_2_28_aarch64"], (2, 27)),
        (["manylinux_2_17_aarch64.manylinux2014_aarch64", "manylinux_2_28_aarch64"], (2, 28)),
        (["manylinux_2_9_aarch64", "manylinux_2_35_aarch64"], (2, 35)),
    ],
)
def test_the_newest_wheel_decides_on_the_c_library(tags: list[str], glibc: tuple[int, int]) -> None:
    paths = [Path(f"a-1-py3-none-{tag}.whl") for tag in tags]
    assert wheels.needed_glibc(paths) == glibc
