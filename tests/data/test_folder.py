from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from data.quality.scenes import save as save_scene
from data.quality.scenes import scene, stored_again
from edgecnn.data import Dataset, digest_per_image
from edgecnn.data.folder import load_folder
from edgecnn.errors import DataError
from edgecnn.progress import NO_PROGRESS, Progress, ProgressTask
from edgecnn_runner.contract import RESIZE_RULE
from edgecnn_runner.images.decode import read_image
from edgecnn_runner.images.preprocess import prepare


def save(path: Path, seed: int, size: tuple[int, int] = (12, 9), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def fill(root: Path, counts: Mapping[str, int], *, first: int = 0) -> Path:
    seed = first
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            save(root / name / f"{number}.png", seed)
            seed += 1
    return root


class Told:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def task(self, description: str, total: int) -> AbstractContextManager[ProgressTask]:
        return NO_PROGRESS.task(description, total)

    def message(self, text: str) -> None:
        self.lines.append(text)


def load(
    root: Path,
    *,
    channels: int = 3,
    resize: str = RESIZE_RULE,
    validation: float = 0.25,
    test: float = 0.25,
    conflicting: Literal["exclude", "error", "keep"] = "exclude",
    split_by: str = "image",
    progress: Progress = NO_PROGRESS,
) -> Dataset:
    return load_folder(
        root,
        image_size=(6, 8),
        channels=channels,
        resize=resize,
        test=test,
        validation=validation,
        seed=0,
        conflicting=conflicting,
        split_by=split_by,
        progress=progress,
    )


def digests(dataset: Dataset) -> list[str]:
    everything = (dataset.train, dataset.validation, dataset.test)
    return sorted(digest for part in everything for digest in digest_per_image(part.pixels))


def parts(dataset: Dataset) -> dict[str, set[str]]:
    return {name: set(getattr(dataset, name).ids) for name in ("train", "validation", "test")}


def test_labels_are_folder_names_in_code_point_order(tmp_path: Path) -> None:
    fill(tmp_path, {"zebra": 4, "Ant": 4, "bee": 4, "10": 4, "9": 4, "élan": 4})
    assert load(tmp_path).class_names == ("10", "9", "Ant", "bee", "zebra", "élan")


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_the_runner(tmp_path: Path, channels: int) -> None:
    fill(tmp_path, {"cat": 5, "dog": 5})
    loaded = load(tmp_path, channels=channels)
    assert loaded.shape == (6, 8, channels)
    for part in (loaded.train, loaded.test):
        for index, name in enumerate(part.ids):
            expected = prepare(read_image(tmp_path / name), height=6, width=8, channels=channels)
            np.testing.assert_array_equal(part.pixels[index], expected)
            assert loaded.class_names[part.labels[index]] == name.split("/")[0]


@pytest.mark.parametrize("rule", ["stretch-nearest-1", "centre-crop-0.5-bilinear-antialias-1"])
def test_pixels_are_those_of_the_rule(tmp_path: Path, rule: str) -> None:
    fill(tmp_path, {"cat": 5, "dog": 5})
    loaded, usual = load(tmp_path, resize=rule), load(tmp_path)
    for index, name in enumerate(loaded.train.ids):
        rgb = read_image(tmp_path / name)
        expected = prepare(rgb, height=6, width=8, channels=3, rule=rule)
        np.testing.assert_array_equal(loaded.train.pixels[index], expected)
    assert loaded.digest() != usual.digest()


def test_every_format_size_and_mode_is_read(tmp_path: Path) -> None:
    fill(tmp_path, {"plain": 4})
    forms = [
        ("a.jpg", "RGB", (200, 30)),
        ("b.bmp", "L", (1, 1)),
        ("c.gif", "P", (7, 300)),
        ("d.webp", "RGBA", (33, 44)),
        ("e.tiff", "CMYK", (20, 20)),
        ("f.JPEG", "L", (64, 64)),
    ]
    for seed, (name, mode, size) in enumerate(forms):
        save(tmp_path / "mixed" / name, 100 + seed, size, mode)
    loaded = load(tmp_path)
    assert sum(len(ids) for ids in parts(loaded).values()) == 10


def test_sub_folders_belong_to_their_class_and_hidden_files_to_none(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 4, "dog": 4})
    save(tmp_path / "cat" / "2024" / "may" / "deep.png", 50)
    save(tmp_path / "cat" / ".trash" / "gone.png", 51)
    (tmp_path / "cat" / ".DS_Store").write_bytes(b"litter")
    (tmp_path / "dog" / "Thumbs.db").write_bytes(b"litter")
    (tmp_path / ".git").mkdir()
    (tmp_path / "notes.txt").write_text("beside the class folders")
    found = set().union(*parts(load(tmp_path)).values())
    assert "cat/2024/may/deep.png" in found
    assert len(found) == 9


