from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from edgecnn.report.thumbnails import data_uri, shrink
from edgecnn.verify.metrics import Flip, FlipKind
from edgecnn.verify.report.page import most_telling


@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_come_through_unchanged(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 24, channels), dtype=np.uint8)
    head, _, body = data_uri(image).partition(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as decoded:
        again = np.asarray(decoded).reshape(image.shape)
    assert (again == image).all()


def test_shrinks_by_averaging_whole_blocks() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(4, 4, 1) * 4
    assert shrink(image, 2)[:, :, 0].tolist() == [[10, 18], [42, 50]]


@pytest.mark.parametrize("shape", [(500, 300, 3), (97, 96, 1), (4000, 1, 3)])
def test_no_side_stays_longer_than_asked(shape: tuple[int, int, int]) -> None:
    small = shrink(np.full(shape, 7, np.uint8), 96)
    assert max(small.shape[:2]) <= 96
    assert small.size > 0
    assert (small == 7).all()


def _flips(kind: FlipKind, count: int) -> list[Flip]:
    return [
        Flip(
            id=f"{kind}/{i}",
            index=i,
            kind=kind,
            label=0,
            reference_class=0,
            reference_score=0.5,
            artifact_class=1,
            artifact_score=i / 100,
        )
        for i in range(count)
    ]


def _kinds(chosen: list[Flip]) -> list[int]:
    kinds = ("right_to_wrong", "wrong_to_right", "wrong_to_other")
    return [sum(flip.kind == kind for flip in chosen) for kind in kinds]


@pytest.mark.parametrize(
    ("there", "shown"),
    [
        ((50, 50, 50), [15, 6, 3]),
        ((50, 0, 0), [24, 0, 0]),
        ((0, 50, 50), [0, 21, 3]),
        ((2, 3, 4), [2, 3, 4]),
        ((50, 2, 50), [19, 2, 3]),
    ],
)
def test_every_kind_has_its_share_of_places(there: tuple[int, int, int], shown: list[int]) -> None:
    flips = [
        *_flips("wrong_to_other", there[2]),
        *_flips("right_to_wrong", there[0]),
        *_flips("wrong_to_right", there[1]),
    ]
    assert _kinds(most_telling(flips, 24)) == shown


def test_the_most_confident_answers_come_first() -> None:
    assert [flip.index for flip in most_telling(_flips("right_to_wrong", 30), 3)] == [29, 28, 27]
