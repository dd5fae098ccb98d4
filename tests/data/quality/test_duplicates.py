"""Photos that are the same, or nearly: found by hash, confirmed by colour, and by features."""

from __future__ import annotations

import numpy as np
import pytest

from data.quality.scenes import scene, stored_again
from edgecnn.data.quality.duplicates import clusters, equal_groups, near_pairs
from edgecnn.data.quality.fingerprint import Fingerprint, fingerprint
from edgecnn.data.quality.measures import luma


def prints(seeds: range) -> list[Fingerprint]:
    return [fingerprint(scene(seed)) for seed in seeds]


def test_a_copy_is_found_and_no_other_pair() -> None:
    found = near_pairs([*prints(range(40)), fingerprint(stored_again(scene(7)))])
    assert [(pair.first, pair.second) for pair in found] == [(7, 40)]
    assert found[0].cosine is None


def test_the_same_form_in_another_colour_is_another_thing() -> None:
    red = scene(0)
    blue = red[:, :, ::-1]
    assert not near_pairs([fingerprint(red), fingerprint(np.ascontiguousarray(blue))])
    grey = np.repeat(luma(red)[..., np.newaxis], 3, axis=2)
    assert near_pairs([fingerprint(red), fingerprint(grey)])  # the same photo without its colour


def test_blank_pictures_are_alike_where_their_lightness_is() -> None:
    def blank(value: int) -> Fingerprint:
        return fingerprint(np.full((60, 80, 3), value, np.uint8))

    assert near_pairs([blank(10), blank(12)])
    assert not near_pairs([blank(10), blank(200)])


def test_features_confirm_a_pair_and_refuse_one() -> None:
    found = [*prints(range(60)), fingerprint(stored_again(scene(0))), fingerprint(scene(1))]
    features = np.random.default_rng(0).normal(size=(62, 16)).astype(np.float32)
    features[60] = features[0]  # the same thing
    features[61] = -features[1]  # the same picture to the hash, and quite another to the network
    pairs = near_pairs(found, features=features)
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 60)]
    assert pairs[0].cosine == pytest.approx(1.0, abs=1e-5)


def test_a_film_that_stands_still_does_not_fill_the_memory() -> None:
    still = fingerprint(scene(0))
    pairs = near_pairs([still] * 1500)
    assert len(pairs) <= 10 * 1500
    # Over the edge of what is compared at a time, too.
    assert len(clusters(1500, [(pair.first, pair.second) for pair in pairs])[0]) > 1000


@pytest.mark.parametrize("count", [0, 1, 2, 3, 12])
def test_few_photos_are_compared_like_many(count: int) -> None:
    assert near_pairs(prints(range(count))) == []


def test_the_closest_pair_comes_first() -> None:
    far = np.roll(scene(0), 3, axis=1)
    pairs = near_pairs(
        [fingerprint(scene(0)), fingerprint(far), fingerprint(stored_again(scene(0)))]
    )
    assert [pair.bits for pair in pairs] == sorted(pair.bits for pair in pairs)
    assert (pairs[0].first, pairs[0].second) == (0, 2)


def test_equal_keys_make_groups() -> None:
    assert equal_groups(["a", "b", "a", "c", "b", "a"]) == [(0, 2, 5), (1, 4)]
    assert equal_groups(["a", "b"]) == []


def test_pairs_make_groups() -> None:
    assert clusters(6, [(0, 3), (3, 5), (1, 2)]) == [(0, 3, 5), (1, 2)]
    assert clusters(6, []) == []
