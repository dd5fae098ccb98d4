"""What Keras would run or read besides layers is found in a file, and nothing else is."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from edgecnn.convert.source.keras_safety import check_self_contained, more_than_data
from edgecnn.convert.source.paths import find_source
from edgecnn.errors import SourceModelError


def layer(name: str, /, module: Any = None, **config: Any) -> dict[str, Any]:
    """A configuration of a model with one layer, as Keras 2 nests them."""
    given = {} if module is None else {"module": module, "registered_name": None}
    inner = {"class_name": name, "config": config, **given}
    return {"class_name": "Functional", "config": {"layers": [{"class_name": "Dense"}, inner]}}


def function(name: Any, kind: str = "TFOpLambda") -> dict[str, Any]:
    return layer(kind, function=name)


HARMLESS = {
    "an old layer": layer("Conv2D", filters=3),
    "an application's own class": layer("Custom>CustomScaleLayer"),
    "a class of a user": layer("MyBlock"),
    "a layer": layer("Conv2D", "keras.layers"),
    "a model": layer("Functional", "keras.src.engine.functional"),
    "a model of tf_keras": layer("Functional", "tf_keras.src.engine.functional"),
    "a lambda of an operator": layer("TFOpLambda", "keras.src.layers.core.tf_op_layer",
                                     function="math.truediv"),
    "a quantized layer": layer(
        "Custom>QuantizeWrapperV2",
        "tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper",
    ),
    "a function": layer("function", "builtins"),
    "an activation": {"class_name": "Dense", "config": {"activation": {
        "class_name": "function", "module": "builtins", "config": "relu"}}},
    "a division": function("math.truediv"),
    "a sum": function("__operators__.add"),
    "a slice": function("__operators__.getitem", "SlicingOpLambda"),
    "a resizing": function("image.resize"),
    "an old name": function("compat.v1.nn.relu6"),
    "a loss that is not loaded": {
        "class_name": "Functional", "config": {},
        "compile_config": {"loss": {"class_name": "MyLoss", "module": "__main__", "config": {}}},
    },
    "numbers": {"class_name": "__tensor__", "config": {"value": [1.0], "dtype": "float32"}},
}  # fmt: skip

HOSTILE = {
    "a module": (layer("system", "os"), "module os"),
    "a module's class": (layer("Popen", "subprocess"), "Popen of the module subprocess"),
    "a module that begins alike": (layer("Dense", "keras_evil"), "keras_evil"),
    "a module below": (layer("Dense", "keras.utils"), "keras.utils"),
    "a module that is none": (layer("Dense", ["os"]), "['os']"),
    "a function as a layer": (layer("load_model", "keras.models"), "load_model"),
    "a name with a dot": (layer("experimental.TFSMLayer", "keras.layers"), "TFSMLayer"),
    "a dotted class": (layer("Outer.Inner", "keras.layers"), "Outer.Inner"),
    "another registered name": (
        {**layer("Dense", "keras.layers"), "registered_name": "Custom>Lambda"}, "Lambda"
    ),
    "code": (layer("Lambda"), "Lambda"),
    "other files": (layer("TFSMLayer", "keras.layers", filepath="x"), "TFSMLayer"),
    "a vocabulary": (layer("StringLookup", vocabulary="/etc/passwd"), "StringLookup"),
    "a method": (layer("ClassMethod", cls_symbol="io.gfile.GFile"), "ClassMethod"),
    "a method of a tensor": (layer("InstanceMethod", attr_name="numpy"), "InstanceMethod"),
    "writing": (function("io.write_file"), "io.write_file"),
    "reading": (function("io.read_file"), "io.read_file"),
    "Python": (function("py_function"), "py_function"),
    "numpy": (function("numpy_function"), "numpy_function"),
    "raw operators": (function("raw_ops.WriteFile"), "raw_ops.WriteFile"),
    "a download": (function("keras.utils.get_file"), "keras.utils.get_file"),
    "a model in a text": (function("keras.models.model_from_json"), "model_from_json"),
    "a converter": (function("experimental.tensorrt.Converter"), "experimental"),
    "an old name": (function("compat.v1.gfile.Open"), "gfile"),
    "a prefix": (function("math.x.write"), "math.x.write"),
    "no name": (function(None), "the function None"),
    "a list of names": (function(["math.add"]), "math.add"),
    "a slice that writes": (function("io.write_file", "SlicingOpLambda"), "io.write_file"),
    "a function of another module": (layer("function", "os"), "of the module os"),
    "a function of Keras": (layer("function", "keras.utils"), "keras.utils"),
    "a training that is loaded": (
        {"class_name": "Functional", "config": {"layers": [
            {"class_name": "Model", "config": {}, "module": "keras",
             "compile_config": {"loss": {"class_name": "X", "module": "os", "config": {}}}}]}},
        "module os",
    ),
    "a type": (
        {"class_name": "__typespec__", "spec_name": "Popen", "module": "subprocess", "config": []},
        "subprocess",
    ),
    "an operator": (layer("TensorFlowOpLayer", node_def="\x12\tWriteFile"), "WriteFile"),
    "an operator as a table": (
        layer("TensorFlowOpLayer", node_def={"op": "WriteFile", "name": "Mul"}), "WriteFile"
    ),
    "no operator": (layer("TensorFlowOpLayer", node_def="\x12\xff"), "the operator None"),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMLESS)
def test_what_computes_is_let_through(name: str) -> None:
    assert more_than_data(HARMLESS[name]) is None


@pytest.mark.slow  # the two with operators import TensorFlow's
@pytest.mark.parametrize("name", HOSTILE)
def test_what_does_more_is_named(name: str) -> None:
    config, says = HOSTILE[name]
    found = more_than_data(config)
    assert found is not None
    assert says in found
    # However deep it lies.
    assert more_than_data({"class_name": "Sequential", "config": [{"config": [[config]]}]})


@pytest.mark.slow
def test_operators_that_compute_are_let_through() -> None:
    assert more_than_data(layer("TensorFlowOpLayer", node_def={"op": "Mul", "name": "m"})) is None
    assert more_than_data(layer("TensorFlowOpLayer", node_def="\n\x01m\x12\x03Mul")) is None


def ordinary(file: h5py.File, other: Path) -> None:
    """Weights as Keras writes them, and links inside of the file, also in a circle."""
    file["dense/kernel:0"] = np.ones((3, 2), np.float32)
    file["alias"] = h5py.SoftLink("/dense")
    file["dense/parent"] = file["/"]
    file.create_dataset("chunked", (64, 64), np.float32, chunks=True, compression="gzip")


def linked(file: h5py.File, other: Path) -> None:
    file["dense/kernel:0"] = h5py.ExternalLink(str(other), "/secret")


def external(file: h5py.File, other: Path) -> None:
    file.create_dataset("dense/kernel:0", (4,), np.uint8, external=[(str(other), 0, 4)])


def virtual(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((4,), np.uint8)
    layout[:] = h5py.VirtualSource(str(other), "secret", (4,))
    file.create_virtual_dataset("dense/kernel:0", layout)


def behind_a_circle(file: h5py.File, other: Path) -> None:
    ordinary(file, other)
    linked(file.create_group("a/b/c"), other)


def archived(path: Path, file: Path, kind: int) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("config.json", "{}")
        archive.write(file, "model.weights.h5")
    return path


@pytest.mark.parametrize("write", [linked, external, virtual, behind_a_circle])
def test_weights_that_lie_in_other_files_are_refused(
    tmp_path: Path, write: Callable[[h5py.File, Path], None]
) -> None:
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.arange(4, dtype=np.uint8)
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        write(file, other)
    kinds = {"stored.keras": zipfile.ZIP_STORED, "deflated.keras": zipfile.ZIP_DEFLATED}
    archives = [archived(tmp_path / name, path, kind) for name, kind in kinds.items()]
    for tried in (path, *archives):
        with pytest.raises(SourceModelError, match="lie in other files") as caught:
            check_self_contained(tried)
        assert "/kernel:0 is in " in str(caught.value.observed)
        assert "other.h5" in str(caught.value.observed)


def test_weights_in_the_file_itself_are_not(tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        ordinary(file, tmp_path)
    check_self_contained(path)
    check_self_contained(archived(tmp_path / "model.keras", path, zipfile.ZIP_DEFLATED))


def test_a_file_that_is_two_is_read_as_keras_reads_it(tmp_path: Path) -> None:
    """An archive may stand behind other bytes, which decide who loads the file."""
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        linked(file, tmp_path / "other.h5")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(SourceModelError, match="lie in other files"):
        check_self_contained(path)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n" + bytes(600)])
def test_a_file_that_cannot_be_listed_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.h5").write_bytes(content)
    with pytest.raises(SourceModelError, match="is damaged"):
        check_self_contained(tmp_path / "weights.h5")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("config.json", "[" * 100_000, "is damaged or truncated"),
        ("config.json", "[" + " " * (1 << 27) + "]", "holds far more than its size says"),
        ("model.weights.h5", "0" * (1 << 27), "holds far more than its size says"),
    ],
)
def test_archives_that_grow_are_not_opened(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json" if name != "config.json" else "other.json", "{}")
        archive.writestr(name, content)
    with pytest.raises(SourceModelError, match=says):
        find_source(path)


@pytest.mark.slow  # imports Keras
@pytest.mark.parametrize("depth", [300, 900, 5000, 100_000])
def test_what_is_nested_too_deep_is_damaged(tmp_path: Path, depth: int) -> None:
    from edgecnn.convert.source.keras_model import read_architecture

    path = tmp_path / "model.json"
    text = '{"class_name": "Sequential", "config": ' + "[" * depth + "]" * depth + "}"
    path.write_text(text)
    with pytest.raises(SourceModelError, match="is damaged"):
        read_architecture(path)
    nested: Any = {"class_name": "Dense", "config": {}}
    for _ in range(30):
        nested = {"class_name": "Functional", "config": {"layers": [nested]}}
    path.write_text(json.dumps(nested))
    assert read_architecture(path) == nested
