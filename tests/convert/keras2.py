"""Runs Keras 2 (tf_keras), which is in a folder of its own, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("EDGECNN_KERAS2", ROOT / ".venv-keras2"))


def skip_without_keras2() -> None:
    """Skip the test that asks where Keras 2 is not installed."""
    if not (FOLDER / "tf_keras").is_dir():
        pytest.skip(f"Keras 2 is not in {FOLDER}; .ci/make-keras2 {FOLDER} puts it there")


@contextmanager
def keras2_installed() -> Iterator[None]:
    """Let edgecnn find Keras 2 in this process, as beside its TensorFlow."""
    skip_without_keras2()
    sys.path.append(str(FOLDER))
    try:
        yield
    finally:
        sys.path.remove(str(FOLDER))


def keras2_environment() -> dict[str, str | None]:
    """Return variables with which another process of edgecnn finds Keras 2."""
    skip_without_keras2()
    return {"PYTHONPATH": str(FOLDER)}


def with_keras2(*arguments: str | Path, legacy: bool = True, cwd: Path | None = None) -> str:
    """Run Python with Keras 2 on its path; return what it printed.

    Where Keras 2 is not installed, the test that asked is skipped.

    Args:
        arguments: What Python gets.
        legacy: Whether TensorFlow is told to take Keras 2 for its own.
        cwd: The folder to run in.
    """
    skip_without_keras2()
    environment = {
        **os.environ,
        "TF_USE_LEGACY_KERAS": "1" if legacy else "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(FOLDER)]),
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
