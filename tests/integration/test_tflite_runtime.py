"""What ``convert`` makes, run by the last tflite-runtime, where there is nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from command import Finished
from edgecnn.data import load_dataset
from edgecnn.recipe.load import Data

ROOT = Path(__file__).parents[2]
DEVICE = ROOT / ".venv-tflite-runtime" / "bin" / "python"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not DEVICE.exists(),
        reason="needs .venv-tflite-runtime, which make test makes with a CPython 3.11 on Linux",
    ),
]

Demo = tuple[Path, Finished]


def runner(python: str | Path, *arguments: str | Path) -> Finished:
    """Run ``edgecnn-run`` in an environment."""
    done = subprocess.run(
        [python, "-m", "edgecnn_runner", *map(str, arguments)],
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("name", "difference"), [("fp32", 1e-5), ("fp16", 1e-5), ("int8", 0.05)], ids=lambda x: str(x)
)
def test_a_converted_file_classifies_there_as_it_does_here(
    demo: Demo, tmp_path: Path, name: str, difference: float
) -> None:
    file = demo[0] / f"digits-{name}.tflite"
    images = load_dataset(Data(name="digits")).test.pixels
    np.savez(tmp_path / "images.npz", images=images)
    scores = []
    for python, runtime in ((DEVICE, "tflite-runtime 2.14"), (sys.executable, "litert")):
        answers = tmp_path / "scores.npz"
        done = runner(python, "predict", file, tmp_path / "images.npz", answers, "--json")
        assert done.code == 0, done.err
        assert runtime in json.loads(done.out)["runtime"]
        with np.load(answers) as stored:
            scores.append(stored["scores"])
    there, here = scores
    assert np.abs(there - here).max() <= difference
    assert (there.argmax(axis=1) == here.argmax(axis=1)).mean() >= 0.99


@pytest.mark.parametrize("name", ["fp32", "fp16", "int8"])
def test_a_converted_file_proves_itself_there(demo: Demo, name: str) -> None:
    done = runner(DEVICE, "selftest", demo[0] / f"digits-{name}.tflite")
    assert done.code == 0, done.err


def test_a_released_file_proves_itself_there() -> None:
    for file in ROOT.glob("models/*/*-int8.tflite"):
        done = runner(DEVICE, "selftest", file)
        assert done.code == 0, f"{file}: {done.err}"


def test_what_needs_a_newer_runtime_is_refused_there_with_a_remedy(demo: Demo) -> None:
    done = runner(DEVICE, "selftest", demo[0] / "digits-int8-dynamic.tflite")
    assert done.code == 14
    assert "ai-edge-litert" in done.err
