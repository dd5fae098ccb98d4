"""Files that are no image classifiers, loaded to be timed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgecnn.devices.on_device.raw_model import RawModel, closed_shape, random_values, type_of
from edgecnn_runner.errors import ArtifactError
from edgecnn_runner.runtimes.choice import TensorInfo
from graph.onnx_files import end, model
from runner.fixture_files import FIXTURES


@pytest.mark.parametrize(
    ("shape", "closed"),
    [
        ((1, 96, 96, 3), (1, 96, 96, 3)),
        ((-1, -1, -1, 3), (1, 224, 224, 3)),
        ((-1, 3, -1, -1), (1, 3, 224, 224)),
        ((-1, 16), (1, 16)),
        ((), ()),
    ],
)
def test_open_sizes_become_one_image_of_a_usual_size(
    shape: tuple[int, ...], closed: tuple[int, ...]
) -> None:
    assert closed_shape(shape) == closed


def test_each_input_gets_values_of_its_type() -> None:
    inputs = [
        TensorInfo(name="image", shape=(1, 8, 8, 3), dtype="uint8"),
        TensorInfo(name="signed", shape=(1, 8, 8, 3), dtype="int8"),
        TensorInfo(name="real", shape=(1, 8, 8, 3), dtype="float32"),
        TensorInfo(name="place", shape=(1, 4), dtype="tensor(int64)"),
        TensorInfo(name="flag", shape=(), dtype="tensor(bool)"),
        TensorInfo(name="wide", shape=(2,), dtype="tensor(double)"),
    ]
    values = random_values(inputs, name="it")
    assert [value.dtype.name for value in values] == [
        "uint8", "int8", "float32", "int64", "bool", "float64"
    ]  # fmt: skip
    assert [value.shape for value in values] == [one.shape for one in inputs]
    assert len(np.unique(values[0])) > 50
    assert values[1].min() < 0 < values[1].max()
    assert values[2].min() >= 0
    assert values[2].max() <= 1
    assert set(values[3].reshape(-1).tolist()) <= {0, 1}


@pytest.mark.parametrize(
    ("info", "problem"),
    [
        (TensorInfo(name="words", shape=(1,), dtype="tensor(string)"), "takes no numbers"),
        (TensorInfo(name="huge", shape=(1, 1 << 20, 1 << 10, 3), dtype="uint8"), "more than can"),
    ],
)
def test_what_cannot_be_random_is_refused_by_name(info: TensorInfo, problem: str) -> None:
    with pytest.raises(ArtifactError, match=problem):
        random_values([info], name="it")


def test_type_names_of_both_runtimes_are_numpy_s() -> None:
    assert [type_of(name) for name in ("uint8", "tensor(float)", "tensor(float16)")] == [
        "uint8", "float32", "float16"
    ]  # fmt: skip


def test_an_onnx_file_of_two_inputs_and_outputs_answers(tmp_path: Path) -> None:
    path = tmp_path / "detector.onnx"
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["boxes"], axes=[1, 2], keepdims=0),
        helper.make_node("Add", ["size", "size"], ["sizes"]),
    ]
    inputs = [
        end("image", ["n", "height", "width", 3]),
        end("size", ["n", 2], TensorProto.INT64),
    ]
    outputs = [end("boxes", ["n", 3]), end("sizes", ["n", 2], TensorProto.INT64)]
    path.write_bytes(model(nodes, inputs, outputs).SerializeToString())
    raw = RawModel(path, threads=1, runtime="onnxruntime")
    boxes, sizes = raw.classify(raw.values)
    assert (boxes.shape, sizes.shape) == ((1, 3), (1, 2))
    assert boxes == pytest.approx(raw.values[0].mean(axis=(1, 2)))
    assert raw.kernels == "CPUExecutionProvider"
    assert raw.load_ns > 0


def test_a_tflite_file_answers_with_all_of_its_outputs() -> None:
    raw = RawModel(FIXTURES / "two-outputs.tflite", threads=1, runtime="litert")
    assert len(raw.classify(raw.values)) == 2


def test_a_tflite_file_of_open_size_takes_an_image_of_a_usual_size() -> None:
    raw = RawModel(FIXTURES / "open-size.tflite", threads=1, runtime="litert")
    assert raw.values[0].shape[1:3] == (224, 224)
    first = raw.classify(raw.values)
    again = raw.classify(raw.values)
    assert all((one == other).all() for one, other in zip(first, again, strict=True))
