from __future__ import annotations

import dataclasses
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from data.small_release import Small, md5
from edgecnn.data import load_dataset
from edgecnn.data.cifar10 import (
    ENVIRONMENT,
    find_cifar10,
    load_cifar10,
    missing_batches,
    place_of_environment,
    read_batches,
)
from edgecnn.errors import ChecksumError, DataError
from edgecnn.recipe.load import Data
from edgecnn.recipe.rules import SIZES

TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))


def find(small: Small, **places: Path | None) -> Path:
    environment = places.pop("environment", None)
    return find_cifar10(
        root=places.get("root"),
        path=places.get("path"),
        release=small.release,
        cache=places.get("cache"),
        environment={} if environment is None else {ENVIRONMENT: str(environment)},
    )


def test_places_are_tried_in_the_order_promised(small: Small, tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("root", "path", "environment", "cache")}
    for place in places.values():
        small.unpack(place)
    order = list(places)
    for number, name in enumerate(order):
        left = {key: places[key] for key in order[number:]}
        assert find(small, **left) == places[name] / small.release.folder


def test_the_folder_itself_may_be_named(small: Small, tmp_path: Path) -> None:
    folder = small.unpack(tmp_path)
    assert find(small, root=folder) == folder


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("root", "the data folder given"),
        ("path", "data.path of the recipe"),
        ("environment", "environment variable EDGECNN_DATA"),
    ],
)
def test_a_named_place_without_the_data_is_an_error(
    small: Small, tmp_path: Path, place: str, words: str
) -> None:
    small.unpack(tmp_path / "cache")
    with pytest.raises(DataError, match=words) as caught:
        find(small, **{place: tmp_path / "nowhere", "cache": tmp_path / "cache"})
    assert "no such folder" in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="does not hold CIFAR-10"):
        find(small, **{place: tmp_path / "empty"})


def test_pixels_are_nhwc_in_the_order_red_green_blue(small: Small, tmp_path: Path) -> None:
    folder = small.unpack(tmp_path)
    images = read_batches(folder, ("data_batch_2",), prefix="train", release=small.release)
    rows = pickle.loads(small.files["data_batch_2"])[b"data"]
    assert images.pixels.shape == (40, *SIZES["cifar10"], 3)
    for channel in range(3):
        # One row holds 1024 values of each colour, row by row of the image.
        assert images.pixels[7, 3, 5, channel] == rows[7, channel * 1024 + 3 * 32 + 5]
    assert images.labels.tolist() == [i % 10 for i in range(40)]


def test_ids_are_positions_in_the_published_sets(small: Small, tmp_path: Path) -> None:
    small.unpack(tmp_path)
    loaded = load_cifar10(root=tmp_path, path=None, validation=0.2, seed=0, release=small.release)
    assert loaded.test.ids == tuple(f"test/{index}" for index in range(40))
    ids = {*loaded.train.ids, *loaded.validation.ids}
    assert ids == {f"train/{index}" for index in range(200)}
    assert loaded.validation.class_counts(10) == [4] * 10
    everything = read_batches(
        tmp_path / small.release.folder, TRAIN, prefix="train", release=small.release
    )
    for index in (0, 11, 39):
        position = int(loaded.validation.ids[index].removeprefix("train/"))
        np.testing.assert_array_equal(loaded.validation.pixels[index], everything.pixels[position])


def test_a_changed_file_is_refused_before_it_is_opened(small: Small, tmp_path: Path) -> None:
    folder = small.unpack(tmp_path)
    trap = tmp_path / "opened"
    (folder / "data_batch_3").write_bytes(pickle.dumps(Trap(str(trap))))
    with pytest.raises(ChecksumError, match="data_batch_3") as caught:
        load_cifar10(root=tmp_path, path=None, validation=0.2, seed=0, release=small.release)
    assert small.release.files["data_batch_3"] in str(caught.value)
    assert not trap.exists()


