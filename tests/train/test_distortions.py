"""What pose and light do to pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.train.backend import tf
from edgecnn.train.batches import recoloured, relit, rounded, warped

COUNT = 3
LUMA = np.asarray([0.299, 0.587, 0.114])


def photos(height: int = 9, width: int = 9) -> npt.NDArray[np.float32]:
    generator = np.random.default_rng(4)
    return generator.integers(0, 256, (COUNT, height, width, 3)).astype(np.float32)


def warp(
    pixels: npt.NDArray[np.float32],
    *,
    turn: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
) -> npt.NDArray[np.float32]:
    result: Any = warped(
        tf.constant(pixels),
        turns=tf.fill((COUNT,), turn),
        shifts=tf.constant([shift] * COUNT, tf.float32),
        scales=tf.fill((COUNT,), scale),
    )
    return np.asarray(result)


@pytest.mark.parametrize("size", [(9, 9), (6, 11)])
def test_nothing_asked_for_changes_no_pixel(size: tuple[int, int]) -> None:
    pixels, ones, none = photos(*size), tf.ones(COUNT), tf.zeros(COUNT)
    np.testing.assert_array_equal(warp(pixels), pixels)
    np.testing.assert_array_equal(relit(pixels, gains=ones, contrasts=ones), pixels)
    same = rounded(recoloured(tf.constant(pixels), saturations=ones, hues=none))
    np.testing.assert_array_equal(same, pixels.astype(np.uint8))


@pytest.mark.parametrize(("side", "quarters"), [(9, 1), (8, 1), (9, 3), (8, 2)])
def test_quarter_turns_are_those_of_numpy(side: int, quarters: int) -> None:
    pixels = photos(side, side)
    turned = warp(pixels, turn=quarters * math.pi / 2)
    np.testing.assert_allclose(turned, np.rot90(pixels, quarters, axes=(1, 2)), atol=1e-2)


def test_half_a_turn_of_an_image_that_is_not_square_is_exact_too() -> None:
    pixels = photos(6, 11)
    np.testing.assert_allclose(warp(pixels, turn=math.pi), pixels[:, ::-1, ::-1], atol=1e-2)


def test_a_shift_moves_down_and_right_and_reflects_with_the_edge_repeated() -> None:
    pixels = photos(7, 8)
    moved = warp(pixels, shift=(2.0, 3.0))
    np.testing.assert_allclose(moved[:, 2:, 3:], pixels[:, :-2, :-3], atol=1e-3)
    padded = np.pad(pixels, ((0, 0), (2, 0), (3, 0), (0, 0)), mode="symmetric")
    np.testing.assert_allclose(moved, padded[:, :7, :8], atol=1e-3)


def test_half_a_pixel_is_the_mean_of_two() -> None:
    pixels = photos()
    moved = warp(pixels, shift=(0.0, 0.5))
    np.testing.assert_allclose(
        moved[:, :, 1:], (pixels[:, :, :-1] + pixels[:, :, 1:]) / 2, atol=1e-3
    )


def test_a_scale_of_three_shows_each_pixel_of_the_middle_at_three_places() -> None:
    pixels = photos(9, 9)
    large = warp(pixels, scale=3.0)
    np.testing.assert_allclose(large[:, 1::3, 1::3], pixels[:, 3:6, 3:6], atol=1e-2)


def test_each_image_has_its_own_pose() -> None:
    pixels = photos()
    turned = warped(
        tf.constant(pixels),
        turns=tf.constant([0.0, math.pi / 2, math.pi]),
        shifts=tf.zeros((COUNT, 2)),
        scales=tf.ones(COUNT),
    )
    for index in range(COUNT):
        np.testing.assert_allclose(turned[index], np.rot90(pixels[index], index), atol=1e-2)


def test_brightness_multiplies_and_contrast_keeps_the_mean() -> None:
    pixels = photos()
    bright = relit(pixels, gains=tf.constant([1.5, 1.0, 0.5]), contrasts=tf.ones(COUNT))
    np.testing.assert_allclose(
        bright, pixels * np.reshape([1.5, 1.0, 0.5], (3, 1, 1, 1)), rtol=1e-5
    )
    flat = np.asarray(relit(pixels, gains=tf.ones(COUNT), contrasts=tf.constant([0.5, 0.0, 1.2])))
    np.testing.assert_allclose(flat.mean(axis=(1, 2, 3)), pixels.mean(axis=(1, 2, 3)), rtol=1e-4)
    spreads = flat.std(axis=(1, 2, 3)) / pixels.std(axis=(1, 2, 3))
    np.testing.assert_allclose(spreads, [0.5, 0.0, 1.2], atol=1e-4)


def test_without_saturation_is_grey_and_hue_keeps_brightness_and_greys() -> None:
    pixels = photos()
    grey = np.asarray(recoloured(pixels, saturations=tf.zeros(COUNT), hues=tf.zeros(COUNT)))
    np.testing.assert_allclose(grey, np.repeat((pixels @ LUMA)[..., None], 3, -1), atol=1e-2)
    turned = np.asarray(recoloured(pixels, saturations=tf.ones(COUNT), hues=tf.fill((COUNT,), 1.0)))
    np.testing.assert_allclose(turned @ LUMA, pixels @ LUMA, atol=1e-2)
    assert np.abs(turned - pixels).mean() > 20
    np.testing.assert_allclose(
        recoloured(grey, saturations=tf.ones(COUNT), hues=tf.fill((COUNT,), 1.0)), grey, atol=1e-2
    )


def test_a_third_of_a_turn_of_hue_takes_red_towards_another_colour_and_three_take_it_back() -> None:
    pixels = np.zeros((COUNT, 2, 2, 3), np.float32)
    pixels[..., 0] = 200
    third, ones = tf.fill((COUNT,), 2 * math.pi / 3), tf.ones(COUNT)
    once = recoloured(pixels, saturations=ones, hues=third)
    assert (np.asarray(once).argmax(axis=-1) != 0).all()
    again = recoloured(recoloured(once, saturations=ones, hues=third), saturations=ones, hues=third)
    np.testing.assert_allclose(again, pixels, atol=0.05)


def test_what_is_beyond_bytes_is_cut_off() -> None:
    values = tf.constant([-3.0, 0.4, 0.6, 254.6, 300.0])
    assert rounded(values).numpy().tolist() == [0, 0, 1, 255, 255]
