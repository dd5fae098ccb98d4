"""Parity under corruptions, by the command: on the demo, and on a file that only breaks there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import Finished, edgecnn
from edgecnn.commands.init import demo_recipe
from edgecnn.recipe.load import parse_recipe, read_tables

pytestmark = pytest.mark.slow

Demo = tuple[Path, Finished]

# Which half of a picture is brighter? One unit computes the difference of the halves, another the
# brightness, much magnified. In int8 both share one scale, whose step of some 36 levels is finer
# than a clear difference and coarser than one in the dark. In float32 nothing is lost.
FRAGILE = """
import sys
import keras, numpy as np

half = np.repeat([[1.0] * 8 + [-1.0] * 8], 16, axis=0).ravel() / 128
model = keras.Sequential([
    keras.Input((16, 16, 1)),
    keras.layers.Flatten(),
    keras.layers.Dense(2, use_bias=False),
    keras.layers.Dense(2, use_bias=False),
])
model.layers[1].set_weights([np.stack([half, np.full(256, 72 / 256)], axis=1)])
model.layers[2].set_weights([np.array([[0.2, -0.2], [0.0, 0.0]])])
model.save(sys.argv[1])
"""
LIMITS = ("--max-drop", "2", "--max-class-drop", "10")


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build whose int8 file answers as its float model does, unless it is dark."""
    folder = tmp_path_factory.mktemp("fragile")
    rng = np.random.default_rng(0)
    for split, count in {"train": 60, "test": 200}.items():
        for side, name in enumerate(("left", "right")):
            place = folder / "images" / split / name
            place.mkdir(parents=True)
            for index in range(count):
                image = rng.normal(106, 3, (16, 16))
                image[:, 8 * side : 8 * side + 8] += 44
                Image.fromarray(np.rint(image).astype(np.uint8)).save(place / f"{index}.png")
    (folder / "labels.txt").write_text("left\nright\n")
    model = folder / "fragile.keras"
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", FRAGILE, str(model)], check=True, env=environment)
    done = edgecnn(
        "convert", model, "--data", folder / "images", "--labels", folder / "labels.txt",
        "--input-range", "0..255", "--variant", "tflite-fp32", "--variant", "tflite-int8",
        "--out", folder / "build",
    )  # fmt: skip
    assert done.code == 0, done.err
    return folder / "build"


def test_a_file_that_only_breaks_in_the_dark_passes_on_clean_images(fragile: Path) -> None:
    done = edgecnn("verify", fragile, *LIMITS, "--json")
    assert done.code == 0, done.err
    rows = {row["variant"]: row for row in done.json()["rows"]}
    assert {row["verdict"] for row in rows.values()} == {"PASS"}
    assert rows["tflite-int8"]["metrics"]["disagreements"] == 0
    assert rows["tflite-int8"]["corruptions"] is None