class Trap:
    """Makes a file when it is unpickled without care."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.path,)


def with_file(small: Small, folder: Path, data: bytes) -> Small:
    (folder / "test_batch").write_bytes(data)
    files = {**small.release.files, "test_batch": md5(data)}
    return dataclasses.replace(small, release=dataclasses.replace(small.release, files=files))


def test_even_a_file_with_the_right_checksum_runs_no_code(small: Small, tmp_path: Path) -> None:
    folder = small.unpack(tmp_path)
    trap = tmp_path / "opened"
    trapped = with_file(small, folder, pickle.dumps(Trap(str(trap))))
    with pytest.raises(DataError, match=r"posix\.mkdir|os\.mkdir|nt\.mkdir"):
        read_batches(folder, ("test_batch",), prefix="test", release=trapped.release)
    assert not trap.exists()


@pytest.mark.parametrize(
    "content",
    [
        {b"data": np.zeros((3, 3072), np.uint8)},
        {b"data": np.zeros((3, 3072), np.uint8), b"labels": [1, 2]},
        {b"data": np.zeros((2, 3072), np.float32), b"labels": [1, 2]},
        {b"data": np.zeros((2, 100), np.uint8), b"labels": [1, 2]},
        {b"data": [1, 2], b"labels": [1, 2]},
        [1, 2, 3],
    ],
)
def test_a_pickle_that_is_no_batch_is_refused(
    small: Small, tmp_path: Path, content: object
) -> None:
    folder = small.unpack(tmp_path)
    changed = with_file(small, folder, pickle.dumps(content, protocol=3))
    with pytest.raises(DataError, match="does not hold a batch"):
        read_batches(folder, ("test_batch",), prefix="test", release=changed.release)


def test_all_missing_files_are_named(small: Small, tmp_path: Path) -> None:
    folder = small.unpack(tmp_path)
    (folder / "data_batch_2").unlink()
    (folder / "data_batch_4").unlink()
    with pytest.raises(DataError, match="lacks data_batch_2, data_batch_4"):
        load_cifar10(root=tmp_path, path=None, validation=0.2, seed=0, release=small.release)


def test_an_empty_variable_names_no_place(small: Small, tmp_path: Path) -> None:
    folder = small.unpack(tmp_path)
    assert place_of_environment({ENVIRONMENT: ""}) is None
    assert place_of_environment({}) is None
    assert place_of_environment({ENVIRONMENT: str(folder)}) == folder
    found = find_cifar10(
        root=None,
        path=None,
        release=small.release,
        cache=tmp_path,
        environment={ENVIRONMENT: ""},
    )
    assert found == folder


def test_what_a_place_lacks_is_told_without_reading_it(small: Small, tmp_path: Path) -> None:
    folder = small.unpack(tmp_path)
    assert missing_batches(tmp_path) == missing_batches(folder) == ()
    (folder / "test_batch").unlink()
    (folder / "data_batch_3").unlink()
    assert missing_batches(tmp_path) == ("data_batch_3", "test_batch")
    (folder / "data_batch_1").unlink()
    assert missing_batches(folder) == ("data_batch_1", "data_batch_3", "test_batch")
    assert missing_batches(tmp_path / "nowhere") == (*TRAIN, "test_batch")


@pytest.mark.slow
@pytest.mark.cifar10
@pytest.mark.skipif(
    ENVIRONMENT not in os.environ, reason=f"{ENVIRONMENT} does not name the real CIFAR-10"
)
def test_the_real_data_set_is_what_its_authors_describe() -> None:
    loaded = load_dataset(Data(name="cifar10"))
    assert loaded.train.class_counts(10) == [4000] * 10
    assert loaded.validation.class_counts(10) == [1000] * 10
    assert loaded.test.class_counts(10) == [1000] * 10
    assert loaded.test.labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    pixels = np.concatenate([loaded.train.pixels, loaded.validation.pixels])
    # Published statistics of the 50,000 training images, scaled to 0..1.
    mean = pixels.mean(axis=(0, 1, 2), dtype=np.float64) / 255
    np.testing.assert_allclose(mean, [0.49139968, 0.48215841, 0.44653091], atol=1e-7)
    order = {name: index for index, name in enumerate(loaded.train.ids)}
    first = [
        int(loaded.train.labels[order[f"train/{i}"]]) for i in range(10) if f"train/{i}" in order
    ]
    assert first == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
