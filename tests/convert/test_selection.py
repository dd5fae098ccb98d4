from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from convert.networks import dataset
from edgecnn.build.verdict import Unseen
from edgecnn.convert.repair.trial import choose_selection
from edgecnn.data import Images
from edgecnn.data.split import digest_per_image
from edgecnn.data.unlabelled import UnlabelledPictures

DATA = dataset()


def test_validation_images_decide() -> None:
    found = choose_selection(DATA, calibrated=(), macs=1_000)
    assert found is not None
    assert (found.split, found.ids) == ("validation", DATA.validation.ids)
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
    assert found.ids == tuple(np.delete(np.array(DATA.validation.ids), 2))


# A data set has at least one validation image; here all of them are test images, too.
NONE_LEFT = dataclasses.replace(
    DATA, validation=dataclasses.replace(DATA.validation, pixels=DATA.test.pixels[:5])
)


def test_training_images_that_do_not_calibrate_decide_where_the_model_has_seen_none() -> None:
    calibrated = digest_per_image(DATA.train.pixels[:30])
    found = choose_selection(NONE_LEFT, calibrated=calibrated, macs=1_000, unseen=Unseen())
    assert found is not None
    assert (found.split, found.ids) == ("training", DATA.train.ids[30:])


def test_training_images_that_the_model_has_seen_are_no_evidence() -> None:
    assert choose_selection(NONE_LEFT, calibrated=(), macs=1_000) is None


def test_without_any_there_is_none() -> None:
    calibrated = digest_per_image(DATA.train.pixels)
    found = choose_selection(NONE_LEFT, calibrated=calibrated, macs=1_000, unseen=Unseen())
    assert found is None


def pictures(groups: tuple[str, ...]) -> UnlabelledPictures:
    pixels = np.random.default_rng(9).integers(0, 256, (len(groups), 12, 10, 3), np.uint8)
    return UnlabelledPictures(
        folder=Path("new"),
        pixels=pixels,
        ids=tuple(f"{index}.png" for index in range(len(groups))),
        groups=groups,
        left_out={},
    )


def test_pictures_without_labels_decide_where_they_are_given() -> None:
    new = pictures(("a", "b", "c"))
    found = choose_selection(DATA, calibrated=(), macs=1_000, unseen=Unseen(pictures=new))
    assert found is not None
    assert (found.split, found.labels, found.ids, found.folder) == (
        "unlabelled", None, new.ids, "new"
    )  # fmt: skip
    assert found.record()["image_sha256"] == digest_per_image(new.pixels)


def test_copies_count_once_and_those_of_test_images_not_at_all() -> None:
    new = pictures(("a", "a", DATA.test.ids[3], "b"))
    found = choose_selection(DATA, calibrated=(), macs=1_000, unseen=Unseen(pictures=new))
    assert found is not None
    assert len(found) == 2
    assert "2.png" not in found.ids
    only_copies = pictures((DATA.test.ids[3],))
    unseen = Unseen(pictures=only_copies)
    assert choose_selection(DATA, calibrated=(), macs=1_000, unseen=unseen) is None


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
    assert len(found) == len(set(found.digests)) == images
