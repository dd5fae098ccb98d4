"""Files of two classes that answer with one number: a probability or a logit of the second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn_runner.contract import Contract, InputSpec, OutputSpec
from edgecnn_runner.errors import ContractError, LabelsError, UsageError
from edgecnn_runner.foreign import foreign_contract, open_foreign, tell_kind
from edgecnn_runner.postprocess import probabilities

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

LABELS = ("no", "yes")


def file(folder: Path, *, sigmoid: bool, outputs: int = 1, flat: bool = False) -> Path:
    """A network of pixels 0..1 that answers with 8 times the mean of red, less 4."""
    from onnx import helper, numpy_helper

    weights = np.zeros((3, outputs), np.float32)
    weights[0] = 8
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["score"]),
    ]
    end = "score"
    if sigmoid:
        nodes.append(helper.make_node("Sigmoid", [end], ["share"]))
        end = "share"
    if flat:
        nodes.append(helper.make_node("Reshape", [end, "all"], ["flat"]))
        end = "flat"
    kinds = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "binary",
        [helper.make_tensor_value_info("image", kinds, [1, 4, 4, 3])],
        [helper.make_tensor_value_info(end, kinds, [outputs] if flat else [1, outputs])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.full(outputs, -4, np.float32), "bias"),
            numpy_helper.from_array(np.array([-1]), "all"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "binary.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("sigmoid", [False, True])
def test_one_number_is_the_second_of_two_classes(sigmoid: bool, flat: bool, tmp_path: Path) -> None:
    path = file(tmp_path, sigmoid=sigmoid, flat=flat)
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)
    right = 1 / (1 + np.exp(4 - 8 * images[..., 0].mean(axis=(1, 2)) / 255))
    with open_foreign(path, labels=LABELS, input_range="0..1") as session:
        kind = "binary-probability" if sigmoid else "binary-logit"
        assert session.contract.output.kind == kind
        found = session.predict(images)
        np.testing.assert_allclose(found, np.stack([1 - right, right], axis=1), atol=1e-6)
        np.testing.assert_allclose(session.scores(images[0]), found[0])
        assert session.classify(images[0]) == (found[0].argmax(), found[0].max())


def test_the_kind_can_be_said_but_not_wrongly(tmp_path: Path) -> None:
    path = file(tmp_path, sigmoid=True)
    said = foreign_contract(path, LABELS, "0..1", "binary-logit")
    assert said.output.kind == "binary-logit"
    with pytest.raises(UsageError, match="does not answer so"):
        foreign_contract(path, LABELS, "0..1", "probabilities")
    with pytest.raises(UsageError, match="does not answer so"):
        foreign_contract(file(tmp_path, sigmoid=True, outputs=2), LABELS, "0..1", "binary-logit")


@pytest.mark.parametrize("labels", [("yes",), ("a", "b", "c")])
def test_it_wants_two_labels(labels: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="do not fit") as raised:
        foreign_contract(file(tmp_path, sigmoid=True), labels, "0..1")
    assert "second of two classes" in str(raised.value.expected)


def test_a_contract_of_more_classes_cannot_be_binary() -> None:
    with pytest.raises(ContractError, match="not valid"):
        Contract(
            model="m",
            variant="onnx-fp32",
            labels=("a", "b", "c"),
            input=InputSpec(height=4, width=4, channels=3),
            output=OutputSpec(kind="binary-logit"),
        )


@pytest.mark.parametrize(
    ("samples", "step", "kind"),
    [
        ([(0.5,), (0.0,), (1.0,)], 0.0, "binary-probability"),
        ([(0.5,), (1.002,)], 1 / 256, "binary-probability"),
        ([(0.5,), (-0.1,)], 0.0, "binary-logit"),
        ([(3.5,)], 0.0, "binary-logit"),
    ],
)
def test_probabilities_are_told_from_logits(
    samples: list[tuple[float]], step: float, kind: str
) -> None:
    assert tell_kind(samples, step, name="it") == kind


def test_integers_are_read_likewise() -> None:
    spec = OutputSpec(dtype="uint8", kind="binary-probability", scale=1 / 256)
    found = probabilities(np.array([[0], [64], [255]], np.uint8), spec)
    np.testing.assert_allclose(found, np.array([[1, 0], [0.75, 0.25], [1 / 256, 255 / 256]]))
    spec = OutputSpec(dtype="int8", kind="binary-logit", scale=0.5, zero_point=-2)
    found = probabilities(np.array([-2, 2], np.int8)[:, None], spec)
    np.testing.assert_allclose(found[:, 1], np.array([0.5, 1 / (1 + np.exp(-2))]), rtol=1e-6)
