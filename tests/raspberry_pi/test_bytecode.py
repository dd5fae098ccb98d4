"""What an installation compiles, and what then counts as part of a release."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgecnn_installer.bundle import check_files, read_manifest
from edgecnn_installer.bytecode import add_bytecode, remove_bytecode
from edgecnn_installer.problems import BundleError
from raspberry_pi.small_bundle import make_bundle, seal


def test_bytecode_counts_only_where_it_may_lie_and_beside_its_source(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    (bundle / "runner").mkdir()
    (bundle / "runner/one.py").write_text("")
    seal(bundle)
    manifest = read_manifest(bundle)
    folder = bundle / "runner/__pycache__"
    folder.mkdir()
    (folder / "one.cpython-311.pyc").write_bytes(b"")
    check_files(bundle, manifest, compiled=True)
    with pytest.raises(BundleError, match=r"one\.cpython-311\.pyc is not the file"):
        check_files(bundle, manifest)
    (folder / "two.cpython-311.pyc").write_bytes(b"")
    with pytest.raises(BundleError, match=r"two\.cpython-311\.pyc is not the file"):
        check_files(bundle, manifest, compiled=True)


def test_a_bundle_without_a_runner_has_nothing_to_compile(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    assert add_bytecode(bundle, ["models/small-int8.tflite"]) == "there is no runner in it"


def test_a_runner_that_cannot_be_loaded_is_not_compiled_and_that_is_said(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    package = bundle / "runner/edgecnn_runner"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "cli.py").write_text("raise RuntimeError('no memory')\n")
    said = add_bytecode(bundle, [])
    assert said is not None
    assert "no memory" in said
    assert not list(bundle.rglob("__pycache__"))


def test_bytecode_can_be_read_by_all_whatever_the_umask_and_is_removed_whole(
    tmp_path: Path,
) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    for name, text in {
        "runner/edgecnn_runner/__init__.py": "",
        "runner/edgecnn_runner/cli/__init__.py": "def main(arguments):\n    import used\n",
        "lib/PIL/__init__.py": "",
        "lib/PIL/Image.py": "def preinit(): pass\n",
        "lib/used.py": "",
        "lib/unused.py": "",
    }.items():
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_text(text)
    seal(bundle)
    before = sorted(bundle.rglob("*"))
    old = os.umask(0o077)
    try:
        assert add_bytecode(bundle, ["models/small-int8.tflite"]) is None
    finally:
        os.umask(old)
    made = list(bundle.rglob("*.pyc"))
    # The runner whole; of the libraries what is loaded.
    assert {f"{path.parents[1].name}/{path.name.split('.')[0]}" for path in made} == {
        "edgecnn_runner/__init__",
        "cli/__init__",
        "PIL/__init__",
        "PIL/Image",
        "lib/used",
    }
    for path in made:
        assert path.stat().st_mode & 0o777 == 0o644
        assert path.parent.stat().st_mode & 0o777 == 0o755
    check_files(bundle, read_manifest(bundle), compiled=True)
    remove_bytecode(bundle)
    assert sorted(bundle.rglob("*")) == before
