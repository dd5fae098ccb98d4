"""Runs Keras 2 (tf_keras), which is in a folder of its own, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("EDGECNN_KERAS2", ROOT / ".venv-keras2"))


def with_keras2(*arguments: str | Path, legacy: bool = True, cwd: Path | None = None) -> str:
    """Run Python with Keras 2 on its path; return what it printed.

    Where Keras 2 is not installed, the test that asked is skipped.

    Args:
        arguments: What Python gets.
        legacy: Whether TensorFlow is told to take Keras 2 for its own.
        cwd: The folder to run in.
    """
    if not (FOLDER / "tf_keras").is_dir():
        pytest.skip(f"Keras 2 is not in {FOLDER}; .ci/make-keras2 {FOLDER} puts it there")
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
