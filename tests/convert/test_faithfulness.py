"""What is made of a model is compared with the model itself before a file is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from convert.networks import dataset, plain
from edgecnn.build.reference import read_reference
from edgecnn.build.workspace import Workspace
from edgecnn.convert import find_source, run
from edgecnn.convert.graph import deployable as deploying
from edgecnn.convert.graph import folding
from edgecnn.convert.source.faithfulness import images_to_compare
from edgecnn.errors import FaithfulnessError
from edgecnn.quiet import captured_log
from edgecnn.recipe.load import parse_recipe

pytestmark = pytest.mark.slow  # converts whole networks

DATA = dataset()
RECIPE = parse_recipe(
    {"model": {"name": "net"}, "convert": {"variants": ["tflite-fp32"]}}, source="test"
)


def saved(model: Any, path: Path) -> Path:
    with captured_log():
        if path.suffix:
            model.save(path)
        else:
            model.export(path, verbose=False)
    return path


def convert(path: Path, build: Path, input_range: str | None = None) -> Workspace:
    workspace = Workspace(build)
    run(find_source(path, input_range=input_range), RECIPE, workspace, DATA)
    return workspace


def under(policy: str, make: Any) -> Any:
    keras.config.set_dtype_policy(policy)
    try:
        return make()
    finally:
        keras.config.set_dtype_policy("float32")


def adapted() -> Any:
    normalization = layers.Normalization()
    model = plain(before=[normalization])
    normalization.adapt(DATA.train.pixels.astype("float32"))
    return model


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m"])
@pytest.mark.parametrize(
    ("policy", "limit"), [("mixed_float16", 2e-2), ("mixed_bfloat16", 1e-1), ("float16", 2e-2)]
)
def test_a_half_precision_model_keeps_its_own_scores(
    tmp_path: Path, name: str, policy: str, limit: float
) -> None:
    model = under(policy, adapted)
    workspace = convert(saved(model, tmp_path / name), tmp_path / "build")
    # In a graph, as ``predict`` runs it: operators that are joined there round less often, which
    # processors with arithmetic of half precision show in the third digit.
    own = tf.function(lambda pixels: tf.cast(model(pixels), tf.float32))(
        DATA.test.pixels.astype("f4")
    ).numpy()
    reference = read_reference(workspace.path(Workspace.REFERENCE))
    np.testing.assert_allclose(reference.scores, own, atol=limit / 10)
    source = workspace.manifest()["source"]
    assert source["computes"] == policy.removeprefix("mixed_")
    assert [step["limit"] for step in source["compared"]] == [1e-4, limit]
    assert all(step["largest_difference"] <= step["limit"] for step in source["compared"])
    assert all(step["images"] == 32 for step in source["compared"])


def test_a_float32_model_is_compared_once(tmp_path: Path) -> None:
    workspace = convert(saved(plain(), tmp_path / "m.keras"), tmp_path / "build")
    (step,) = workspace.manifest()["source"]["compared"]
    assert step["limit"] == 1e-4
    assert step["largest_difference"] < 1e-5


def broken_fold(graph_def: Any, output: str) -> Any:
    """A step with a mistake: one kernel is a tenth too large."""
    folded, output, what = deploying_fold(graph_def, output)
    for node in folded.node:
        if node.op == "Const":
            value = tf.make_ndarray(node.attr["value"].tensor)
            if value.ndim == 4:
                node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value * 1.1))
                break
    return folded, output, what


deploying_fold = folding.fold


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m"])
def test_a_faulty_step_is_an_error_and_nothing_is_written(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(plain(), tmp_path / name)
    monkeypatch.setattr(deploying, "fold", broken_fold)
    with pytest.raises(FaithfulnessError, match="otherwise than the model") as caught:
        convert(path, tmp_path / "build")
    assert caught.value.exit_code == 43
    assert "differ by up to" in str(caught.value.observed)
    assert not (tmp_path / "build").exists()


def test_logits_are_compared_by_the_size_of_the_largest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = plain(softmax=False)
    last = model.layers[-1]
    last.set_weights([value * 1e4 for value in last.get_weights()])
    path = saved(model, tmp_path / "m.keras")
    (step,) = convert(path, tmp_path / "build").manifest()["source"]["compared"]
    assert step["largest_difference"] < 1e-5
    monkeypatch.setattr(deploying, "fold", broken_fold)
    with pytest.raises(FaithfulnessError):
        convert(path, tmp_path / "other")


def test_a_model_whose_answer_depends_on_the_batch_is_refused(tmp_path: Path) -> None:
    image = layers.Input((12, 10, 3))
    centred = image - keras.ops.mean(image, axis=0, keepdims=True)
    model = keras.Model(image, layers.Dense(5, activation="softmax")(layers.Flatten()(centred)))
    with pytest.raises(FaithfulnessError, match="otherwise") as caught:
        convert(saved(model, tmp_path / "m.keras"), tmp_path / "build", "0..255")
    assert "other images of a batch" in str(caught.value.remedy)


def test_another_range_gives_another_reference(tmp_path: Path) -> None:
    path = saved(plain(before=[]), tmp_path / "m.keras")
    scores = [
        read_reference(convert(path, tmp_path / "build", name).path(Workspace.REFERENCE)).scores
        for name in ("0..1", "-1..1")
    ]
    assert np.abs(scores[0] - scores[1]).max() > 0.01


def test_images_are_taken_from_all_of_a_split_and_from_the_others_where_it_is_small() -> None:
    assert images_to_compare(DATA).shape == (32, 12, 10, 3)
    few = images_to_compare(dataset(train=4))
    every = dataset(train=4)
    total = len(every.train) + len(every.validation) + len(every.test)
    assert len(few) == min(32, total)


def cancelling(size: float) -> Any:
    """A network that adds large values and takes them away again: rounding is what is left."""
    image = layers.Input((12, 10, 3))
    flat = layers.Flatten()(layers.Rescaling(1 / 255)(image))
    model = keras.Model(
        image, layers.Dense(5, activation="softmax")(layers.Concatenate()([flat, flat]))
    )
    random = np.random.default_rng(3)
    half = int(flat.shape[1])
    large, small = (random.normal(0, scale, (half, 5)) for scale in (size, 0.02))
    model.layers[-1].set_weights([np.concatenate([large + small, -large]), np.zeros(5)])
    return model


@pytest.mark.parametrize("size", [200.0, 2e5])
def test_a_network_that_multiplies_rounding_is_measured_by_that(
    tmp_path: Path, size: float
) -> None:
    path = saved(cancelling(size), tmp_path / "m.keras")
    if size > 1e5:
        with pytest.raises(FaithfulnessError) as caught:
            convert(path, tmp_path / "build")
        assert "multiplies rounding" in caught.value.remedy
        assert "report this" not in caught.value.remedy
        return
    workspace = convert(path, tmp_path / "build")
    (step,) = workspace.manifest()["source"]["compared"]
    assert 1e-4 < step["largest_difference"] <= step["limit"] <= 1e-2
