"""A model is converted, proven and run with the preprocessing it was trained with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edgecnn.errors import ContractError, EdgeError, UsageError
from edgecnn.quiet import captured_log
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.images.decode import read_image
from edgecnn_runner.images.preprocess import prepare

pytestmark = pytest.mark.slow

MEAN, STD = (0.45, 0.5, 0.4), (0.25, 0.2, 0.3)
FED = ("--input-mean", "0.45,0.5,0.4", "--input-std", "0.25,0.2,0.3")
SIZED = ("--fit", "stretch", "--resample", "bilinear")
# Of few images; what is proven here is what they look like.
LIMITS = ("--max-drop", "30", "--min-agreement", "60", "--max-class-drop", "60")
RULE = "stretch-bilinear-1"
RANGE = "mean 0.45,0.5,0.4 std 0.25,0.2,0.3"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures whose class lies at their left and right edge, which a centre crop cuts away.

    And a model that looks there: the first third of the columns against the last.
    """
    folder = tmp_path_factory.mktemp("edges")
    random = np.random.default_rng(0)
    for index in range(120):
        name = ("left", "right")[index % 2]
        pixels = random.integers(60, 180, (24, 72, 3), dtype=np.uint8)
        part = pixels[:, :12] if name == "left" else pixels[:, -12:]
        part += 60
        (folder / "images" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / "images" / name / f"{index}.png")
    (folder / "labels.txt").write_text("left\nright\n")
    with captured_log():
        import keras
        from keras import layers

        model = keras.Sequential(
            [
                layers.Input((12, 12, 3)),
                layers.AveragePooling2D((12, 2)),
                layers.Flatten(),
                layers.Dense(2, activation="softmax"),
            ]
        )
        kernel = np.zeros((18, 2), np.float32)
        kernel[:3], kernel[-3:] = (4, -4), (-4, 4)
        model.set_weights([kernel, np.zeros(2, np.float32)])
        model.save(folder / "edges.keras")
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        (folder / "edges.tflite").write_bytes(converter.convert())
        (folder / "trained").mkdir()
        model.save(folder / "trained" / "x.keras")
    (folder / "trained" / "recipe.toml").write_text(
        '[model]\nname = "x"\n[data]\nname = "folder"\npath = "../images"\n'
    )
    return folder


def fed(path: Path) -> npt.NDArray[np.float32]:
    """The image as the user's own training program fed it."""
    pixels = prepare(read_image(path), height=12, width=12, channels=3, rule=RULE)
    brought: npt.NDArray[np.float64] = (pixels / 255 - np.array(MEAN)) / np.array(STD)
    return brought.astype(np.float32)


def command(*arguments: str | Path) -> int:
    """Run ``edgecnn`` in this process, which has TensorFlow already; return the exit code."""
    from edgecnn.cli.app import app

    return int(app([*map(str, arguments)], standalone_mode=False) or 0)


@pytest.fixture(scope="module")
def built(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "build"
    code = command(
        *("convert", made / "edges.keras", "--data", made / "images", "--out", out),
        *("--labels", made / "labels.txt", "--variant", "tflite-fp32", *FED, *SIZED),
    )
    assert code == 0
    return out


def test_the_file_and_the_build_say_how_it_is_fed(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = read_container(built / "edges-fp32.tflite").contract
    assert contract is not None
    assert contract.resize == RULE
    manifest = json.loads((built / "manifest.json").read_text())
    assert manifest["source"]["input_range"] == RANGE
    assert manifest["recipe"]["data"]["fit"] == "stretch"
    capsys.readouterr()
    assert command("verify", built, *LIMITS, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["verdict"] == "PASS"
    # The usual rule would have cut away what the model looks at.
    assert row["metrics"]["artifact"]["accuracy"] == 1.0


def test_what_was_said_still_holds_when_it_is_converted_again(
    made: Path, built: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    assert command("convert", built, "--variant", "onnx-fp32", "--out", again) == 0
    contract = read_container(again / "edges-fp32.onnx").contract
    assert contract is not None
    assert contract.resize == RULE
    # And what is said anew goes before it.
    other = ("--fit", "pad", "--resample", "nearest")
    assert command("convert", built, "--variant", "onnx-fp32", "--out", again, *other) == 0
    contract = read_container(again / "edges-fp32.onnx").contract
    assert contract is not None
    assert contract.resize == "pad-nearest-1"


def test_a_picture_is_classified_as_the_training_program_does(
    built: Path, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with captured_log():
        import keras

        model = keras.models.load_model(made / "edges.keras")
    pictures = sorted((made / "images").rglob("*.png"))[:6]
    wanted = model(np.stack([fed(path) for path in pictures])).numpy()
    foreign = ("--labels", made / "labels.txt", *FED, *SIZED)
    ways: list[tuple[Callable[..., int], tuple[str | Path, ...]]] = [
        (command, ("run", built / "edges-fp32.tflite", *pictures)),
        (command, ("run", made / "edges.tflite", *pictures, *foreign)),
        (edgecnn_run, ("classify", made / "edges.tflite", *pictures, *foreign)),
    ]
    for run, arguments in ways:
        capsys.readouterr()
        assert run(*arguments, "--json", "--top", "2") == 0
        printed = json.loads(capsys.readouterr().out)
        rows = printed["images"] if run is command else printed
        for row, scores in zip(rows, wanted, strict=True):
            found = {one["label"]: one["score"] for one in row["ranked"]}
            np.testing.assert_allclose([found["left"], found["right"]], scores, atol=1e-5)


def edgecnn_run(*arguments: str | Path) -> int:
    """Classify with the device's own command, here with the session and not its main."""
    from edgecnn_runner.cli import commands
    from edgecnn_runner.cli.arguments import make_parser

    texts = [*map(str, arguments)]
    return commands.classify(make_parser(texts).parse_args(texts))


def test_a_file_made_elsewhere_is_proven_with_it(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    code = command(
        *("verify", "--artifact", made / "edges.tflite", "--reference", made / "edges.keras"),
        *("--data", made / "images", "--labels", made / "labels.txt"),
        *(*FED, *SIZED, *LIMITS, "--out", tmp_path / "out", "--json"),
    )
    assert code == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rows"][0]["metrics"]["reference"]["accuracy"] == 1.0
    assert report["foreign"]["input_range"] == RANGE
    assert RULE in json.dumps(report["foreign"]["read"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("convert", "{made}/edges.keras", "--data", "digits", *FED, *SIZED), "they have one"),
        (("verify", "{built}", *SIZED), "--fit, --resample are for files made elsewhere"),
        (("run", "{built}/edges-fp32.tflite", "x.png", "--fit", "pad"), "its own contract"),
        (("verify", "--artifact", "x.tflite", *SIZED), "no --input-range"),
        (("convert", "{made}/edges.keras", "--input-mean", "0.5"), "without --input-std"),
        (("convert", "{made}/trained", *SIZED), "was trained here"),
    ],
    ids=["one size", "a build", "a contract", "no range", "half a range", "trained here"],
)
def test_a_mistake_says_what_is_wrong(
    built: Path, made: Path, arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(EdgeError) as caught:
        command(*(part.format(made=made, built=built) for part in arguments))
    assert isinstance(caught.value, UsageError | ContractError)
    assert said in str(caught.value)
