"""Nothing in a model file from elsewhere reaches outside its graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.core.framework import graph_pb2
from tensorflow.python.trackable.resource import CapturableResource

from convert.networks import plain
from edgecnn.convert import find_source
from edgecnn.convert.graph.constants import frozen_graph
from edgecnn.convert.graph.deployable import deployable_of
from edgecnn.convert.source.model import load_source
from edgecnn.convert.source.saved_model import harmless_saved_model
from edgecnn.convert.source.side_effects import refuse_side_effects
from edgecnn.errors import SourceModelError
from edgecnn.quiet import captured_log

SPEC = tf.TensorSpec((1, 4, 4, 3), tf.float32, name="image")


def scores(image: Any) -> Any:
    return tf.reshape(image, (-1, 48))[:, :5]


def printing(path: Path) -> None:
    tf.print("ran", output_stream=f"file://{path}")


def summarizing(path: Path) -> None:
    writer = tf.raw_ops.SummaryWriter(shared_name="w")
    tf.raw_ops.CreateSummaryFileWriter(
        writer=writer, logdir=str(path), max_queue=1, flush_millis=1, filename_suffix="x"
    )


def merging(path: Path) -> None:
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=[str(path)], destination_prefix=str(path), delete_old_dirs=False
    )


def debugging(path: Path) -> None:
    tf.raw_ops.DebugIdentityV2(
        input=tf.constant(1.0), tfdbg_context_id="c", op_name="o", output_slot=0,
        tensor_debug_mode=1, debug_urls=[f"file://{path}"],
    )  # fmt: skip


@pytest.mark.parametrize("effect", [printing, summarizing, merging, debugging])
def test_a_graph_that_writes_is_refused_whatever_the_operator(
    tmp_path: Path, effect: Callable[[Path], None]
) -> None:
    witness = tmp_path / "witness"

    def classify(image: Any) -> Any:
        effect(witness)
        return scores(image)

    traced = tf.function(classify, input_signature=[SPEC]).get_concrete_function()
    with pytest.raises(SourceModelError, match="operators"):
        frozen_graph(traced)
    assert not witness.exists()


def test_functions_of_a_graph_are_looked_into() -> None:
    graph = graph_pb2.GraphDef()
    function = graph.library.function.add()
    function.node_def.add(name="r", op="ReadFile")
    with pytest.raises(SourceModelError, match="ReadFile"):
        refuse_side_effects(graph)


class Initialized(CapturableResource):  # type: ignore[misc]
    """A resource whose initializer, which loading runs, does something."""

    def __init__(self, effect: Callable[[], None]) -> None:
        super().__init__()
        self._effect = effect

    def _create_resource(self) -> Any:
        return tf.raw_ops.HashTableV2(key_dtype=tf.int64, value_dtype=tf.int64)

    def _initialize(self) -> None:
        self._effect()


def with_initializer(folder: Path, effect: Callable[[], None]) -> Path:
    module = tf.Module()
    resource = Initialized(effect)
    module.resource = resource

    def classify(image: Any) -> dict[str, Any]:
        with tf.control_dependencies([tf.identity(resource.resource_handle)]):
            return {"scores": scores(image)}

    module.classify = tf.function(classify, input_signature=[SPEC])
    with captured_log():
        tf.saved_model.save(module, str(folder), signatures={"a": module.classify})
    return folder


@pytest.mark.parametrize("saving", [False, True])
def test_an_initializer_that_writes_is_refused_before_loading_runs_it(
    tmp_path: Path, saving: bool
) -> None:
    witness = tmp_path / "witness"

    def write() -> None:
        if saving:
            tf.raw_ops.SaveV2(
                prefix=str(witness), tensor_names=["a"], shape_and_slices=[""], tensors=[[1.0]]
            )
        else:
            tf.io.write_file(str(witness), "loading ran this")

    folder = with_initializer(tmp_path / "m", write)
    for left in tmp_path.glob("witness*"):  # saving the model ran it already
        left.unlink()
    with pytest.raises(SourceModelError, match="SaveV2" if saving else "WriteFile"):
        load_source(find_source(folder, input_range="0..255"))
    assert list(tmp_path.glob("witness*")) == []


v1 = tf.compat.v1


def first_generation(
    folder: Path, *, main: Callable[[], Any] | None = None, table: Callable[[], Any] | None = None
) -> Path:
    """A SavedModel as TensorFlow 1 wrote it; ``main`` makes what loading it runs."""
    with captured_log(), v1.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(tf.float32, (None, 4, 4, 3), name="image")
        weights = v1.get_variable("w", (48, 5), use_resource=True)
        answer = tf.matmul(tf.reshape(image, (-1, 48)), weights)
        session.run(v1.global_variables_initializer())
        if table is not None:
            v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, table())
        builder = v1.saved_model.Builder(str(folder))
        info = v1.saved_model.build_tensor_info
        signature = v1.saved_model.build_signature_def(
            {"image": info(image)}, {"scores": info(answer)}, "tensorflow/serving/predict"
        )
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature},
            main_op=None if main is None else main(),
        )  # fmt: skip
        builder.save()
    return folder


def test_a_saved_model_of_tensorflow_1_is_loaded(tmp_path: Path) -> None:
    folder = first_generation(tmp_path / "m", main=v1.tables_initializer)
    with captured_log():
        loaded = load_source(find_source(folder, input_range="0..1"))
    assert (loaded.height, loaded.width, loaded.classes) == (4, 4, 5)
    deployable_of(loaded.call, shape=(4, 4, 3), input_range="0..1")


@pytest.mark.parametrize("where", ["main", "table", "called"])
def test_what_writes_while_a_model_of_tensorflow_1_is_loaded_is_refused(
    tmp_path: Path, where: str
) -> None:
    witness = tmp_path / "witness"

    def write() -> Any:
        return tf.raw_ops.SaveV2(
            prefix=str(witness), tensor_names=["a"], shape_and_slices=[""], tensors=[[1.0]]
        )

    def behind() -> Any:
        with tf.control_dependencies([write()]):
            return tf.constant(1.0)

    def main() -> Any:
        return behind().op

    def called() -> Any:
        return tf.function(behind)().op

    makers = {"main": {"main": main}, "table": {"table": main}, "called": {"main": called}}
    folder = first_generation(tmp_path / "m", **makers[where])
    assert list(tmp_path.glob("witness*")) == []
    with pytest.raises(SourceModelError, match="SaveV2"):
        load_source(find_source(folder, input_range="0..1"))
    assert list(tmp_path.glob("witness*")) == []


def test_a_damaged_graph_is_a_source_error(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff\xff not a message")
    with pytest.raises(SourceModelError, match="damaged"), harmless_saved_model(tmp_path):
        pass


def test_an_export_with_random_layers_is_refused_with_a_remedy(tmp_path: Path) -> None:
    inner = plain((4, 4, 3))
    model = keras.Sequential([layers.Input((4, 4, 3)), layers.RandomFlip(), inner])
    with captured_log():
        model.export(tmp_path / "m", verbose=False)
    loaded = load_source(find_source(tmp_path / "m", input_range="0..255"))
    with pytest.raises(SourceModelError) as caught:
        deployable_of(loaded.call, shape=(4, 4, 3), input_range="0..255")
    assert "random layers" in str(caught.value.remedy)
