from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.data.split import digest_per_image, seeded_order, split_off
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
