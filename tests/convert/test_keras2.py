"""Files of Keras 2, as tf_keras writes them: each gives Keras 2's own scores, or a way out."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from command import edgecnn_here
from convert.brightness import Built, check_refused, convert, fitted, pictures, write_pictures
from convert.keras2 import keras2_installed, with_keras2
from edgecnn.build.reference import read_reference
from edgecnn.errors import EdgeError
from edgecnn.quiet import captured_log
from edgecnn_runner.formats.container import read_container

pytestmark = pytest.mark.slow  # starts processes, and converts whole networks

CHEAP = ("preprocessed", "teachable")
SAVED_MODELS = (
    "mixed_float16", "adapted", "normalized_in_a_row", "rescaled", "adapted_scalar", "adapted_unit",
    "adapted_mixed", "mixed_bfloat16", "float16", "sequential", "lstm", "bidirectional_gru",
)  # fmt: skip
OTHERS = (
    "notebook", "sliced", "raw_operators", "squeezed", "attentive", "softmax_over_axes",
    "mobilenet", "mobilenet_mixed", "mobilenet_v1", "mobilenet_v3", "mobilenet_v3_whole",
    "efficientnet", "separable", "depthwise_conv2d", "transposed", "prelu", "leaky",
    "layer_normalization", "group_normalization", "grouped", "dilated", "hard_sigmoid",
    "locally_connected", "time_distributed", "augmented", "resized", "simple_rnn", "hard_lstm",
    "float64", "compiled", "late_shape", "seeded", "keepdims", "quantization_aware",
    "quantized_in_part", "pruned",
)  # fmt: skip
REFUSED = {
    "with_lambda": "Lambda",
    "custom_layer": "Doubling",
    "custom_activation": "doubled",
    "channels_first": "NHWC",
    "vocabulary": "StringLookup",
}
RANGES = {
    "adapted_unit": "0..1", "notebook": "0..1", "pruned": "-1..1", "quantization_aware": "-1..1",
    "teachable": "-1..1",
}  # fmt: skip
# Those in half precision, and one that multiplies rounding.
HALF = {
    "adapted_mixed": 2e-2, "efficientnet": 1e-2, "float16": 2e-2, "mixed_bfloat16": 1e-1,
    "mixed_float16": 2e-2,
    "mobilenet_mixed": 2e-2,
}  # fmt: skip
# tf_keras itself does not load the archives that it writes of these.
NOT_EVEN_BY_KERAS_2 = ("quantization_aware.keras", "quantized_in_part.keras")


def made(folder: Path, *names: str) -> Path:
    with_keras2(Path(__file__).with_name("make_keras2.py"), folder, *names)
    return write_pictures(folder)


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("keras2"), *CHEAP)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("keras2"), *SAVED_MODELS, *OTHERS, *REFUSED)


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    with keras2_installed():
        yield


def options(name: str) -> tuple[str, ...]:
    return ("--input-range", RANGES[name]) if name in RANGES else ()


def right_scores(folder: Path, name: str) -> Any:
    """Return the scores that Keras 2 gave itself, where the model was made."""
    with np.load(folder / f"{name}.npz") as stored:
        scores = stored["scores"]
    # Answers that are all alike would agree with anything.
    assert set(scores.argmax(axis=1)) == {0, 1, 2}
    assert np.ptp(scores, axis=0).min() > 0.1
    return scores


def check_scores(built: Built, folder: Path, name: str, variant: str = "tflite-fp32") -> None:
    """Assert that reference and artifact have the scores that Keras 2 gave."""
    assert built.done.code == 0, built.done.err
    # The pictures are numbered; edgecnn has them in the order of their classes' names.
    order = sorted(range(42), key=lambda index: (("night", "dusk", "noon")[index // 14], index))
    right = right_scores(folder, name)[order]
    bound = HALF.get(name, 1e-4)
    np.testing.assert_allclose(
        built.reference(), right, rtol=0, atol=bound / (10 if name in HALF else 1)
    )
    np.testing.assert_allclose(built.scores(variant), right, rtol=0, atol=bound)


def check_loaded(folder: Path, path: Path, name: str, weights: Path | None = None) -> bool:
    """Load a file as ``convert`` does, and hold it against Keras 2's own scores.

    Both the model that answers, and the function of it that would be converted.

    Returns:
        Whether Keras 2 loaded it.
    """
    with captured_log():
        from edgecnn.convert.graph.deployable import deployable_of
        from edgecnn.convert.scoring import FloatScorer
        from edgecnn.convert.source.model import load_source
        from edgecnn.convert.source.paths import find_source

        source = find_source(path, input_range=RANGES.get(name), weights=weights)
        model = load_source(source, otherwise="0..255")
        assert model.input_range == RANGES.get(name, "0..255")
        pixels = pictures(14, seed=2)[0]
        own = FloatScorer(model).raw(pixels)
        shape = pixels.shape[1:]
        made_of_it = deployable_of(model.float32, shape=shape, input_range=model.input_range)
        deployed = made_of_it.scores(pixels)
    right, bound = right_scores(folder, name), HALF.get(name, 1e-4)
    # A graph rounds otherwise than one operator at a time.
    own_bound = bound / 10 if name in HALF else bound
    np.testing.assert_allclose(own, right, rtol=0, atol=own_bound)
    np.testing.assert_allclose(deployed, right, rtol=0, atol=bound)
    return not model.call_is_traceable


def test_teachable_machine_s_two_files(common: Path) -> None:
    """As they are downloaded: its labels are numbered, and the folders are not."""
    place = common / "downloaded"
    place.mkdir()
    shutil.copyfile(common / "teachable.h5", place / "keras_model.h5")
    (place / "labels.txt").write_text("0 night\n1 dusk\n2 noon\n")
    done = edgecnn_here(
        "convert", place / "keras_model.h5", "--data", common / "images", "--labels",
        place / "labels.txt", "--input-range", "-1..1", "--variant", "tflite-fp32",
        "--out", common / "build-teachable",
    )  # fmt: skip
    check_scores(Built(done=done, folder=common / "build-teachable"), common, "teachable")
    labels = (common / "build-teachable" / "labels.txt").read_text()
    assert labels == "night\ndusk\nnoon\n"


def test_what_keras_3_cannot_load_is_answered_for_by_keras_2(common: Path) -> None:
    assert check_loaded(common, common / "preprocessed.keras", "preprocessed")


@pytest.mark.long
@pytest.mark.parametrize("name", [*SAVED_MODELS, *OTHERS])
@pytest.mark.parametrize("suffix", [".h5", ".keras", ".json", ".weights.h5"])
def test_each_kind_of_file_has_the_scores_of_keras_2(others: Path, name: str, suffix: str) -> None:
    path, weights = others / f"{name}{suffix}", None
    if suffix in (".json", ".weights.h5"):
        weights = others / (f"{name}_weights.h5" if suffix == ".json" else f"{name}.weights.h5")
        path = others / f"{name}.json"
    if path.name in NOT_EVEN_BY_KERAS_2:
        with pytest.raises(EdgeError, match="Keras 2 cannot load") as caught:
            check_loaded(others, path, name)
        assert "tf.saved_model.save" in str(caught.value.remedy)
        return
    of_keras_2 = check_loaded(others, path, name, weights)
    assert of_keras_2 or weights is None


@pytest.mark.long
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_with_a_clear_word(others: Path, name: str, suffix: str) -> None:
    built = convert(others / (name + suffix), others, "--input-range", "0..255")
    check_refused(built, REFUSED[name], code=26)
    assert "--- " not in built.done.err
    assert len(built.done.err) < 1500  # no dump of a configuration


@pytest.mark.long
@pytest.mark.parametrize("name", [*CHEAP, *SAVED_MODELS])
def test_a_saved_model_of_keras_2_is_right(others: Path, common: Path, name: str) -> None:
    folder = common if name in CHEAP else others
    check_scores(convert(folder / name, folder, *options(name)), folder, name)


@pytest.mark.long
@pytest.mark.parametrize("name", ["quantization_aware", "mobilenet", "augmented", "leaky"])
def test_whole_conversions(others: Path, name: str) -> None:
    """Also quantization-aware networks, whose graphs round by themselves, and ONNX files."""
    variants = ("tflite-fp32", "tflite-int8", "onnx-fp32", "onnx-int8")
    built = convert(others / f"{name}.h5", others, *options(name), variants=variants)
    check_scores(built, others, name)
    check_scores(built, others, name, "onnx-fp32")
    right = right_scores(others, name).argmax(axis=1)
    order = sorted(range(42), key=lambda index: (("night", "dusk", "noon")[index // 14], index))
    for variant in ("tflite-int8", "onnx-int8"):
        assert (built.scores(variant).argmax(axis=1) == right[order]).mean() > 0.95


def initializer(name: str) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if name == "VarianceScaling":
        config = {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None}
    return {"class_name": name, "config": config}


def with_kernel(name: str, activation: str, **own: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(
        ("kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint",
         "bias_constraint")
    )  # fmt: skip
    return {
        "name": name, "trainable": True, **own, "activation": activation, "use_bias": True,
        "kernel_initializer": initializer("VarianceScaling"),
        "bias_initializer": initializer("Zeros"), **nothing,
    }  # fmt: skip


def notebook_of_2019() -> list[dict[str, Any]]:
    """The notebook's network for pictures of 16 pixels, as ``to_json`` of Keras 2.2.4 wrote it."""
    image: dict[str, Any] = {"batch_input_shape": [None, 16, 16, 3], "dtype": "float32"}
    stack: list[dict[str, Any]] = []

    def add(kind: str, config: dict[str, Any]) -> None:
        stack.append({"class_name": kind, "config": config})

    for index, (filters, padding) in enumerate(
        [(32, "same"), (32, "same"), (64, "same"), (64, "valid")], 1
    ):
        own = {
            **(image if index == 1 else {}), "filters": filters, "kernel_size": [3, 3],
            "strides": [1, 1], "padding": padding, "data_format": "channels_last",
            "dilation_rate": [1, 1],
        }  # fmt: skip
        add("Conv2D", with_kernel(f"conv2d_{index}", "relu", **own))
        if index % 2 == 0:
            add("MaxPooling2D", {
                "name": f"max_pooling2d_{index // 2}", "trainable": True, "pool_size": [2, 2],
                "padding": "valid", "strides": [2, 2], "data_format": "channels_last",
            })  # fmt: skip
            dropout = {"name": f"dropout_{index // 2}", "trainable": True, "rate": 0.25}
            add("Dropout", {**dropout, "noise_shape": None, "seed": None})
    add("Flatten", {"name": "flatten_1", "trainable": True, "data_format": "channels_last"})
    add("Dense", with_kernel("dense_1", "relu", units=512))
    last = {"name": "dropout_3", "trainable": True, "rate": 0.5}
    add("Dropout", {**last, "noise_shape": None, "seed": None})
    add("Dense", with_kernel("dense_2", "softmax", units=3))
    return stack


