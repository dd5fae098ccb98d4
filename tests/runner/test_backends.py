from __future__ import annotations

import numpy as np
import pytest

from edgecnn_runner.errors import ArtifactError, RuntimeTooOldError
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.runtimes.backend_tflite import kernels_of
from edgecnn_runner.runtimes.choice import Backend, choose_runtime, open_backend
from edgecnn_runner.session import Session
from runner.fixture_files import FIXTURES, needs_onnx, needs_tflite, path_of


def load(name: str, runtime: str | None = None) -> Backend:
    container = read_container(path_of(name))
    return open_backend(choose_runtime(container.format, runtime), container.data, threads=1)


@pytest.mark.parametrize("name", ["rgb-int8.tflite", "rgb-fp32.tflite"])
def test_a_tflite_backend_describes_its_ends(name: str) -> None:
    backend = load(name)
    (fed,), (given,) = backend.inputs, backend.outputs
    assert fed.shape == (-1, 12, 16, 3), "TensorFlow's converter leaves the batch open"
    assert given.shape == (1, 4)
    integer = "int8" in name
    assert fed.dtype == given.dtype == ("uint8" if integer else "float32")
    assert (fed.scale, fed.zero_point) == ((1.0, 0) if integer else (0.0, 0))
    assert given.scale == (1 / 256 if integer else 0.0)


@pytest.mark.parametrize("name", ["open-size.tflite", "open-size-unpadded.tflite"])
def test_a_size_that_a_tflite_file_leaves_open_is_open(name: str) -> None:
    # The interpreter takes 1 for each, and runs a single pixel, if the model can.
    backend = load(name)
    assert [fed.shape for fed in backend.inputs] == [(-1, -1, -1, 3)]
    with pytest.raises(ArtifactError, match="cannot be run"):
        backend.run(np.zeros((1, 1, 1, 3), np.float32))


def test_an_onnx_backend_describes_its_ends() -> None:
    backend = load("rgb-int8.onnx")
    assert [(fed.name, fed.shape, fed.dtype) for fed in backend.inputs] == [
        ("image", (1, 12, 16, 3), "float32")
    ]
    assert [(given.name, given.shape) for given in backend.outputs] == [("scores", (1, 4))]


@pytest.mark.parametrize("name", ["rgb-fp32.tflite", "rgb-fp32.onnx"])
def test_each_run_gives_a_fresh_array(name: str) -> None:
    backend = load(name)
    image = np.full((1, 12, 16, 3), 255, np.float32)
    first = backend.run(image)
    before = first.copy()
    backend.run(image * 0)
    np.testing.assert_array_equal(first, before)


@pytest.mark.parametrize("name", ["rgb-fp32.tflite", "rgb-fp32.onnx"])
def test_what_a_runtime_refuses_to_run_is_an_artifact_error(name: str) -> None:
    with pytest.raises(ArtifactError, match="cannot be run"):
        load(name).run(np.zeros((1, 5, 5, 3), np.float32))


@needs_tflite
def test_what_tflite_cannot_load_is_an_artifact_error() -> None:
    # Structurally sound, but its operators do not fit together: a shape that no layer gives.
    data = bytearray((FIXTURES / "foreign-signed.tflite").read_bytes())
    target = b"TFL3" + b"\0" * 64
    with pytest.raises(ArtifactError, match="copy the file again"):
        open_backend(choose_runtime("tflite"), bytes(data[:4]) + target, threads=1)


@needs_onnx
@pytest.mark.parametrize("damage", [b"", b"\x08\x08", b"\x3a\x03abc"])
def test_what_onnxruntime_cannot_load_is_an_artifact_error(damage: bytes) -> None:
    with pytest.raises(ArtifactError, match="copy the file again"):
        open_backend("onnxruntime", damage, threads=1)


@needs_onnx
def test_an_ir_version_from_the_future_is_a_runtime_that_is_too_old() -> None:
    data = (FIXTURES / "foreign-nchw.onnx").read_bytes()
    assert data.startswith(b"\x08\x08"), "the IR version comes first"
    with pytest.raises(RuntimeTooOldError, match="IR version") as caught:
        open_backend("onnxruntime", b"\x08\x63" + data[2:], threads=1)
    assert caught.value.expected == "a newer version"


def test_kernels_are_told_from_what_the_interpreter_planned() -> None:
    taken = [
        {"op_name": "QUANTIZE", "inputs": [0], "outputs": [1]},
        {"op_name": "CONV_2D", "inputs": [1, 8], "outputs": [2]},
        {"op_name": "SOFTMAX", "inputs": [2], "outputs": [3]},
    ]
    assert kernels_of(taken, [3]) == "builtin"
    part = {"op_name": "DELEGATE", "inputs": [1, 8], "outputs": [2]}
    assert kernels_of([*taken, part], [3]) == "XNNPACK; builtin: QUANTIZE, SOFTMAX"
    whole = {"op_name": "DELEGATE", "inputs": [0, 8], "outputs": [3]}
    assert kernels_of([*taken, whole], [3]) == "XNNPACK"
    unused = {"op_name": "DELEGATE", "inputs": [0], "outputs": [7]}
    assert kernels_of([*taken, unused], [3]) == "builtin"


@needs_tflite
def test_the_kernels_of_a_tflite_file() -> None:
    with Session.open(path_of("rgb-int8.tflite")) as session:
        # tflite-runtime 2.14's XNNPACK takes no such graph, and yet says that it was made.
        assert session.kernels == "builtin" or session.kernels.startswith("XNNPACK; builtin: ")
    with pytest.raises(ValueError, match="closed"):
        _ = session.kernels


@needs_onnx
def test_the_kernels_of_an_onnx_file() -> None:
    with Session.open(path_of("rgb-int8.onnx")) as session:
        assert session.kernels == "CPUExecutionProvider"
