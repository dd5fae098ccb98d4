"""Light and sharpness of single photos."""

from __future__ import annotations

import numpy as np
import pytest

from data.quality.scenes import Rgb, blurred, scene
from edgecnn.data.quality.measures import blur_effect, light


def filled(value: int, height: int = 144, width: int = 192) -> Rgb:
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_one_colour_is_no_picture(value: int) -> None:
    assert light(filled(value)).fault == "blank"


def test_a_dark_photo_is_dark_though_a_lamp_is_in_it() -> None:
    dark = (scene(0) // 8).astype(np.uint8)
    dark[:20, :40] = 255  # 3 % of it
    assert light(dark).fault == "dark"
    assert light(scene(0)).fault is None


def test_a_photo_is_burnt_out_where_most_of_it_is_white() -> None:
    burnt = scene(0)
    burnt[:80] = 255
    found = light(burnt)
    assert found.fault == "burnt_out"
    assert found.clipped == pytest.approx(80 / 144, abs=0.02)
    burnt[:80, :, 0] = 120  # of a colour
    assert light(burnt).fault is None


def test_brightness_is_what_19_of_20_pixels_do_not_exceed() -> None:
    half = filled(10)
    half[:72] = 200
    assert light(half).bright == 200
    half[:5] = 255  # 3.5 %
    assert light(half).bright == 200


def checkered(seed: int) -> Rgb:
    squares = np.random.default_rng(seed).integers(0, 2, (36, 48)).repeat(4, 0).repeat(4, 1)
    return (squares[..., np.newaxis] * 180 + 30).astype(np.uint8).repeat(3, axis=2)


@pytest.mark.parametrize("seed", range(3))
def test_blur_grows_with_the_blur(seed: int) -> None:
    values = [blur_effect(blurred(checkered(seed), radius)) for radius in (0, 1, 2, 4)]
    numbers = [value for value in values if value is not None]
    assert len(numbers) == 4
    assert numbers == sorted(numbers)
    assert numbers[0] < 0.3
    assert numbers[-1] > 0.6


def test_motion_in_one_direction_is_blur() -> None:
    sharp = checkered(0)
    moved = np.mean([np.roll(sharp, shift, axis=1) for shift in range(16)], axis=0).astype(np.uint8)
    of_sharp, of_moved = blur_effect(sharp), blur_effect(moved)
    assert of_sharp is not None
    assert of_moved is not None
    assert of_moved > of_sharp + 0.3


def test_blur_of_a_step_is_what_the_formula_says() -> None:
    # One edge of height 220, across: a mean over 11 pixels spreads it over 11 steps of 20. What is
    # left of the sharp step is 20 of 220; down there is no change at all.
    step = filled(10)
    step[:, 96:] = 230
    down = filled(10)
    assert blur_effect(step) is None  # no change in one of both directions: it cannot be told
    down[72:] = 230
    both = np.maximum(step, down)
    # Both directions alike: half of the rows, and of the columns, have the edge.
    assert blur_effect(both) == pytest.approx(20 / 220, abs=1e-4)


def test_blur_of_small_or_plain_pictures_cannot_be_told() -> None:
    assert blur_effect(scene(0, (127, 300))) is None
    assert blur_effect(filled(100)) is None