def test_links_may_lead_out_of_the_folder_but_not_in_circles(tmp_path: Path) -> None:
    root = fill(tmp_path / "pictures", {"cat": 4, "dog": 4})
    fill(tmp_path / "elsewhere", {"more": 3}, first=70)
    (root / "cat" / "more").symlink_to(tmp_path / "elsewhere" / "more")
    (root / "dog" / "again").symlink_to(root / "dog")
    assert sum(len(ids) for ids in parts(load(root)).values()) == 11


def test_unreadable_files_are_named_and_counted_in_one_error(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 4, "dog": 4})
    for number in range(23):
        (tmp_path / "dog" / f"bad{number:02}.png").write_bytes(b"not an image")
    whole = (tmp_path / "cat" / "0.png").read_bytes()
    (tmp_path / "cat" / "torn.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="24 of 32 files cannot be read") as caught:
        load(tmp_path)
    text = str(caught.value)
    assert "torn.png" in text
    assert "bad00.png" in text
    # Three are named, and those that nobody named are counted.
    assert len([line for line in text.splitlines() if ".png: " in line]) == 3
    assert "\n  and 21 more\n" in text


def test_unreadable_files_of_all_given_splits_are_listed_in_one_error(tmp_path: Path) -> None:
    for number, part in enumerate(("train", "validation", "test")):
        fill(tmp_path / part, {"cat": 3, "dog": 3}, first=10 * number)
    bad = [tmp_path / name for name in ("train/cat/a.png", "train/dog/b.png", "test/dog/c.png")]
    for path in bad:
        path.write_bytes(b"not an image")
    with pytest.raises(DataError, match="3 of 21 files cannot be read") as caught:
        load(tmp_path)
    assert all(str(path) in caught.value.problem for path in bad)
    assert caught.value.observed == "18 files that can be read"


def test_files_that_are_no_images_are_left_out_named_and_recorded(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 6, "dog": 6})
    plain = load(tmp_path)
    (tmp_path / "cat" / "0.xml").write_text("<annotation/>")
    (tmp_path / "cat" / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(64))
    (tmp_path / "dog" / "notes").write_text("no suffix, no image")
    (tmp_path / "dog" / "5.png").rename(tmp_path / "dog" / "5")  # an image without a suffix
    told = Told()
    loaded = load(tmp_path, progress=told)
    assert loaded.skipped == (
        ("cat/0.xml", "no image"), ("cat/film.mp4", "no image"), ("dog/notes", "no image"),
    )  # fmt: skip
    assert loaded.splits()["skipped"][1] == {"id": "cat/film.mp4", "reason": "no image"}
    found = set().union(*parts(loaded).values())
    assert len(found) == 12
    assert "dog/5" in found
    (line,) = told.lines
    assert "3 files, cat/0.xml, cat/film.mp4, dog/notes" in line
    # The pixels are still the same ones.
    assert digests(loaded) == digests(plain)


