"""What a path may be, and how everything else is refused."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from convert.networks import pixels, plain, randomized, residual
from edgecnn.build.artifact import write_labels
from edgecnn.build.workspace import Workspace
from edgecnn.convert import find_source
from edgecnn.convert.source.model import SourceModel, load_source
from edgecnn.errors import EdgeError, RecipeError, SourceModelError, UsageError
from edgecnn.files import file_digest
from edgecnn.quiet import captured_log

pytestmark = pytest.mark.slow  # trains or converts whole networks


def saved(model: Any, path: Path) -> Path:
    with captured_log():
        if path.suffix:
            model.save(path)
        else:
            model.export(path, verbose=False)
    return path


def load(path: Path, input_range: str | None = None) -> SourceModel:
    return load_source(find_source(path, input_range=input_range))


def same_scores(model: Any, loaded: SourceModel) -> bool:
    images = pixels(4, model.input_shape[1:]).astype(np.float32)
    expected = model(images, training=False).numpy()
    return np.allclose(np.asarray(loaded.call(images)), expected, atol=1e-5)


@pytest.fixture(scope="module")
def model() -> Any:
    return plain()


@pytest.fixture(scope="module")
def folder(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model in all three formats."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("net.keras", "net.h5", "exported"):
        saved(model, folder / name)
    return folder


@pytest.mark.parametrize(
    ("name", "kind", "input_range"),
    [("net.keras", "keras", None), ("net.h5", "h5", None), ("exported", "saved_model", "0..255")],
)
def test_every_format_gives_the_models_own_scores(
    folder: Path, model: Any, name: str, kind: str, input_range: str | None
) -> None:
    source = find_source(folder / name, input_range=input_range)
    loaded = load_source(source)
    assert (source.kind, source.origin) == (kind, "foreign")
    assert (loaded.height, loaded.width, loaded.channels, loaded.classes) == (12, 10, 3, 5)
    assert loaded.input_range == "0..255"
    assert same_scores(model, loaded)


def test_a_folders_digest_depends_on_names_and_contents(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder / "exported", tmp_path / "exported"))
    digest = find_source(copy).sha256
    assert digest == find_source(folder / "exported").sha256
    (copy / "saved_model.pb").rename(copy / "moved.pb")
    (copy / "saved_model.pb").write_bytes((copy / "moved.pb").read_bytes())
    assert find_source(copy).sha256 != digest


def test_a_build_means_its_float_model(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "net.keras", tmp_path / "model.keras")
    workspace = Workspace(tmp_path)
    workspace.record_stage("train", key="k", files=["model.keras"], entries={})
    source = find_source(tmp_path)
    assert (source.origin, source.path) == ("build", tmp_path / "model.keras")
    assert source.sha256 == file_digest(tmp_path / "model.keras")


def test_a_build_of_a_foreign_model_means_that_model(folder: Path, tmp_path: Path) -> None:
    given = find_source(folder / "exported", input_range="0..1")
    build = Workspace(tmp_path)
    write_labels(build.path(Workspace.LABELS), ("b", "a"))
    build.record_stage("convert", key="k", files=[], entries={"source": given.to_dict()})
    found = find_source(tmp_path)
    assert (found.path, found.origin) == (folder / "exported", "build")
    assert (found.input_range, found.labels) == ("0..1", ("b", "a"))
    assert find_source(tmp_path, input_range="-1..1").input_range == "-1..1"


def test_a_build_without_a_model_says_to_train(tmp_path: Path) -> None:
    Workspace(tmp_path).record_stage("train", key="k", files=[], entries={})
    with pytest.raises(SourceModelError, match="edgecnn train"):
        find_source(tmp_path)


def test_a_recipe_folder_means_its_released_weights(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('[model]\nname = "net"\n')
    with pytest.raises(SourceModelError, match="edgecnn train"):
        find_source(tmp_path)
    shutil.copy(folder / "net.keras", tmp_path / "net.keras")
    for path in (tmp_path, tmp_path / "recipe.toml"):
        source = find_source(path)
        assert (source.origin, source.path) == ("recipe", tmp_path / "net.keras")
        assert source.recipe_file == tmp_path / "recipe.toml"


def test_a_recipe_with_mistakes_is_a_recipe_error(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('[model]\nname = "net"\narchitecture = "vgg"\n')
    with pytest.raises(RecipeError, match="vgg"):
        find_source(tmp_path)


def test_a_name_is_made_fit_for_files(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "My Net (2).keras"
    shutil.copy(folder / "net.keras", path)
    assert find_source(path).name == "my_net_2"


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def flipped(source: Path, target: Path) -> Path:
    """A copy with one bit changed inside the weights, where no format field notices."""
    data = bytearray(source.read_bytes())
    data[len(data) // 2] ^= 4
    return write(target, bytes(data))


def half(source: Path, target: Path) -> Path:
    data = source.read_bytes()
    return write(target, data[: len(data) // 2])


def archive(path: Path, content: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", content)
    return path


BAD_FILES: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "missing": (lambda good, new: new / "none.keras", "no model at"),
    "empty": (lambda good, new: write(new / "m.keras", b""), "is empty"),
    "text": (lambda good, new: write(new / "m.keras", b"hello world, I am text"), "is not a model"),
    "truncated": (lambda good, new: half(good / "net.keras", new / "m.keras"), "damaged"),
    "flipped": (lambda good, new: flipped(good / "net.keras", new / "m.keras"), "damaged"),
    "truncated h5": (lambda good, new: half(good / "net.h5", new / "m.h5"), "damaged"),
    "other zip": (lambda good, new: archive(new / "m.keras", "[]"), "without a model"),
    "no json": (lambda good, new: archive(new / "m.keras", "{"), "not a Keras model"),
    "strange json": (lambda good, new: archive(new / "m.keras", '{"a": 1}'), "cannot load"),
    "folder": (lambda good, new: new, "holds no model"),
    "tflite": (lambda good, new: write(new / "m.tflite", b"\0\0\0\0TFL3" + bytes(20)), "already"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused_with_the_reason(folder: Path, tmp_path: Path, case: str) -> None:
    make, message = BAD_FILES[case]
    with pytest.raises(SourceModelError, match=message) as caught:
        load(make(folder, tmp_path))
    assert caught.value.remedy


def test_a_damaged_saved_model_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder / "exported", tmp_path / "exported"))
    half(copy / "saved_model.pb", copy / "saved_model.pb")
    with pytest.raises(SourceModelError, match="cannot load the SavedModel"):
        load(copy, "0..255")


def test_a_bit_flipped_in_the_weights_of_a_saved_model_is_noticed(
    folder: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folder / "exported", tmp_path / "exported"))
    (weights,) = (copy / "variables").glob("*.data-*")
    flipped(weights, weights)
    with pytest.raises(SourceModelError, match="cannot load the SavedModel"):
        load(copy, "0..255")


def test_weights_alone_are_no_model(tmp_path: Path, model: Any) -> None:
    path = tmp_path / "only.weights.h5"
    with captured_log():
        model.save_weights(path)
    with pytest.raises(SourceModelError, match="weights alone"):
        load(path)


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_a_lambda_layer_is_refused_before_its_code_runs(tmp_path: Path, name: str) -> None:
    model = keras.Sequential([layers.Input((4, 4, 3)), layers.Lambda(lambda image: image / 2)])
    with pytest.raises(SourceModelError, match="Lambda"):
        load(saved(model, tmp_path / name))


def test_a_layer_this_keras_does_not_know_is_named(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(folder / "net.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                data = data.replace(b'"MaxPooling2D"', b'"MyPooling"')
            new.writestr(name, data)
    with pytest.raises(SourceModelError, match="MyPooling"):
        load(path)


def test_a_weight_that_is_not_a_number_is_named(tmp_path: Path) -> None:
    model = plain()
    kernel = model.layers[-1].kernel.numpy()
    kernel[3, 1] = np.inf
    model.layers[-1].kernel.assign(kernel)
    with pytest.raises(SourceModelError, match=r"dense\w*/kernel"):
        load(saved(model, tmp_path / "m.keras"))


def functional(*inputs: Any, outputs: Callable[..., Any]) -> Any:
    return keras.Model(list(inputs) if len(inputs) > 1 else inputs[0], outputs(*inputs))


def flat_dense(image: Any, activation: str | None = None, units: int = 3) -> Any:
    return layers.Dense(units, activation=activation)(layers.Flatten()(image))


NOT_CLASSIFIERS: dict[str, tuple[Callable[[], Any], str]] = {
    "two inputs": (
        lambda: functional(
            layers.Input((4, 4, 3)),
            layers.Input((4, 4, 3)),
            outputs=lambda a, b: flat_dense(layers.Add()([a, b])),
        ),
        "one NHWC image",
    ),
    "vector input": (
        lambda: functional(layers.Input((7,)), outputs=layers.Dense(3)),
        "one NHWC image",
    ),
    "channels first": (
        lambda: functional(layers.Input((3, 8, 8)), outputs=flat_dense),
        "one NHWC image",
    ),
    "wide integer input": (
        lambda: functional(
            layers.Input((4, 4, 3), dtype="int32"),
            outputs=lambda a: flat_dense(layers.Rescaling(1 / 255)(a)),
        ),
        "one NHWC image",
    ),
    "fixed batch": (
        lambda: functional(layers.Input(batch_shape=(8, 4, 4, 3)), outputs=flat_dense),
        "batches of a fixed number",
    ),
    "two outputs": (
        lambda: functional(
            layers.Input((4, 4, 3)), outputs=lambda a: [flat_dense(a), flat_dense(a)]
        ),
        "one score per class",
    ),
    "one score that is bounded": (
        lambda: functional(
            layers.Input((4, 4, 3)), outputs=lambda a: flat_dense(a, "tanh", units=1)
        ),
        "neither a probability nor a logit",
    ),
    "a map": (
        lambda: functional(layers.Input((4, 4, 3)), outputs=layers.Conv2D(3, 3)),
        "one score per class",
    ),
    "sigmoid": (
        lambda: functional(
            layers.Input((4, 4, 3)), outputs=lambda a: flat_dense(a, activation="sigmoid")
        ),
        "sigmoid",
    ),
}


@pytest.mark.parametrize("case", NOT_CLASSIFIERS)
def test_what_is_not_an_image_classifier_is_refused(tmp_path: Path, case: str) -> None:
    make, message = NOT_CLASSIFIERS[case]
    with pytest.raises(SourceModelError, match=message):
        load(saved(make(), tmp_path / "m.keras"), "0..1")


def of_bytes() -> Any:
    image = layers.Input((12, 10, 3), dtype="uint8")
    hidden = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255)(image))
    return randomized(keras.Model(image, layers.Dense(5)(layers.Flatten()(hidden))))


@pytest.mark.parametrize("name", ["m.keras", "exported"])
def test_an_input_of_bytes_is_fed_raw_pixels(tmp_path: Path, name: str) -> None:
    model = of_bytes()
    path = saved(model, tmp_path / name)
    loaded = load(path)
    assert loaded.input_range == "0..255"
    images = pixels(4, (12, 10, 3))
    expected = model(images, training=False).numpy()
    answers = np.asarray(loaded.call(tf.constant(images, tf.float32)))
    np.testing.assert_allclose(answers, expected, rtol=1e-5, atol=1e-4)
    with pytest.raises(UsageError, match="takes bytes"):
        load(path, "0..1")


def test_heights_and_widths_may_be_open(tmp_path: Path) -> None:
    image = layers.Input((None, None, 1))
    hidden = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))
    model = keras.Model(image, layers.Dense(3)(hidden))
    loaded = load(saved(model, tmp_path / "m.keras"), "0..1")
    assert (loaded.height, loaded.width, loaded.channels) == (None, None, 1)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("m.keras", "mixed_float16"),
        ("m.keras", "mixed_bfloat16"),
        ("m.keras", "float16"),
        ("m.keras", "bfloat16"),
        ("m.h5", "mixed_float16"),
        ("m.h5", "mixed_bfloat16"),  # Keras does not load an .h5 file of the policy bfloat16
    ],
)
def test_a_half_precision_model_runs_as_it_is_and_is_converted_in_float32(
    tmp_path: Path, name: str, policy: str
) -> None:
    images = pixels(8, (12, 10, 3)).astype(np.float32)

    def made() -> Any:
        normalization = layers.Normalization()
        model = plain(before=[normalization])
        normalization.adapt(images)
        return model

    keras.config.set_dtype_policy(policy)
    try:
        half = made()
        path = saved(half, tmp_path / name)
    finally:
        keras.config.set_dtype_policy("float32")
    loaded = load(path)
    assert loaded.computes == policy.removeprefix("mixed_")
    expected = np.asarray(keras.ops.cast(half(images, training=False), "float32"))
    np.testing.assert_array_equal(np.asarray(loaded.call(images)), expected)
    # The same weights in a network that was float32 from the beginning.
    exact = made()
    for ours, theirs in zip(exact.weights, half.weights, strict=True):
        ours.assign(keras.ops.cast(theirs, "float32"))
    exact.layers[0].finalize_state()
    found = np.asarray(loaded.float32(images))
    np.testing.assert_allclose(found, np.asarray(exact(images, training=False)), atol=1e-5)
    assert loaded.input_range == "0..255"


def signature(sign: int) -> Any:
    """A function of a SavedModel that tells itself apart by the sign of its scores."""
    return tf.function(
        lambda image: {"scores": sign * tf.reshape(image, (-1, 48))[:, :3]},
        input_signature=[tf.TensorSpec((None, 4, 4, 3), tf.float32, name="image")],
    )


@pytest.mark.parametrize(
    ("names", "sign"), [(["other"], 1), (["serving_default", "other"], 1), (["a", "b"], None)]
)
def test_a_saved_models_signature_is_found_or_asked_for(
    tmp_path: Path, names: list[str], sign: int | None
) -> None:
    module = tf.Module()
    module.first, module.second = signature(1), signature(-1)
    functions = dict(zip(names, (module.first, module.second), strict=False))
    with captured_log():
        tf.saved_model.save(module, str(tmp_path / "m"), signatures=functions)
    if sign is None:
        with pytest.raises(SourceModelError, match="signatures a, b"):
            load(tmp_path / "m", "0..1")
    else:
        image = np.ones((1, 4, 4, 3), np.float32)
        assert float(np.asarray(load(tmp_path / "m", "0..1").call(image))[0, 0]) == sign


def test_softmax_is_seen_and_logits_are_left_to_be_measured(tmp_path: Path) -> None:
    for number, (model, kind) in enumerate(
        [
            (plain(), "probabilities"),
            (residual(softmax=True), "probabilities"),
            (plain(softmax=False), None),
            (keras.Sequential([layers.Input((12, 10, 3)), plain()]), "probabilities"),
        ]
    ):
        path = saved(model, tmp_path / f"{number}.keras")
        assert load(path).output_kind == kind


def nested() -> Any:
    return keras.Sequential(
        [layers.Input((12, 10, 3)), layers.RandomFlip(), plain(), layers.Dense(3)]
    )


def arithmetic() -> Any:
    image = layers.Input((8, 8, 3))
    return keras.Model(image, flat_dense(image / 127.5 - 1.0))


def residual_on_raw_pixels() -> Any:
    image = layers.Input((8, 8, 3))
    hidden = layers.Conv2D(3, 3, padding="same")(image)
    late = layers.Rescaling(0.5)(layers.Add()([hidden, hidden]))
    return randomized(keras.Model(image, flat_dense(late)))


@pytest.mark.parametrize("make", [plain, residual, nested, arithmetic])
def test_a_model_that_normalizes_needs_and_takes_no_range(
    tmp_path: Path, make: Callable[[], Any]
) -> None:
    path = saved(make(), tmp_path / "m.keras")
    assert load(path).input_range == "0..255"
    with pytest.raises(UsageError, match="does not fit") as caught:
        load(path, "0..1")
    assert caught.value.exit_code == 2
    assert "would be fed" in str(caught.value.observed)


@pytest.mark.parametrize("make", [lambda: plain(before=[]), residual_on_raw_pixels])
def test_a_model_that_does_not_normalize_needs_a_range(
    tmp_path: Path, make: Callable[[], Any]
) -> None:
    path = saved(make(), tmp_path / "m.keras")
    with pytest.raises(UsageError, match="--input-range"):
        load(path)
    assert load(path, "-1..1").input_range == "-1..1"


def imagenet_arithmetic() -> Any:
    image = layers.Input((8, 8, 3))
    padded = layers.ZeroPadding2D()(image)
    means, deviations = (
        np.array([0.49, 0.46, 0.41], np.float32),
        np.array([0.23, 0.22, 0.22], np.float32),
    )
    return keras.Model(image, flat_dense((padded / 255.0 - means) / deviations))


def mean_subtracted() -> Any:
    image = layers.Input((8, 8, 3))
    return keras.Model(image, flat_dense(image - np.array([123.7, 116.8, 103.9], np.float32)))


def normalized_by_batch() -> Any:
    model = plain(before=[layers.BatchNormalization()])
    names = {weight.path.rpartition("/")[2]: weight for weight in model.layers[0].weights}
    names["moving_mean"].assign([120.0, 110.0, 100.0])
    names["moving_variance"].assign([4000.0, 4100.0, 4200.0])
    return model


def any_size() -> Any:
    image = layers.Input((None, None, 3))
    hidden = layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(image))
    return keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(hidden)))


@pytest.mark.parametrize(
    "make",
    [plain, residual, arithmetic, imagenet_arithmetic, mean_subtracted, normalized_by_batch,
     any_size],
)  # fmt: skip
def test_a_saved_model_that_normalizes_is_seen_through(
    tmp_path: Path, make: Callable[[], Any]
) -> None:
    path = saved(make(), tmp_path / "m")
    assert load(path).input_range == "0..255"
    assert load(path, "0..255").input_range == "0..255"
    with pytest.raises(UsageError, match="does not fit") as caught:
        load(path, "0..1")
    assert caught.value.exit_code == 2
    assert "would be fed" in str(caught.value.observed)


def for_values_in_0_to_1() -> Any:
    image = layers.Input((8, 8, 3))
    return keras.Model(image, flat_dense(image * 2.0 - 1.0))


@pytest.mark.parametrize("make", [lambda: plain(before=[]), residual_on_raw_pixels])
def test_a_saved_model_that_does_not_normalize_raw_pixels_needs_a_range(
    tmp_path: Path, make: Callable[[], Any]
) -> None:
    path = saved(make(), tmp_path / "m")
    with pytest.raises(UsageError, match=r"0\.\.255 if it normalizes further inside"):
        load(path)
    assert load(path, "0..1").input_range == "0..1"


@pytest.mark.parametrize("name", ["m.keras", "m"])
def test_a_model_that_goes_on_from_0_to_1_is_fed_that(tmp_path: Path, name: str) -> None:
    path = saved(for_values_in_0_to_1(), tmp_path / name)
    assert load(path).input_range == "0..1"
    assert load(path, "0..1").input_range == "0..1"
    with pytest.raises(UsageError, match="x \\* 2 - 1") as caught:
        load(path, "0..255")
    assert "-1 to 509" in str(caught.value.observed)


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
@pytest.mark.parametrize("wrap", [lambda scores: {"scores": scores}, lambda scores: [scores]])
def test_one_output_in_a_dictionary_or_a_list_is_one_output(
    tmp_path: Path, name: str, wrap: Callable[[Any], Any]
) -> None:
    image = layers.Input((12, 10, 3))
    hidden = layers.Conv2D(3, 3)(layers.Rescaling(1 / 255)(image))
    model = keras.Model(image, wrap(flat_dense(hidden, "softmax")))
    loaded = load(saved(model, tmp_path / name))
    assert (loaded.classes, loaded.output_kind) == (3, "probabilities")
    images = pixels(4, (12, 10, 3)).astype(np.float32)
    answer = keras.tree.flatten(model(images, training=False))[0].numpy()
    np.testing.assert_allclose(np.asarray(loaded.call(images)), answer, atol=1e-5)


def test_two_outputs_in_a_dictionary_are_refused(tmp_path: Path) -> None:
    image = layers.Input((4, 4, 3))
    model = keras.Model(image, {"a": flat_dense(image), "b": flat_dense(image)})
    with pytest.raises(SourceModelError, match="one score per class"):
        load(saved(model, tmp_path / "m.keras"), "0..1")


def test_an_unknown_range_is_a_usage_error(folder: Path) -> None:
    with pytest.raises(UsageError, match="imagenet"):
        find_source(folder / "net.keras", input_range="0..2")


def test_every_refusal_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EdgeError) as caught:
        load(tmp_path / "none.keras")
    assert json.dumps(caught.value.to_dict())
    assert "remedy" in str(caught.value)


def test_a_deflated_archive_with_flipped_bits_is_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    for kind in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(folder / "net.keras") as old, zipfile.ZipFile(path, "w", kind) as new:
            for name in old.namelist():
                new.writestr(name, old.read(name))
        whole = path.read_bytes()
        with zipfile.ZipFile(path) as good:
            start = good.getinfo("config.json").header_offset + 30 + len("config.json")
        for place in range(start + 20, start + 120, 3):  # behind LZMA's header
            data = bytearray(whole)
            data[place] ^= 0xFF
            path.write_bytes(data)
            with pytest.raises(SourceModelError, match="damaged"):
                find_source(path)


def test_a_file_of_a_saved_model_that_cannot_be_read_is_named(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder / "exported", tmp_path / "exported"))
    (copy / "assets" / "unreadable").symlink_to("/proc/self/mem")  # reading address 0 fails
    with pytest.raises(SourceModelError, match="unreadable"):
        find_source(copy)


def test_a_recipes_own_training_comes_before_its_released_weights(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipe.toml").write_text('[model]\nname = "net"\n')
    (tmp_path / "build").mkdir()
    for name in ("net.keras", "build/model.keras"):
        shutil.copy(folder / "net.keras", tmp_path / name)
    assert find_source(tmp_path).path == tmp_path / "build" / "model.keras"


def rewritten(source: Path, target: Path, change: Callable[[bytes], bytes]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if name == "config.json" else data)
    return target


def test_code_in_an_archive_is_found_before_keras_reads_any_layer(tmp_path: Path) -> None:
    stack = [layers.Input((8, 8, 3)), layers.MaxPooling2D(), layers.Lambda(lambda image: image)]
    good = saved(keras.Sequential(stack), tmp_path / "good.keras")
    path = rewritten(good, tmp_path / "m.keras", lambda data: data.replace(b"MaxPooling", b"MyPo"))
    with pytest.raises(SourceModelError, match="Lambda"):  # and not the unknown MyPo2D
        load(path)


def test_code_in_an_h5_file_is_found_however_its_name_is_written(tmp_path: Path) -> None:
    import h5py

    stack = [layers.Input((8, 8, 3)), layers.MaxPooling2D(), layers.Lambda(lambda image: image)]
    path = saved(keras.Sequential(stack), tmp_path / "m.h5")
    with h5py.File(path, "r+") as file:
        text = str(file.attrs["model_config"]).replace("MaxPooling", "MyPo")
        file.attrs["model_config"] = text.replace('"Lambda"', '"L\\u0061mbda"')
    with pytest.raises(SourceModelError, match="Lambda"):
        load(path)


def test_a_layer_that_is_only_named_lambda_is_no_code(tmp_path: Path) -> None:
    model = plain(before=[layers.Rescaling(1 / 255, name="Lambda")])
    assert same_scores(model, load(saved(model, tmp_path / "m.h5")))