def write_notebook_of_2019(folder: Path, *, named: bool) -> Any:
    """Write the two files; return the same network in Keras 3.

    Args:
        folder: Where to.
        named: Whether a Sequential has a name, as in Keras 2.2.3 and later.
    """
    with captured_log():
        import keras

        layers = keras.layers
        stack: list[Any] = [layers.Input((16, 16, 3))]
        for index, (filters, padding) in enumerate(
            [(32, "same"), (32, "same"), (64, "same"), (64, "valid")], 1
        ):
            stack += [layers.Conv2D(filters, 3, padding=padding, activation="relu")]
            stack += [layers.MaxPooling2D(2), layers.Dropout(0.25)] if index % 2 == 0 else []
        stack += [layers.Flatten(), layers.Dense(512, activation="relu"), layers.Dropout(0.5)]
        keras.utils.set_random_seed(1)
        model = keras.Sequential([*stack, layers.Dense(3, activation="softmax")])
        fitted(model, of=lambda pixels: pixels / 255)
    config = notebook_of_2019()
    whole = {
        "class_name": "Sequential",
        "config": {"name": "sequential_1", "layers": config} if named else config,
        "keras_version": "2.2.4" if named else "2.1.6",
        "backend": "tensorflow",
    }
    (folder / "cifar10_architecture.json").write_text(json.dumps(whole))
    values = [np.asarray(value) for value in model.get_weights()]
    with h5py.File(folder / "cifar10_weights.h5", "w") as file:
        names = [layer["config"]["name"] for layer in config]
        file.attrs["layer_names"] = [name.encode() for name in names]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.2.4"
        for name in names:
            group = file.create_group(name)
            own = ("kernel", "bias") if name.startswith(("conv2d", "dense")) else ()
            group.attrs["weight_names"] = [f"{name}/{weight}:0".encode() for weight in own]
            for weight in own:
                group[f"{name}/{weight}:0"] = values.pop(0)
    assert not values
    return model


