"""What nobody here runs does not count; what loading or classifying runs stays harmless."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.trackable.resource import CapturableResource

from convert.networks import pixels
from edgecnn.convert import find_source
from edgecnn.convert.graph.deployable import deployable_of
from edgecnn.convert.source.model import load_source
from edgecnn.convert.source.saved_model import harmless_saved_model
from edgecnn.errors import SourceModelError
from edgecnn.quiet import captured_log

SHAPE = (4, 4, 3)
SPEC = tf.TensorSpec((None, *SHAPE), tf.float32, name="image")


class Classifier(tf.Module):  # type: ignore[misc]
    """A classifier; ``before`` runs before each answer."""

    def __init__(self, before: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.weights = tf.Variable(
            np.random.default_rng(1).normal(0, 0.1, (48, 5)), dtype="float32"
        )
        self._before = before
        self.classify = tf.function(self._classify, input_signature=[SPEC])

    def _classify(self, image: Any) -> dict[str, Any]:
        if self._before is not None:
            self._before()
        return {"scores": tf.reshape(image / 255.0, (-1, 48)) @ self.weights}


def saved(module: Any, folder: Path) -> Path:
    with captured_log():
        tf.saved_model.save(module, str(folder), signatures={"serving_default": module.classify})
    return folder


def writing_step(witness: Path) -> Any:
    """A step as for training: it writes, and reads an iterator, and answers."""

    def step() -> Any:
        data = iter(tf.data.Dataset.range(3))
        tf.io.write_file(str(witness), "ran")
        return tf.cast(next(data), tf.float32), tf.constant([1, 2])

    return tf.function(step, input_signature=[])


def test_a_step_that_nobody_runs_does_not_count_and_cannot_run(tmp_path: Path) -> None:
    module, witness = Classifier(), tmp_path / "witness"
    module.train = writing_step(witness)
    images = pixels(3, SHAPE).astype(np.float32)
    expected = module.classify(images)["scores"].numpy()
    folder = saved(module, tmp_path / "m")
    source = load_source(find_source(folder))
    assert source.input_range == "0..255"
    np.testing.assert_allclose(source.call(tf.constant(images)), expected, atol=1e-6)
    deployable = deployable_of(source.call, shape=SHAPE, input_range="0..255")
    np.testing.assert_allclose(deployable.scores(images), expected, atol=1e-6)
    with harmless_saved_model(folder) as harmless, captured_log():
        assert harmless != folder
        loaded = tf.saved_model.load(str(harmless))
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded.train()
    assert not witness.exists()
    assert not harmless.exists()


@pytest.mark.parametrize(
    "name",
    [
        "_adapt_function", "_maybe_initialize_trackable", "_gather_saveables_for_checkpoint",
        "_serialize_to_tensors", "_restore_from_tensors", "_trackable_children",
        "_lookup_dependency", "__del__",
    ],
)  # fmt: skip
def test_no_name_of_a_method_lets_a_function_run(tmp_path: Path, name: str) -> None:
    module, witness = Classifier(), tmp_path / "witness"
    module.train = writing_step(witness)
    folder = saved(module, tmp_path / "m")
    graph = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (child,) = (
        child
        for node in graph.meta_graphs[0].object_graph_def.nodes
        for child in node.children
        if child.local_name == "train"
    )
    child.local_name = name
    (folder / "saved_model.pb").write_bytes(graph.SerializeToString())
    # It may load or not; some of these names would keep any object from being restored.
    with contextlib.suppress(SourceModelError):
        load_source(find_source(folder))
    assert not witness.exists()


class Resource(CapturableResource):  # type: ignore[misc]
    """A resource; one of the functions that loading or dropping it runs does something."""

    def __init__(self, where: str, effect: Callable[[], None]) -> None:
        super().__init__()
        self._where, self._effect = where, effect

    def _create_resource(self) -> Any:
        if self._where == "create":
            self._effect()
        return tf.raw_ops.HashTableV2(key_dtype=tf.int64, value_dtype=tf.int64)

    def _initialize(self) -> None:
        if self._where == "initialize":
            self._effect()

    def _destroy_resource(self) -> None:
        if self._where == "destroy":
            self._effect()


def writing(witness: Path) -> Callable[[], None]:
    def write() -> None:
        tf.io.write_file(str(witness), "ran")

    return write


def nested(effect: Callable[[], None]) -> Any:
    return tf.function(tf.function(effect))


def looping(effect: Callable[[], None]) -> Callable[[], None]:
    def body(index: Any) -> Any:
        effect()
        return index + 1

    return lambda: tf.while_loop(lambda index: index < 2, body, [tf.constant(0)])


def branching(effect: Callable[[], None]) -> Callable[[], None]:
    def branch() -> Any:
        effect()
        return tf.constant(1)

    # A random number, so that no branch can be dropped while the graph is made.
    return lambda: tf.cond(tf.random.uniform(()) > 1.0, branch, lambda: tf.constant(0))


@pytest.mark.parametrize("inside", [nested, looping, branching])
def test_a_signature_that_writes_is_refused_however_deep(
    tmp_path: Path, inside: Callable[[Callable[[], None]], Callable[[], None]]
) -> None:
    witness = tmp_path / "witness"
    effect = inside(writing(witness))
    folder = saved(Classifier(effect), tmp_path / "m")
    with pytest.raises(SourceModelError, match="WriteFile"):
        load_source(find_source(folder))
    assert not witness.exists()


@pytest.mark.parametrize("where", ["create", "initialize", "destroy"])
def test_a_resource_whose_life_writes_is_refused(tmp_path: Path, where: str) -> None:
    witness = tmp_path / "witness"
    module = Classifier()
    module.resource = Resource(where, writing(witness))
    folder = saved(module, tmp_path / "m")
    module.resource._destroy_resource = lambda: None  # it belongs to this test, not to the file
    witness.unlink(missing_ok=True)  # saving ran it
    with pytest.raises(SourceModelError, match="WriteFile"):
        load_source(find_source(folder))
    assert not witness.exists()


def test_a_function_that_saves_an_object_is_refused_since_loading_calls_it(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    module = Classifier()
    module.table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, 0)
    module.train = writing_step(witness)
    folder = saved(module, tmp_path / "m")
    graph = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    nodes = graph.meta_graphs[0].object_graph_def.nodes
    (step,) = (
        child.node_id for node in nodes for child in node.children if child.local_name == "train"
    )
    (saveable,) = (entry for node in nodes for entry in node.saveable_objects.values())
    saveable.save_function = step
    (folder / "saved_model.pb").write_bytes(graph.SerializeToString())
    with pytest.raises(SourceModelError, match="WriteFile"):
        load_source(find_source(folder))
    assert not witness.exists()
