"""Lowest runtime versions, and why a runtime cannot load a file."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from onnx import helper

from edgecnn.modelfile import Graph, loads, read_graph
from edgecnn.modelfile.runtimes import onnx_minimum, parse_version, unlisted
from edgecnn.modelfile.tflite_operators import OPERATOR_NAMES, OPERATOR_RELEASES
from graph.onnx_files import end, float_cnn, model
from graph.tflite_files import File, Part, Step, float_dense, integer_cnn


def dense(version: int, stated: bytes = b"") -> Graph:
    file = float_dense()
    file.steps[0].version = version
    file.metadata = {"min_runtime_version": stated} if stated else {}
    return read_graph(file.data())


def test_the_minimum_follows_from_operator_versions() -> None:
    assert dict(dense(1).min_runtime) == {"tflite": "1.5.0"}
    assert dict(dense(12).min_runtime) == {"tflite": "2.17.0"}


def test_the_files_own_statement_counts_if_it_is_higher() -> None:
    assert dict(dense(1, b"2.20.0\0\0").min_runtime) == {"tflite": "2.20.0"}
    assert dict(dense(12, b"1.5.0").min_runtime) == {"tflite": "2.17.0"}
    assert dict(dense(1, b"nonsense").min_runtime) == {"tflite": "1.5.0"}


def test_releases_are_compared_as_numbers() -> None:
    assert parse_version("2.9.0") < parse_version("2.10.0")
    assert parse_version("2.14") == parse_version("2.14.0") == parse_version("2.14.0.post1")
    assert parse_version("2.22.0-dev0") == (2, 22, 0)
    with pytest.raises(ValueError, match="is not a version"):
        parse_version("latest")


def test_sixteen_bit_activations_need_their_kernels_whatever_the_versions_say() -> None:
    file = integer_cnn()
    for part in file.parts:
        if part.data is None:
            part.dtype = "int16"
    graph = read_graph(file.data())
    assert dict(graph.min_runtime) == {"tflite": "2.3.0"}


def test_tflite_runtime_refuses_what_came_after_it() -> None:
    reason = loads(dense(12), "tflite-runtime", "2.14.0")
    assert reason is not None
    assert "TensorFlow 2.17.0 or newer (FULLY_CONNECTED version 12), not 2.14.0" in reason
    assert loads(dense(12), "tflite-runtime", "2.17.0") is None
    assert loads(dense(12), "tensorflow", "2.16.2") is not None
    assert loads(dense(12), "ai-edge-litert", "1.0.1") is None


def test_operators_newer_than_the_table_are_refused_by_runtimes_it_covers() -> None:
    graph = dense(99)
    assert unlisted(graph) == ("FULLY_CONNECTED version 99",)
    assert "FULLY_CONNECTED version 99" in (loads(graph, "tflite-runtime", "2.14.0") or "")
    assert loads(graph, "tensorflow", "2.30.0") is None


def test_flex_operators_need_tensorflow_itself() -> None:
    parts = [Part("x", (1, 2)), Part("y", (1, 2))]
    step = Step("CUSTOM", ["x"], ["y"], custom="FlexErf")
    graph = read_graph(File(parts, [step], ["x"], ["y"]).data())
    assert "Flex" in (loads(graph, "ai-edge-litert", "2.3.0") or "")
    assert loads(graph, "tensorflow", "2.21.0") is None


@pytest.mark.parametrize(
    ("opset", "ir_version", "release"),
    [
        (9, 3, "0.3.0"),
        (13, 7, "1.6.0"),
        (13, 8, "1.9.0"),
        (17, 8, "1.12.0"),
        (17, 9, "1.16.0"),
        (21, 10, "1.18.0"),
        (22, 10, "1.21.0"),
        (18, 11, "1.23.0"),
        (None, 8, "1.9.0"),
    ],
)
def test_onnx_runtime_follows_from_opset_and_ir_version(
    opset: int | None, ir_version: int, release: str
) -> None:
    assert onnx_minimum(opset, ir_version) == {"onnxruntime": release}


def test_onnx_files_beyond_the_table_have_no_minimum() -> None:
    assert onnx_minimum(99, 8) == {}
    made = float_cnn()
    made.opset_import[0].version = 99
    graph = read_graph(made.SerializeToString())
    assert dict(graph.min_runtime) == {}
    assert "newer than this program knows" in (loads(graph, "onnxruntime", "1.32.0") or "")


def test_onnx_runtime_refuses_newer_opsets_and_unknown_operators() -> None:
    graph = read_graph(float_cnn().SerializeToString())
    assert loads(graph, "onnxruntime", "1.12.0") is None
    reason = loads(graph, "onnxruntime", "1.11.1")
    assert reason == "opset 17 with IR version 8 needs onnxruntime 1.12.0 or newer, not 1.11.1"
    made = model(
        [helper.make_node("Erode", ["x"], ["y"], domain="mine")], [end("x", [1])], [end("y", [1])]
    )
    reason = loads(read_graph(made.SerializeToString()), "onnxruntime", "1.32.0")
    assert reason == "mine.Erode is an operator that onnxruntime does not have"


def test_each_family_reads_its_own_format() -> None:
    assert loads(dense(1), "onnxruntime", "1.20.0") == "onnxruntime does not read tflite files"
    graph = read_graph(float_cnn().SerializeToString())
    assert loads(graph, "tflite-runtime", "2.14.0") == "tflite-runtime does not read onnx files"


def test_unknown_runtimes_and_versions_are_mistakes() -> None:
    with pytest.raises(ValueError, match="not one of tflite-runtime"):
        loads(dense(1), "coreml", "1.0")
    with pytest.raises(ValueError, match="not a version"):
        loads(dense(1), "tensorflow", "newest")


def test_the_installed_runtimes_load_what_the_tables_say_they_load() -> None:
    import onnxruntime

    own = ".".join(onnxruntime.__version__.split(".")[:3])
    for opset, ir_version in ((17, 8), (22, 10), (23, 11)):
        made = float_cnn()
        made.opset_import[0].version, made.ir_version = opset, ir_version
        data = made.SerializeToString()
        if loads(read_graph(data), "onnxruntime", own) is None:
            session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
            session.run(None, {"x": np.zeros((1, 8, 8, 3), np.float32)})


_ASK_TENSORFLOW = """
import ctypes, json, pathlib, sys, tensorflow
library = pathlib.Path(tensorflow.__file__).parent / "libtensorflow_cc.so.2"
find = getattr(ctypes.CDLL(str(library)), sys.argv[1])
find.argtypes, find.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int], ctypes.c_void_p
answers = []
for number in range(int(sys.argv[2])):
    row = []
    for version in range(1, 25):
        text = (ctypes.c_uint64 * 4)()  # a libstdc++ std::string: pointer, length, short text
        find(ctypes.addressof(text), number, version)
        row.append(ctypes.string_at(text[0], text[1]).decode() or None)
    answers.append(row)
