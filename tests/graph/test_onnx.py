"""Reading ONNX files, sound and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper

from edgecnn.errors import ArtifactError
from edgecnn.modelfile import Graph, Quantization, Tensor, read_graph
from graph.onnx_files import constant, end, float_cnn, model, qdq_cnn, weight

node = helper.make_node


def read(made: ModelProto) -> Graph:
    return read_graph(made.SerializeToString())


def tensor(graph: Graph, name: str) -> Tensor:
    for operator in graph.operators:
        for found in (*operator.inputs, *operator.outputs):
            if found is not None and found.name == name:
                return found
    raise AssertionError(name)


def test_the_fixtures_are_sound() -> None:
    for made in (float_cnn(), qdq_cnn()):
        onnx.checker.check_model(made, full_check=True)


def test_finds_shapes_that_the_file_does_not_state() -> None:
    graph = read(float_cnn())
    assert [op.outputs[0].shape for op in graph.operators if op.outputs[0]] == [
        (1, 3, 8, 8),
        (1, 4, 4, 4),
        (1, 4, 4, 4),
        (1, 4, 2, 2),
        (1, 16),
        (1, 5),
        (1, 5),
    ]


def test_counts_macs_parameters_and_bytes() -> None:
    graph = read(float_cnn())
    assert graph.macs == 4 * 4 * 4 * 27 + 16 * 5
    assert graph.uncounted == ()
    assert graph.parameters == 108 + 4 + 80 + 5
    assert graph.weight_bytes == 4 * graph.parameters


def test_reads_versions_and_producer() -> None:
    graph = read(float_cnn())
    assert (graph.opset, graph.ir_version, graph.description) == (17, 8, "test 1")
    assert dict(graph.min_runtime) == {"onnxruntime": "1.12.0"}
    assert {op.version for op in graph.operators} == {17}


def test_an_open_batch_counts_as_one_image() -> None:
    made = float_cnn()
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    made.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "N"
    graph = read(made)
    assert graph.inputs[0].shape == (None, 8, 8, 3)
    assert graph.macs == 4 * 4 * 4 * 27 + 16 * 5


def test_integers_of_a_qdq_file_get_their_scales() -> None:
    graph = read(qdq_cnn())
    assert tensor(graph, "xq").quantization == Quantization(scales=(0.5,), zero_points=(128,))
    assert tensor(graph, "xq").dtype == "uint8"
    kernel = tensor(graph, "w").quantization
    assert kernel is not None
    assert (kernel.axis, len(kernel.scales)) == (0, 4)
    assert tensor(graph, "xd").quantization is None
    assert tensor(graph, "xd").dtype == "float32"


def test_scales_and_zero_points_are_no_weights() -> None:
    graph = read(qdq_cnn())
    assert dict(graph.weight_dtypes) == {"int8": 12 + 288, "int32": 4}
    assert graph.macs == 6 * 6 * 4 * 3 + 144 * 2


def test_constants_named_as_inputs_are_not_fed() -> None:
    made = float_cnn()
    made.ir_version = 3
    made.graph.input.extend([end("w", [4, 3, 3, 3]), end("b", [4])])
    assert [given.name for given in read(made).inputs] == ["x"]


def test_constant_operators_are_weights_and_shapes() -> None:
    made = model(
        [
            node("Constant", [], ["sizes"], value=constant("", np.array([1, 6], np.int64))),
            node("Constant", [], ["w"], value=weight("", 6, 4)),
            node("Reshape", ["x", "sizes"], ["r"]),
            node("MatMul", ["r", "w"], ["y"]),
        ],
        [end("x", [1, 2, 3])],
        [end("y", [1, 4])],
    )
    graph = read(made)
    assert (graph.parameters, graph.macs) == (24, 24)
    assert tensor(graph, "r").shape == (1, 6)


def test_operators_outside_the_format_are_named() -> None:
    made = model(
        [node("StatefulPartitionedCall", ["x"], ["a"]), node("Erode", ["a"], ["y"], domain="mine")],
        [end("x", [1])],
        [end("y", [1])],
    )
    assert read(made).custom == ("StatefulPartitionedCall", "mine.Erode")


def test_operators_of_onnx_runtime_are_not_custom() -> None:
    made = model(
        [node("Gelu", ["x"], ["y"], domain="com.microsoft")], [end("x", [1])], [end("y", [1])]
    )
    assert read(made).custom == ()


def test_a_product_of_unknown_shapes_is_not_counted_as_nothing() -> None:
    made = model(
        [node("MatMul", ["x", "z"], ["y"])], [end("x", None), end("z", None)], [end("y", None)]
    )
    graph = read(made)
    assert graph.operators[0].macs is None
    assert graph.uncounted == ("MatMul",)


def test_bodies_of_control_flow_are_read_and_see_outer_tensors() -> None:
    body = helper.make_graph(
        [node("MatMul", ["x", "w"], ["inner"])], "body", [], [end("inner", [1, 3])]
    )
    made = model(
        [node("If", ["choose"], ["y"], then_branch=body, else_branch=body)],
        [end("choose", [], TensorProto.BOOL), end("x", [1, 2])],
        [end("y", [1, 3])],
        [weight("w", 2, 3)],
    )
    onnx.checker.check_model(made)
    graph = read(made)
    assert [(op.name, op.subgraph) for op in graph.operators] == [
        ("If", 0),
        ("MatMul", 1),
        ("MatMul", 2),
    ]
    assert graph.subgraphs == 3


def test_names_weights_that_are_not_numbers() -> None:
    made = float_cnn()
    values = np.ones((5, 16), np.float32)
    values[2, 3] = np.nan
    made.graph.initializer[2].CopyFrom(constant("g", values))
    assert read(made).nonfinite == ("g",)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_typed_fields_are_read_like_raw_bytes(kind: int) -> None:
    raw = helper.make_tensor("w", kind, [2], np.array([1.5, np.inf]))
    for values in (helper.make_tensor("w", kind, [2], [1.5, 2.5]), raw):
        made = model(
            [node("Mul", ["x", "w"], ["y"])], [end("x", [2], kind)], [end("y", [2], kind)], [values]
        )
        graph = read(made)
        assert graph.parameters == 2
        assert graph.nonfinite == (("w",) if values is raw else ())


def test_half_precision_bits_in_integers_are_decoded() -> None:
    proto = TensorProto(name="w", data_type=TensorProto.FLOAT16, dims=[2])
    proto.int32_data.extend([0x3C00, 0x7E00])  # 1.0 and NaN
    kind = TensorProto.FLOAT16
    made = model(
        [node("Mul", ["x", "w"], ["y"])], [end("x", [2], kind)], [end("y", [2], kind)], [proto]
    )
    assert read(made).nonfinite == ("w",)


def test_integer_operators_get_their_scales() -> None:
    made = model(
        [
            node("QLinearConv", ["x", "s", "z", "w", "ws", "wz", "s", "z"], ["y"]),
        ],
        [end("x", [1, 2, 5, 5], TensorProto.UINT8)],
        [end("y", None, TensorProto.UINT8)],
        [
            constant("s", np.float32(0.1)),
            constant("z", np.uint8(3)),
            constant("w", np.ones((4, 2, 3, 3), np.int8)),
            constant("ws", np.full(4, 0.2, np.float32)),
            constant("wz", np.zeros(4, np.int8)),
        ],
    )
    graph = read(made)
    assert graph.macs == 3 * 3 * 4 * 18
    assert graph.parameters == 72
    output = graph.outputs[0]
    assert (output.shape, output.dtype) == ((1, 4, 3, 3), "uint8")
    assert output.quantization is not None
    assert output.quantization.zero_points == (3,)


@pytest.mark.parametrize("transposed", [0, 1])
def test_channels_of_an_integer_product_follow_its_transposition(transposed: int) -> None:
    shape = (4, 3) if transposed else (3, 4)
    inputs = ["x", "s", "z", "w", "ws", "wz", "b", "s", "z"]
    made = model(
        [node("QGemm", inputs, ["y"], domain="com.microsoft", transB=transposed)],
        [end("x", [1, 3], TensorProto.UINT8)],
        [end("y", None, TensorProto.UINT8)],
        [
            constant("s", np.float32(0.1)),
            constant("z", np.uint8(3)),
            constant("w", np.ones(shape, np.int8)),
            constant("ws", np.full(4, 0.2, np.float32)),
            constant("wz", np.zeros(4, np.int8)),
            constant("b", np.zeros(4, np.int32)),
        ],
    )
    graph = read(made)
    assert graph.parameters == 12 + 4
    bias = tensor(graph, "b").quantization
    assert bias is not None
    assert bias.scales == pytest.approx([0.02] * 4)
    kernel = tensor(graph, "w").quantization
    assert kernel is not None
    assert kernel.axis == 1 - transposed
    assert (graph.macs, graph.outputs[0].shape) == (12, (1, 4))


def test_weights_in_other_files_are_named_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save_model(
        float_cnn(), path, save_as_external_data=True, location="m.bin", size_threshold=0
    )
    (tmp_path / "m.bin").unlink()
    graph, inside = read_graph(path), read_graph(float_cnn().SerializeToString())
    assert graph.external == ("w", "b", "g", "gb")
    assert inside.external == ()
    assert (graph.macs, graph.parameters, graph.operators) == (
        inside.macs, inside.parameters, inside.operators,
    )  # fmt: skip


def _changed(what: str) -> ModelProto:
    """Return ``float_cnn``, or ``qdq_cnn``, made impossible."""
    made = qdq_cnn() if what.startswith("q ") else float_cnn()
    graph = made.graph
    kernel = graph.initializer[0]
    if what == "constant too short":
        kernel.raw_data = kernel.raw_data[:-4]
    elif what == "constant negative":
        kernel.dims[0] = -4
    elif what == "constant absurd":
        kernel.dims[:] = [2**40, 2**40]
    elif what == "constant rank":
        kernel.dims[:] = [1] * 30
    elif what == "constant type":
        kernel.data_type = 99
    elif what == "typed too few":
        kernel.CopyFrom(helper.make_tensor("w", TensorProto.FLOAT, [4, 3, 3, 3], np.ones(108)))
        del kernel.float_data[0]
    elif what == "order":
        nodes = list(graph.node)[::-1]
        del graph.node[:]
        graph.node.extend(nodes)
    elif what == "cycle":
        graph.node[1].input[0] = "p"
    elif what == "twice":
        graph.node[2].output[0] = "c"
    elif what == "constant written":
        graph.node[2].output[0] = "w"
    elif what == "no such tensor":
        graph.node[1].input[0] = "nowhere"
    elif what == "no such output":
        graph.output[0].name = "nowhere"
    elif what == "absurd end":
        graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2**50
    elif what == "no weights":
        del graph.node[1].input[1:]
    elif what == "q scale":
        graph.initializer[0].raw_data = np.float32(np.nan).tobytes()
    elif what == "q zero points":
        graph.initializer[4].CopyFrom(constant("wz", np.zeros(3, np.int8)))
    elif what == "q axis":
        graph.node[2].attribute[0].i = 3
    else:
        raise AssertionError(what)
    return made


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("constant too short", r"'w' has 428 values or bytes, .* asks for 432"),
        ("constant negative", r"'w' has the shape \(-4"),
        ("constant absurd", "'w' has the shape"),
        ("constant rank", "'w' has the shape"),
        ("constant type", "unknown type 99"),
        ("typed too few", "has 107 values"),
        ("order", "which nothing has computed yet"),
        ("cycle", "Conv reads 'p', which nothing has computed yet"),
        ("twice", "'c' is computed twice"),
        ("constant written", "'w' is computed twice"),
        ("no such tensor", "Conv reads 'nowhere'"),
        ("no such output", "output reads 'nowhere'"),
        ("absurd end", "'x' has an absurd shape"),
        ("no weights", "Conv lacks a tensor"),
        ("q scale", "negative or not a number"),
        ("q zero points", "do not match"),
        ("q axis", "4 scales on dimension 3"),
    ],
)
def test_refuses_an_impossible_file(what: str, words: str) -> None:
    with pytest.raises(ArtifactError, match=words) as caught:
        read(_changed(what))
    assert "convert the model again" in caught.value.remedy


def test_refuses_bytes_that_protobuf_cannot_read() -> None:
    data = bytearray(float_cnn().SerializeToString())
    at = data.index(b"Conv") - 1
    data[at] = 0x7F  # a text longer than the operator it belongs to
    with pytest.raises(ArtifactError, match="no sound protobuf"):
        read_graph(bytes(data))


_SHAPED: list[tuple[str, NodeProto, list[tuple[int, ...]], dict[str, list[int]]]] = [
    ("conv", node("Conv", ["a", "b"], ["y"], dilations=[2, 1]), [(1, 4, 9, 9), (6, 2, 3, 3)], {}),
    (
        "conv groups and strides",
        node("Conv", ["a", "b"], ["y"], group=2, strides=[2, 3], pads=[0, 1, 2, 1]),
        [(1, 4, 9, 9), (6, 2, 3, 3)],
        {},
    ),
    (
        "conv same",
        node("Conv", ["a", "b"], ["y"], auto_pad="SAME_UPPER", strides=[2, 2]),
        [(1, 4, 9, 10), (6, 4, 3, 3)],
        {},
    ),
    ("conv 1d", node("Conv", ["a", "b"], ["y"]), [(1, 4, 9), (6, 4, 3)], {}),
    (
        "transposed conv",
        node("ConvTranspose", ["a", "b"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1], group=2),
        [(1, 4, 5, 6), (4, 3, 3, 3)],
        {},
    ),
    (
        "transposed conv same",
        node("ConvTranspose", ["a", "b"], ["y"], strides=[2, 2], auto_pad="SAME_UPPER"),
        [(1, 4, 5, 6), (4, 3, 3, 3)],
        {},
    ),
    (
        "transposed conv padded",
        node("ConvTranspose", ["a", "b"], ["y"], strides=[2, 2], output_padding=[1, 1]),
        [(1, 4, 5, 6), (4, 3, 3, 3)],
        {},
    ),
    (
        "pool",
        node("AveragePool", ["a"], ["y"], kernel_shape=[3, 2], strides=[2, 2]),
        [(1, 4, 9, 9)],
        {},
    ),
    (
        "pool up",
        node("MaxPool", ["a"], ["y"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        [(1, 4, 9, 9)],
        {},
    ),
    ("global pool", node("GlobalAveragePool", ["a"], ["y"]), [(1, 4, 9, 9)], {}),
    ("gemm", node("Gemm", ["a", "b"], ["y"], transA=1, transB=1), [(3, 2), (5, 3)], {}),
    ("matmul", node("MatMul", ["a", "b"], ["y"]), [(7, 1, 2, 3), (4, 3, 5)], {}),
    ("matmul vectors", node("MatMul", ["a", "b"], ["y"]), [(4, 2, 3), (3,)], {}),
    ("flatten", node("Flatten", ["a"], ["y"], axis=2), [(2, 3, 4, 5)], {}),
    ("flatten all", node("Flatten", ["a"], ["y"], axis=0), [(2, 3)], {}),
    ("reshape", node("Reshape", ["a", "n"], ["y"]), [(2, 3, 4)], {"n": [0, -1]}),
    ("transpose", node("Transpose", ["a"], ["y"], perm=[2, 0, 1]), [(2, 3, 4)], {}),
    ("transpose all", node("Transpose", ["a"], ["y"]), [(2, 3, 4)], {}),
    ("squeeze", node("Squeeze", ["a", "n"], ["y"]), [(1, 3, 1)], {"n": [-1]}),
    ("squeeze all", node("Squeeze", ["a"], ["y"]), [(1, 3, 1)], {}),
    ("unsqueeze", node("Unsqueeze", ["a", "n"], ["y"]), [(2, 3)], {"n": [0, -1]}),
    ("mean", node("ReduceMean", ["a"], ["y"], axes=[2, -1], keepdims=0), [(2, 3, 4, 5)], {}),
    ("sum", node("ReduceSum", ["a", "n"], ["y"]), [(2, 3, 4, 5)], {"n": [1]}),
    ("sum all", node("ReduceSum", ["a"], ["y"], keepdims=0), [(2, 3)], {}),
    ("concat", node("Concat", ["a", "b"], ["y"], axis=-1), [(2, 3), (2, 5)], {}),
    ("pad", node("Pad", ["a", "n"], ["y"]), [(2, 3)], {"n": [0, 1, 2, 3]}),
    ("broadcast", node("Add", ["a", "b"], ["y"]), [(4, 1, 3), (2, 1)], {}),
    ("shape", node("Shape", ["a"], ["y"]), [(4, 1, 3)], {}),
    ("same", node("Softmax", ["a"], ["y"]), [(4, 3)], {}),
]


@pytest.mark.parametrize(
    ("made", "shapes", "numbers"), [case[1:] for case in _SHAPED], ids=[case[0] for case in _SHAPED]
)
def test_shapes_are_those_of_onnx_itself(
    made: NodeProto, shapes: list[tuple[int, ...]], numbers: dict[str, list[int]]
) -> None:
    file = model(
        [made],
        [end(name, shape) for name, shape in zip("ab", shapes, strict=False)],
        [end("y", None, TensorProto.INT64 if made.op_type == "Shape" else TensorProto.FLOAT)],
        [constant(name, np.array(values, np.int64)) for name, values in numbers.items()],
    )
    inferred = onnx.shape_inference.infer_shapes(file, strict_mode=True).graph.output[0]
    assert inferred.type.tensor_type.HasField("shape")
    theirs = tuple(size.dim_value for size in inferred.type.tensor_type.shape.dim)
    assert read(file).outputs[0].shape == theirs


@pytest.mark.parametrize(
    "made",
    [
        node("Conv", ["a", "a"], ["y"], strides=[0, 0]),
        node("MaxPool", ["a"], ["y"], kernel_shape=[2, 2, 2]),
        node("MaxPool", ["a"], ["y"], kernel_shape=[2, 2], strides=[1]),
        node("Reshape", ["a", "n"], ["y"]),
        node("Transpose", ["a"], ["y"], perm=[0, 0, 0, 0]),
        node("Flatten", ["a"], ["y"], axis=9),
        node("Concat", ["a", "n"], ["y"], axis=3),
        node("Unsqueeze", ["a"], ["y"]),
        node("Pad", ["a", "n"], ["y"]),
        node("Softmax", [], ["y"]),
    ],
    ids=lambda made: made.op_type,
)
def test_attributes_that_do_not_fit_give_an_unknown_shape(made: NodeProto) -> None:
    numbers = constant("n", np.array([0], np.int64))
    file = model([made], [end("a", [2, 2, 2, 2])], [end("y", None)], [numbers])
    assert read(file).outputs[0].shape is None


def test_sizes_do_not_grow_without_bound() -> None:
    nodes = [node("Concat", [f"t{index}"] * 9, [f"t{index + 1}"], axis=0) for index in range(400)]
    made = model(nodes, [end("t0", [1 << 20])], [end("t400", None)])
    assert read(made).outputs[0].shape is None