def test_any_number_of_files_that_are_no_images_is_left_out(tmp_path: Path) -> None:
    """Annotations lie beside each image."""
    fill(tmp_path, {"cat": 6, "dog": 6})
    for path in [*tmp_path.glob("*/*.png")]:
        path.with_suffix(".json").write_text("{}")
    assert len(load(tmp_path).skipped) == 12


@pytest.mark.parametrize("torn", [b"", b"not an image", b"\x89PNG\r\n\x1a\n torn"])
def test_one_damaged_image_is_left_out_with_its_reason(tmp_path: Path, torn: bytes) -> None:
    fill(tmp_path, {"cat": 6, "dog": 6})
    (tmp_path / "dog" / "torn.png").write_bytes(torn)
    told = Told()
    loaded = load(tmp_path, progress=told)
    ((name, reason),) = loaded.skipped
    assert name == "dog/torn.png"
    assert reason.startswith(("is empty", "is not an image", "is damaged"))
    assert f"{name} ({reason})" in told.lines[0]
    assert sum(len(ids) for ids in parts(loaded).values()) == 12


def test_photos_that_nothing_here_reads_are_named_as_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # an import of it fails
    fill(tmp_path, {"cat": 6, "dog": 6})
    header = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)
    (tmp_path / "dog" / "IMG_1.HEIC").write_bytes(header)
    assert "HEIC photo" in load(tmp_path).skipped[0][1]
    (tmp_path / "dog" / "IMG_2.HEIC").write_bytes(header)
    with pytest.raises(DataError, match="2 of 14 files cannot be read") as caught:
        load(tmp_path)
    assert "HEIC photo" in caught.value.problem
    assert "pip install pillow-heif" in caught.value.remedy


def test_a_class_of_which_nothing_can_be_read_is_an_error(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 6, "dog": 6})
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "licence.txt").write_text("MIT")
    with pytest.raises(DataError, match=r"1 of 3 classes .* have no images: docs"):
        load(tmp_path)


def test_a_picture_in_two_classes_is_left_out_with_both_paths(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 8, "dog": 8, "fox": 8})
    plain = load(tmp_path)
    data = (tmp_path / "cat" / "0.png").read_bytes()
    (tmp_path / "dog" / "again.png").write_bytes(data)
    (tmp_path / "cat" / "copy.png").write_bytes(data)
    # Equal pixels in another file.
    Image.open(tmp_path / "fox" / "3.png").save(tmp_path / "cat" / "3 too.bmp")
    told = Told()
    loaded = load(tmp_path, progress=told)
    groups = {frozenset(group) for group in loaded.conflicting}
    assert groups == {
        frozenset({"cat/0.png", "cat/copy.png", "dog/again.png"}),
        frozenset({"cat/3 too.bmp", "fox/3.png"}),
    }
    assert not set().union(*groups) & set().union(*parts(loaded).values())
    assert len(loaded.splits()["conflicting"]) == 2
    (line,) = told.lines
    assert "2 pictures stand in two classes" in line
    assert "cat/3 too.bmp = fox/3.png" in line
    assert loaded.digest() != plain.digest()
    with pytest.raises(DataError, match="stand in two classes") as caught:
        load(tmp_path, conflicting="error")
    assert "  cat/3 too.bmp = fox/3.png" in caught.value.problem
    told = Told()
    kept = load(tmp_path, conflicting="keep", progress=told)
    assert kept.conflicting == ()
    assert groups <= {frozenset(group) & set().union(*parts(kept).values()) for group in groups}
    assert "2 pictures stand in two classes and are kept in both" in told.lines[0]


def test_a_picture_in_two_classes_of_two_splits_is_left_out_of_both(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"cat": 8, "dog": 8})
    fill(tmp_path / "test", {"cat": 2, "dog": 2}, first=100)
    data = (tmp_path / "test" / "cat" / "0.png").read_bytes()
    (tmp_path / "train" / "dog" / "mislabelled.png").write_bytes(data)
    loaded = load(tmp_path)
    assert loaded.conflicting == (("train/dog/mislabelled.png", "test/cat/0.png"),)
    assert loaded.dropped == ()
    assert len(loaded.test) == 3