@pytest.mark.parametrize("named", [True, pytest.param(False, marks=pytest.mark.long)])
def test_the_original_notebook_s_own_output(tmp_path: Path, named: bool) -> None:
    model = write_notebook_of_2019(tmp_path, named=named)
    write_pictures(tmp_path)
    built = convert(
        tmp_path / "cifar10_architecture.json", tmp_path,
        "--weights", str(tmp_path / "cifar10_weights.h5"), "--input-range", "0..1",
    )  # fmt: skip
    assert built.done.code == 0, built.done.err
    right = np.asarray(model(built.pixels().astype(np.float32) / 255, training=False))
    np.testing.assert_allclose(built.reference(), right, rtol=0, atol=1e-4)
    np.testing.assert_allclose(built.scores(), right, rtol=0, atol=1e-4)
    assert built.accuracy() > 0.9


def test_weights_alone_point_to_their_architecture(tmp_path: Path) -> None:
    write_notebook_of_2019(tmp_path, named=True)
    write_pictures(tmp_path)
    built = convert(tmp_path / "cifar10_weights.h5", tmp_path, "--input-range", "0..1")
    command = f"edgecnn convert {tmp_path}/cifar10_architecture.json --weights {tmp_path}/"
    check_refused(built, "weights alone", command, code=26)
    (tmp_path / "cifar10_architecture.json").unlink()
    built = convert(tmp_path / "cifar10_weights.h5", tmp_path, "--input-range", "0..1")
    check_refused(built, "model.to_json()", "--weights", code=26)


