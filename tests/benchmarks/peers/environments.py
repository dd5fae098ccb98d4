"""The Pythons that peers run in: the project's own, and one for each that does not fit into it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from peers.children import PeerError

ROOT: Final = Path(__file__).parents[3]


@dataclass(frozen=True, kw_only=True)
class Environment:
    """An environment of a peer.

    Attributes:
        folders: Where it may be, below the project; the first is where it is made.
        module: What it has to have.
        install: What pip installs into it.
        minor: The minor version of Python 3 that it needs; None for this one's.
    """

    folders: tuple[str, ...]
    module: str
    install: tuple[str, ...]
    minor: int | None = None


ENVIRONMENTS: Final[dict[str, Environment]] = {
    "tflite-runtime": Environment(
        # The second is what `make test` makes.
        folders=(".venv-peers-tflite-runtime", ".venv-tflite-runtime"),
        module="tflite_runtime",
        install=("tflite-runtime==2.14.0", "numpy==1.26.4"),
        minor=11,  # the last one that it has wheels for
    ),
    "openvino": Environment(
        folders=(".venv-peers-openvino",),
        module="openvino",
        # Its telemetry is a package of its own, and not needed to run a model.
        install=("--no-deps", "openvino==2026.4.1", "numpy==2.4.6"),
        minor=11,
    ),
}


def python_of(name: str | None, *, root: Path = ROOT) -> str:
    """Return the Python of an environment.

    Args:
        name: A key of ``ENVIRONMENTS``; None for the one that runs this.
        root: The folder that environments are in.

    Raises:
        PeerError: If it is not there.
    """
    if name is None:
        return sys.executable
    asked = ENVIRONMENTS[name]
    for folder in asked.folders:
        python = root / folder / "bin/python"
        if python.is_file() and _has(python, asked.module):
            return str(python)
    raise PeerError(
        f"{name} is not installed; run.py --install makes {asked.folders[0]} with "
        f"{' '.join(asked.install)}"
    )


def make(name: str, *, root: Path = ROOT) -> None:
    """Make an environment, unless there is one already.

    Raises:
        PeerError: If the Python that it needs is not here, or pip fails.
    """
    try:
        python_of(name, root=root)
    except PeerError:
        asked = ENVIRONMENTS[name]
        python = _interpreter(asked.minor)
        folder = root / asked.folders[0]
        _do([python, "-m", "venv", "--clear", str(folder)])
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet"]
        _do([*pip, "--disable-pip-version-check", *asked.install])


def _interpreter(minor: int | None) -> str:
    if minor is None or sys.version_info[:2] == (3, minor):
        return sys.executable
    found = shutil.which(f"python3.{minor}")
    if found is None:
        raise PeerError(f"it needs Python 3.{minor}, which is not on PATH")
    return found


def _has(python: Path, module: str) -> bool:
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    try:
        return subprocess.run([str(python), "-c", code], check=False).returncode == 0
    except OSError:  # half made
        return False


def _do(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise PeerError(
            f"{' '.join(command[1:4])} fails: {said[-1] if said else 'it says nothing'}"
        )