print(json.dumps([tensorflow.__version__, answers]))
"""
_SYMBOL = "_ZN6tflite30FindMinimumRuntimeVersionForOpB5cxx11ENS_15BuiltinOperatorEi"


@pytest.mark.slow
def test_the_table_is_that_of_the_installed_tensorflow() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _ASK_TENSORFLOW, _SYMBOL, str(len(OPERATOR_NAMES))],
        capture_output=True,
        text=True,
        check=False,
    )
    if "undefined symbol" in result.stderr or "cannot open shared object" in result.stderr:
        pytest.skip("this TensorFlow build does not export the function")
    assert result.returncode == 0, result.stderr[-2000:]
    version, answers = json.loads(result.stdout.splitlines()[-1])
    for name, row in zip(OPERATOR_NAMES, answers, strict=True):
        known = OPERATOR_RELEASES[name]
        theirs = [release for release in row if release is not None]
        if version.startswith("2.21."):
            assert list(known) == row[: len(known)], name
            assert not any(row[len(known) :]), name
        else:  # another release has the same facts, and fewer or more of them
            mine = [release for release in known if release is not None]
            length = min(len(mine), len(theirs))
            assert mine[:length] == theirs[:length], name


def test_operator_names_are_those_of_the_schema() -> None:
    from ai_edge_litert import schema_py_generated as schema

    names = vars(schema.BuiltinOperator)
    assert [names[name] for name in OPERATOR_NAMES] == list(range(len(OPERATOR_NAMES)))
