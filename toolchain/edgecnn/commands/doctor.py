"""What this machine has and lacks for the toolchain; each lack with its fix.

Versions come from package metadata, so that a check is quick and a broken package cannot take
the check down with it; only the two runtimes are really started, in a process of their own.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from edgecnn.build.keras_settings import other_choice
from edgecnn.errors import CheckError, EdgeError
from edgecnn.log import run_program
from edgecnn.package.privacy.browser import CHROMIUM
from edgecnn.report.text import size_text
from edgecnn_runner.runtimes.telemetry import OPT_OUT

State = Literal["ok", "note", "bad"]

DOCTOR_SCHEMA: Final = 1
"""Version of the layout in JSON."""

_NEEDED: Final = (
    "tensorflow", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert", "ai-edge-quantizer", "numpy",
)  # fmt: skip
_START_SECONDS: Final = 60
_ENOUGH_BYTES: Final = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at.

    Attributes:
        name: What.
        state: ``ok``; ``note`` for something optional that is missing; ``bad`` for something
            that has to be fixed.
        found: What was seen.
        fix: What to do about it; empty when there is nothing to do.
    """

    name: str
    state: State
    found: str
    fix: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the check as JSON-ready values."""
        return asdict(self)


def check_machine() -> list[Check]:
    """Look at this machine; takes a few seconds, since the runtimes are started.

    Returns:
        One check per thing looked at, in reading order.
    """
    return [
        _python(),
        _processor(),
        *(_package(name) for name in _NEEDED),
        _starts("TFLite runtime", "litert", "ai-edge-litert"),
        _starts("ONNX runtime", "onnxruntime", "onnxruntime"),
        _tflite_runtime(),
        *(_tool(tool) for tool in _TOOLS),
        _keras(),
        _cifar10(),
        _disk(),
    ]


def exit_error(checks: Sequence[Check]) -> EdgeError | None:
    """Return the error that the checks amount to, None when nothing has to be fixed."""
    bad = [check for check in checks if check.state == "bad"]
    if not bad:
        return None
    return CheckError(
        f"{len(bad)} of {len(checks)} checks need a fix: {', '.join(c.name for c in bad)}",
        observed="; ".join(f"{check.name}: {check.found}" for check in bad),
        expected="no check that needs a fix",
        remedy="; ".join(check.fix for check in bad),
    )


def _python() -> Check:
    version = platform.python_version()
    fine = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Check(
        name="Python",
        state="ok" if fine else "bad",
        found=f"{platform.python_implementation()} {version}, {platform.platform(terse=True)}",
        fix="" if fine else "use CPython 3.11, 3.12 or 3.13: make test PYTHON=python3.12",
    )


def _processor() -> Check:
    """Name the instructions that decide speed: bf16 for training, dot products for int8."""
    flags: set[str] = set()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("flags", "Features")):
                flags.update(line.partition(":")[2].split())
    except OSError:
        pass  # not Linux: nothing is known, and nothing depends on it
    bf16 = flags & {"avx512_bf16", "amx_bf16", "bf16"}
    dot = flags & {"avx512_vnni", "avx_vnni", "asimddp"}
    known = [
        f"bf16 ({', '.join(sorted(bf16))})" if bf16 else "no bf16",
        f"int8 dot products ({', '.join(sorted(dot))})" if dot else "no int8 dot products",
    ]
    return Check(
        name="Processor",
        state="ok",
        found=f"{platform.machine()}, {os.cpu_count()} cores, {'; '.join(known)}"
        if flags
        else f"{platform.machine()}, {os.cpu_count()} cores",
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _package(name: str) -> Check:
    version = _version(name)
    return Check(
        name=name,
        state="ok" if version else "bad",
        found=version or "not installed",
        fix="" if version else f"pip install {name}",
    )


def _starts(name: str, runtime: str, package: str) -> Check:
    """Start a runtime in its own process: a crash there is a finding, not our end."""
    modules = {"litert": "ai_edge_litert.interpreter", "onnxruntime": "onnxruntime"}
    # -P: not a module that happens to lie in the current folder.
    command = [sys.executable, "-P", "-c", f"import {modules[runtime]}"]
    try:
        done = run_program(command, timeout_s=_START_SECONDS, env={**os.environ, **OPT_OUT})
    except subprocess.TimeoutExpired:
        failure = f"did not start within {_START_SECONDS} s"
    else:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        failure = "" if done.returncode == 0 else lines[-1]
    return Check(
        name=name,
        state="bad" if failure else "ok",
        found=failure or f"{package} starts",
        fix=f"pip install --force-reinstall {package}" if failure else "",
    )


def _tflite_runtime() -> Check:
    version, numpy = _version("tflite-runtime"), _version("numpy") or "0"
    if version is None:
        return Check(name="tflite-runtime", state="note", found="not installed (optional)")
    clash = int(numpy.partition(".")[0]) >= 2
    return Check(
        name="tflite-runtime",
        state="bad" if clash else "ok",
        found=f"{version} with numpy {numpy}" + (": it was built for numpy 1" if clash else ""),
        fix='pip install "numpy<2", or pip uninstall tflite-runtime' if clash else "",
    )


@dataclass(frozen=True, kw_only=True)
class _Tool:
    """A program or a package that some commands use where it is there.

    Attributes:
        name: What it is called.
        programs: Names of its program, the first that is there is taken; empty for a package.
        asked: Makes the program say its version.
        purpose: What it is needed for.
        fix: The command that installs it.
    """

    name: str
    programs: tuple[str, ...]
    asked: str = "--version"
    purpose: str
    fix: str


_TOOLS: Final = (
    _Tool(
        name="npm",
        programs=("npm",),
        purpose="making web bundles: it fetches their runtime",
        fix="sudo apt install npm",
    ),
    _Tool(
        name="Chromium",
        programs=CHROMIUM,
        purpose="checking the privacy claims of web bundles",
        fix="sudo apt install chromium",
    ),
    _Tool(
        name="Playwright",
        programs=(),
        purpose="checking the privacy claims of web bundles",
        fix="pip install playwright",
    ),
    _Tool(
        name="strace",
        programs=("strace",),
        asked="-V",
        purpose="checking the privacy claims of bundles for a Raspberry Pi",
        fix="sudo apt install strace",
    ),
)


def _tool(tool: _Tool) -> Check:
    """Look for something optional; one that does not say its version is there all the same."""
    program = next((path for name in tool.programs if (path := shutil.which(name))), None)
    version = None if tool.programs else _version(tool.name.lower())
    if program is not None:
        version = "of an unknown version"
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            said = run_program([program, tool.asked], timeout_s=_START_SECONDS).stdout
            version = next(iter(re.findall(r"\d+(?:\.\d+)+", said)), version)
    return Check(
        name=tool.name,
        state="note" if version is None else "ok",
        found=f"{version or 'not found (optional)'}; for {tool.purpose}",
        fix=tool.fix if version is None else "",
    )


def _keras() -> Check:
    """Say what a user's settings of Keras ask for, where edgecnn goes another way."""
    other = other_choice()
    return Check(
        name="Keras",
        state="ok" if other is None else "note",
        found=f"{_version('keras') or 'not installed'}, on TensorFlow"
        if other is None
        else f"{other}: edgecnn uses TensorFlow all the same; other programs keep your choice",
    )


