from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgecnn.data.split import (
    GroupSplit,
    digest_per_image,
    seeded_order,
    split_off,
    split_off_groups,
)
from edgecnn.data.types import Images
from edgecnn.errors import DataError


def images(labels: list[int], contents: list[int]) -> Images:
    """One 2x2 image per label; equal contents are equal pixels."""
    pixels = np.zeros((len(labels), 2, 2, 1), np.uint8)
    pixels[:, 0, 0, 0] = [content % 256 for content in contents]
    pixels[:, 1, 1, 0] = [content // 256 for content in contents]
    ids = tuple(f"image/{index}" for index in range(len(labels)))
    return Images(pixels=pixels, labels=np.asarray(labels, np.int64), ids=ids)


def names(count: int) -> list[str]:
    return [f"class {label}" for label in range(count)]


def test_image_digest_is_the_sha256_of_the_bytes() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    assert digest_per_image(pixels)[1] == hashlib.sha256(bytes(range(12, 24))).hexdigest()


def test_order_is_the_same_everywhere_and_for_ever() -> None:
    # Written down once: a changed order would silently change every split.
    ids = [f"train/{index}" for index in range(8)]
    assert seeded_order(ids, seed=0, purpose="validation") == ORDER
    assert seeded_order(ids, seed=1, purpose="validation") != ORDER
    assert seeded_order(ids, seed=0, purpose="test") != ORDER


ORDER = [2, 1, 4, 6, 7, 5, 3, 0]


@given(
    data=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), min_size=1, max_size=60),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**31 - 1),
)
@settings(max_examples=200, deadline=None)
def test_split_is_a_partition_that_tears_no_equal_images_apart(
    data: list[tuple[int, int]], share: float, seed: int
) -> None:
    source = images([label for label, _ in data], [content for _, content in data])
    try:
        first, second = split_off(
            source, share=share, seed=seed, purpose="test", class_names=names(3)
        )
    except DataError:
        return
    assert sorted(first.ids + second.ids) == sorted(source.ids)
    assert not set(digest_per_image(first.pixels)) & set(digest_per_image(second.pixels))
    assert len(first) > 0
    assert len(second) > 0


@given(sizes=st.lists(st.integers(2, 50), min_size=2, max_size=4), share=st.floats(0.05, 0.95))
@settings(max_examples=100, deadline=None)
def test_every_class_gives_its_share(sizes: list[int], share: float) -> None:
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    source = images(labels, list(range(len(labels))))
    first, second = split_off(
        source, share=share, seed=1, purpose="test", class_names=names(len(sizes))
    )
    for label, size in enumerate(sizes):
        got = second.class_counts(len(sizes))[label]
        assert got == min(max(1, int(size * share + 0.5)), size - 1)
        assert first.class_counts(len(sizes))[label] == size - got


def test_an_added_image_does_not_reshuffle_the_others() -> None:
    ids = [f"cat/{index}.png" for index in range(50)]
    before = [ids[i] for i in seeded_order(ids, seed=3, purpose="test")]
    more = [*ids, "cat/new.png"]
    after = [more[i] for i in seeded_order(more, seed=3, purpose="test")]
    assert [name for name in after if name != "cat/new.png"] == before


def test_classes_with_too_few_different_images_are_all_named() -> None:
    # Class 1 has one image twice, class 2 none at all.
    source = images([0, 0, 0, 1, 1], [1, 2, 3, 4, 4])
    with pytest.raises(DataError, match="2 of 3 classes: class 1, class 2") as caught:
        split_off(source, share=0.5, seed=0, purpose="test", class_names=names(3))
    assert "at least 3 different images per class" in str(caught.value)


def group_split(
    labels: list[int], groups: list[int], *, share: float = 0.2, seed: int = 0, classes: int = 2
) -> GroupSplit:
    source = images(labels, list(range(len(labels))))
    group_of = dict(zip(source.ids, groups, strict=True))
    return split_off_groups(
        source,
        group_of,
        share=share,
        seed=seed,
        purpose="test",
        class_names=names(classes),
        remedy="more groups",
    )


@given(
    data=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 25)), min_size=1, max_size=80),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**31 - 1),
)
@example(
    # Each class is in both groups, and each group is home to another class.
    data=[(0, 0), (0, 1), (1, 0), (1, 0), (1, 1), (2, 0), (2, 1)],
    share=0.875,
    seed=0,
)
@settings(max_examples=200, deadline=None)
def test_a_split_by_groups_is_a_partition_that_tears_none_apart(
    data: list[tuple[int, int]], share: float, seed: int
) -> None:
    labels, groups = [label for label, _ in data], [group for _, group in data]
    try:
        found = group_split(labels, groups, share=share, seed=seed, classes=3)
    except DataError:
        return
    group_of = {f"image/{index}": group for index, group in enumerate(groups)}
    held = {group_of[name] for name in found.held.ids}
    rest = {group_of[name] for name in found.rest.ids}
    assert not held & rest
    assert held
    assert rest
    assert sorted(found.held.ids + found.rest.ids) == sorted(group_of)


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_as_near_as_groups_allow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, groups = [], []
    for label in range(2):
        for number, size in enumerate(rng.integers(1, 12, 30)):
            labels += [label] * int(size)
            groups += [label * 100 + number] * int(size)
    found = group_split(labels, groups, share=0.2, seed=seed)
    for label in range(2):
        wanted = round(labels.count(label) * 0.2)
        assert abs(int((found.held.labels == label).sum()) - wanted) <= 1
    assert found.notes == ()


def test_groups_with_images_of_all_classes_keep_the_shares_of_all() -> None:
    labels = [0, 1] * 60
    groups = [index // 4 for index in range(120)]  # two of each class
    found = group_split(labels, groups, share=0.2)
    assert found.held.class_counts(2) == [12, 12]


def test_a_group_of_nearly_a_whole_class_is_told() -> None:
    labels = [0] * 60 + [1] * 60
    groups = [0] * 54 + list(range(1, 7)) + list(range(100, 160))
    found = group_split(labels, groups, share=0.2)
    assert found.held.class_counts(2) == [6, 12] or found.held.class_counts(2) == [5, 12]
    assert "class 0" in found.notes[0]
    assert "its largest group has 54" in found.notes[0]
    assert "class 1" not in found.notes[0]


def test_a_class_of_one_group_cannot_be_split() -> None:
    with pytest.raises(DataError, match="too few groups to split off a test set") as caught:
        group_split([0] * 10 + [1] * 10, [0] * 10 + list(range(10, 20)))
    assert caught.value.remedy == "more groups"
    assert "10 images" in str(caught.value.observed)


def test_equal_pixels_join_groups() -> None:
    source = images([0] * 12 + [1] * 12, [5, *range(1, 12), 5, *range(20, 31)])
    group_of = {name: index for index, name in enumerate(source.ids)}
    for seed in range(8):
        found = split_off_groups(
            source,
            group_of,
            share=0.3,
            seed=seed,
            purpose="test",
            class_names=names(2),
            remedy="",
        )
        first, copy = source.ids[0], source.ids[12]
        assert (first in found.held.ids) == (copy in found.held.ids)


def test_a_large_group_is_no_likelier_in_the_test_than_a_small_one() -> None:
    # Its place is that of one of its images, not of the luckiest of them.
    labels, groups = [0] * 40 + [1] * 40, [0] * 4 + list(range(1, 37)) + list(range(50, 90))
    held = sum(
        "image/0" in group_split(labels, groups, share=0.25, seed=seed).held.ids
        for seed in range(200)
    )
    assert 25 <= held <= 75
