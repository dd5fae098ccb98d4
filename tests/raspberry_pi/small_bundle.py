"""A small bundle for this machine: real files, a real manifest, and a program of a few words."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

_PASSES = """#!/bin/sh
echo '{"images": 16, "runtime": "test 1.0"}'
"""


def make_bundle(
    folder: Path,
    *,
    version: str = "1.0",
    selftest: str = _PASSES,
    collect: Mapping[str, object] | None = None,
    **changes: Any,
) -> Path:
    """Make an unpacked bundle that this machine takes.

    Args:
        folder: Where to; made.
        version: The bundle's version.
        selftest: The text of its ``bin/edgecnn-run``.
        collect: What it may collect, as its manifest says it.
        changes: Entries of the manifest that are other than usual.
    """
    files = {
        "bin/edgecnn-run": selftest,
        "models/small-int8.tflite": "model",
        "PRIVACY.md": f"of {version}",
        "service/edgecnn-small.service": f"[Service]\n# {version}\n",
        "service/small.conf": f"# {version}\n",
    }
    if collect is not None:
        files["service/edgecnn-collect@small.service"] = f"[Service]\n# {version}, collecting\n"
        changes["collect"] = collect
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "bin/edgecnn-run").chmod(0o755)
    source = Path(str(resources.files("edgecnn_installer")))
    shutil.copytree(
        source,
        folder / "installer/edgecnn_installer",
        ignore=shutil.ignore_patterns("__pycache__", "templates"),
    )
    start = (source / "templates/start.py").read_bytes()
    (folder / "installer/start.py").write_bytes(start)
    python = ".".join(platform.python_version_tuple()[:2])
    script = (source / "templates/install.sh").read_text()
    script = script.replace("@PYTHON@", python)
    script = script.replace("@ARCHITECTURE@", changes.get("architecture", os.uname().machine))
    (folder / "install.sh").write_text(script)
    (folder / "install.sh").chmod(0o755)
    seal(folder, version=version, **changes)
    return folder


def seal(folder: Path, **changes: Any) -> None:
    """Write the manifest of what lies in a folder."""
    (folder / "manifest.json").unlink(missing_ok=True)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {
        "schema": 1,
        "kind": "edgecnn bundle",
        "model": "small",
        "version": "1.0",
        "architecture": os.uname().machine,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "glibc": "2.17",
        "artifacts": [{"file": "models/small-int8.tflite"}],
        "files": {
            str(path.relative_to(folder)): {
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "bytes": path.stat().st_size,
                "executable": os.access(path, os.X_OK) and path.suffix in ("", ".sh"),
            }
            for path in paths
        },
        **changes,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def install(bundle: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a bundle's ``install.sh``, as a user does."""
    command = [str(bundle / "install.sh"), *map(str, arguments)]
    # It looks for python3.11 or another on PATH, where that of a virtual environment need not be.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PATH": path},
    )  # fmt: skip


def signing_key(folder: Path, name: str) -> tuple[Path, Path]:
    """Make an Ed25519 key pair by openssl; return the files of both."""
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    make = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(private)]
    subprocess.run(make, check=True, capture_output=True)
    extract = ["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(public)]
    subprocess.run(extract, check=True, capture_output=True)
    return private, public


def sign(data: Path, private: Path, signature: Path) -> None:
    """Sign a file by openssl."""
    command = ["openssl", "pkeyutl", "-sign", "-inkey", str(private), "-rawin"]
    command += ["-in", str(data), "-out", str(signature)]
    subprocess.run(command, check=True, capture_output=True)