def _cifar10() -> Check:
    """Look for the data set by the loader's own rules, and read none of it."""

    def unseen(error: Exception, fix: str) -> Check:
        why = str(error).strip().partition("\n")[0]
        return Check(name="CIFAR-10", state="bad", found=f"cannot be looked for: {why}", fix=fix)

    try:
        # Not above: it imports numpy, and a broken one is a finding, not our end.
        from edgecnn.data.cifar10 import missing_batches, place_of_environment

        place = place_of_environment()
        missing = () if place is None else missing_batches(place)
    except ImportError as error:
        module = (error.name or "numpy").partition(".")[0]
        package = "pillow" if module == "PIL" else module
        return unseen(error, f"pip install --force-reinstall {package}")
    except OSError as error:
        return unseen(error, "point EDGECNN_DATA to a folder that you may read")
    if place is None:
        return Check(
            name="CIFAR-10",
            state="note",
            found="EDGECNN_DATA is not set; it would be downloaded when needed",
            fix="export EDGECNN_DATA=/folder/that/holds/cifar-10-batches-py",
        )
    return Check(
        name="CIFAR-10",
        state="bad" if missing else "ok",
        found=f"EDGECNN_DATA={place} lacks {', '.join(missing)}" if missing else f"in {place}",
        fix="point EDGECNN_DATA to the folder that holds cifar-10-batches-py, with all six batches"
        if missing
        else "",
    )


def _disk() -> Check:
    try:
        here = Path.cwd()
        free = shutil.disk_usage(here).free
    except OSError as error:
        return Check(
            name="Disk",
            state="bad",
            found=f"the current folder cannot be looked at: {error.strerror or error}",
            fix="cd to a folder that exists and that you may read",
        )
    enough = free > _ENOUGH_BYTES
    writable = os.access(here, os.W_OK)
    return Check(
        name="Disk",
        state="ok" if enough and writable else "bad",
        found=f"{size_text(free)} free here, {'writable' if writable else 'not writable'}",
        fix="" if enough and writable else "work in a writable folder with at least 1 GB free",
    )