@pytest.mark.parametrize("conflicting", ["exclude", "error", "keep"])
def test_without_such_pictures_the_key_decides_nothing(
    tmp_path: Path, conflicting: Literal["exclude", "error", "keep"]
) -> None:
    fill(tmp_path, {"cat": 6, "dog": 6})
    assert load(tmp_path, conflicting=conflicting).digest() == load(tmp_path).digest()


def test_images_with_equal_pixels_stay_in_one_split(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 8, "dog": 8})
    for number in range(8):
        data = (tmp_path / "cat" / f"{number}.png").read_bytes()
        (tmp_path / "cat" / f"copy{number}.png").write_bytes(data)
        (tmp_path / "cat" / f"another{number}.png").write_bytes(data)
    loaded = load(tmp_path, validation=0.4, test=0.4)
    digests = [
        set(digest_per_image(getattr(loaded, part).pixels))
        for part in ("train", "validation", "test")
    ]
    assert sum(map(len, digests)) == len(set().union(*digests)) == 16


def test_folders_named_train_and_test_are_the_split(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"cat": 8, "dog": 8})
    fill(tmp_path / "test", {"cat": 2, "dog": 3}, first=100)
    loaded = load(tmp_path)
    assert loaded.class_names == ("cat", "dog")
    assert {name.split("/")[0] for name in loaded.test.ids} == {"test"}
    assert len(loaded.test) == 5
    assert (len(loaded.train), len(loaded.validation)) == (12, 4)
    fill(tmp_path / "validation", {"cat": 1, "dog": 1}, first=200)
    loaded = load(tmp_path)
    assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (16, 2, 5)
    assert loaded.seed is None


def test_a_given_split_drops_copies_of_test_images_from_training(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"cat": 8, "dog": 8})
    fill(tmp_path / "test", {"cat": 2, "dog": 2}, first=100)
    leaked = (tmp_path / "test" / "cat" / "0.png").read_bytes()
    (tmp_path / "train" / "cat" / "leaked.png").write_bytes(leaked)
    told = Told()
    loaded = load(tmp_path, progress=told)
    assert loaded.dropped == ("train/cat/leaked.png",)
    assert "1 file, train/cat/leaked.png" in told.lines[0]
    assert loaded.splits()["dropped"] == ["train/cat/leaked.png"]
    assert "train/cat/leaked.png" not in set().union(*parts(loaded).values())
    assert len(loaded.test) == 4


def test_splits_without_training_images_are_refused(tmp_path: Path) -> None:
    for number, part in enumerate(("val", "test")):
        fill(tmp_path / part, {"cat": 4, "dog": 4}, first=50 * number)
    with pytest.raises(DataError, match="no training images"):
        load(tmp_path)


def test_splits_that_hold_the_same_images_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"cat": 4, "dog": 4})
    fill(tmp_path / "val", {"cat": 4, "dog": 4})
    with pytest.raises(DataError, match=r"8 of 8 images of .*train are images of another split"):
        load(tmp_path)
    fill(tmp_path / "test", {"cat": 4, "dog": 4}, first=50)
    with pytest.raises(DataError, match=r"8 of 8 images of .*train are images of another split"):
        load(tmp_path)
    assert load(tmp_path / "train").class_names == ("cat", "dog")  # as the remedy says


def test_validation_images_that_are_those_of_the_test_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"cat": 6, "dog": 6})
    fill(tmp_path / "val", {"cat": 3, "dog": 3}, first=100)
    shutil.copytree(tmp_path / "val", tmp_path / "test")
    with pytest.raises(DataError, match=r"all 6 images of .*val are images of .*test") as caught:
        load(tmp_path)
    assert "move" in caught.value.remedy
    (tmp_path / "val").rename(tmp_path / "copies")
    shutil.rmtree(tmp_path / "copies")
    assert len(load(tmp_path).validation) > 0


