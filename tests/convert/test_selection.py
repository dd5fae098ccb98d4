from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from convert.networks import dataset
from edgecnn.convert.repair.trial import choose_selection
from edgecnn.data import Images
from edgecnn.data.split import digest_per_image

DATA = dataset()


def test_validation_images_decide() -> None:
    found = choose_selection(DATA, calibrated=(), macs=1_000)
    assert found is not None
    assert (found.split, found.images.ids) == ("validation", DATA.validation.ids)
    assert found.record() == {
        "split": "validation",
        "count": 5,
        "image_sha256": digest_per_image(DATA.validation.pixels),
    }


def test_an_image_that_is_also_a_test_image_never_decides() -> None:
    pixels = DATA.validation.pixels.copy()
    pixels[2] = DATA.test.pixels[7]
    copied = dataclasses.replace(DATA.validation, pixels=pixels)
    found = choose_selection(
        dataclasses.replace(DATA, validation=copied), calibrated=(), macs=1_000
    )
    assert found is not None
    assert found.images.ids == tuple(np.delete(np.array(DATA.validation.ids), 2))


# A data set has at least one validation image; here all of them are test images, too.
NONE_LEFT = dataclasses.replace(
    DATA, validation=dataclasses.replace(DATA.validation, pixels=DATA.test.pixels[:5])
)


def test_without_validation_images_those_training_images_decide_that_do_not_calibrate() -> None:
    calibrated = digest_per_image(DATA.train.pixels[:30])
    found = choose_selection(NONE_LEFT, calibrated=calibrated, macs=1_000)
    assert found is not None
    assert (found.split, found.images.ids) == ("training", DATA.train.ids[30:])


def test_without_any_there_is_none() -> None:
    calibrated = digest_per_image(DATA.train.pixels)
    assert choose_selection(NONE_LEFT, calibrated=calibrated, macs=1_000) is None


@pytest.mark.parametrize(
    ("macs", "images"), [(1_000, 1_000), (300_000_000, 833), (4_000_000_000, 500), (0, 1_000)]
)
def test_large_networks_are_judged_on_fewer_images(macs: int, images: int) -> None:
    pixels = np.random.default_rng(6).integers(0, 256, (1_000, 12, 10, 3), np.uint8)
    many = Images(
        pixels=pixels,
        labels=np.zeros(1_000, np.int64),
        ids=tuple(f"many/{index}" for index in range(1_000)),
    )
    found = choose_selection(dataclasses.replace(DATA, validation=many), calibrated=(), macs=macs)
    assert found is not None
    assert len(found.images) == len(set(found.digests)) == images
