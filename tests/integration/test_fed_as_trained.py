"""A model made elsewhere: is it fed and read as it was trained? As the manual promises it.

Each picture has a bar of its class's colour at its left edge, and one of any colour at its right;
between them is noise. So colours, sides, edges and the order of the outputs all count.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from command import edgecnn
from edgecnn.build.workspace import Workspace
from edgecnn.commands import convert as conversion
from edgecnn.commands import verify as verification
from edgecnn.commands.convert import ConvertRequest
from edgecnn.errors import DataError, EdgeError, OwnScoresError, TrialError
from edgecnn.progress import NO_PROGRESS, ProgressTask
from edgecnn.quiet import captured_log
from edgecnn.verify import ForeignFiles, VerifyRequest, exit_error
from edgecnn_runner.input_options import PREPROCESSING_OPTIONS, Preprocessing
from manual import blocks

pytestmark = pytest.mark.slow  # trains and converts networks

NAMES: Final = ("blue", "green", "red", "yellow")
COLOURS: Final = np.array([[40, 60, 220], [50, 200, 60], [220, 50, 40], [220, 210, 50]])
ORDER: Final = (2, 0, 3, 1)
"""Output k of the reordered model is class ORDER[k]."""
EACH: Final = 40


def write_pictures(folder: Path, height: int, width: int) -> None:
    rng = np.random.default_rng(3)
    bar = width * 5 // 32
    for label, name in enumerate(NAMES):
        (folder / name).mkdir(parents=True)
        for index in range(EACH):
            pixels = rng.uniform(60, 190, (height, width, 3))
            for part, colour in ((slice(None, bar), label), (slice(-bar, None), rng.integers(4))):
                pixels[:, part] = 0.4 * pixels[:, part] + 0.6 * COLOURS[colour]
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(folder / name / f"{index:02}.jpg", quality=90)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images/<class>/, wide/<class>/, labels, and models trained on -1..1."""
    folder = tmp_path_factory.mktemp("trained")
    write_pictures(folder / "images", 32, 32)
    write_pictures(folder / "wide", 32, 48)
    (folder / "labels.txt").write_text("\n".join(NAMES))
    with captured_log():
        import keras
        from keras import layers

        keras.utils.set_random_seed(1)
        data = keras.utils.image_dataset_from_directory(
            folder / "images", image_size=(16, 16), batch_size=None, shuffle=False, verbose=False
        )
        pixels, labels = (np.stack(one) for one in zip(*data.as_numpy_iterator(), strict=True))
        image = keras.Input((16, 16, 3))
        hidden = layers.Flatten()(layers.Conv2D(12, 3, strides=2, activation="relu")(image))
        model = keras.Model(image, layers.Dense(4, activation="softmax")(hidden))
        model.compile(
            keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        model.fit(pixels / 127.5 - 1, labels, epochs=25, batch_size=16, verbose=0)
        assert model.evaluate(pixels / 127.5 - 1, labels, verbose=0)[1] > 0.97
        model.save(folder / "signed.keras")
        keras.Model(image, model(image[..., ::-1])).save(folder / "bgr.keras")
        keras.Model(image, model(image[:, :, ::-1])).save(folder / "mirrored.keras")
        keras.Model(image, model(layers.Permute((2, 1, 3))(image))).save(folder / "axes.keras")
        inside = layers.Rescaling(1 / 127.5, offset=-1)(image)
        keras.Model(image, model(inside)).save(folder / "inside.keras")
        # It normalizes raw pixels, and was trained on pixels that were in 0..1 already: its first
        # layer sees u = pixel / 255 / 255 and makes of it what the other's makes of 510 u - 1.
        twice = keras.models.clone_model(model)
        twice.set_weights(model.get_weights())
        kernel, bias = twice.layers[1].get_weights()
        twice.layers[1].set_weights([510 * kernel, bias - kernel.sum(axis=(0, 1, 2))])
        keras.Model(image, twice(layers.Rescaling(1 / 255)(image))).save(folder / "twice.keras")
        weights, bias = model.layers[-1].get_weights()
        model.layers[-1].set_weights([weights[:, ORDER], bias[list(ORDER)]])
        model.save(folder / "reordered.keras")
    return folder


class Told:
    """Keeps messages; see ``edgecnn.progress.Progress``."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def task(self, description: str, total: int) -> AbstractContextManager[ProgressTask]:
        return NO_PROGRESS.task(description, total)

    def message(self, text: str) -> None:
        self.messages.append(text)


Convert = Callable[..., tuple[Workspace, list[str]]]


@pytest.fixture
def convert(made: Path, tmp_path: Path) -> Convert:
    """Convert in this process: the build, and what was said. A refusal leaves nothing behind."""

    def run(model: str, **options: Any) -> tuple[Workspace, list[str]]:
        told = Told()
        said = {name: options.pop(name) for name in PREPROCESSING_OPTIONS if name in options}
        request = ConvertRequest(
            source=made / model,
            out=tmp_path / "build",
            preprocessing=Preprocessing.of_options(**said),
            **{"data": str(made / "images"), "variants": ("tflite-fp32",), **options},
        )
        try:
            workspace = Workspace(conversion.convert(request, progress=told).build)
        except EdgeError:
            assert not (tmp_path / "build").exists() or not Workspace(tmp_path / "build").is_build()
            raise
        # That a model which is fed wrongly guesses is said, too, and tested elsewhere.
        told_of = [one for one in told.messages if one.startswith("warning: ")]
        return workspace, [one for one in told_of if "may be" in one]

    return run


def examined(workspace: Workspace) -> dict[str, Any]:
    found: dict[str, Any] = workspace.manifest()["examined"]
    return found


def test_a_model_that_is_fed_as_it_was_trained_is_converted(convert: Convert) -> None:
    workspace, warnings = convert("signed.keras", input_range="-1..1")
    assert warnings == []
    tried = examined(workspace)["trials"]
    assert tried["hint"] is None
    assert tried["right"] > 0.95 * tried["images"]


def test_a_range_that_was_given_is_kept_with_a_warning(convert: Convert) -> None:
    workspace, (warning,) = convert("signed.keras", input_range="0..255")
    assert "with --input-range -1..1 it would be right on 100.0 %" in warning
    assert examined(workspace)["trials"]["hint"]["option"] == "--input-range -1..1"


def mend(made: Path, model: str, error: TrialError) -> None:
    """Run the line that an error shows, which puts something in front of a model."""
    line = re.search(r"(x = keras.Input.*\.save\('mended.keras'\))", error.problem)
    assert line is not None
    with captured_log():
        import keras

        names = {"keras": keras, "model": keras.models.load_model(made / model)}
        shown = line[1].replace("mended.keras", str(made / f"mended-{model}"))
        exec(shown, names)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("bgr.keras", "red and blue exchanged"),
        pytest.param("mirrored.keras", "mirrored left to right", marks=pytest.mark.long),
        pytest.param("axes.keras", "rows and columns exchanged", marks=pytest.mark.long),
    ],
)
def test_what_no_flag_mends_stops_and_is_mended_by_the_line_that_it_shows(
    convert: Convert, made: Path, model: str, words: str
) -> None:
    with pytest.raises(TrialError) as caught:
        convert(model, input_range="-1..1")
    assert words in caught.value.problem
    assert "--as-is" in caught.value.remedy
    mend(made, model, caught.value)
    workspace, warnings = convert(f"mended-{model}", input_range="-1..1")
    assert warnings == []
    assert examined(workspace)["trials"]["right"] > 120


def test_a_model_that_normalizes_images_twice_is_told_and_mended(
    convert: Convert, made: Path
) -> None:
    with pytest.raises(TrialError, match="normalized twice") as caught:
        convert("twice.keras")
    assert "keras.layers.Rescaling(0.00392156862745098, 0.0)(x)" in caught.value.problem
    assert caught.value.problem.endswith("--input-range 0..255.")
    mend(made, "twice.keras", caught.value)
    workspace, warnings = convert("mended-twice.keras", input_range="0..255")
    assert warnings == []
    assert examined(workspace)["trials"]["right"] > 120


def test_outputs_in_another_order_than_the_folders_stop_and_are_named(
    convert: Convert, made: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrialError) as caught:
        convert("reordered.keras", input_range="-1..1")
    assert "output 0, named blue, for red" in caught.value.problem
    names = [NAMES[one] for one in ORDER]
    assert f"seem to be: {', '.join(names)}." in caught.value.problem
    assert "--labels FILE" in caught.value.remedy
    right = tmp_path / "right.txt"
    right.write_text("\n".join(names))
    _, warnings = convert("reordered.keras", input_range="-1..1", labels=right)
    assert warnings == []
    workspace, (warning,) = convert(
        "reordered.keras", input_range="-1..1", labels=made / "labels.txt"
    )
    assert "another order" in warning
    assert examined(workspace)["trials"]["hint"]["kind"] == "labels"


def test_another_fit_stops_and_its_flags_mend_it(convert: Convert, made: Path) -> None:
    """Wide pictures that the model was trained on stretched: a crop cuts the bars away."""
    wide = {"input_range": "-1..1", "data": str(made / "wide")}
    with pytest.raises(TrialError) as caught:
        convert("signed.keras", **wide)
    assert caught.value.remedy.startswith("give --fit stretch --resample ")
    flags = re.findall(r"--(fit|resample) (\S+?);?(?= |$)", caught.value.remedy)
    assert len(flags) == 2
    workspace, warnings = convert("signed.keras", **wide, **dict(flags))
    assert warnings == []
    assert examined(workspace)["trials"]["right"] > 120
    _, (warning,) = convert("signed.keras", **wide, fit="crop", resample="bilinear")
    assert "with --fit stretch" in warning


def test_a_build_is_not_tried_again(convert: Convert, made: Path, tmp_path: Path) -> None:
    workspace, (warning,) = convert("bgr.keras", input_range="-1..1", as_is=True)
    assert "red and blue exchanged" in warning
    first = examined(workspace)
    told = Told()
    request = ConvertRequest(
        source=workspace.folder, data=str(made / "images"), variants=("onnx-fp32",)
    )
    conversion.convert(request, progress=told)
    assert not [one for one in told.messages if "trying" in one or "warning" in one]
    assert examined(workspace) == first


# The user's own scores.


@pytest.fixture(scope="module")
def own(made: Path) -> Path:
    """Scores of all images, written by the manual's lines for Keras."""
    python = [one for one in blocks() if one.kind == "python"]
    (block,) = [one for one in python if "image_dataset_from_directory" in one.text]
    lines = block.text.replace("96, 96", "16, 16").replace("pixels / 255", "pixels / 127.5 - 1")
    with captured_log():
        import keras

        model = keras.models.load_model(made / "signed.keras")
        here = Path.cwd()
        os.chdir(made)
        try:
            exec(lines, {"keras": keras, "os": os, "numpy": np, "model": model})
        finally:
            os.chdir(here)
    return made / "scores.npz"


def arrays(path: Path) -> tuple[list[str], npt.NDArray[np.float32]]:
    with np.load(path) as stored:
        return stored["names"].tolist(), stored["scores"]


def test_scores_of_ones_own_prove_the_reference(convert: Convert, own: Path) -> None:
    workspace, _ = convert("signed.keras", input_range="-1..1", scores=own)
    found = examined(workspace)["own_scores"]
    assert found["agrees"]
    assert found["named"]
    assert (found["images"], found["agreed"] + found["excused"]) == (160, 160)
    assert found["agreed"] >= 158
    assert found["largest"] < 0.1  # TensorFlow decodes other levels than Pillow
    assert "trials" not in examined(workspace)


@pytest.mark.parametrize(
    ("model", "options", "explained"),
    [
        ("signed.keras", {"input_range": "0..255"}, "--input-range -1..1 explains it"),
        ("bgr.keras", {"input_range": "-1..1"}, "red and blue exchanged explains it"),
        ("mirrored.keras", {"input_range": "-1..1"}, "mirrored left to right explains it"),
        ("axes.keras", {"input_range": "-1..1"}, "rows and columns exchanged explains it"),
        ("reordered.keras", {"input_range": "-1..1"}, "output 0, named blue, for red"),
        ("twice.keras", {}, "normalized twice"),
        ("signed.keras", {"input_range": "-1..1", "fit": "crop", "crop_fraction": "0.5"}, "--fit"),
    ],
)
def test_a_difference_is_explained(
    convert: Convert, own: Path, model: str, options: dict[str, str], explained: str
) -> None:
    with pytest.raises(OwnScoresError) as caught:
        convert(model, scores=own, as_is=True, **options)
    assert caught.value.exit_code == 44
    assert explained in caught.value.remedy
    assert "of 160 images" in str(caught.value.observed)


def test_other_weights_are_explained_by_nothing(convert: Convert, own: Path, made: Path) -> None:
    with captured_log():
        import keras

        model = keras.models.load_model(made / "signed.keras")
        kernel, bias = model.layers[-1].get_weights()
        noise = np.random.default_rng(1).normal(0, 1, kernel.shape)
        model.layers[-1].set_weights([kernel + noise, bias])
        model.save(made / "noisy.keras")
    with pytest.raises(OwnScoresError, match="the weights may be others"):
        convert("noisy.keras", input_range="-1..1", scores=own)


def test_a_build_is_proven_by_ones_own_scores_and_the_report_says_so(
    convert: Convert, own: Path, made: Path, tmp_path: Path
) -> None:
    workspace, _ = convert("inside.keras")
    asked: dict[str, Any] = {"target": workspace.folder, "data": str(made / "images")}
    report = verification.verify(VerifyRequest(**asked, scores=own)).report
    assert report.own_scores is not None
    assert report.own_scores.agrees
    # Of the test images alone; the file's others are of training and validation images.
    assert (report.own_scores.images, report.own_scores.unknown) == (32, 0)
    assert json.loads(workspace.path(Workspace.PARITY).read_text())["own_scores"]["agrees"]
    # The same scores under names of other classes, as a table.
    names, scores = arrays(own)
    table = tmp_path / "own.csv"
    lines = ["image;green;blue;red;yellow"]
    lines += [
        ";".join([name, *(f"{one:.5f}".replace(".", ",") for one in row)])
        for name, row in zip(names, scores, strict=True)
    ]
    table.write_text("\n".join(lines))
    report = verification.verify(VerifyRequest(**asked, scores=table)).report
    ending = exit_error(report)
    assert isinstance(ending, OwnScoresError)
    assert "output 0, named blue, for green; output 1, named green, for blue" in ending.remedy
    assert report.rows[0].verdict != "ERROR"
    written = json.loads(workspace.path(Workspace.PARITY).read_text())["own_scores"]
    assert not written["agrees"]
    assert written["explanation"] == ending.remedy
    done = edgecnn("package", workspace.folder, "--target", "pi", "--out", tmp_path / "bundle")
    assert done.code == 35
    assert "own scores" in done.err
    shutil.move(made / "inside.keras", made / "gone.keras")
    try:
        report = verification.verify(VerifyRequest(**asked, scores=table)).report
    finally:
        shutil.move(made / "gone.keras", made / "inside.keras")
    assert isinstance(exit_error(report), OwnScoresError)
    assert report.own_scores is not None
    assert report.own_scores.explanation is None


def test_a_file_made_elsewhere_is_compared_with_ones_own_scores(
    own: Path, made: Path, tmp_path: Path
) -> None:
    artifact = _foreign(made, tmp_path)
    found = {}
    for reference, own_range in (("inside.keras", None), ("signed.keras", "0..1")):
        files = ForeignFiles(
            artifacts=(artifact,),
            reference=made / reference,
            labels=made / "labels.txt",
            preprocessing=Preprocessing.of_options(input_range="-1..1"),
            reference_range=own_range,
        )
        request = VerifyRequest(
            foreign=files, data=str(made / "images"), scores=own, out=tmp_path / reference
        )
        report = verification.verify(request).report
        assert report.own_scores is not None
        found[reference] = report.own_scores
        wrong = isinstance(exit_error(report), OwnScoresError)
        assert wrong == (reference == "signed.keras")
    assert found["inside.keras"].agrees
    assert not found["signed.keras"].agrees
    explained = str(found["signed.keras"].explanation)
    assert explained.startswith("--reference-range -1..1 explains it")


def _foreign(made: Path, folder: Path) -> Path:
    """A TFLite file as TensorFlow alone makes it, which wants -1..1."""
    with captured_log():
        import keras
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_keras_model(
            keras.models.load_model(made / "signed.keras")
        )
        (folder / "foreign.tflite").write_bytes(converter.convert())
    return folder / "foreign.tflite"


def test_too_few_scores_prove_nothing(convert: Convert, own: Path, tmp_path: Path) -> None:
    names, scores = arrays(own)
    np.savez(tmp_path / "few.npz", names=names[:31], scores=scores[:31])
    with pytest.raises(DataError, match="too few") as caught:
        convert("signed.keras", input_range="-1..1", scores=tmp_path / "few.npz")
    assert "31 of 160" in str(caught.value.observed)
