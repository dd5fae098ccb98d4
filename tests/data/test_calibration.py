from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.data import (
    CalibrationSet,
    Images,
    choose_calibration,
    digest_per_image,
    overlap,
    read_calibration,
)
from edgecnn.errors import CalibrationError
from edgecnn.files import canonical_digest, write_json

NAMES = ("cat", "dog", "fox")


def images(counts: list[int], *, first: int = 0, prefix: str = "train") -> Images:
    """Different 2x2 images, ``counts[label]`` of each label, starting at content ``first``."""
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    contents = np.arange(first, first + len(labels))
    pixels = np.zeros((len(labels), 2, 2, 1), np.uint8)
    pixels[:, 0, 0, 0], pixels[:, 1, 1, 0] = contents % 256, contents // 256
    ids = tuple(f"{prefix}/{index}" for index in range(len(labels)))
    return Images(pixels=pixels, labels=np.asarray(labels, np.int64), ids=ids)


def choose(train: Images, evaluation: Images, count: int, seed: int = 0) -> CalibrationSet:
    return choose_calibration(train, evaluation, count=count, seed=seed, class_names=NAMES)


def counts_of(chosen: CalibrationSet) -> list[int]:
    return [chosen.record["class_counts"][name] for name in NAMES]


TEST = images([5, 5, 5], first=10_000, prefix="test")


def test_record_names_exactly_the_images_chosen() -> None:
    train = images([10, 10, 10])
    chosen = choose(train, TEST, 12)
    record = chosen.record
    assert record["count"] == len(chosen.pixels) == 12
    assert record["image_sha256"] == digest_per_image(chosen.pixels)
    assert [train.ids[index] for index in record["indices"]] == record["ids"]
    np.testing.assert_array_equal(train.pixels[record["indices"]], chosen.pixels)
    rest = {name: value for name, value in record.items() if name != "sha256"}
    assert record["sha256"] == canonical_digest(rest)


@given(
    counts=st.lists(st.integers(0, 30), min_size=3, max_size=3),
    share=st.floats(0.01, 1.0),
    seed=st.integers(0, 1000),
)
@settings(max_examples=150, deadline=None)
def test_classes_are_as_even_as_they_can_be(counts: list[int], share: float, seed: int) -> None:
    total = sum(counts)
    if total == 0:
        return
    wanted = max(1, int(total * share))
    got = counts_of(choose(images(counts), TEST, wanted, seed))
    assert sum(got) == wanted
    # A class below the largest share by more than one has nothing left to give.
    for have, give in zip(counts, got, strict=True):
        assert give <= have
        assert give >= max(got) - 1 or give == have


def test_fewer_images_than_classes_are_of_different_classes() -> None:
    chosen = choose(images([9, 9, 9]), TEST, 2)
    assert sorted(counts_of(chosen)) == [0, 1, 1]


def test_the_seed_decides_the_choice() -> None:
    train = images([50, 50, 50])
    assert choose(train, TEST, 9, 1).record == choose(train, TEST, 9, 1).record
    assert choose(train, TEST, 9, 1).record["ids"] != choose(train, TEST, 9, 2).record["ids"]


def test_images_that_are_also_evaluation_images_are_never_chosen() -> None:
    train = images([10, 10, 10])
    evaluation = train.take([0, 1, 2, 12, 25])
    chosen = choose(train, evaluation, 25)
    assert chosen.record["excluded"] == [train.ids[i] for i in (0, 1, 2, 12, 25)]
    assert overlap(chosen.record, evaluation.pixels) == []
    assert counts_of(chosen) == [7, 9, 9]


def test_equal_pixels_are_chosen_once() -> None:
    train = images([2, 2, 2])
    doubled = train.take([0, 0, 0, 1, 2, 3, 4, 5])
    doubled = Images(
        pixels=doubled.pixels, labels=doubled.labels, ids=tuple(f"x/{i}" for i in range(8))
    )
    assert len(set(choose(doubled, TEST, 6).record["image_sha256"])) == 6
    with pytest.raises(CalibrationError, match="not that many"):
        choose(doubled, TEST, 7)


@pytest.mark.parametrize("count", [0, -1, 31])
def test_a_count_that_cannot_be_is_refused_with_its_bounds(count: int) -> None:
    with pytest.raises(CalibrationError, match=r"1\.\.30") as caught:
        choose(images([10, 10, 10]), TEST, count)
    assert "calibration.images" in caught.value.remedy


def test_training_images_that_are_all_evaluation_images_leave_nothing() -> None:
    train = images([3, 3, 3])
    with pytest.raises(CalibrationError, match="1 asked for"):
        choose(train, train, 1)


def test_overlap_finds_evaluation_images_by_their_pixels() -> None:
    train = images([10, 10, 10])
    record = choose(train, TEST, 30).record
    mixed = np.concatenate([TEST.pixels[:2], train.pixels[4:5], TEST.pixels[2:3]])
    assert overlap(record, mixed) == [2]


def test_a_record_survives_being_written_and_read(tmp_path: Path) -> None:
    record = choose(images([10, 10, 10]), TEST, 12).record
    write_json(tmp_path / "calibration.json", record)
    assert read_calibration(tmp_path / "calibration.json") == record


def change(record: dict[str, Any], **entries: object) -> dict[str, Any]:
    return {**record, **entries}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"seed": 7}, "it was changed"),
        ({"image_sha256": []}, "names no images"),
        ({"image_sha256": None}, "missing"),
        ({"image_sha256": ["00"] * 12}, "not a SHA-256"),
        ({"ids": ["train/1"]}, "12 digests, 1 ids"),
        ({"schema": 99}, "schema 99"),
        ({"sha256": "0" * 64}, "it was changed"),
    ],
)
def test_a_changed_record_is_refused(
    tmp_path: Path, entries: dict[str, object], words: str
) -> None:
    record = choose(images([10, 10, 10]), TEST, 12).record
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(change(record, **entries)))
    with pytest.raises(CalibrationError, match=words):
        read_calibration(path)


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "null", "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass")]
)
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "calibration.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(CalibrationError, match=r"calibration\.json"):
        read_calibration(path)
    with pytest.raises(CalibrationError, match="cannot read"):
        read_calibration(tmp_path / "missing.json")
