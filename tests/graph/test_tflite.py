"""Reading TFLite files, sound and damaged."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.errors import ArtifactError
from edgecnn.modelfile import Quantization, read_graph
from graph.tflite_files import File, Part, Step, float_dense, integer_cnn, options, pack


def test_reads_operators_with_versions_in_order() -> None:
    graph = read_graph(integer_cnn().data())
    assert [(op.name, op.version) for op in graph.operators] == [
        ("QUANTIZE", 1),
        ("CONV_2D", 3),
        ("MAX_POOL_2D", 2),
        ("RESHAPE", 1),
        ("FULLY_CONNECTED", 4),
        ("SOFTMAX", 2),
        ("QUANTIZE", 1),
    ]


def test_counts_macs_parameters_and_bytes() -> None:
    graph = read_graph(integer_cnn().data())
    assert graph.macs == 8 * 8 * 4 * 27 + 64 * 5
    assert graph.parameters == 108 + 4 + 320 + 5  # the reshape's sizes are no weights
    assert graph.weight_bytes == 108 + 4 * 4 + 320 + 5 * 4
    assert dict(graph.weight_dtypes) == {"int8": 428, "int32": 9}


def test_reads_quantization_of_ends_and_channels() -> None:
    graph = read_graph(integer_cnn().data())
    (image,) = graph.inputs
    assert (image.name, image.shape, image.dtype) == ("image", (1, 8, 8, 3), "uint8")
    assert image.quantization == Quantization(scales=(1.0,), zero_points=(0,))
    kernel = graph.operators[1].inputs[1]
    assert kernel is not None
    assert kernel.quantization is not None
    assert kernel.quantization.axis == 0
    assert kernel.quantization.scales == pytest.approx((0.01, 0.02, 0.03, 0.04))


def test_reads_description_and_metadata() -> None:
    graph = read_graph(integer_cnn().data())
    assert graph.description == "made by a test"
    assert dict(graph.metadata) == {"min_runtime_version": "1.14.0"}
    assert dict(graph.min_runtime) == {"tflite": "1.14.0"}


def test_agrees_with_the_interpreter_on_every_tensor_and_operator() -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    data = integer_cnn().data()
    interpreter = Interpreter(
        model_content=data,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.zeros((1, 8, 8, 3), np.uint8))
    interpreter.invoke()  # the file is a real one
    graph = read_graph(data)
    names = [detail["op_name"] for detail in interpreter._get_ops_details()]
    assert [op.name for op in graph.operators] == names
    theirs = {detail["name"]: detail for detail in interpreter.get_tensor_details()}
    for operator in graph.operators:
        for tensor in (*operator.inputs, *operator.outputs):
            assert tensor is not None
            detail = theirs[tensor.name]
            assert tensor.shape == tuple(detail["shape"])
            assert tensor.dtype == np.dtype(detail["dtype"]).name
            scales = detail["quantization_parameters"]["scales"]
            mine = () if tensor.quantization is None else tensor.quantization.scales
            assert mine == pytest.approx(tuple(scales))


def test_open_sizes_are_none_and_count_as_one() -> None:
    file = float_dense()
    file.parts[0].signature = (-1, 3)
    file.parts[2].signature = (-1, 2)
    graph = read_graph(file.data())
    assert graph.inputs[0].shape == (None, 3)
    assert graph.macs == 6


def test_an_optional_input_left_out_is_none() -> None:
    graph = read_graph(float_dense().data())
    assert graph.operators[0].inputs[2] is None


def test_names_flex_and_custom_operators() -> None:
    parts = [Part("x", (1, 2)), Part("y", (1, 2)), Part("z", (1, 2))]
    steps = [
        Step("CUSTOM", ["x"], ["y"], custom="FlexErf"),
        Step("CUSTOM", ["y"], ["z"], custom="MyOwn"),
    ]
    graph = read_graph(File(parts, steps, ["x"], ["z"]).data())
    assert graph.flex == ("FlexErf",)
    assert graph.custom == ("MyOwn",)


def test_names_weights_that_are_not_numbers() -> None:
    weights = np.array([[1, 2, np.nan], [1, 2, 3]], np.float32)
    assert read_graph(float_dense(weights).data()).nonfinite == ("w",)
    halves = np.array([[1, 2, np.inf], [1, 2, 3]], np.float16)
    assert read_graph(float_dense(halves, dtype="float16").data()).nonfinite == ("w",)


def test_large_but_finite_weights_are_numbers() -> None:
    weights = np.full((2, 3), 3e38, np.float32)  # their sum is beyond float32
    assert read_graph(float_dense(weights).data()).nonfinite == ()


def test_packed_four_bit_weights_are_measured_in_bits() -> None:
    file = float_dense(np.zeros(3, np.uint8), dtype="int4", scales=[0.1])
    graph = read_graph(file.data())
    assert (graph.parameters, graph.weight_bytes) == (6, 3)


def test_variables_need_no_maker_and_may_be_written() -> None:
    file = float_dense()
    file.parts = [*file.parts, Part("state", (1, 2), variable=True)]
    file.steps = [
        *file.steps,
        Step("ADD", ["y", "state"], ["state"], 1, options("AddOptions")),
    ]
    assert len(read_graph(file.data()).operators) == 2


def test_a_contract_behind_the_model_does_not_count(tmp_path: Path) -> None:
    import hashlib

    from edgecnn_runner.contract import Contract, InputSpec, OutputSpec
    from edgecnn_runner.formats.container import append_contract

    payload = integer_cnn().data()
    contract = Contract(
        model="m",
        variant="tflite-int8",
        labels=("a", "b", "c", "d", "e"),
        input=InputSpec(height=8, width=8, channels=3, dtype="uint8"),
        output=OutputSpec(dtype="uint8", scale=1 / 256),
        payload_sha256=hashlib.sha256(payload).hexdigest(),
    )
    path = tmp_path / "m.tflite"
    path.write_bytes(append_contract(payload, contract, model_format="tflite"))
    graph = read_graph(path)
    assert graph.payload_bytes == len(payload)
    assert graph == read_graph(payload)


Change = Callable[[Any], None]


def _change(what: str) -> Change:
    """Return a change to the object form of ``integer_cnn`` that makes it impossible."""

    def apply(model: Any) -> None:
        graph = model.subgraphs[0]
        kernel, conv = graph.tensors[2], graph.operators[1]
        if what == "constant too short":
            model.buffers[kernel.buffer].data = np.zeros(107, np.uint8)
        elif what == "constant too long":
            model.buffers[kernel.buffer].data = np.zeros(109, np.uint8)
        elif what == "buffer number":
            kernel.buffer = 99
        elif what == "tensor number":
            conv.inputs = [1, 99, 3]
        elif what == "negative tensor number":
            conv.inputs = [-2, 2, 3]
        elif what == "code number":
            conv.opcodeIndex = 99
        elif what == "operator number":
            model.operatorCodes[1].deprecatedBuiltinCode = -5
            model.operatorCodes[1].builtinCode = -5
        elif what == "type":
            kernel.type = 77
        elif what == "negative size":
            graph.tensors[4].shape = [1, 8, -8, 4]
        elif what == "absurd size":
            graph.tensors[4].shape = [2**31 - 1] * 4
        elif what == "absurd rank":
            graph.tensors[4].shape = [1] * 40
        elif what == "channels":
            kernel.quantization.scale = [0.1, 0.2, 0.3]
            kernel.quantization.zeroPoint = [0, 0, 0]
        elif what == "channel axis":
            kernel.quantization.quantizedDimension = 7
        elif what == "zero points":
            kernel.quantization.zeroPoint = [0, 0]
        elif what == "scale":
            graph.tensors[4].quantization.scale = [float("nan")]
        elif what == "order":
            graph.operators = graph.operators[::-1]
        elif what == "cycle":
            conv.inputs = [5, 2, 3]  # the pooled output of this convolution
        elif what == "written twice":
            graph.operators[2].outputs = list(conv.outputs)
        elif what == "constant written":
            conv.outputs = [2]
        elif what == "input written":
            conv.outputs = [0]
        elif what == "graph output":
            graph.outputs = [99]
        elif what == "nothing computes output":
            graph.operators = graph.operators[:-1]
        elif what == "no graph":
            model.subgraphs = []
        elif what == "schema version":
            model.version = 2
        elif what == "filter rank":
            kernel.shape = [4, 27]
        elif what == "external buffer":
            kernel.externalBuffer = 1
        elif what == "metadata buffer":
            model.metadata[0].buffer = 99
        else:
            raise AssertionError(what)

    return apply


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("constant too short", "'kernel' has 107 bytes, its shape asks for 108"),
        ("constant too long", "'kernel' has 109 bytes"),
        ("buffer number", "names buffer 99"),
        ("tensor number", "tensor 99 of 13"),
        ("negative tensor number", "tensor -2 of 13"),
        ("code number", "code 99 of 7"),
        ("operator number", "operator number -5"),
        ("type", "unknown type 77"),
        ("negative size", r"shape \(1, 8, -8, 4\)"),
        ("absurd size", "has the shape"),
        ("absurd rank", "40 dimensions"),
        ("channels", "3 scales on dimension 0"),
        ("channel axis", "scales on dimension 7"),
        ("zero points", "4 scales and 2 zero points"),
        ("scale", "negative or not a number"),
        ("order", "nothing has computed yet"),
        ("cycle", "CONV_2D reads a tensor that nothing has computed yet"),
        ("written twice", "MAX_POOL_2D writes"),
        ("constant written", "CONV_2D writes a constant"),
        ("input written", "writes a constant, an input"),
        ("graph output", "tensor 99 of 13"),
        ("nothing computes output", "nothing computes output 'answer'"),
        ("no graph", "holds no graph"),
        ("schema version", "schema version is 2, not 3"),
        ("filter rank", "CONV_2D has a tensor of 2 dimensions"),
        ("external buffer", "other files"),
        ("metadata buffer", "metadata names buffer 99"),
    ],
)
def test_refuses_an_impossible_file(what: str, words: str) -> None:
    model = integer_cnn().model()
    _change(what)(model)
    with pytest.raises(ArtifactError, match=words) as caught:
        read_graph(pack(model))
    assert "convert the model again" in caught.value.remedy


def test_refuses_every_truncation() -> None:
    data = integer_cnn().data()
    for length in range(8, len(data), 7):
        try:
            graph = read_graph(data[:length])
        except ArtifactError:
            continue
        # Only bytes nothing points to may be missing.
        assert graph.operators == read_graph(data).operators


def test_a_small_file_cannot_describe_an_enormous_one() -> None:
    """20,000 entries all name one graph, whose 20,000 entries all name one tensor."""
    count = 20_000
    head = struct.pack("<I4s", 20, b"TFL3") + struct.pack("<HHHHHxx", 10, 12, 4, 0, 8)
    root = struct.pack("<iII", 12, 3, 4)  # schema version 3; the vector of graphs follows
    empty_vtable = struct.pack("<HHxxxx", 4, 4)
    graph = struct.pack("<HHHxx", 6, 8, 4) + struct.pack("<iI", 8, 4)
    tensor = empty_vtable + struct.pack("<i", 8)
    data = head + root + _vector_to(count, 8) + graph + _vector_to(count, 8) + tensor
    begin = time.process_time()
    with pytest.raises(ArtifactError, match="parts lie over each other"):
        read_graph(data)
    assert time.process_time() - begin < 5


def _vector_to(count: int, beyond: int) -> bytes:
    """Return a vector of offsets that all point so many bytes behind its end."""
    offsets = (4 * (count - index) + beyond for index in range(count))
    return struct.pack(f"<I{count}I", count, *offsets)


def test_buffers_that_lie_over_each_other_are_refused() -> None:
    model = float_dense(np.ones((2, 3), np.float32)).model()
    big = np.zeros(1 << 16, np.uint8)
    model.buffers[1].data = big
    model.subgraphs[0].tensors[1].shape = [1 << 7, 1 << 7]
    data = bytearray(pack(model))
    at = data.index(struct.pack("<I", 1 << 16) + bytes(16))
    # Many more buffers, by offset and size, over the same bytes.
    from ai_edge_litert import schema_py_generated as schema

    for _ in range(50):
        extra = schema.BufferT()
        extra.offset, extra.size = at + 4, 1 << 16
        model.buffers.append(extra)
    with pytest.raises(ArtifactError, match="over each other"):
        read_graph(pack(model))


@pytest.mark.parametrize("name", ["missing.tflite", "folder"])
def test_refuses_what_cannot_be_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ArtifactError, match="cannot read"):
        read_graph(tmp_path / name)


def test_refuses_other_files() -> None:
    with pytest.raises(ArtifactError, match="neither a TFLite nor an ONNX"):
        read_graph(b"PK\x03\x04 something else entirely")