def test_classes_are_counted_without_test_images_that_were_published(tmp_path: Path) -> None:
    fill(tmp_path / "split" / "train", {"cat": 6, "dog": 7})
    fill(tmp_path / "split" / "test", {"cat": 20, "dog": 20}, first=100)
    assert load(tmp_path / "split").class_counts() == {"cat": 6, "dog": 7}
    fill(tmp_path / "whole", {"cat": 6, "dog": 7})
    assert load(tmp_path / "whole").class_counts() == {"cat": 6, "dog": 7}


def test_classes_may_be_called_train_and_test(tmp_path: Path) -> None:
    fill(tmp_path, {"train": 4, "test": 4})
    assert load(tmp_path).class_names == ("test", "train")


def test_a_given_split_needs_the_same_classes_everywhere(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"cat": 4, "dog": 4})
    fill(tmp_path / "test", {"cat": 4, "fox": 4}, first=50)
    with pytest.raises(DataError, match="other classes") as caught:
        load(tmp_path)
    assert "dog, fox" in str(caught.value)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, "fewer than two class folders"),
        ({"cat": 5}, "fewer than two class folders"),
        ({"cat": 5, "dog": 0, "fox": 0}, "2 of 3 class folders .* hold no images: dog, fox"),
        ({"cat": 5, "dog": 1}, "too few different images .* dog"),
        ({"cat": 5, "dog": 2}, "too few different images .* dog"),
    ],
)
def test_too_little_data_is_an_error(tmp_path: Path, counts: dict[str, int], words: str) -> None:
    fill(tmp_path, counts)
    with pytest.raises(DataError, match=words):
        load(tmp_path)


def test_a_missing_folder_and_a_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist") as caught:
        load(tmp_path / "nowhere")
    assert "--data" in caught.value.remedy
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file"):
        load(tmp_path / "file")


@pytest.mark.parametrize("name", ["two\nlines", " blank", b"\xff\xfe"])
def test_class_names_must_fit_on_a_line_of_a_labels_file(tmp_path: Path, name: str | bytes) -> None:
    fill(tmp_path, {"cat": 4, "dog": 4})
    (tmp_path / "dog").rename(tmp_path / os.fsdecode(name))
    with pytest.raises(DataError, match="do not fit on a line"):
        load(tmp_path)


def test_file_names_that_are_not_text_get_ids_that_are(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 5, "dog": 5})
    (tmp_path / "cat" / "0.png").rename(tmp_path / "cat" / os.fsdecode(b"caf\xe9.png"))
    ids = set.union(*parts(load(tmp_path)).values())
    assert "cat/caf\\xe9.png" in ids
    for name in ids:
        name.encode("utf-8")


def together(dataset: Dataset, names: set[str]) -> bool:
    return any(names <= part or not names & part for part in parts(dataset).values()) and any(
        names <= part for part in parts(dataset).values()
    )


