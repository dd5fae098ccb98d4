from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.data import load_dataset
from edgecnn.errors import DataError
from edgecnn.recipe.load import Data, parse_recipe
from edgecnn.recipe.rules import SIZES
from edgecnn_runner.images.decode import read_image
from edgecnn_runner.images.preprocess import prepare


def make_folder(root: Path) -> Path:
    for label, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (80, 70), (label * 90, number * 20, 7)).save(
                root / name / f"{number}.png"
            )
    return root


def test_the_command_line_folder_goes_before_the_recipes(tmp_path: Path) -> None:
    spec = Data(name="folder", path=tmp_path / "nowhere", image_size=(8, 10), seed=4)
    loaded = load_dataset(spec, root=make_folder(tmp_path / "pictures"))
    assert loaded.shape == (8, 10, 3)
    assert loaded.seed == 4


def test_image_size_is_64_by_default(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures")
    assert load_dataset(Data(name="folder", path=folder)).shape == (64, 64, 3)


def test_training_images_are_brought_to_size_as_a_device_does(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures")
    spec = Data(name="folder", path=folder, image_size=(20, 30), fit="pad", resample="nearest")
    loaded = load_dataset(spec)
    for images in (loaded.train, loaded.validation, loaded.test):
        for name, pixels in zip(images.ids, images.pixels, strict=True):
            rgb = read_image(folder / name)
            expected = prepare(rgb, height=20, width=30, channels=3, rule=spec.resize)
            np.testing.assert_array_equal(pixels, expected)
    assert spec.resize == "pad-nearest-1"


def test_a_folder_that_only_the_command_line_names_is_enough(tmp_path: Path) -> None:
    raw = {"model": {"name": "x"}, "data": {"name": "folder", "image_size": 8}}
    spec = parse_recipe(raw, source="test").data
    assert load_dataset(spec, root=make_folder(tmp_path / "pictures")).shape == (8, 8, 3)
    with pytest.raises(DataError, match="has no folder") as caught:
        load_dataset(spec)
    assert "--data FOLDER" in caught.value.remedy


def test_digits_refuse_a_data_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="takes no folder") as caught:
        load_dataset(Data(name="digits"), root=tmp_path)
    assert "--data" in caught.value.remedy


def test_the_recipe_decides_the_shares() -> None:
    loaded = load_dataset(Data(name="digits", test=0.5, validation=0.5))
    assert loaded.shape[:2] == SIZES["digits"]
    assert 890 < len(loaded.test) < 905
    assert 440 < len(loaded.validation) < 455


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"tensorflow", "keras", "sklearn", "scipy", "pooch", "requests", "PIL"}
    code = f"import sys, edgecnn.data; sys.exit(' '.join({heavy!r} & set(sys.modules)) or None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
