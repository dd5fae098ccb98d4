"""Each ONNX operator that is imported, in its odd forms, answers as in ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from convert.onnx.graphs import Array, Weights, check_same, image_model, model_of, rng
from edgecnn.convert.source.onnx.graph import read_graph
from edgecnn.convert.source.onnx.importer import OPERATORS, to_keras
from edgecnn.errors import SourceModelError

node = helper.make_node


def normal(*shape: int) -> Array:
    return rng().normal(size=shape).astype(np.float32)


def single(op: str, shape: Any = (1, 4, 9, 11), opset: int = 17, **attributes: Any) -> bytes:
    return image_model([node(op, ["x"], ["y"], **attributes)], shape=shape, opset=opset)


def whole(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


CONVOLUTIONS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "plain": ((5, 4, 3, 3), {}),
    "symmetric": ((5, 4, 3, 3), {"pads": [1, 1, 1, 1]}),
    "strided": ((5, 4, 3, 3), {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    "asymmetric": ((5, 4, 3, 2), {"pads": [0, 2, 1, 0], "strides": [1, 2]}),
    "even kernel": ((5, 4, 4, 4), {"pads": [2, 1, 1, 2]}),
    "one row": ((5, 4, 1, 7), {"pads": [0, 3, 0, 3]}),
    "SAME_UPPER": ((5, 4, 4, 4), {"auto_pad": "SAME_UPPER", "strides": [2, 3]}),
    "SAME_LOWER": ((5, 4, 4, 4), {"auto_pad": "SAME_LOWER", "strides": [2, 3]}),
    "VALID": ((5, 4, 3, 3), {"auto_pad": "VALID", "strides": [2, 2]}),
    "groups": ((6, 2, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
    "depthwise": ((4, 1, 3, 3), {"group": 4, "pads": [1, 1, 1, 1], "strides": [2, 2]}),
    "multiplier": ((8, 1, 3, 3), {"group": 4}),
    "depthwise, two strides": ((4, 1, 3, 3), {"group": 4, "strides": [1, 2], "pads": [1, 1, 1, 1]}),
    "dilated": ((5, 4, 3, 3), {"dilations": [2, 2], "pads": [2, 2, 2, 2]}),
    "dilated twice": ((5, 4, 3, 3), {"dilations": [2, 3], "pads": [2, 3, 2, 3]}),
    "dilated, strided": ((5, 4, 3, 3), {"dilations": [2, 2], "strides": [2, 2]}),
    "dilated depthwise": ((4, 1, 3, 3), {"group": 4, "dilations": [2, 2], "pads": [2, 2, 2, 2]}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("with_bias", [True, False])
def test_convolutions(name: str, with_bias: bool) -> None:
    shape, attributes = CONVOLUTIONS[name]
    weights = {"w": normal(*shape), "b": normal(shape[0])}
    inputs = ["x", "w", "b"] if with_bias else ["x", "w"]
    check_same(image_model([node("Conv", inputs, ["y"], **attributes)], weights))


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2, 2]},
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
        {"strides": [3, 2], "pads": [0, 1, 1, 0]},
        {"strides": [4, 4], "output_padding": [2, 3]},
        {"dilations": [2, 2], "pads": [1, 1, 1, 1]},
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"group": 2, "strides": [2, 2]},
    ],
)
def test_transposed_convolutions(attributes: dict[str, Any]) -> None:
    weights = {"w": normal(4, 3, 3, 3), "b": normal(3 * attributes.get("group", 1))}
    check_same(image_model([node("ConvTranspose", ["x", "w", "b"], ["y"], **attributes)], weights))


POOLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "strided": {"strides": [2, 2]},
    "symmetric": {"strides": [2, 2], "pads": [1, 1, 1, 1]},
    "asymmetric": {"strides": [2, 1], "pads": [0, 1, 1, 0]},
    "ceil": {"strides": [2, 2], "ceil_mode": 1},
    "ceil, padded": {"strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
    "ceil, last window outside": {"strides": [3, 3], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
    "SAME_UPPER": {"strides": [2, 3], "auto_pad": "SAME_UPPER"},
    "SAME_LOWER": {"strides": [2, 3], "auto_pad": "SAME_LOWER"},
}


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("before", [None, "Relu", "HardSwish", "Tanh", "Neg"])
def test_max_pooling(name: str, before: str | None) -> None:
    pool = {"kernel_shape": [3, 3], **POOLS[name]}
    # Below zero everywhere: padding with 0 would be seen.
    first = [node(before or "Identity", ["x"], ["h"])]
    data = image_model([*first, node("MaxPool", ["h"], ["y"], **pool)])
    images = -np.abs(normal(2, 4, 9, 11)) - 0.2
    check_same(data, images=-images if before in ("Relu", "Neg") else images)


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("include", [0, 1])
def test_average_pooling(name: str, include: int) -> None:
    check_same(single("AveragePool", kernel_shape=[3, 3], count_include_pad=include, **POOLS[name]))


ALONE: list[tuple[str, int, dict[str, Any]]] = [
    ("Relu", 17, {}), ("LeakyRelu", 17, {"alpha": 0.2}), ("Elu", 17, {"alpha": 0.7}),
    ("Selu", 17, {}), ("Clip", 9, {"min": 0.0, "max": 6.0}), ("Clip", 10, {"min": -0.5}),
    ("Sigmoid", 17, {}), ("HardSigmoid", 17, {}), ("HardSigmoid", 17, {"alpha": 1 / 6}),
    ("HardSwish", 17, {}), ("Mish", 18, {}), ("Gelu", 20, {}),
    ("Gelu", 20, {"approximate": "tanh"}),
    ("Tanh", 17, {}), ("Erf", 17, {}), ("Exp", 17, {}), ("Abs", 17, {}), ("Neg", 17, {}),
    ("Softplus", 17, {}), ("GlobalAveragePool", 17, {}), ("GlobalMaxPool", 17, {}),
    ("Softmax", 11, {}), ("Softmax", 11, {"axis": 2}), ("Softmax", 13, {}),
    ("Softmax", 13, {"axis": 1}),
    ("LogSoftmax", 13, {"axis": 1}), ("LogSoftmax", 11, {}), ("LRN", 17, {"size": 3, "alpha": 0.5}),
    ("LRN", 17, {"size": 5, "alpha": 0.5, "beta": 0.6, "bias": 2.0}),
    ("ReduceMean", 17, {"axes": [2, 3]}), ("ReduceMean", 17, {"axes": [-1, -2], "keepdims": 0}),
    ("ReduceMean", 17, {"axes": [1]}), ("ReduceSum", 11, {"axes": [3], "keepdims": 0}),
    ("ReduceMax", 17, {"axes": [2, 3], "keepdims": 0}), ("ReduceMin", 17, {"axes": [1, 2]}),
    ("ReduceL2", 17, {"axes": [1]}), ("ReduceL1", 17, {"axes": [1]}),
    ("ReduceSumSquare", 17, {"axes": [2]}), ("Flatten", 17, {"axis": 1}),
    ("Transpose", 17, {"perm": [0, 3, 1, 2]}), ("LayerNormalization", 17, {}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "opset", "attributes"), ALONE)
def test_operators_of_one_input(op: str, opset: int, attributes: dict[str, Any]) -> None:
    if op == "LayerNormalization":
        weights = {"s": normal(11), "b": normal(11)}
        check_same(image_model([node(op, ["x", "s", "b"], ["y"])], weights))
    else:
        check_same(single(op, opset=opset, **attributes))


@pytest.mark.parametrize("op", ["Sqrt", "Log", "Reciprocal"])
def test_operators_of_numbers_above_zero(op: str) -> None:
    check_same(single(op), images=np.abs(normal(2, 4, 9, 11)) + 0.1)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min"])
@pytest.mark.parametrize(
    "shape", [(), (1,), (11,), (4, 1, 1), (1, 4, 1, 1), (9, 1), (1, 1, 9, 11), (4, 9, 11)]
)
@pytest.mark.parametrize("swapped", [False, True])
def test_constants_stretch_over_an_image(op: str, shape: tuple[int, ...], swapped: bool) -> None:
    value = np.abs(normal(*shape)) + np.float32(0.5)
    inputs = ["c", "x"] if swapped else ["x", "c"]
    images = np.abs(normal(2, 4, 9, 11)) + np.float32(0.5)
    weights = {"c": np.asarray(value, np.float32)}
    check_same(image_model([node(op, inputs, ["y"])], weights), images=images)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.0, -1.0, 1.7])
def test_powers(power: float) -> None:
    images = np.abs(normal(2, 4, 9, 11)) + np.float32(0.1)
    weights = {"p": np.array(power, np.float32)}
    check_same(image_model([node("Pow", ["x", "p"], ["y"])], weights), images=images)


BRANCHES: dict[str, list[Any]] = {
    "excitation": [
        node("GlobalAveragePool", ["x"], ["p"]),
        node("Sigmoid", ["p"], ["g"]),
        node("Mul", ["x", "g"], ["y"]),
    ],
    "excitation through a vector": [
        node("ReduceMean", ["x"], ["p"], axes=[2, 3], keepdims=0),
        node("Unsqueeze", ["p", "two"], ["u"]),
        node("Squeeze", ["u", "three"], ["q"]),
        node("Unsqueeze", ["q", "three"], ["v"]),
        node("Mul", ["v", "x"], ["y"]),
    ],
    "turned and not": [
        node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]),
        node("Relu", ["t"], ["r"]),
        node("Transpose", ["r"], ["b"], perm=[0, 3, 1, 2]),
        node("Add", ["x", "b"], ["y"]),
    ],
    "joined": [
        node("Relu", ["x"], ["r"]),
        node("Concat", ["x", "r", "x"], ["y"], axis=1),
    ],
    "joined along rows": [node("Concat", ["x", "x"], ["y"], axis=-2)],
    "a smaller rank": [
        node("ReduceMean", ["x"], ["p"], axes=[1, 2], keepdims=0),
        node("Add", ["x", "p"], ["y"]),
    ],
    "three": [node("Relu", ["x"], ["r"]), node("Sum", ["x", "r", "r"], ["y"])],
    "mean": [node("Relu", ["x"], ["r"]), node("Mean", ["x", "r"], ["y"])],
    "swish": [node("Sigmoid", ["x"], ["s"]), node("Mul", ["x", "s"], ["y"])],
    "matrices": [
        node("Transpose", ["x"], ["t"], perm=[0, 1, 3, 2]),
        node("MatMul", ["x", "t"], ["y"]),
    ],
}


@pytest.mark.parametrize("name", BRANCHES)
def test_branches(name: str) -> None:
    check_same(image_model(BRANCHES[name], {"two": whole(2, 3), "three": whole(3)}))


@pytest.mark.parametrize(
    ("opset", "inputs", "attributes"),
    [
        (9, [], {"starts": [1, 2], "ends": [3, 9223372036854775807], "axes": [1, 3]}),
        (17, ["one", "two", "one"], {}),
        (17, ["minus", "end", "axes", "steps"], {}),
    ],
)
def test_slices(opset: int, inputs: list[str], attributes: dict[str, Any]) -> None:
    weights = {"one": whole(1), "two": whole(3), "minus": whole(-8, 0),
               "end": whole(-1, 2**62), "axes": whole(2, 3), "steps": whole(2, 3)}  # fmt: skip
    used = {name: weights[name] for name in inputs}
    data = image_model([node("Slice", ["x", *inputs], ["y"], **attributes)], used, opset=opset)
    check_same(data)


LIMITS: dict[str, tuple[Any, Any]] = {
    "both": (0.0, 6.0), "low alone": (-0.5, None), "high alone": (None, 0.7), "none": (None, None),
    "largest floats": (-3.4028234663852886e38, 3.4028234663852886e38), "hard tanh": (-1.0, 1.0),
}  # fmt: skip


@pytest.mark.parametrize("opset", [11, 12, 17])
@pytest.mark.parametrize("name", LIMITS)
def test_clip_takes_its_limits_as_inputs(name: str, opset: int) -> None:
    limits = zip(("low", "high"), LIMITS[name], strict=True)
    weights = {key: np.array(value, np.float32) for key, value in limits if value is not None}
    inputs = ["x", *(key if key in weights else "" for key in ("low", "high"))]
    check_same(image_model([node("Clip", inputs, ["y"])], weights, opset=opset))


REDUCTIONS = ["ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum",
              "ReduceSumSquare"]  # fmt: skip


@pytest.mark.parametrize("op", REDUCTIONS)
@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axes", [(2, 3), (-1,), (1,), (3, 1)])
def test_reductions_take_axes_as_an_attribute_or_an_input(
    op: str, keep: int, axes: tuple[int, ...]
) -> None:
    attributes = {"keepdims": keep, "axes": axes}
    check_same(single(op, opset=11, **attributes))
    inputs = node(op, ["x", "a"], ["y"], keepdims=keep)
    check_same(image_model([inputs], {"a": whole(*axes)}, opset=18))


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum"])
def test_reductions_over_everything_or_nothing(op: str) -> None:
    opset = 18
    pooled = node(op, ["x"], ["p"])
    check_same(image_model([pooled, node("Mul", ["x", "p"], ["y"])], opset=opset))
    check_same(image_model([node(op, ["x"], ["y"], noop_with_empty_axes=1)], opset=opset))


@pytest.mark.parametrize("axis", [1, 2, 3, -1, -3])
def test_joins_along_every_axis(axis: int) -> None:
    # Of a product, which lies as the image does, and of a constant.
    shapes = {1: (1, 2, 9, 11), 2: (1, 4, 3, 11), 3: (1, 4, 9, 5)}
    weights = {"c": normal(*shapes[axis % 4])}
    nodes = [node("Relu", ["x"], ["r"]), node("Concat", ["r", "c", "x"], ["y"], axis=axis)]
    check_same(image_model(nodes, weights))


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 2, 1), (0, 2, 1, 3)])
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_turned_and_flattened_images(order: tuple[int, ...], axis: int) -> None:
    rows = int(np.prod([(1, 4, 5, 6)[place] for place in order[axis:]]))
    weights = {"w": normal(rows, 3), "f": whole(1, -1, rows)}
    nodes = [
        node("Conv", ["x", "k"], ["c"]),
        node("Transpose", ["c"], ["t"], perm=order),
        node("Reshape", ["t", "f"], ["g"]),
        node("MatMul", ["g", "w"], ["y"]),
    ]
    weights["k"] = normal(4, 4, 1, 1)
    check_same(image_model(nodes, weights, shape=(1, 4, 5, 6)))


@pytest.mark.parametrize("opset", [9, 13])
def test_squeezed_and_unsqueezed(opset: int) -> None:
    weights: Weights = {} if opset == 9 else {"one": whole(-1, 2), "two": whole(3, 1)}
    first: dict[str, Any] = {"axes": [2, 3]} if opset == 9 else {}
    second: dict[str, Any] = {"axes": [1, 3]} if opset == 9 else {}
    nodes = [
        node("GlobalMaxPool", ["x"], ["p"]),
        node("Squeeze", ["p", *(["one"] if weights else [])], ["s"], **first),
        node("Unsqueeze", ["s", *(["two"] if weights else [])], ["u"], **second),
        node("Relu", ["u"], ["y"]),
    ]
    check_same(image_model(nodes, weights, opset=opset))


def test_expanded_and_tiled() -> None:
    weights = {"s": whole(1, 4, 9, 11), "t": whole(1, 2, 3, 1), "r": whole(1, 1, 1, 11)}
    nodes = [
        node("ReduceMean", ["x"], ["m"], axes=[1, 3]),
        node("Expand", ["m", "s"], ["e"]),
        node("Mul", ["x", "e"], ["y"]),
    ]
    check_same(image_model(nodes, weights))
    check_same(single("Identity"))
    check_same(image_model([node("Tile", ["x", "t"], ["y"])], weights))


@pytest.mark.parametrize("axis", [-1, -2, 1])
def test_layer_normalization_over_several_axes(axis: int) -> None:
    shape = (1, 4, 9, 11)[axis:]
    weights = {"s": normal(*shape), "b": normal(*shape)}
    for inputs in (["x", "s", "b"], ["x", "s"]):
        used = {name: weights[name] for name in inputs[1:]}
        check_same(image_model([node("LayerNormalization", inputs, ["y"], axis=axis)], used))


def test_a_split_into_equal_parts_and_a_shuffle() -> None:
    # ShuffleNet's unit: a half goes through a convolution, then the channels are mixed.
    weights = {"w": normal(4, 4, 1, 1), "a": whole(0, 2, 4, 6, 8), "b": whole(0, -1, 6, 8)}
    nodes = [
        node("Split", ["x"], ["l", "r"], axis=1, num_outputs=2),
        node("Conv", ["r", "w"], ["c"]),
        node("Concat", ["l", "c"], ["j"], axis=1),
        node("Reshape", ["j", "a"], ["v"]),
        node("Transpose", ["v"], ["t"], perm=[0, 2, 1, 3, 4]),
        node("Reshape", ["t", "b"], ["y"]),
    ]
    made = check_same(image_model(nodes, weights, shape=("n", 8, 6, 8), opset=18))
    # Its own and the one of the flattening at the end are one.
    assert sum(type(layer).__name__ == "Permute" for layer in made.layers) == 1


@pytest.mark.parametrize("opset", [11, 13, 18])
def test_splits(opset: int) -> None:
    weights: Weights = {} if opset == 11 else {"s": whole(1, 3)}
    options: dict[str, Any] = {"split": [1, 3]} if opset == 11 else {}
    nodes = [
        node("Split", ["x", *weights], ["a", "b"], axis=1, **options),
        node("Mul", ["a", "b"], ["y"]),
    ]
    check_same(image_model(nodes, weights, opset=opset))


@pytest.mark.parametrize("places", [whole(1), np.array(2, np.int64), whole(3, 0, -1)])
@pytest.mark.parametrize("axis", [1, 2])
def test_gathers(places: Array, axis: int) -> None:
    check_same(image_model([node("Gather", ["x", "i"], ["y"], axis=axis)], {"i": places}))


def test_channel_shuffle_is_one_transposition() -> None:
    weights = {"a": whole(1, 2, 4, 6, 8), "b": whole(-1, 8, 6, 8), "w": normal(3, 8, 1, 1)}
    nodes = [
        node("Reshape", ["x", "a"], ["r"]),
        node("Transpose", ["r"], ["t"], perm=[0, 2, 1, 3, 4]),
        node("Reshape", ["t", "b"], ["s"]),
        node("Conv", ["s", "w"], ["c"]),
        node("GlobalAveragePool", ["c"], ["y"]),
    ]
    made = check_same(model_of(nodes, weights, shape=(1, 8, 6, 8)))
    assert sum(type(layer).__name__ == "Permute" for layer in made.layers) == 1


@pytest.mark.parametrize("opset", [9, 13])
@pytest.mark.parametrize("turned", [0, 1])
def test_flatten_before_a_dense_layer_moves_no_pixels(opset: int, turned: int) -> None:
    kernel = normal(4 * 5 * 6, 7)
    weights = {"w": kernel.T.copy() if turned else kernel, "b": normal(7)}
    nodes = [
        node("Flatten", ["x"], ["f"]),
        node("Relu", ["f"], ["r"]),
        node("Gemm", ["r", "w", "b"], ["y"], transB=turned, alpha=0.5, beta=2.0),
    ]
    made = check_same(model_of(nodes, weights, shape=("n", 4, 5, 6), opset=opset))
    assert not [layer for layer in made.layers if type(layer).__name__ == "Permute"]
    assert [layer for layer in made.layers if type(layer).__name__ == "Dense"]


@pytest.mark.parametrize(
    ("opset", "inputs", "attributes"),
    [
        (9, [], {"pads": [0, 0, 1, 2, 0, 0, 0, 1], "value": 0.5}),
        (13, ["p"], {}), (13, ["p", "v"], {}), (13, ["p"], {"mode": "reflect"}),
        (13, ["p"], {"mode": "edge"}),
        (18, ["q", "v", "axes"], {}),
    ],
)  # fmt: skip
def test_pads(opset: int, inputs: list[str], attributes: dict[str, Any]) -> None:
    weights = {"p": whole(0, 0, 1, 2, 0, 0, 0, 1), "v": np.array(-1.5, np.float32),
               "q": whole(1, 2, 0, 1), "axes": whole(2, 3)}  # fmt: skip
    used = {name: weights[name] for name in inputs}
    nodes = [node("Pad", ["x", *inputs], ["y"], **attributes)]
    check_same(image_model(nodes, used, opset=opset))


RESIZES = [
    {"mode": mode, "coordinate_transformation_mode": rule}
    for mode in ("nearest", "linear")
    for rule in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
] + [
    {"mode": "nearest", "nearest_mode": rounding, "coordinate_transformation_mode": "asymmetric"}
    for rounding in ("floor", "ceil", "round_prefer_ceil", "round_prefer_floor")
]


@pytest.mark.parametrize("attributes", RESIZES, ids=lambda a: "-".join(a.values()))
@pytest.mark.parametrize("factor", [2.0, 1.5, 0.5])
@pytest.mark.parametrize("by_size", [False, True])
def test_resizes(attributes: dict[str, str], factor: float, by_size: bool) -> None:
    scales = np.array([1, 1, factor, factor], np.float32)
    sizes = whole(1, 4, int(9 * factor), int(11 * factor))
    weights: Weights = {"z": sizes} if by_size else {"s": scales}
    inputs = ["x", "", "", "z"] if by_size else ["x", "", "s"]
    check_same(image_model([node("Resize", inputs, ["y"], **attributes)], weights))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_upsample_of_opset_9_and_resize_of_10(mode: str) -> None:
    weights = {"s": np.array([1, 1, 2, 2], np.float32)}
    for op, opset in (("Upsample", 9), ("Resize", 10)):
        check_same(image_model([node(op, ["x", "s"], ["y"], mode=mode)], weights, opset=opset))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_and_space(mode: str) -> None:
    shape = (1, 8, 4, 6)
    check_same(single("DepthToSpace", shape, blocksize=2, mode=mode))
    check_same(single("SpaceToDepth", shape, blocksize=2))


def test_normalizations() -> None:
    weights = {"s": normal(4), "b": normal(4), "m": normal(4), "v": np.abs(normal(4)) + 0.1,
               "g": normal(2), "h": normal(2)}  # fmt: skip
    inputs = ["x", "s", "b", "m", "v"]
    check_same(image_model([node("BatchNormalization", inputs, ["y"], epsilon=1e-3)], weights))
    check_same(image_model([node("InstanceNormalization", inputs[:3], ["y"])], weights))
    group = node("GroupNormalization", inputs[:3], ["y"], num_groups=2)
    check_same(image_model([group], weights, opset=21))
    check_same(
        image_model(
            [
                node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]),
                node("LayerNormalization", ["t", "s", "b"], ["n"], epsilon=1e-6),
                node("Transpose", ["n"], ["y"], perm=[0, 3, 1, 2]),
            ],
            weights,
        )
    )


def test_layer_normalization_written_out_and_prelu() -> None:
    weights = {"two": np.array(2, np.float32), "e": np.array(1e-5, np.float32), "s": normal(11)}
    nodes = [
        node("ReduceMean", ["x"], ["m"], axes=[-1]),
        node("Sub", ["x", "m"], ["d"]),
        node("Pow", ["d", "two"], ["q"]),
        node("ReduceMean", ["q"], ["v"], axes=[-1]),
        node("Add", ["v", "e"], ["a"]),
        node("Sqrt", ["a"], ["r"]),
        node("Div", ["d", "r"], ["n"]),
        node("Mul", ["n", "s"], ["o"]),
        node("Add", ["t", "o"], ["y"]),
    ]
    weights["t"] = normal(11) + np.float32(1)
    made = check_same(image_model(nodes, weights))
    assert any(type(layer).__name__ == "LayerNormalization" for layer in made.layers)
    # Without a scale it is no LayerNormalization, and is imported operator by operator.
    check_same(image_model([*nodes[:-1], node("Neg", ["n"], ["y"])], weights))
    for slope in (normal(4, 1, 1), normal(1)):
        check_same(image_model([node("PRelu", ["x", "k"], ["y"])], {"k": slope}))


GELUS: dict[str, list[Any]] = {
    "PyTorch": [
        node("Div", ["x", "root"], ["d"]), node("Erf", ["d"], ["e"]),
        node("Add", ["e", "one"], ["p"]), node("Mul", ["x", "p"], ["m"]),
        node("Mul", ["m", "half"], ["y"]),
    ],
    "half first": [
        node("Mul", ["half", "x"], ["h"]), node("Mul", ["x", "inverse"], ["d"]),
        node("Erf", ["d"], ["e"]), node("Add", ["one", "e"], ["p"]), node("Mul", ["h", "p"], ["y"]),
    ],
    "half of the sum": [
        node("Mul", ["x", "inverse"], ["d"]), node("Erf", ["d"], ["e"]),
        node("Add", ["e", "one"], ["p"]), node("Mul", ["p", "half"], ["h"]),
        node("Mul", ["h", "x"], ["y"]),
    ],
    "tanh, by powers": [
        node("Pow", ["x", "three"], ["c"]), node("Mul", ["c", "share"], ["k"]),
        node("Add", ["x", "k"], ["i"]), node("Mul", ["i", "beta"], ["a"]),
        node("Tanh", ["a"], ["e"]), node("Add", ["e", "one"], ["p"]),
        node("Mul", ["x", "p"], ["m"]), node("Mul", ["m", "half"], ["y"]),
    ],
    "tanh, by products": [
        node("Mul", ["x", "x"], ["q"]), node("Mul", ["q", "x"], ["c"]),
        node("Mul", ["share", "c"], ["k"]), node("Add", ["k", "x"], ["i"]),
        node("Mul", ["beta", "i"], ["a"]), node("Tanh", ["a"], ["e"]),
        node("Add", ["one", "e"], ["p"]), node("Mul", ["half", "x"], ["h"]),
        node("Mul", ["h", "p"], ["y"]),
    ],
    "no Gelu": [
        node("Div", ["x", "root"], ["d"]), node("Erf", ["d"], ["e"]),
        node("Add", ["e", "half"], ["p"]), node("Mul", ["x", "p"], ["y"]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", GELUS)
def test_gelu_written_out(name: str) -> None:
    weights = {
        "root": np.array(2**0.5, np.float32), "inverse": np.array(0.5**0.5, np.float32),
        "one": np.array(1, np.float32), "half": np.array(0.5, np.float32),
        "three": np.array(3, np.float32), "share": np.array(0.044715, np.float32),
        "beta": np.array((2 / np.pi) ** 0.5, np.float32),
    }  # fmt: skip
    made = check_same(image_model(GELUS[name], weights))
    gelus = [step for step in made.operations if type(step).__name__ == "Gelu"]
    assert [step.approximate for step in gelus] == (
        [] if name == "no Gelu" else [name.startswith("tanh")]
    )


@pytest.mark.parametrize("shape", [(1, 4, 9, 11), (1, 3, 8, 8)])
def test_dense_layers_over_an_image_are_convolutions_of_one_pixel(shape: tuple[int, ...]) -> None:
    weights = {"w": normal(shape[1], 6), "b": normal(6)}
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]),
        node("MatMul", ["t", "w"], ["m"]),
        node("Add", ["b", "m"], ["a"]),
        node("Transpose", ["a"], ["y"], perm=[0, 3, 1, 2]),
    ]
    made = check_same(image_model(nodes, weights, shape=shape))
    (layer,) = [layer for layer in made.layers if type(layer).__name__ == "Conv2D"]
    assert layer.use_bias


@pytest.mark.parametrize("with_bias", [True, False])
def test_dense_layers_that_onnxruntime_made_of_rows_across_the_batch(with_bias: bool) -> None:
    weights = {"r": whole(99, 4), "w": normal(4, 6), "b": normal(6), "i": whole(1, 9, 11, 6)}
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]),
        node("Reshape", ["t", "r"], ["rows"]),
        node("Gemm", ["rows", "w", *(["b"] if with_bias else [])], ["g"]),
        node("Reshape", ["g", "i"], ["back"]),
        node("Transpose", ["back"], ["y"], perm=[0, 3, 1, 2]),
    ]
    made = check_same(image_model(nodes, weights))
    (layer,) = [layer for layer in made.layers if type(layer).__name__ == "Conv2D"]
    assert layer.use_bias == with_bias


def test_a_row_of_all_numbers_that_is_taken_apart_again() -> None:
    # torch.onnx.export(..., dynamo=True) of ConvNeXt: as_strided of a pooled image.
    weights = {"all": whole(-1), "places": np.arange(4).reshape(1, 4, 1, 1),
               "s": normal(4), "b": normal(4), "w": normal(4, 3)}  # fmt: skip
    nodes = [
        node("ReduceMean", ["x"], ["p"], axes=[-1, -2]),
        node("Reshape", ["p", "all"], ["row"]),
        node("Gather", ["row", "places"], ["v"], axis=0),
        node("Transpose", ["v"], ["t"], perm=[0, 2, 3, 1]),
        node("LayerNormalization", ["t", "s", "b"], ["n"]),
        node("Transpose", ["n"], ["m"], perm=[0, 3, 1, 2]),
        node("Flatten", ["m"], ["f"]),
        node("Gemm", ["f", "w"], ["y"]),
    ]
    check_same(model_of(nodes, weights))


def test_an_image_with_channels_last() -> None:
    weights = {"w": normal(5, 3, 3, 3)}
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        node("Conv", ["t", "w"], ["c"]),
        node("Transpose", ["c"], ["y"], perm=[0, 2, 3, 1]),
    ]
    made = check_same(image_model(nodes, weights, shape=(1, 8, 7, 3)))
    assert [type(layer).__name__ for layer in made.layers][:2] == ["InputLayer", "Conv2D"]


def test_the_new_exporters_form() -> None:
    # Opset 18 and later: axes and sizes are inputs, shapes are computed, casts are left in.
    weights = {"axes": whole(2, 3), "i": whole(0), "minus": whole(-1), "w": normal(4, 5)}
    nodes = [
        node("Shape", ["x"], ["s"], start=0, end=1),
        node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        node("ReduceMean", ["f", "axes"], ["p"], keepdims=1),
        node("Concat", ["s", "minus"], ["wanted"], axis=0),
        node("Reshape", ["p", "wanted"], ["v"], allowzero=1),
        node("Gemm", ["v", "w"], ["y"]),
    ]
    check_same(model_of(nodes, weights, opset=20, shape=("n", 4, 6, 6)))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_scores_are_the_same_after_saving(tmp_path: Any) -> None:
    import keras

    weights = {"c": normal(4, 1, 1), "w": normal(6, 4, 3, 3)}
    nodes = [
        node("Mul", ["x", "c"], ["m"]),
        node("Slice", ["m", "one", "three", "one"], ["s"]),
        node("Concat", ["m", "s"], ["j"], axis=1),
        node("Conv", ["m", "w"], ["k"]),
        node("MaxPool", ["k"], ["h"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("GlobalAveragePool", ["h"], ["y"]),
    ]
    weights |= {"one": whole(1), "three": whole(3)}
    made = check_same(image_model(nodes, weights))
    made.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    pixels = normal(2, 9, 11, 4)
    np.testing.assert_array_equal(loaded(pixels), made(pixels))


def test_every_unknown_operator_is_named_before_anything_is_made() -> None:
    nodes = [
        node("Sin", ["x"], ["a"]),
        node("Own", ["a"], ["b"], domain="com.acme"),
        node("Cos", ["b"], ["c"]),
        node("Sin", ["c"], ["y"]),
    ]
    with pytest.raises(SourceModelError, match="operators that edgecnn does not import") as caught:
        to_keras(read_graph(model_of(nodes)))
    assert str(caught.value.observed) == "Cos (1), Sin (2), com.acme.Own (1)"
    assert "--variant onnx-fp32" in caught.value.remedy
    assert "edgecnn verify --artifact" in caught.value.remedy


@pytest.mark.parametrize(
    ("nodes", "observed"),
    [
        ([node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], dilations=[2, 2])], "dilations"),
        ([node("Reshape", ["x", "s"], ["y"])], "no axis for the batch"),
        ([node("Conv", ["x", "x"], ["y"])], "no constant"),
        ([node("Resize", ["x", "", "z"], ["y"], mode="cubic")], "cubic"),
        (
            [
                node(
                    "Resize",
                    ["x", "roi", "z"],
                    ["y"],
                    coordinate_transformation_mode="tf_crop_and_resize",
                )
            ],
            "tf_crop_and_resize",
        ),
        ([node("Pad", ["x", "p"], ["y"], mode="reflect")], "cuts"),
        ([node("MaxPool", ["x"], ["y", "i"], kernel_shape=[3, 3])], "places of the largest"),
        ([node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], dilations=[2, 2])], "dilations"),
        ([node("Slice", ["x", "three", "one", "two", "minus"], ["y"])], "a step of -1"),
        ([node("LayerNormalization", ["x", "ones"], ["y", "m"])], "mean and deviation"),
        ([node("ReduceMean", ["x"], ["y"], axes=[0])], "axis 0 is the batch"),
    ],
)
def test_forms_that_are_not_imported_are_refused(nodes: list[Any], observed: str) -> None:
    weights = {"s": whole(4, 99), "z": np.array([1, 1, 2, 2], np.float32),
               "roi": np.array([0, 0, 0, 0, 1, 1, 1, 1], np.float32), "one": whole(0),
               "p": whole(0, 0, -1, 0, 0, 0, 0, 0), "three": whole(3), "two": whole(2),
               "minus": whole(-1), "ones": np.ones(11, np.float32)}  # fmt: skip
    shape = (1, 4, 4, 4) if nodes[0].op_type == "Conv" else (1, 4, 9, 11)
    ends = [node("ReduceMean", ["y"], ["q"], axes=[1], keepdims=0)]
    if nodes[0].op_type == "Reshape":
        ends = [node("Reshape", ["y", "back"], ["q"])]
        weights["back"] = whole(1, -1)
    else:
        ends = [node("Flatten", ["y"], ["q"])]
    opset = 19 if nodes[0].op_type == "AveragePool" else 17
    graph = read_graph(model_of([*nodes, *ends], weights, output="q", shape=shape, opset=opset))
    with pytest.raises(SourceModelError, match=nodes[0].op_type) as caught:
        to_keras(graph)
    assert observed in str(caught.value.observed)


def test_every_operator_has_a_test() -> None:
    import inspect
    import sys

    text = inspect.getsource(sys.modules[__name__])
    assert not [op for op in OPERATORS if f'"{op}"' not in text and op not in UNTESTED]


UNTESTED = {"Swish", "Expand"}  # opset 24, which ONNX Runtime lacks; leaves all as it is
