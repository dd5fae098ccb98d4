"""The images that models made elsewhere are judged on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.data import load_judged_images
from edgecnn.data.types import places_in
from edgecnn.errors import DataError, LabelsError
from edgecnn.recipe.load import Data

SHAPE = (6, 8, 3)


def fill(folder: Path, **counts: int) -> Path:
    """Write pictures of one colour, another for each."""
    for index, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("RGB", (20, 10), (10 * number, 100 * index, 7)).save(
                folder / name / f"{number}.png"
            )
    return folder


def folder_of(path: Path) -> Data:
    return Data(name="folder", path=path)


def test_all_images_of_a_folder_are_used(tmp_path: Path) -> None:
    found = load_judged_images(folder_of(fill(tmp_path, cat=3, dog=2)), SHAPE)
    assert (found.class_names, found.rule) == (("cat", "dog"), "all of it")
    assert found.images.pixels.shape == (5, *SHAPE)
    assert found.images.labels.tolist() == [0, 0, 0, 1, 1]
    assert found.images.ids[3] == "dog/0.png"
    assert found.images.pixels[4, 0, 0].tolist() == [10, 100, 7]


def test_images_are_brought_to_size_by_the_rule_of_the_section(tmp_path: Path) -> None:
    fill(tmp_path, cat=1, dog=1)
    section = Data(name="folder", path=tmp_path, fit="pad", resample="nearest")
    pixels = load_judged_images(section, SHAPE).images.pixels
    # 10 x 20 in 6 x 8 is 4 x 8, and black above and below.
    assert not pixels[1, [0, 5]].any()
    assert np.all(pixels[1, 1:5] == [0, 100, 7])


def test_of_a_folder_that_comes_split_only_the_test_images_are_read(tmp_path: Path) -> None:
    fill(tmp_path / "test", cat=2, dog=1)
    fill(tmp_path / "train", cat=1, dog=1)
    (tmp_path / "train/cat/0.png").write_bytes(b"no picture, and nobody asks")
    found = load_judged_images(folder_of(tmp_path), SHAPE)
    assert found.rule == "its folder test"
    assert found.images.ids == ("test/cat/0.png", "test/cat/1.png", "test/dog/0.png")


@pytest.mark.parametrize(
    ("folders", "judged"),
    [
        (("Training", "Testing"), "Testing"),
        (("train", "val"), "val"),
        (("train", "valid", "test"), "test"),
        (("val", "test"), "test"),  # nothing is trained here
        (("data/train", "data/eval"), "data/eval"),
    ],
)
def test_the_test_images_are_those_that_a_training_takes_for_it(
    tmp_path: Path, folders: tuple[str, ...], judged: str
) -> None:
    for folder in folders:
        fill(tmp_path / folder, cat=2, dog=1)
    found = load_judged_images(folder_of(tmp_path), SHAPE)
    assert found.images.ids == tuple(
        f"{judged}/{name}" for name in ("cat/0.png", "cat/1.png", "dog/0.png")
    )
    assert found.rule == f"its folder {judged.split('/')[-1]}"


def test_what_was_left_out_is_told(tmp_path: Path) -> None:
    fill(tmp_path, cat=4, dog=4)
    (tmp_path / "cat/0.txt").write_text("no image")
    (tmp_path / "dog/twice.png").write_bytes((tmp_path / "cat/2.png").read_bytes())
    found = load_judged_images(folder_of(tmp_path), SHAPE)
    assert len(found.images) == 7
    assert found.rule == (
        "all of it without what is no image or cannot be read (1), "
        "pictures that stand in two classes (2)"
    )


def test_grey_images_for_a_grey_model(tmp_path: Path) -> None:
    found = load_judged_images(folder_of(fill(tmp_path, cat=1, dog=1)), (4, 4, 1))
    assert found.images.pixels.shape == (2, 4, 4, 1)


def test_what_is_no_folder_of_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_judged_images(folder_of(tmp_path / "none"), SHAPE)
    with pytest.raises(DataError, match="fewer than two class folders"):
        load_judged_images(folder_of(fill(tmp_path, cat=1)), SHAPE)


def test_all_digits_are_used_in_their_own_order() -> None:
    found = load_judged_images(Data(name="digits"), (8, 8, 1))
    assert len(found.images) == 1797
    assert found.images.ids[:2] == ("digits/0", "digits/1")
    assert found.images.labels[:4].tolist() == [0, 1, 2, 3]


def test_images_of_one_size_are_refused_to_a_model_of_another() -> None:
    with pytest.raises(DataError, match="not of the size that the model takes"):
        load_judged_images(Data(name="digits"), (16, 16, 1))


def test_labels_follow_the_outputs_and_may_be_more(tmp_path: Path) -> None:
    found = load_judged_images(folder_of(fill(tmp_path, cat=1, dog=2)), SHAPE)
    ordered = found.in_order_of(("emu", "dog", "cat"))
    assert ordered.class_names == ("emu", "dog", "cat")
    assert ordered.images.labels.tolist() == [2, 1, 1]
    with pytest.raises(LabelsError, match="1 of 2 classes of the data") as caught:
        found.in_order_of(("emu", "cat"))
    assert "no label dog" in str(caught.value.observed)


def test_places_are_those_of_the_names() -> None:
    np.testing.assert_array_equal(places_in(("b", "c", "a"), ("a", "b")), [2, 0])
