"""Runs files of today with the runner 0.1.0, which is what devices in the field have.

``fixtures/edgecnn_runner-0.1.0-py3-none-any.whl`` was built from the sources of 0.1.0.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import edgecnn_runner
from edgecnn_runner.classifier import Classifier
from edgecnn_runner.contract import mean_std_range
from edgecnn_runner.errors import ContractError
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.golden import preprocessing_cases
from runner.fixture_files import FIXTURES, HAS_LITERT, path_of, rewritten
from runner.test_classifier import png

WHEEL = FIXTURES / "edgecnn_runner-0.1.0-py3-none-any.whl"
FILE = "rgb-fp32.tflite" if HAS_LITERT else "rgb-fp32.onnx"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the runner 0.1.0 lies in."""
    folder = tmp_path_factory.mktemp("runner-0.1.0")
    with zipfile.ZipFile(WHEEL) as wheel:
        wheel.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of another size and aspect ratio than the model's."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    path.write_bytes(png(preprocessing_cases(40, 30, 3)[0][0]))
    return path


def run_in(runner: Path, code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program with the runner in a folder, in a process of its own."""
    check = f"import edgecnn_runner; assert edgecnn_runner.__file__.startswith({str(runner)!r})"
    return subprocess.run(
        [sys.executable, "-c", f"{check}\n{code}", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(runner)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def classified(
    earlier: Path, model: Path, photo: Path
) -> tuple[int, Any, subprocess.CompletedProcess[str]]:
    code = "import sys; from edgecnn_runner.cli import main; sys.exit(main(sys.argv[1:]))"
    done = run_in(earlier, code, "classify", model, photo, "--json")
    return done.returncode, json.loads(done.stdout), done


def test_a_file_that_uses_no_new_rule_runs_there_as_here(earlier: Path, photo: Path) -> None:
    code, (found,), _ = classified(earlier, path_of(FILE), photo)
    assert code == 0
    with Classifier(path_of(FILE)) as classifier:
        here = classifier.classify(photo, top=3)
    assert found["label"] == here.label
    assert [one["score"] for one in found["ranked"]] == [one.score for one in here.ranked]


@pytest.mark.parametrize(
    "changes",
    [
        {"resize": "stretch-bilinear-1"},
        {"resize": "centre-crop-0.875-bilinear-antialias-1"},
        {"resize": "centre-crop-nearest-1"},
    ],
    ids=lambda changes: changes["resize"],
)
def test_a_file_with_a_new_rule_is_refused_there(
    earlier: Path, photo: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    model = rewritten(path_of(FILE).name, tmp_path / FILE, **changes)
    code, found, done = classified(earlier, model, photo)
    assert code == ContractError.exit_code == 11
    assert found["error"] == "ContractError"
    assert changes["resize"] in found["observed"]
    assert "Traceback" not in done.stderr
    with Classifier(model) as classifier:  # and runs here
        assert classifier.contract.resize == changes["resize"]
        classifier.classify(photo)


def test_a_new_range_is_refused_there(earlier: Path, photo: Path, tmp_path: Path) -> None:
    contract = read_container(path_of(FILE)).contract
    assert contract is not None
    fed = replace(contract.input, range=mean_std_range([0.3, 0.2, 0.1], [0.25]))
    model = rewritten(path_of(FILE).name, tmp_path / FILE, input=fed)
    code, found, _ = classified(earlier, model, photo)
    assert (code, found["error"]) == (11, "ContractError")
    assert "mean 0.3,0.2,0.1 std 0.25" in found["observed"]


WRITE = """
import dataclasses, sys
import numpy as np
from edgecnn_runner.contract import Contract
from edgecnn_runner.golden import preprocessing_cases
try:
    from edgecnn_runner.formats.container import append_contract, read_container
except ModuleNotFoundError:  # where it lay in 0.1
    from edgecnn_runner.container import append_contract, read_container

held = read_container(sys.argv[1])
old = held.contract
contract = Contract(
    model="m", variant="v", labels=old.labels, output=old.output,
    input=dataclasses.replace(old.input, range="imagenet"), payload_sha256=old.payload_sha256,
)
with open(sys.argv[2], "wb") as file:
    file.write(append_contract(held.payload, contract, model_format=held.format))
    for arrays in preprocessing_cases(12, 16, 3):
        for array in arrays:
            np.save(file, array)
"""


def test_a_file_that_uses_no_new_rule_has_the_bytes_it_had(earlier: Path, tmp_path: Path) -> None:
    """Written by both from one model and one contract; the cases of golden vectors, too."""
    today = Path(edgecnn_runner.__file__).parents[1]
    for name, runner in (("there", earlier), ("here", today)):
        done = run_in(runner, WRITE, path_of(FILE), tmp_path / name)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()
