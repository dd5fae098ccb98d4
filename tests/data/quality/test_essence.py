"""What is said of photos before a training: little, quickly, and once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from data.quality.scenes import Rgb, scene, stored_again
from edgecnn.data.quality import essence as module
from edgecnn.data.quality.essence import essence_of, kept_essence
from edgecnn.data.types import Dataset, Images


def images(part: str, pictures: Sequence[Rgb], labels: Sequence[int]) -> Images:
    return Images(
        pixels=np.stack(pictures),
        labels=np.array(labels, np.int64),
        ids=tuple(f"{part}/{number}.jpg" for number in range(len(pictures))),
    )


def dataset(*, seen: bool = False, twice: bool = False, split_by: str = "image") -> Dataset:
    train = [scene(number, (96, 96)) for number in range(8)]
    validation = [scene(number, (96, 96)) for number in range(20, 24)]
    test = [scene(number, (96, 96)) for number in range(30, 34)]
    if seen:
        test[1] = stored_again(train[2])
    if twice:
        train[7] = stored_again(train[0])  # of the other class
    return Dataset(
        name="folder",
        class_names=("cat", "dog"),
        train=images("train", train, [0] * 4 + [1] * 4),
        validation=images("validation", validation, [0, 0, 1, 1]),
        test=images("test", test, [1, 0, 1, 1]),
        split_by=split_by,
    )


def test_where_nothing_is_wrong_the_photos_are_counted() -> None:
    assert essence_of(dataset()) == (
        "note: 8 for training, 4 for validation, 4 for test; 7 (cat) to 9 (dog) photos a class",
    )


def test_photos_on_both_sides_are_told_with_the_key_that_helps() -> None:
    line = essence_of(dataset(seen=True))[1]
    assert "1 pair of photos look alike and are on both sides" in line
    assert "train/2.jpg and test/1.jpg" in line
    assert "data.split_by = 'auto'" in line
    line = essence_of(dataset(seen=True, split_by="auto"))[1]
    assert "more than a fifth of a class" in line


def test_photos_of_two_classes_that_look_alike_are_told() -> None:
    line = essence_of(dataset(twice=True))[1]
    assert "are of different classes" in line
    assert "train/0.jpg and train/7.jpg" in line


def test_photos_that_show_nothing_are_counted() -> None:
    found = dataset()
    found.train.pixels[3] = 0
    found.train.pixels[4] = scene(4, (96, 96)) // 10
    assert essence_of(found)[1] == (
        "note: of 16 photos, 1 show nothing (train/3.jpg), 1 are dark (train/4.jpg)"
    )


def test_grey_pictures_are_looked_at_too() -> None:
    found = dataset()
    grey = [
        Images(pixels=part.pixels[..., :1], labels=part.labels, ids=part.ids)
        for part in (found.train, found.validation, found.test)
    ]
    one = Dataset(
        name="folder", class_names=("cat", "dog"), train=grey[0], validation=grey[1], test=grey[2]
    )
    assert len(essence_of(one)) == 1


def test_small_pictures_and_very_many_are_counted_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found = dataset(seen=True)
    small = [
        Images(pixels=part.pixels[:, ::4, ::4], labels=part.labels, ids=part.ids)
        for part in (found.train, found.validation, found.test)
    ]
    one = Dataset(
        name="folder",
        class_names=("cat", "dog"),
        train=small[0],
        validation=small[1],
        test=small[2],
    )
    assert len(essence_of(one)) == 1
    monkeypatch.setattr(module, "MOST_IMAGES", 15)
    assert len(essence_of(found)) == 1


def test_what_was_found_is_kept_for_the_same_photos_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "data-essence.json"
    found = dataset(seen=True)
    lines = kept_essence(found, place)
    assert len(lines) == 2
    monkeypatch.setattr(module, "essence_of", lambda *_, **__: ("note: looked again",))
    assert kept_essence(found, place) == lines
    assert kept_essence(dataset(), place) == ("note: looked again",)
    assert kept_essence(found, place) == ("note: looked again",)  # of others now
    for damaged in ("", "[]", "{", '{"sha256": 1, "version": 1, "lines": [1]}'):
        place.write_text(damaged)
        assert kept_essence(found, place) == ("note: looked again",)
        assert json.loads(place.read_text())["sha256"] == found.digest()
