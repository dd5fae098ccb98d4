"""Images of a folder that are read once more, by other rules and by another decoder."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.data import FolderAgain, folder_of, load_dataset
from edgecnn.errors import DataError
from edgecnn.recipe.load import Data
from edgecnn_runner.contract import RESIZE_RULE
from edgecnn_runner.images.decode import read_image
from edgecnn_runner.images.preprocess import prepare

SHAPE = (8, 8, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    for name in ("cat", "dog"):
        (tmp_path / name / "sub").mkdir(parents=True)
        for index in range(4):
            pixels = rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / "sub" / f"{index}.png")
    return tmp_path


def test_images_come_out_as_each_rule_makes_them(folder: Path) -> None:
    section = Data.model_validate({"name": "folder", "path": str(folder), "image_size": [8, 8]})
    data = load_dataset(section)
    rules = (RESIZE_RULE, "stretch-bilinear-1", "pad-nearest-1")
    found = FolderAgain(folder, SHAPE)(data.train.ids, rules)
    assert [*found] == [*rules]
    np.testing.assert_array_equal(found[RESIZE_RULE], data.train.pixels)
    for rule in rules[1:]:
        for name, pixels in zip(data.train.ids, found[rule], strict=True):
            rgb = read_image(folder / name)
            expected = prepare(rgb, height=8, width=8, channels=3, rule=rule)
            np.testing.assert_array_equal(pixels, expected)


def test_a_name_that_is_no_utf_8_is_found(folder: Path) -> None:
    try:
        (folder / "cat/sub/0.png").rename(os.fsdecode(os.fsencode(folder) + b"/cat/\xff.png"))
    except OSError:
        pytest.skip("this file system takes no such name")
    section = Data.model_validate({"name": "folder", "path": str(folder), "image_size": [8, 8]})
    data = load_dataset(section)
    everything = data.train.joined(data.validation).joined(data.test)
    assert "cat/\\xff.png" in everything.ids
    again = FolderAgain(folder, SHAPE)
    found = again(everything.ids, [RESIZE_RULE])[RESIZE_RULE]
    np.testing.assert_array_equal(found, everything.pixels)
    with pytest.raises(DataError, match="is gone"):
        again(["cat/none.png"], [RESIZE_RULE])


def test_copies_are_read_in_place_of_the_files_that_have_one(folder: Path) -> None:
    def darker(path: Path) -> bytes | None:
        if path.name == "1.png":
            return None
        copy = io.BytesIO()
        Image.fromarray(read_image(path) // 2).save(copy, "PNG")
        return copy.getvalue()

    ids = ("cat/sub/0.png", "cat/sub/1.png", "dog/sub/2.png")
    which, pixels = FolderAgain(folder, SHAPE).copies(ids, RESIZE_RULE, darker)
    assert which.tolist() == [0, 2]
    original = FolderAgain(folder, SHAPE)(ids, [RESIZE_RULE])[RESIZE_RULE]
    assert np.abs(pixels.astype(int) - original[which] // 2).max() <= 1
    which, pixels = FolderAgain(folder, SHAPE).copies(ids, RESIZE_RULE, lambda _: None)
    assert (len(which), pixels.shape) == (0, (0, *SHAPE))


def test_only_a_folder_has_image_files(folder: Path) -> None:
    section = Data.model_validate({"name": "folder", "path": "/elsewhere"})
    assert folder_of(section, None) == Path("/elsewhere")
    assert folder_of(section, str(folder)) == folder
    for name in ("digits", "cifar10"):
        assert folder_of(Data.model_validate({"name": name}), str(folder)) is None