def test_near_duplicates_and_bursts_are_on_one_side(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for offset, name in enumerate(("cat", "dog")):
        for number in range(20):
            photo = scene(number + 100 * offset)
            save_scene(
                root / name / f"{'abcdefghijklmnopqrst'[number]}.jpg",
                photo,
                taken=f"2024:05:{number // 2 + 1:02} 10:00:{5 * (number % 2):02}",
            )
        save_scene(root / name / "x.jpg", stored_again(scene(100 * offset)), quality=70)
    loaded = load(root, split_by="auto")
    # Two photos five seconds apart on each day, and a copy of the first.
    assert len(loaded.groups) == 20
    for group in loaded.groups:
        assert together(loaded, set(group))
    assert {"cat/a.jpg", "cat/b.jpg", "cat/x.jpg"} in [set(group) for group in loaded.groups]
    assert loaded.split_by == "auto"
    assert "by groups (auto): photos that look alike and photos taken within 30 s" in loaded.rule
    record = loaded.splits()
    assert record["split_by"] == "auto"
    assert sorted(map(sorted, record["groups"])) == sorted(map(sorted, loaded.groups))


def test_a_rule_splits_the_same_on_every_run_and_another_seed_otherwise(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for number in range(60):
            save(tmp_path / name / f"{name}{number}.png", number + 100 * ord(name[0]))
    once, again = (load(tmp_path, split_by="auto") for _ in range(2))
    assert parts(once) == parts(again)
    assert once.digest() == again.digest()
    assert once.digest() != load(tmp_path).digest()
    assert all(together(once, set(group)) for group in once.groups)
    assert {len(part.ids) for part in (once.test,)} == {30}


def test_without_the_key_nothing_is_grouped_and_nothing_else_is_recorded(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 20, "dog": 20})
    loaded = load(tmp_path)
    assert (loaded.split_by, loaded.groups) == ("image", ())
    assert loaded.rule == (
        "stratified: 0.25 of all for test, 0.25 of the rest for validation; equal images stay "
        "together"
    )


def test_objects_of_a_table_stay_together_and_what_it_lacks_is_told(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", {"cat": 20, "dog": 20})
    lines = [f"cat/{n}.png,{'tom' if n < 8 else f'cat {n}'}" for n in range(20)]
    lines += [f"dog/{n}.png,dog {n // 2}" for n in range(19)]
    (tmp_path / "groups.csv").write_text("\n".join(["image,object", *lines]))
    told = Told()
    loaded = load(root, split_by=f"{tmp_path / 'groups.csv'}:object", progress=told)
    assert together(loaded, {f"cat/{n}.png" for n in range(8)})
    for number in range(9):
        assert together(loaded, {f"dog/{2 * number}.png", f"dog/{2 * number + 1}.png"})
    assert loaded.split_by == "groups.csv:object"
    assert str(tmp_path) not in loaded.rule
    assert told.lines == [
        "warning: split_by = 'groups.csv:object' says nothing of 1 of 40 images, each of which "
        "is a group of its own"
    ]
    assert loaded.notes == (told.lines[0].removeprefix("warning: "),)


@pytest.mark.parametrize(("rule", "remedy"), [("name", "bottle_07_001.jpg"), ("folder", "sub-f")])
def test_a_class_of_one_group_is_an_error_that_says_what_helps(
    tmp_path: Path, rule: str, remedy: str
) -> None:
    for number in range(8):
        save(tmp_path / "cat" / "home" / f"cat{number}.png", number)
        save(tmp_path / "dog" / str(number % 4) / f"{'abcdefgh'[number]}.png", 50 + number)
    with pytest.raises(DataError, match="too few groups") as caught:
        load(tmp_path, split_by=rule)
    assert remedy in caught.value.remedy
    assert "split_by = 'auto'" in caught.value.remedy
    load(tmp_path, split_by="auto")  # it does help


def test_of_a_folder_that_comes_split_the_validation_photos_are_split_by_the_rule(
    tmp_path: Path,
) -> None:
    for name in ("cat", "dog"):
        for number in range(20):
            path = tmp_path / "train" / name / f"{name}{number // 4}_{number}.png"
            save(path, number + 100 * ord(name[0]))
        fill(tmp_path / "test", {name: 2}, first=ord(name[0]) * 7)
    loaded = load(tmp_path, split_by="name")
    assert loaded.split_by == "name"
    assert all(together(loaded, set(group)) for group in loaded.groups)
    assert len(loaded.groups) == 10
    (tmp_path / "train").rename(tmp_path / "valid")
    shutil.copytree(tmp_path / "valid", tmp_path / "train")
    for path in (tmp_path / "valid").rglob("*.png"):
        save(path, sum(map(ord, path.name)) * 13 + len(path.name))
    told = Told()
    assert load(tmp_path, split_by="name", progress=told).split_by == "image"
    assert any("data.split_by is not used" in line for line in told.lines)
