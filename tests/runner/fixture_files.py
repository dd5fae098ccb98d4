"""The committed model files, and which of them can run in this environment."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn_runner.contract import Contract
from edgecnn_runner.formats.container import append_contract, read_container

FIXTURES = Path(__file__).parent / "fixtures"

HAS_LITERT = importlib.util.find_spec("ai_edge_litert") is not None
HAS_TFLITE_RUNTIME = importlib.util.find_spec("tflite_runtime") is not None
HAS_TFLITE = HAS_LITERT or HAS_TFLITE_RUNTIME
HAS_ONNX = importlib.util.find_spec("onnxruntime") is not None

needs_tflite = pytest.mark.skipif(not HAS_TFLITE, reason="no runtime for TFLite is installed")
needs_litert = pytest.mark.skipif(not HAS_LITERT, reason="ai-edge-litert is not installed")
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="onnxruntime is not installed")

OURS = [
    "grey-fp32.tflite",
    "grey-int8.tflite",
    "grey-fp32.onnx",
    "grey-int8.onnx",
    "rgb-fp32.tflite",
    "rgb-int8.tflite",
    "rgb-int8-dynamic.tflite",
    "rgb-logits.tflite",
    "rgb-logits-int8.tflite",
    "rgb-fp32.onnx",
    "rgb-int8.onnx",
]
"""Files with a contract that give scores."""

FOREIGN = {
    "foreign-int8.tflite": ("0..255", "probabilities"),
    "foreign-signed.tflite": ("-1..1", "probabilities"),
    "foreign-logits.tflite": ("0..255", "logits"),
    "foreign-nchw.onnx": ("0..1", "probabilities"),
}
"""Files without a contract, each with its input range and the kind of its output."""

RGB_LABELS = ("class 0", "class 1", "class 2", "class 3")


def path_of(name: str) -> Path:
    """Return a fixture's path; skip the test if no runtime here can load it."""
    if name.endswith(".onnx") and not HAS_ONNX:
        pytest.skip("onnxruntime is not installed")
    if name.endswith(".tflite") and not HAS_TFLITE:
        pytest.skip("no runtime for TFLite is installed")
    if "dynamic" in name and not HAS_LITERT:
        pytest.skip("tflite-runtime is too old for files with dynamic ranges")
    return FIXTURES / name


def images(name: str) -> npt.NDArray[np.uint8]:
    """Return the 24 images that belong to a fixture."""
    with np.load(FIXTURES / f"{_net(name)}.npz") as stored:
        found: npt.NDArray[np.uint8] = stored["images"]
    return found


def reference(name: str) -> npt.NDArray[np.float32]:
    """Return what TensorFlow's float model answers to them: probabilities."""
    with np.load(FIXTURES / f"{_net(name)}.npz") as stored:
        found: npt.NDArray[np.float32] = stored["scores"]
    return found


def rewritten(name: str, target: Path, **changes: Any) -> Path:
    """Write a fixture's model with a changed contract to ``target``."""
    container = read_container(FIXTURES / name)
    assert container.contract is not None
    contract = replace(container.contract, **changes)
    target.write_bytes(append_contract(container.payload, contract, model_format=container.format))
    return target


def contract_for(payload: bytes, **fields: Any) -> Contract:
    """Return a contract of the payload, as that of ``rgb-int8.tflite`` but for ``fields``."""
    contract = read_container(FIXTURES / "rgb-int8.tflite").contract
    assert contract is not None
    return replace(contract, payload_sha256=hashlib.sha256(payload).hexdigest(), **fields)


def _net(name: str) -> str:
    return "grey" if name.startswith("grey") else "rgb"
