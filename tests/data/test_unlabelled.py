"""Pictures without labels: which of them count, and which are copies of each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edgecnn.data import Dataset, Images
from edgecnn.data.unlabelled import UnlabelledPictures, load_unlabelled, original_name
from edgecnn.errors import DataError

SIDE = 32
Pixels = npt.NDArray[np.uint8]


def picture(seed: int) -> Pixels:
    """Return a picture with large features, as a photograph has."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((4, 4, 1), np.uint8))


def part(name: str, seeds: range) -> Images:
    return Images(
        pixels=np.stack([picture(seed) for seed in seeds]),
        labels=np.array([seed % 2 for seed in seeds], np.int64),
        ids=tuple(f"{name}/{seed}.png" for seed in seeds),
    )


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(
        name="folder",
        class_names=("even", "odd"),
        train=part("train", range(10)),
        validation=part("validation", range(10, 14)),
        test=part("test", range(20, 24)),
    )


def save(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def groups_of(found: UnlabelledPictures) -> dict[str, str]:
    return dict(zip(found.ids, found.groups, strict=True))


def test_pictures_of_any_depth_are_loaded_and_other_files_are_not(
    tmp_path: Path, dataset: Dataset
) -> None:
    save(tmp_path / "a.png", picture(100))
    save(tmp_path / "monday" / "noon" / "b.png", picture(101))
    save(tmp_path / ".hidden" / "c.png", picture(102))
    (tmp_path / "notes.txt").write_text("none")
    found = load_unlabelled(tmp_path, dataset)
    assert found.ids == ("a.png", "monday/noon/b.png")
    np.testing.assert_array_equal(found.pixels[1], picture(101))
    assert found.left_out == {}


def test_pictures_that_are_known_already_do_not_count(tmp_path: Path, dataset: Dataset) -> None:
    save(tmp_path / "learnt.png", picture(3))
    save(tmp_path / "chosen by.png", picture(11))
    save(tmp_path / "judged.png", picture(21))
    save(tmp_path / "new.png", picture(100))
    save(tmp_path / "new again.png", picture(100))
    found = load_unlabelled(tmp_path, dataset)
    assert found.ids == ("new again.png",)
    assert found.left_out == {
        "also training images": 1,
        "also validation images": 1,
        "also evaluation images": 1,
        "the same picture as another one there": 1,
    }


def test_a_folder_of_known_pictures_is_an_error_that_says_why(
    tmp_path: Path, dataset: Dataset
) -> None:
    save(tmp_path / "learnt.png", picture(3))
    with pytest.raises(DataError, match="anything new") as caught:
        load_unlabelled(tmp_path, dataset)
    assert "also training images: 1" in str(caught.value.observed)


@pytest.mark.parametrize("what", ["missing", "a file", "empty"])
def test_what_is_no_folder_of_pictures_is_an_error(
    what: str, tmp_path: Path, dataset: Dataset
) -> None:
    folder = tmp_path / "pictures"
    if what == "a file":
        folder.write_text("x")
    if what == "empty":
        folder.mkdir()
    with pytest.raises(DataError) as caught:
        load_unlabelled(folder, dataset)
    assert "--unlabelled" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("cat.jpg", "cat"),
        ("cat_aug3.jpg", "cat"),
        ("day/cat-flip.png", "day/cat"),
        ("cat_rot90_crop2.png", "cat"),
        ("cat (2).jpg", "cat"),
        ("cat_jpg.rf.0123456789abcdef0123456789abcdef.jpg", "cat_jpg"),
        ("cat_brightness_1.2.jpg", "cat"),
        ("IMG_2041.jpg", "IMG_2041"),
        ("frame_000123.jpg", "frame_000123"),
        ("copy.jpg", "copy"),
        ("dark.jpg", "dark"),
        ("blackbird_dark_eyed.jpg", "blackbird_dark_eyed"),
    ],
)
def test_names_lose_what_augmentation_adds_and_nothing_else(name: str, plain: str) -> None:
    assert original_name(name) == plain


def test_copies_by_name_are_one_group(tmp_path: Path, dataset: Dataset) -> None:
    for index, name in enumerate(("cat.png", "cat_aug1.png", "cat_aug2.png", "dog.png")):
        save(tmp_path / name, picture(100 + index))
    groups = groups_of(load_unlabelled(tmp_path, dataset))
    assert groups["cat.png"] == groups["cat_aug1.png"] == groups["cat_aug2.png"]
    assert groups["dog.png"] != groups["cat.png"]


def test_an_augmented_copy_of_an_evaluation_image_is_in_its_group(
    tmp_path: Path, dataset: Dataset
) -> None:
    save(tmp_path / "21_aug1.png", picture(100))
    # The same name alone is no sign: cameras give it again.
    save(tmp_path / "22.png", picture(101))
    groups = groups_of(load_unlabelled(tmp_path, dataset))
    assert groups["21_aug1.png"] == "test/21.png"
    assert groups["22.png"] not in dataset.test.ids


@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: np.clip(pixels.astype(int) + 2, 0, 255).astype(np.uint8),
        lambda pixels: pixels[:, ::-1].copy(),
        lambda pixels: np.clip(
            pixels + np.random.default_rng(0).normal(0, 6, pixels.shape), 0, 255
        ).astype(np.uint8),
    ],
    ids=["brighter", "mirrored", "noisy"],
)
def test_nearly_equal_pictures_are_one_group(
    change: Callable[[Pixels], Pixels], tmp_path: Path, dataset: Dataset
) -> None:
    save(tmp_path / "one.png", picture(100))
    save(tmp_path / "other name.png", change(picture(100)))
    save(tmp_path / "of an evaluated one.png", change(picture(23)))
    save(tmp_path / "another.png", picture(101))
    groups = groups_of(load_unlabelled(tmp_path, dataset))
    assert groups["one.png"] == groups["other name.png"]
    assert groups["of an evaluated one.png"] == "test/23.png"
    assert len(set(groups.values())) == 3


def test_a_table_says_which_pictures_belong_together(tmp_path: Path, dataset: Dataset) -> None:
    for index in range(4):
        save(tmp_path / f"{index}.png", picture(100 + index))
    (tmp_path / "groups.csv").write_text("image,group\n0.png,desk\n2.png,desk\n3.png,\n")
    groups = groups_of(load_unlabelled(tmp_path, dataset))
    assert groups["0.png"] == groups["2.png"]
    assert len(set(groups.values())) == 3


@pytest.mark.parametrize("text", ["", "image\n0.png\n", "image,group\n0.png\n", "a,b\nx,1\nx,2\n"])
def test_a_table_that_is_none_is_an_error(text: str, tmp_path: Path, dataset: Dataset) -> None:
    save(tmp_path / "0.png", picture(100))
    (tmp_path / "groups.csv").write_text(text)
    with pytest.raises(DataError, match="belong together"):
        load_unlabelled(tmp_path, dataset)


def test_files_that_cannot_be_read_are_counted(tmp_path: Path, dataset: Dataset) -> None:
    for index in range(30):
        save(tmp_path / f"{index}.png", picture(100 + index))
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    assert load_unlabelled(tmp_path, dataset).left_out == {"cannot be read": 1}