@pytest.mark.long
def test_files_go_by_their_content_and_not_by_their_names(others: Path, tmp_path: Path) -> None:
    """TensorFlow up to 2.11 wrote the older form into files of any name."""
    for number, (file, name, weights) in enumerate(
        [
            ("sliced.h5", "model.keras", None),
            ("sliced.keras", "model.zip", None),
            ("sliced.h5", "model.hdf5.backup", None),
            ("sliced.json", "model.json", ("sliced_weights.h5", "model.weights.h5")),
            ("sliced.json", "model.json", ("sliced.weights.h5", "weights.hdf5")),
            # A whole model holds its weights, too.
            ("sliced.json", "model.json", ("sliced.h5", "whole.h5")),
        ]
    ):
        place = tmp_path / str(number)
        place.mkdir()
        shutil.copyfile(others / file, place / name)
        own = None
        if weights is not None:
            own = Path(shutil.copyfile(others / weights[0], place / weights[1]))
        assert check_loaded(others, place / name, "sliced", own)


@pytest.mark.long
def test_weights_of_another_architecture_are_refused(others: Path) -> None:
    built = convert(
        others / "sliced.json", others, "--weights", str(others / "grouped_weights.h5"),
        "--input-range", "0..255",
    )  # fmt: skip
    check_refused(built, "Keras 2 cannot load", "give the weights that were saved", code=26)


def without_keras2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process find no Keras 2, wherever it is."""
    found = [part for part in sys.path if not (Path(part) / "tf_keras").is_dir()]
    monkeypatch.setattr(sys, "path", found)
    for name in [name for name in sys.modules if name.partition(".")[0] == "tf_keras"]:
        monkeypatch.delitem(sys.modules, name)


def test_without_keras_2_the_error_names_the_command_that_installs_it(
    common: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    without_keras2(monkeypatch)
    built = convert(common / "preprocessed.h5", common)
    check_refused(built, "TFOpLambda", "Keras 2 (the package tf-keras)", code=26)
    remedy = " ".join(built.done.err.split()).partition("remedy: ")[2]
    command = shlex.split(remedy.partition("; and convert it again")[0])
    major, minor = tf.__version__.split(".")[:2]
    wanted = f"tf-keras>={major}.{minor},<{major}.{int(minor) + 1}"
    assert command == [sys.executable, "-m", "pip", "install", wanted]


@pytest.mark.long
def test_that_command_works(others: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both commands are run as they are, but into a folder of this test."""
    from edgecnn.convert.source.keras2 import install_command

    with monkeypatch.context() as patched:
        without_keras2(patched)
        built = convert(others / "quantized_in_part.h5", others)
        command = install_command(optimized=True)
        check_refused(built, command, code=26)
    place = tmp_path / "installed"
    for part in command.split(" && "):
        words = shlex.split(part)
        # TensorFlow is there already; it would come once more.
        done = subprocess.run(
            [*words, "--quiet", "--no-deps", "--target", str(place)],
            capture_output=True,
            text=True,
            check=False,
        )
        if "Could not find a version" in done.stderr or "connection" in done.stderr.lower():
            pytest.skip("packages cannot be had here")
        assert done.returncode == 0, done.stderr
    with monkeypatch.context() as patched:
        without_keras2(patched)
        patched.syspath_prepend(str(place))
        assert check_loaded(others, others / "quantized_in_part.h5", "quantized_in_part")


