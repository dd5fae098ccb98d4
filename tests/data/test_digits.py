from __future__ import annotations

import numpy as np
from sklearn import datasets

from edgecnn.data import Images, digest_per_image
from edgecnn.data.load import load_digits


def test_digits_are_scaled_to_bytes_with_their_labels() -> None:
    loaded = load_digits(test=0.33, validation=0.2, seed=0)
    assert loaded.shape == (8, 8, 1)
    assert loaded.class_names == tuple("0123456789")
    bunch = datasets.load_digits()
    table = np.asarray([(value * 255 + 8) // 16 for value in range(17)])
    for part in (loaded.train, loaded.validation, loaded.test):
        for index in range(0, len(part), 37):
            source = int(part.ids[index].removeprefix("digits/"))
            expected = table[bunch.images[source].astype(int)]
            np.testing.assert_array_equal(part.pixels[index, :, :, 0], expected)
            assert part.labels[index] == bunch.target[source]


def test_digits_split_has_the_shares_and_no_image_twice() -> None:
    loaded = load_digits(test=0.33, validation=0.2, seed=0)
    total = len(loaded.train) + len(loaded.validation) + len(loaded.test)
    assert total == 1797
    assert abs(len(loaded.test) / total - 0.33) < 0.005
    assert abs(len(loaded.validation) / (total - len(loaded.test)) - 0.2) < 0.005
    digests = [set(digest_per_image(part.pixels)) for part in parts(loaded)]
    assert not digests[0] & digests[1]
    assert not digests[0] & digests[2]
    assert not digests[1] & digests[2]


def test_the_seed_decides_the_split() -> None:
    one = load_digits(test=0.3, validation=0.2, seed=1)
    assert one.digest() == load_digits(test=0.3, validation=0.2, seed=1).digest()
    assert one.test.ids != load_digits(test=0.3, validation=0.2, seed=2).test.ids


def parts(loaded: object) -> list[Images]:
    return [getattr(loaded, name) for name in ("train", "validation", "test")]
