"""The files of a bundle for a Raspberry Pi, laid out in a folder, and the manifest of them.

install.sh, installer/    checks, copies, tests, switches
bin/edgecnn-run           starts the runner with the bundle's libraries
runner/edgecnn_runner/    the runner that verified the models
lib/                      the runtime and what it needs
models/                   model files and golden.npz; not-proven.json, where one has no PASS
service/                  the unit and its configuration; another unit, where it may collect
manifest.json             what all of it is, with a SHA-256 of every file
"""

from __future__ import annotations

import importlib.resources
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from edgecnn.files import file_digest, write_json
from edgecnn.package.pi.platforms import Platform
from edgecnn.package.pi.wheels import needed_glibc, read_lock, unpack_wheel
from edgecnn.package.proven import Proven, ProvenFile
from edgecnn_installer.bundle import MANIFEST, SCHEMA, SIGNATURE
from edgecnn_installer.main import PREFIX
from edgecnn_installer.service import collecting_unit
from edgecnn_runner.collect import Terms
from edgecnn_runner.golden import GOLDEN_FILE, read_golden, write_golden
from edgecnn_runner.proof import NOT_PROVEN_FILE, NOT_PROVEN_SCHEMA
from edgecnn_runner.runtimes.choice import RUNTIMES

_EXECUTABLE: Final = ("install.sh", "bin/edgecnn-run")


@dataclass(frozen=True, kw_only=True)
class BundlePlan:
    """What a bundle is to hold.

    Attributes:
        proven: The model files.
        platform: What it is for.
        version: The bundle's version.
        wheels: Its libraries.
        collect: What it may collect on the device; None for nothing.
    """

    proven: Proven
    platform: Platform
    version: str
    wheels: Sequence[Path]
    collect: Terms | None = None

    @property
    def collects_as_service(self) -> bool:
        """Whether it brings a unit that collects."""
        return self.collect is not None and state_directory(self.collect) is not None

    @property
    def first_model(self) -> str:
        """The path of the model file that is meant where none is named."""
        return f"models/{self.proven.files[0].path.name}"


def lay_out(plan: BundlePlan, folder: Path) -> None:
    """Write a bundle's files, but for its manifest.

    Args:
        plan: What it holds.
        folder: Where to; empty.

    Raises:
        PackageError: If a wheel cannot be unpacked.
        SelfTestError: If the golden vectors are damaged.
    """
    templates = importlib.resources.files("edgecnn_installer") / "templates"
    values = {
        "MODEL": plan.proven.model,
        "MODEL_FILE": plan.first_model,
        "PREFIX": PREFIX,
        "PYTHON": plan.platform.system.python,
        "ARCHITECTURE": plan.platform.architecture,
        "IMAGES": "no image is kept",
    }
    model = plan.proven.model
    collecting: dict[str, str] = {}
    if plan.collect is not None:
        values["IMAGES"] = f"images are kept only where --collect asks, in {plan.collect.folder}"
        directory = state_directory(plan.collect)
        if directory is not None:
            values |= {
                "DIRECTORY": directory,
                "FOLDER": plan.collect.folder,
                "EVERY": str(plan.collect.every),
                "AT_MOST": str(plan.collect.at_most),
            }
            collecting = {"edgecnn-collect.service": f"service/{collecting_unit(model)}"}
    for source, target in {
        **collecting,
        "install.sh": "install.sh",
        "start.py": "installer/start.py",
        "run.py": "bin/edgecnn-run",
        "edgecnn.service": f"service/edgecnn-{model}.service",
        "edgecnn.conf": f"service/{model}.conf",
    }.items():
        text = (templates / source).read_text(encoding="utf-8")
        _write(folder / target, fill_template(text, values))
        if target in _EXECUTABLE:
            (folder / target).chmod(0o755)
    _copy_package("edgecnn_installer", folder / "installer")
    _copy_package("edgecnn_runner", folder / "runner")
    for wheel in plan.wheels:
        unpack_wheel(wheel, folder / "lib")
    (folder / "models").mkdir()
    for file in plan.proven.files:
        shutil.copyfile(file.path, folder / "models" / file.path.name)
    golden = read_golden(plan.proven.golden)
    variants = {file.contract.variant for file in plan.proven.files}
    scores = {name: found for name, found in golden.scores.items() if name in variants}
    write_golden(folder / "models" / GOLDEN_FILE, replace(golden, scores=scores))
    unproven = {one.sha256: one.unproven for one in plan.proven.files if one.unproven is not None}
    if unproven:
        said = {sha256: one.statement for sha256, one in unproven.items()}
        write_json(
            folder / "models" / NOT_PROVEN_FILE, {"schema": NOT_PROVEN_SCHEMA, "files": said}
        )


def state_directory(terms: Terms) -> str | None:
    """Return the folder's name for a unit's ``StateDirectory=``; None if it is elsewhere.

    A service with a user of its own, which exists while it runs, can own no other folder.
    """
    folder = PurePosixPath(terms.folder)
    return folder.name if folder.parent == PurePosixPath("/var/lib") else None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def fill_template(text: str, values: Mapping[str, str]) -> str:
    """Return a text with each ``@NAME@`` replaced by its value."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _copy_package(name: str, folder: Path) -> None:
    """Copy the modules of an installed package; not its bytecode, nor what is no module."""
    package = importlib.resources.files(name)
    with importlib.resources.as_file(package) as source:
        for path in sorted(source.rglob("*.py")):
            if (path.parent / "__init__.py").is_file():
                place = folder / name / path.relative_to(source)
                _write(place, path.read_text(encoding="utf-8"))


def file_entries(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what a manifest says of each file that lies in a bundle's folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    return {
        name: {
            "sha256": file_digest(path),
            "bytes": path.stat().st_size,
            "executable": bool(path.stat().st_mode & 0o100),
        }
        for name, path in named.items()
        if name not in (MANIFEST, SIGNATURE)
    }


def _proof_entry(file: ProvenFile) -> dict[str, Any]:
    """Return what a manifest says of a file's proof: nothing is called proven that is not."""
    if file.unproven is None:
        return {"proven": dict(file.verdict)}
    return {"not_proven": {**file.verdict, **file.unproven.to_dict()}}


def write_manifest(plan: BundlePlan, folder: Path) -> bytes:
    """Write the manifest of what lies in a bundle's folder.

    Args:
        plan: What it holds.
        folder: With all of its files.

    Returns:
        The bytes of ``manifest.json``, which are what is signed.
    """
    runtime = RUNTIMES[plan.platform.runtime]
    pins = {pin.name: pin.version for pin in read_lock(plan.platform)}
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": "edgecnn bundle",
        "model": plan.proven.model,
        "version": plan.version,
        "target": "pi",
        "system": plan.platform.system.name,
        "architecture": plan.platform.architecture,
        "python": plan.platform.system.python,
        "glibc": ".".join(map(str, needed_glibc(plan.wheels))),
        "runtime": {"name": plan.platform.runtime, "version": pins[runtime.package]},
        "libraries": pins,
        "artifacts": [
            {
                "file": f"models/{file.path.name}",
                "variant": file.contract.variant,
                "sha256": file.sha256,
                **_proof_entry(file),
            }
            for file in plan.proven.files
        ],
        "files": file_entries(folder),
    }
    if plan.collect is not None:
        manifest["collect"] = plan.collect.to_dict()
    write_json(folder / MANIFEST, manifest)
    return (folder / MANIFEST).read_bytes()
