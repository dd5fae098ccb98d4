from __future__ import annotations

import dataclasses

import numpy as np

from convert.networks import dataset
from edgecnn.convert.selection import choose_selection
from edgecnn.data.calibration import digest_per_image

DATA = dataset()


def test_validation_images_decide() -> None:
    found = choose_selection(DATA, calibrated=())
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
    found = choose_selection(dataclasses.replace(DATA, validation=copied), calibrated=())
    assert found is not None
    assert found.images.ids == tuple(np.delete(np.array(DATA.validation.ids), 2))


# A data set has at least one validation image; here all of them are test images, too.
NONE_LEFT = dataclasses.replace(
    DATA, validation=dataclasses.replace(DATA.validation, pixels=DATA.test.pixels[:5])
)


def test_without_validation_images_those_training_images_decide_that_do_not_calibrate() -> None:
    calibrated = digest_per_image(DATA.train.pixels[:30])
    found = choose_selection(NONE_LEFT, calibrated=calibrated)
    assert found is not None
    assert (found.split, found.images.ids) == ("training", DATA.train.ids[30:])


def test_without_any_there_is_none() -> None:
    calibrated = digest_per_image(DATA.train.pixels)
    assert choose_selection(NONE_LEFT, calibrated=calibrated) is None
