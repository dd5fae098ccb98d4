"""The runner reports nothing, whatever its runtime would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn_runner.runtimes.telemetry import OPT_OUT

MODEL = Path(__file__).parents[2] / "models/resnet8/resnet8-int8.onnx"

pytestmark = pytest.mark.slow


def home_after(folder: Path, *arguments: str | Path) -> list[str]:
    """Run this Python with an empty home and no opt-out; return what lies in the home then."""
    pytest.importorskip("onnxruntime")
    inherited = {name: value for name, value in os.environ.items() if name not in OPT_OUT}
    # It also holds its tongue where it believes itself on a build server.
    for name in ("CI", "TF_BUILD", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST"):
        inherited.pop(name, None)
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**inherited, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_onnx_backend_leaves_nothing_behind(tmp_path: Path) -> None:
    assert home_after(tmp_path, "-m", "edgecnn_runner", "selftest", MODEL) == []


def test_without_the_opt_out_it_would(tmp_path: Path) -> None:
    """The control: if this fails, onnxruntime has changed, and so may its opt-out have."""
    onnxruntime = pytest.importorskip("onnxruntime")
    if tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 32):
        pytest.skip(f"onnxruntime {onnxruntime.__version__} reports nothing on Linux")
    if sys.platform != "linux":
        pytest.skip("where it keeps its identifier elsewhere is not known")
    program = "import onnxruntime as o, sys; o.InferenceSession(sys.argv[1])"
    assert any("deviceid" in name for name in home_after(tmp_path, "-c", program, MODEL))
