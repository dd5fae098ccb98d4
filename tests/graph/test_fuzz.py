"""Damaged files: a result or a typed error, never a crash, a hang, or memory without bound."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from edgecnn_runner.contract import Contract, InputSpec, OutputSpec
from edgecnn_runner.formats.container import append_contract
from graph import mutation
from graph.networks import seed_cnn_tflite
from graph.onnx_files import end, float_cnn, model, qdq_cnn, weight
from graph.tflite_files import float_dense, integer_cnn

pytestmark = pytest.mark.slow  # in processes of their own


def _files(folder: Path) -> list[str]:
    """Write the files to damage."""
    payload = integer_cnn().data()
    contract = Contract(
        model="m",
        variant="tflite-int8",
        labels=("a", "b", "c", "d", "e"),
        input=InputSpec(height=8, width=8, channels=3, dtype="uint8"),
        output=OutputSpec(dtype="uint8", scale=1 / 256),
        payload_sha256=hashlib.sha256(payload).hexdigest(),
    )
    branch = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["inner"])], "body", [], [end("inner", [1, 3])]
    )
    choice = model(
        [helper.make_node("If", ["choose"], ["y"], then_branch=branch, else_branch=branch)],
        [end("choose", [], TensorProto.BOOL), end("x", [1, 2])],
        [end("y", [1, 3])],
        [weight("w", 2, 3)],
    )
    contents = {
        "integer.tflite": payload,
        "integer-again.tflite": payload,
        "dense.tflite": float_dense().data(),
        "artifact.tflite": append_contract(payload, contract, model_format="tflite"),
        "float.onnx": float_cnn().SerializeToString(),
        "qdq.onnx": qdq_cnn().SerializeToString(),
        "choice.onnx": choice.SerializeToString(),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return [str(folder / name) for name in contents]


def _damage_and_read(files: list[str], *, first: int, count: int, seconds: float) -> str:
    """Run the worker in a process of its own; return what it printed."""
    options = [str(first), str(count), str(seconds)]
    result = subprocess.run(
        [sys.executable, "-X", "faulthandler", mutation.__file__, *options, *files],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert result.returncode == 0, f"{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result.stdout


def test_damaged_files_give_a_result_or_a_typed_error(tmp_path: Path) -> None:
    said = _damage_and_read(_files(tmp_path), first=0, count=6000, seconds=2)
    # Damage that is always noticed at once would prove little.
    read = int(said.split(" files, ")[1].split(" read")[0])
    assert 1000 < read < 5000


@pytest.mark.long
def test_many_damaged_files_give_a_result_or_a_typed_error(tmp_path: Path) -> None:
    large = tmp_path / "seed.tflite"
    large.write_bytes(seed_cnn_tflite().data())
    _damage_and_read(_files(tmp_path), first=10**6, count=60_000, seconds=2)
    _damage_and_read([str(large)], first=10**7, count=300, seconds=5)


def test_the_worker_notices_what_is_not_a_typed_error(tmp_path: Path) -> None:
    files = _files(tmp_path)
    with pytest.raises(AssertionError, match="took too long"):
        _damage_and_read(files[:1], first=0, count=300, seconds=1e-6)