def test_and_is_caught_by_the_limit_under_corruptions(fragile: Path, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    options = (*LIMITS, "--max-corruption-drop", "5", "--junit", junit)
    done = edgecnn("verify", fragile, *options, "--json")
    assert done.code == 3, done.err
    rows = {row["variant"]: row for row in done.json()["rows"]}
    assert rows["tflite-fp32"]["verdict"] == "PASS"
    int8 = rows["tflite-int8"]
    assert int8["verdict"] == "FAIL"
    outcomes = {one["name"]: one["outcome"] for one in int8["judgement"]["criteria"]}
    assert outcomes == {
        "accuracy_drop": "met",
        "disagreement": "met",
        "class_drop": "met",
        "corruption_drop": "missed",
    }
    found = {(one["kind"], one["severity"]): one for one in int8["corruptions"]["conditions"]}
    dark, bright = found["low_light", 3], found["brightness", 1]
    assert dark["outcome"] == "missed"
    assert dark["reference_accuracy"]["share"] > 0.99
    assert dark["drop"] > 0.2
    assert bright["outcome"] == "met"
    assert bright["drop"] == 0
    assert int8["corruptions"]["stand_in"]["variant"] == "tflite-fp32"
    assert "Worst drop under corruption (" in done.err
    (suite,) = ET.parse(junit).getroot()
    assert suite.get("failures") == "1"
    failure = next(case.find("failure") for case in suite if "int8" in str(case.get("name")))
    assert failure is not None
    assert "Under low light, severity 3: accuracy" in (failure.text or "")
    page = (fragile / "report-partial.html").read_text(encoding="utf-8")
    assert "<h2>What the corruptions do</h2>" in page
    assert len(page) < 3_000_000


def test_the_flag_alone_reports_it_and_judges_nothing(fragile: Path) -> None:
    before = (fragile / "manifest.json").read_bytes()
    done = edgecnn("verify", fragile, *LIMITS, "--corruptions", "--corruption-images", "100")
    assert done.code == 0, done.err
    said = " ".join(done.out.split())
    assert "100 images under corruption: the largest accuracy drop of three severities" in said
    assert "tflite-int8: worst under " in said
    assert "stands in for the float model: on 100 clean images the same answers" in said
    values = json.loads((fragile / "parity-partial.json").read_text())
    assert values["corrupted"]["images"] == 100
    assert "max_corruption_drop" not in values["limits"]
    assert (fragile / "manifest.json").read_bytes() == before, "it is beside the build's own"


def test_without_a_float32_file_it_says_what_to_do(fragile: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(fragile, tmp_path / "build"))
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["variants"] = [row for row in manifest["variants"] if "fp32" not in row["variant"]]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    done = edgecnn("verify", copy, "--corruptions")
    assert done.code == 2
    assert "no float32 file" in done.err
    assert "--variant tflite-fp32" in done.err


@pytest.fixture
def recipe(demo: Demo, tmp_path: Path) -> Path:
    """The demo as a recipe of one's own, built."""
    import edgecnn as package

    text = (Path(package.__file__).parent / "commands/templates/demo.toml").read_text()
    (tmp_path / "recipe.toml").write_text(text)
    assert parse_recipe(read_tables(tmp_path / "recipe.toml"), source="x") == demo_recipe()
    shutil.copytree(demo[0], tmp_path / "build")
    return tmp_path / "recipe.toml"


def test_a_limit_in_the_recipe_makes_it_part_of_the_build(recipe: Path) -> None:
    build = recipe.parent / "build"
    recipe.write_text(recipe.read_text() + "max_corruption_drop = 5\n[corruptions]\nimages = 300\n")
    done = edgecnn("build", recipe)
    assert done.code == 0, done.err
    assert "train: up to date" in done.err
    assert "convert: up to date" in done.err
    assert "verify: up to date" not in done.err
    own = json.loads((build / "parity.json").read_text())
    assert own["limits"]["max_corruption_drop"] == 5
    assert own["corrupted"]["images"] == 300
    for row in own["rows"]:
        assert row["judgement"]["criteria"][-1]["name"] == "corruption_drop"
        assert len(row["corruptions"]["conditions"]) == 18
    assert "verify: up to date" in edgecnn("build", recipe).err
    # Plain verify, and the flag that asks for what the recipe has, are the build's own.
    for flags in ((), ("--corruptions",)):
        done = edgecnn("verify", build, *flags, "--json")
        assert done.code == 0, done.err
        assert done.json()["corrupted"] == own["corrupted"]
        assert not (build / "report-partial.html").exists()
    assert "verify: up to date" in edgecnn("build", recipe).err
    # Another number of images is another verification.
    assert edgecnn("verify", build, "--corruption-images", "50").code in (0, 4)
    assert (build / "report-partial.html").exists()
    recipe.write_text(recipe.read_text().replace("images = 300", "images = 200"))
    assert "verify: up to date" not in edgecnn("build", recipe).err
    assert json.loads((build / "parity.json").read_text())["corrupted"]["images"] == 200