@pytest.mark.long
def test_a_keras_2_that_does_not_fit_says_so(
    others: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an update of TensorFlow alone."""
    (tmp_path / "tf_keras").mkdir()
    (tmp_path / "tf_keras" / "__init__.py").write_text("from tensorflow import no_such_thing\n")
    without_keras2(monkeypatch)
    monkeypatch.syspath_prepend(str(tmp_path))
    built = convert(others / "sliced.h5", others)
    check_refused(built, "cannot be imported", "no_such_thing", "pip install", code=26)


def with_config(path: Path, new: Path, change: Callable[[Any], None]) -> Path:
    """Copy an HDF5 file, its configuration changed."""
    shutil.copyfile(path, new)
    with h5py.File(new, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)
    return new


def layer_of(config: Any, kind: str) -> Any:
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == kind)


def test_what_runs_while_it_is_loaded_is_refused_before(common: Path, tmp_path: Path) -> None:
    """Keras 2 does run it; that the file is not there afterwards is no accident."""
    marker = tmp_path / "ran"

    def writes(config: Any) -> None:
        layer = layer_of(config, "TFOpLambda")
        layer["config"]["function"] = "io.write_file"
        layer["inbound_nodes"] = [[str(marker), 0, 0, {"contents": "text"}]]

    path = with_config(common / "preprocessed.h5", tmp_path / "writes.h5", writes)
    refused = "does more than compute: Keras 2 would run the function io.write_file"
    check_refused(convert(path, common), refused, code=26)
    assert not marker.exists()

    def imports(config: Any) -> None:
        layer_of(config, "Dense").update(module="antigravity", registered_name=None)

    path = with_config(common / "preprocessed.h5", tmp_path / "imports.h5", imports)
    check_refused(convert(path, common), "Dense of the module antigravity", code=26)

    elsewhere = Path(shutil.copyfile(common / "preprocessed.h5", tmp_path / "elsewhere.h5"))
    with h5py.File(elsewhere, "r+") as file:
        file["model_weights/more"] = h5py.ExternalLink("/etc/passwd", "/")
    check_refused(convert(elsewhere, common), "weights that lie in other files", code=26)
    # The same as an architecture with weights.
    with h5py.File(common / "preprocessed.h5") as file:
        (tmp_path / "model.json").write_text(file.attrs["model_config"])
    given = ("--weights", str(elsewhere))
    built = convert(tmp_path / "model.json", common, *given)
    check_refused(built, "weights that lie in other files", code=26)


@pytest.mark.long
def test_a_layer_that_fits_no_memory_is_a_reason(others: Path, tmp_path: Path) -> None:
    def huge(config: Any) -> None:
        layer_of(config, "Dense")["config"]["units"] = 10**12

    path = with_config(others / "sliced.h5", tmp_path / "huge.h5", huge)
    check_refused(convert(path, others), "Keras 2", code=26)


@pytest.mark.long
def test_keras_2_answers_for_verify_and_adopt_too(common: Path, tmp_path: Path) -> None:
    """Reference of a foreign file, of an adopted one, and of pictures without labels."""
    data = ("--data", common / "images", "--labels", common / "labels.txt")
    model = common / "preprocessed.h5"
    built = convert(model, common)
    (file,) = built.folder.glob("*.tflite")
    foreign = tmp_path / "foreign.tflite"
    foreign.write_bytes(read_container(file).payload)
    told = (*data, "--input-range", "0..255", "--json")

    done = edgecnn_here(
        "verify", "--artifact", foreign, "--reference", model, *told, "--out", tmp_path / "report"
    )  # fmt: skip
    report = done.json()
    assert (report["verdict"], report["foreign"]["hints"]) == ("PASS", []), done.err
    assert "tf_keras 2." in json.dumps(report["foreign"])

    done = edgecnn_here(
        "adopt", foreign, "--reference", model, *told, "--out", tmp_path / "adopted"
    )  # fmt: skip
    assert done.code == 0, done.err
    stored = read_reference(tmp_path / "adopted" / "reference.npz")
    rows = [int(Path(name).stem) for name in stored.ids]
    np.testing.assert_allclose(
        stored.scores, right_scores(common, "preprocessed")[rows], rtol=0, atol=1e-5
    )
    manifest = json.loads((built.folder / "manifest.json").read_text())
    assert manifest["source"]["keras_2"].startswith("2.")

    (tmp_path / "new").mkdir()
    for index, picture in enumerate(pictures(10, seed=9)[0]):
        Image.fromarray(picture).save(tmp_path / "new" / f"{index}.png")
    done = edgecnn_here("verify", built.folder, "--unlabelled", tmp_path / "new", "--json")
    report = done.json()
    assert report["unlabelled"]["pictures"] == 30
    assert report["rows"][0]["unlabelled"]["changed"] == 0
