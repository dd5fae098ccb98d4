"""One network answers alike in whatever form an exporter writes it: old, new, halves, any opset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from convert.onnx.graphs import Array, by_runtime, check_same, model_of, rng
from edgecnn.convert.source.onnx.graph import OPSETS, read_graph
from edgecnn.convert.source.onnx.importer import to_keras
from edgecnn.errors import SourceModelError

SIDE = 12
CLASSES = 5


@dataclass(kw_only=True)
class Writer:
    """Writes a residual network with a squeezed excitation as an exporter of its kind would.

    Attributes:
        opset: Of its operators.
        nchw: Whether it takes channels first.
        batch: 1, or a name for an open one.
        half: Whether it is float16, its ends too.
        constants: ``initializers``, ``inputs`` (initializers that are inputs as well) or ``nodes``.
        functions: Whether activations are functions of the model, as onnxscript writes them.
        computed: Whether shapes are computed in the graph, as for an open batch.
    """

    opset: int = 17
    nchw: bool = True
    batch: int | str = 1
    half: bool = False
    constants: str = "initializers"
    functions: bool = False
    computed: bool = False
    nodes: list[Any] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict)

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        to = f"val_{len(self.nodes)}"
        name = f"node_{op}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, inputs, [to], name=name, domain=domain, **attributes)
        )
        return to

    def weight(self, name: str, value: Any) -> str:
        kind = np.float16 if self.half else np.float32
        self.weights[name] = np.asarray(value, kind)
        return name

    def whole(self, *numbers: int, rank: int = 1) -> str:
        """Return the name of whole numbers, which exporters keep like other constants."""
        value = np.array(numbers[0] if rank == 0 else numbers, np.int64)
        name = f"int_{'_'.join(map(str, numbers))}_{rank}".replace("-", "m")
        self.weights[name] = value
        return name

    def unsqueezed(self, name: str, axis: int) -> str:
        if self.opset < 13:
            return self.add("Unsqueeze", name, axes=[axis])
        return self.add("Unsqueeze", name, self.whole(axis))

    def mean(self, name: str) -> str:
        if self.opset < 18:
            return self.add("ReduceMean", name, axes=[2, 3], keepdims=1)
        return self.add("ReduceMean", name, self.whole(2, 3), keepdims=1)

    def hard_sigmoid(self, name: str) -> str:
        if self.functions:
            return self.add("HardGate", name, domain="pkg.onnxscript.torch_lib")
        return self.add("HardSigmoid", name, alpha=1 / 6, beta=0.5)

    def clipped(self, name: str) -> str:
        if self.opset < 11:
            return self.add("Clip", name, min=0.0, max=6.0)
        return self.add("Clip", name, self.weight("zero", 0), self.weight("six", 6))

    def vector(self, name: str) -> str:
        """Return an image as a vector, by its shape where the batch is open."""
        if not self.computed:
            return self.add("Flatten", name, axis=1)
        rows = self.add("Gather", self.add("Shape", name), self.whole(0, rank=0), axis=0)
        ones = self.add(
            "ConstantOfShape",
            self.whole(1),
            value=numpy_helper.from_array(np.array([-1], np.int64)),
        )
        wanted = self.add("Concat", self.unsqueezed(rows, 0), ones, axis=0)
        return self.add("Reshape", name, wanted)

    def network(self) -> bytes:
        random = rng()

        def drawn(*shape: int) -> Array:
            return np.asarray(random.normal(size=shape) / np.sqrt(np.prod(shape[1:])))

        image = "x"
        if not self.nchw:
            image = self.add("Transpose", image, perm=[0, 3, 1, 2])
        first = self.add("Conv", image, self.weight("conv1.weight", drawn(8, 3, 3, 3)),
                         pads=[1, 1, 1, 1], strides=[2, 2], kernel_shape=[3, 3])  # fmt: skip
        numbers = {"weight": 1 + 0.2 * drawn(8), "bias": drawn(8), "running_mean": drawn(8),
                   "running_var": 1 + np.abs(drawn(8))}  # fmt: skip
        normal = self.add("BatchNormalization", first,
                          *(self.weight(f"bn1.{k}", v) for k, v in numbers.items()))  # fmt: skip
        stem = self.clipped(normal)
        pooled = self.mean(stem)
        squeezed = self.add("Relu", self.add("Conv", pooled, self.weight("se.w", drawn(4, 8, 1, 1)),
                                             self.weight("se.b", drawn(4))))  # fmt: skip
        gate = self.hard_sigmoid(self.add("Conv", squeezed, self.weight("se.v", drawn(8, 4, 1, 1))))
        block = self.add("Mul", stem, gate)
        deep = self.add("Conv", block, self.weight("dw", drawn(8, 1, 3, 3)), group=8,
                        pads=[1, 1, 1, 1])  # fmt: skip
        summed = self.add("Add", block, deep)
        tops = self.add("MaxPool", summed, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        flat = self.vector(self.add("GlobalAveragePool", tops))
        self.add("Gemm", flat, self.weight("fc.weight", drawn(CLASSES, 8)),
                 self.weight("fc.bias", drawn(CLASSES)), transB=1)  # fmt: skip
        self.nodes[-1].output[0] = "scores"
        return self.written()

    def written(self) -> bytes:
        kind = TensorProto.FLOAT16 if self.half else TensorProto.FLOAT
        shape = [self.batch, *((3, SIDE, SIDE) if self.nchw else (SIDE, SIDE, 3))]
        given = [helper.make_tensor_value_info("x", kind, shape)]
        tensors = {name: numpy_helper.from_array(v, name) for name, v in self.weights.items()}
        if self.constants == "inputs":
            given += [
                helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))
                for name, tensor in tensors.items()
            ]
        if self.constants == "nodes":
            held = [
                helper.make_node("Constant", [], [name], value=tensor)
                for name, tensor in tensors.items()
            ]
            self.nodes[:0] = held
            tensors = {}
        graph = helper.make_graph(
            self.nodes,
            "main_graph",
            given,
            [helper.make_tensor_value_info("scores", kind, [self.batch, CLASSES])],
            list(tensors.values()),
        )
        imports = [helper.make_opsetid("", self.opset)]
        functions = []
        if self.functions:
            imports.append(helper.make_opsetid("pkg.onnxscript.torch_lib", 1))
            functions.append(self.gate())
        model = helper.make_model(
            graph, opset_imports=imports, functions=functions, producer_name="pytorch"
        )
        model.ir_version = 10 if self.opset > 17 else 8
        for node in model.graph.node if self.functions else ():
            entry = node.metadata_props.add()
            entry.key, entry.value = "pkg.torch.onnx.name_scopes", "['', 'features']"
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())

    def gate(self) -> Any:
        """Return a function as onnxscript writes it: constants inside, cast like its input."""
        nodes = [
            helper.make_node("Constant", [], ["three"], value_float=3.0),
            helper.make_node("CastLike", ["three", "self"], ["three_cast"]),
            helper.make_node("Constant", [], ["low"], value_float=0.0),
            helper.make_node("CastLike", ["low", "self"], ["low_cast"]),
            helper.make_node("Constant", [], ["high"], value_float=6.0),
            helper.make_node("CastLike", ["high", "self"], ["high_cast"]),
            helper.make_node("Add", ["self", "three_cast"], ["moved"]),
            helper.make_node("Clip", ["moved", "low_cast", "high_cast"], ["clipped"]),
            helper.make_node("Div", ["clipped", "high_cast"], ["result"]),
        ]
        return helper.make_function(
            "pkg.onnxscript.torch_lib", "HardGate", ["self"], ["result"], nodes,
            [helper.make_opsetid("", self.opset)],
        )  # fmt: skip


@pytest.mark.parametrize("opset", OPSETS)
def test_every_opset(opset: int) -> None:
    made = check_same(Writer(opset=opset).network())
    kinds = [type(layer).__name__ for layer in made.layers]
    # Nothing is turned, and every weight is a layer's.
    assert "Permute" not in kinds
    assert kinds.count("Conv2D") == 3
    assert kinds.count("DepthwiseConv2D") == 1
    assert kinds.count("Dense") == 1


FORMS: dict[str, dict[str, Any]] = {
    "an open batch": {"batch": "batch"},
    "shapes computed, opset 9": {"batch": "batch", "computed": True, "opset": 9},
    "shapes computed, opset 12": {"batch": "batch", "computed": True, "opset": 12},
    "shapes computed, opset 18": {"batch": "s77", "computed": True, "opset": 18},
    "channels last": {"nchw": False},
    "channels last, open": {"nchw": False, "batch": "n", "computed": True},
    "initializers are inputs": {"constants": "inputs", "opset": 9},
    "constants are nodes": {"constants": "nodes", "opset": 13},
    "functions, opset 18": {"functions": True, "opset": 18},
    "functions, opset 20": {"functions": True, "opset": 20, "batch": "s0", "computed": True},
    "functions, opset 23": {"functions": True, "opset": 23, "constants": "nodes"},
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_the_same_network(name: str) -> None:
    data = Writer(**FORMS[name]).network()
    made = check_same(data)
    pixels = rng().normal(size=(2, SIDE, SIDE, 3)).astype(np.float32)
    plain = to_keras(read_graph(Writer().network()))
    np.testing.assert_allclose(made(pixels), plain(pixels), rtol=0, atol=1e-5)


@pytest.mark.parametrize("form", [{}, {"functions": True, "opset": 20}, {"constants": "nodes"}])
def test_halves_are_taken_as_float32(form: dict[str, Any]) -> None:
    data = Writer(half=True, **form).network()
    pixels = rng().normal(size=(3, SIDE, SIDE, 3)).astype(np.float16)
    right = by_runtime(data, np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    found = np.asarray(to_keras(read_graph(data))(pixels.astype(np.float32), training=False))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, right, rtol=0, atol=0.01 * np.abs(right).max())


def test_constants_are_folded_whatever_they_are_made_of() -> None:
    # A kernel put together, scaled, turned and cut at run time, and an offset gathered from a list.
    weights: dict[str, Array] = {
        "a": rng().normal(size=(4, 3, 3, 3)).astype(np.float32),
        "two": np.array(2, np.float32),
        "zero": np.array([0], np.int64),
        "four": np.array([4], np.int64),
        "last": np.array([3, 0, 1, 2], np.int64),
        "list": rng().normal(size=(6,)).astype(np.float64),
        "double": np.array([1, 1, 1], np.float64),
    }
    nodes = [
        helper.make_node("Mul", ["a", "two"], ["b"]),
        helper.make_node("Concat", ["b", "a"], ["c"], axis=0),
        helper.make_node("Slice", ["c", "zero", "four", "zero"], ["d"]),
        helper.make_node("Transpose", ["d"], ["e"], perm=[0, 1, 3, 2]),
        helper.make_node("Cast", ["list"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["f", "last"], ["g"]),
        helper.make_node("Conv", ["x", "e", "g"], ["h"]),
        helper.make_node("GlobalAveragePool", ["h"], ["y"]),
    ]
    made = check_same(model_of(nodes, weights, shape=("n", 3, 8, 8), opset=17))
    assert [type(layer).__name__ for layer in made.layers][:2] == ["InputLayer", "Conv2D"]
    assert np.shape(made.layers[1].get_weights()[1]) == (4,)


def test_a_branch_on_what_is_known_is_taken() -> None:
    def branch(name: str, op: str) -> Any:
        return helper.make_graph(
            [helper.make_node(op, ["x"], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
        )

    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "place"], ["c"]),
        helper.make_node("Equal", ["c", "four"], ["is"]),
        helper.make_node(
            "If", ["is"], ["z"], then_branch=branch("t", "Relu"), else_branch=branch("e", "Neg")
        ),
        helper.make_node("GlobalAveragePool", ["z"], ["y"]),
    ]
    weights = {"place": np.array(1, np.int64), "four": np.array(4, np.int64)}
    made = check_same(model_of(nodes, weights))
    assert "ReLU" in [type(layer).__name__ for layer in made.layers]


def nodes_of(op: str, inputs: Sequence[str] = ("x",), **attributes: Any) -> list[Any]:
    return [helper.make_node(op, list(inputs), ["y"], **attributes)]


UNKNOWN: dict[str, tuple[list[Any], str, int]] = {
    "Einsum": (nodes_of("Einsum", equation="nchw->nc"), "Einsum (1)", 17),
    "Where": (nodes_of("Where", ["mask", "x", "x"]), "Where (1)", 17),
    "GridSample": (nodes_of("GridSample", ["x", "grid"]), "GridSample (1)", 20),
    "NonMaxSuppression": (
        nodes_of("NonMaxSuppression", ["boxes", "scores"]), "NonMaxSuppression (1)", 17
    ),
    "QuantizeLinear": (
        [
            helper.make_node("QuantizeLinear", ["x", "scale"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale"], ["y"]),
        ],
        "DequantizeLinear (1), QuantizeLinear (1)",
        17,
    ),
    "of a vendor": (
        nodes_of("FusedMatMul", domain="com.microsoft"), "com.microsoft.FusedMatMul (1)", 17
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_operators_are_refused_by_name(name: str) -> None:
    nodes, said, opset = UNKNOWN[name]
    weights = {
        "mask": np.ones((1, 4, 9, 11), bool),
        "grid": np.zeros((1, 4, 4, 2), np.float32),
        "boxes": np.zeros((1, 2, 4), np.float32),
        "scores": np.zeros((1, 2, 2), np.float32),
        "scale": np.array(0.1, np.float32),
    }
    before = helper.make_node("Cos", ["x"], ["unused"])
    if name in ("Where", "NonMaxSuppression"):  # of constants alone they would be computed
        nodes = [helper.make_node("Cos", ["x"], ["cosine"]), *nodes]
        nodes[1].input[-1] = "cosine"
        said = f"Cos (1), {said}" if said > "Cos" else said
    end = helper.make_node("Flatten", ["y"], ["end"])
    with pytest.raises(SourceModelError) as caught:
        to_keras(read_graph(model_of([before, *nodes, end], weights, opset=opset, output="end")))
    assert str(caught.value.observed) == said
    assert "operators that edgecnn does not import" in caught.value.problem
    assert "--variant onnx-fp32" in caught.value.remedy
    assert "edgecnn verify --artifact FILE" in caught.value.remedy
