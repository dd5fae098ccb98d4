from __future__ import annotations

import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn_runner.errors import ImageError
from edgecnn_runner.preprocess import prepare

Pixels = npt.NDArray[np.uint8]


def slow_prepare(rgb: Pixels, height: int, width: int, channels: int) -> list[list[list[int]]]:
    """The rule again, pixel by pixel in Python's unlimited integers, by its definition."""
    rows, columns = map(int, rgb.shape[:2])
    top = left = 0
    if columns * height > rows * width:
        kept = max(1, (2 * rows * width + height) // (2 * height))
        left, columns = (columns - kept) // 2, kept
    else:
        kept = max(1, (2 * columns * height + width) // (2 * width))
        top, rows = (rows - kept) // 2, kept
    source: list[list[list[int]]] = rgb.tolist()

    def average(i: int, j: int, c: int) -> int:
        total = 0
        for y in range(rows):
            wy = min((i + 1) * rows, (y + 1) * height) - max(i * rows, y * height)
            for x in range(columns):
                wx = min((j + 1) * columns, (x + 1) * width) - max(j * columns, x * width)
                if wy > 0 and wx > 0:
                    total += wy * wx * source[top + y][left + x][c]
        return (total + rows * columns // 2) // (rows * columns)

    result = [[[average(i, j, c) for c in range(3)] for j in range(width)] for i in range(height)]
    if channels == 3:
        return result
    return [[[(299 * r + 587 * g + 114 * b + 500) // 1000] for r, g, b in row] for row in result]


@st.composite
def pictures(draw: st.DrawFn) -> Pixels:
    rows, columns = draw(st.integers(1, 11)), draw(st.integers(1, 11))
    data = draw(st.binary(min_size=rows * columns * 3, max_size=rows * columns * 3))
    return np.frombuffer(data, np.uint8).reshape(rows, columns, 3)


@given(pictures(), st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]))
@settings(deadline=None, max_examples=150)
def test_equals_the_rule_in_unlimited_integers(
    rgb: Pixels, height: int, width: int, channels: int
) -> None:
    found = prepare(rgb, height=height, width=width, channels=channels)
    assert found.dtype == np.uint8
    assert found.tolist() == slow_prepare(rgb, height, width, channels)


@given(pictures(), st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None)
def test_stays_within_the_values_of_the_image(rgb: Pixels, height: int, width: int) -> None:
    found = prepare(rgb, height=height, width=width, channels=3)
    assert np.all(found >= rgb.min(axis=(0, 1)))
    assert np.all(found <= rgb.max(axis=(0, 1)))


def test_an_image_of_the_models_size_is_untouched_and_copied() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    found = prepare(rgb, height=12, width=16, channels=3)
    np.testing.assert_array_equal(found, rgb)
    assert not np.shares_memory(found, rgb)


def test_one_pixel_fills_the_whole_input() -> None:
    rgb = np.array([[[10, 20, 30]]], np.uint8)
    assert np.all(prepare(rgb, height=4, width=6, channels=3) == [10, 20, 30])


def test_the_middle_of_a_wide_image_is_kept() -> None:
    rgb = np.zeros((2, 6, 3), np.uint8)
    rgb[:, 2:4] = 200
    assert np.all(prepare(rgb, height=2, width=2, channels=3) == 200)


def test_the_middle_of_a_high_image_is_kept() -> None:
    rgb = np.zeros((7, 2, 3), np.uint8)
    rgb[2:4] = 200  # the upper edge at (7 - 2) // 2
    assert np.all(prepare(rgb, height=2, width=2, channels=3) == 200)


def test_an_exact_half_rounds_up() -> None:
    rgb = np.array([[[0] * 3, [1] * 3]], np.uint8).repeat(2, axis=0)
    assert prepare(rgb, height=1, width=1, channels=3).tolist() == [[[1, 1, 1]]]


def test_luma_has_the_weights_of_bt_601() -> None:
    primaries = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    found = prepare(primaries.repeat(4, axis=0), height=4, width=4, channels=1)
    assert found[0, :, 0].tolist() == [76, 150, 29, 255]


def test_sums_of_a_white_photo_do_not_overflow() -> None:
    rgb = np.full((3000, 9000, 3), 255, np.uint8)
    assert np.all(prepare(rgb, height=1, width=3, channels=3) == 255)


def test_a_12_megapixel_photo_takes_little_memory() -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (3000, 4000, 3), dtype=np.uint8)
    tracemalloc.start()
    prepare(rgb, height=32, width=32, channels=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < rgb.nbytes / 20


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5, 0, 3), np.uint8),
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
    ],
    ids=["no rows", "no columns", "no channels", "four channels", "floats"],
)
def test_rejects_what_is_no_rgb_image(wrong: npt.NDArray[np.generic]) -> None:
    with pytest.raises(ImageError, match="read_image"):
        prepare(wrong, height=2, width=2, channels=3)  # type: ignore[arg-type]
