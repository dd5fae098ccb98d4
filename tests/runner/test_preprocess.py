from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edgecnn_runner.contract import FILTERS, FITS, RESIZE_RULE, resize_name
from edgecnn_runner.errors import ImageError
from edgecnn_runner.images.preprocess import prepare

Pixels = npt.NDArray[np.uint8]
Rows = list[list[list[int]]]

RULES = [resize_name(fit, resample=name) for fit, name in itertools.product(FITS, FILTERS)]
CROPS = [resize_name("crop", part, name) for part in (0.875, 0.5, 0.001) for name in FILTERS]


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


def slow_filter(source: Rows, height: int, width: int, name: str) -> Rows:
    """A filter by its definition, value by value."""
    rows, columns = len(source), len(source[0])
    if (rows, columns) == (height, width):
        return source
    if name == "bilinear-antialias":
        across = source if columns == width else [slow_triangle(row, width) for row in source]
        if rows == height:
            return across
        turned = [slow_triangle([*column], height) for column in zip(*across, strict=True)]
        return [[*row] for row in zip(*turned, strict=True)]
    result = []
    for i, j in itertools.product(range(height), range(width)):
        if name == "nearest":
            y, x = slow_pick(rows, height)[i], slow_pick(columns, width)[j]
            result.append(source[y][x])
            continue
        down = slow_weights(i, rows, height, name)
        across_weights = slow_weights(j, columns, width, name)
        exact = [
            sum(a * b * source[y][x][c] for y, a in down for x, b in across_weights)
            for c in range(3)
        ]
        result.append([int(value + Fraction(1, 2)) for value in exact])
    return [result[i * width : (i + 1) * width] for i in range(height)]


def slow_pick(given: int, wanted: int) -> list[int]:
    place, found = given / wanted / 2, []
    for _ in range(wanted):
        found.append(min(int(place), given - 1))
        place += given / wanted
    return found


def slow_weights(i: int, given: int, wanted: int, name: str) -> list[tuple[int, Fraction]]:
    """Return the sources of an output and their shares, which sum to 1."""
    if name == "box":
        start, stop = Fraction(i * given, wanted), Fraction((i + 1) * given, wanted)
        shares = ((y, min(stop, Fraction(y + 1)) - max(start, Fraction(y))) for y in range(given))
        return [(y, share / (stop - start)) for y, share in shares if share > 0]
    place = Fraction((2 * i + 1) * given, 2 * wanted) - Fraction(1, 2)
    low = place.__floor__()
    share = place - low
    return [(max(low, 0), 1 - share), (min(low + 1, given - 1), share)]


def slow_triangle(source: list[list[int]], wanted: int) -> list[list[int]]:
    """One direction of ``bilinear-antialias``, of pixels in a line."""
    given, result = len(source), []
    scale = Fraction(given, wanted)
    support = max(scale, Fraction(1))
    for j in range(wanted):
        middle = (j + Fraction(1, 2)) * scale
        shares = [
            max(Fraction(0), 1 - abs(x + Fraction(1, 2) - middle) / support) for x in range(given)
        ]
        weights = [int(share / sum(shares) * 2**22 + Fraction(1, 2)) for share in shares]
        sums = [
            sum(w * pixel[c] for w, pixel in zip(weights, source, strict=True)) for c in range(3)
        ]
        result.append([min(255, (value + 2**21) // 2**22) for value in sums])
    return result


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


@given(pictures(), st.integers(1, 9), st.integers(1, 9), st.sampled_from([*FILTERS]))
@settings(deadline=None, max_examples=200)
def test_each_filter_equals_its_definition(rgb: Pixels, height: int, width: int, name: str) -> None:
    rule = resize_name("stretch", resample=name)
    found = prepare(rgb, height=height, width=width, channels=3, rule=rule)
    assert found.tolist() == slow_filter(rgb.tolist(), height, width, name)


@given(pictures(), st.integers(1, 9), st.integers(1, 9), st.sampled_from(RULES + CROPS))
@settings(deadline=None, max_examples=200)
def test_luma_is_that_of_the_resized_colours(
    rgb: Pixels, height: int, width: int, rule: str
) -> None:
    colour = prepare(rgb, height=height, width=width, channels=3, rule=rule).astype(np.int64)
    grey = prepare(rgb, height=height, width=width, channels=1, rule=rule)
    assert grey.shape == (height, width, 1)
    np.testing.assert_array_equal(grey[:, :, 0], (colour @ [299, 587, 114] + 500) // 1000)


@given(
    pictures(),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([rule for rule in RULES + CROPS if not rule.startswith("pad")]),
)
@settings(deadline=None, max_examples=200)
def test_stays_within_the_values_of_the_image(
    rgb: Pixels, height: int, width: int, rule: str
) -> None:
    found = prepare(rgb, height=height, width=width, channels=3, rule=rule)
    assert np.all(found >= rgb.min(axis=(0, 1)))
    assert np.all(found <= rgb.max(axis=(0, 1)))


@pytest.mark.parametrize("rule", RULES)
def test_an_image_of_the_models_size_is_untouched_and_copied(rule: str) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    found = prepare(rgb, height=12, width=16, channels=3, rule=rule)
    np.testing.assert_array_equal(found, rgb)
    assert not np.shares_memory(found, rgb)


@pytest.mark.parametrize("rule", RULES + CROPS)
def test_one_pixel_fills_the_whole_input(rule: str) -> None:
    rgb = np.array([[[10, 20, 30]]], np.uint8)
    found = prepare(rgb, height=4, width=6, channels=3, rule=rule)
    if rule.startswith("pad"):
        assert np.all(found[:, 1:5] == [10, 20, 30])
        assert not found[:, [0, 5]].any()
    else:
        assert np.all(found == [10, 20, 30])


@pytest.mark.parametrize("rule", RULES + CROPS)
@pytest.mark.parametrize("size", [(1, 5000), (5000, 1)], ids=["wide", "high"])
def test_a_line_of_pixels_is_an_image(rule: str, size: tuple[int, int]) -> None:
    """At least one row and one column of it are always there, whatever its aspect ratio."""
    rgb = np.full((*size, 3), 200, np.uint8)
    found = prepare(rgb, height=3, width=7, channels=3, rule=rule)
    if rule.startswith("pad"):
        assert {*np.unique(found)} == {0, 200}
    else:
        assert np.all(found == 200)


@pytest.mark.parametrize("rule", ["", "box", "centre-crop-box-average-2", "pad-0.5-nearest-1"])
def test_a_rule_that_does_not_exist_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match="no resize rule"):
        prepare(np.zeros((2, 2, 3), np.uint8), height=2, width=2, channels=3, rule=rule)


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


@pytest.mark.parametrize("rule", [*RULES, *CROPS[:4]])
def test_a_12_megapixel_photo_takes_little_memory(rule: str) -> None:
    rgb = np.zeros((3000, 4000, 3), np.uint8)
    tracemalloc.start()
    prepare(rgb, height=32, width=32, channels=3, rule=rule)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < rgb.nbytes / 20


@pytest.mark.parametrize("rule", ["stretch-bilinear-antialias-1", "centre-crop-0.5-nearest-1"])
def test_a_long_image_takes_no_memory_of_its_length_squared(rule: str) -> None:
    """A strip that is made wide as well: all its rows at the new width would be 45 MB."""
    rgb = np.zeros((100_000, 1, 3), np.uint8)
    tracemalloc.start()
    prepare(rgb, height=150, width=150, channels=3, rule=rule)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_a_part_of_a_thousandth_of_a_long_image_is_exact() -> None:
    """Resized first, it would be 520,000 x 2,080,000,000,000 pixels."""
    rgb = np.zeros((1, 4_000_000, 3), np.uint8)
    rgb[0, 1_999_999:2_000_001] = [[100], [200]]
    rule = "centre-crop-0.001-bilinear-antialias-1"
    assert np.all(prepare(rgb, height=520, width=520, channels=3, rule=rule) == 150)


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


@pytest.fixture(scope="module")
def photographs() -> list[Pixels]:
    """The two photographs that scikit-learn ships, 427 x 640; one of them on its side."""
    datasets = pytest.importorskip("sklearn.datasets")
    china, flower = (np.ascontiguousarray(image) for image in datasets.load_sample_images().images)
    return [china, np.ascontiguousarray(flower.transpose(1, 0, 2))]


# Down, up, both at once; square, wide, high; multiples and none.
SIZES = [(224, 224), (32, 32), (96, 131), (300, 640), (500, 700), (427, 180)]


def largest_difference(
    photographs: list[Pixels], rule: str, library: Callable[[Image.Image, int, int], Image.Image]
) -> int:
    """Return by how many grey levels a rule differs from a library, on photographs."""
    worst = 0
    for photo, (height, width) in itertools.product(photographs, SIZES):
        ours = prepare(photo, height=height, width=width, channels=3, rule=rule)
        theirs = np.asarray(library(Image.fromarray(photo), height, width))
        worst = max(worst, int(np.abs(ours.astype(int) - theirs.astype(int)).max()))
    return worst


def torchvisions(image: Image.Image, height: int, width: int, *, fraction: float) -> Image.Image:
    """torchvision's Resize(int(side / fraction)) and CenterCrop, for a square; else likewise.

    Written after ``_compute_resized_output_size`` and ``center_crop`` in torchvision 0.20, which
    leave the resizing to Pillow.
    """
    high, wide = int(height / fraction), int(width / fraction)
    if image.width * high >= image.height * wide:
        wide = int(high * image.width / image.height)
    else:
        high = int(wide * image.height / image.width)
    resized = image.resize((wide, high), Image.Resampling.BILINEAR)
    top, left = round((high - height) / 2), round((wide - width) / 2)
    return resized.crop((left, top, left + width, top + height))


@pytest.mark.parametrize(
    ("rule", "library"),
    [
        (
            "stretch-bilinear-antialias-1",
            lambda image, h, w: image.resize((w, h), Image.Resampling.BILINEAR),
        ),
        (
            "stretch-nearest-1",
            lambda image, h, w: image.resize((w, h), Image.Resampling.NEAREST),
        ),
        (
            "pad-bilinear-antialias-1",
            lambda image, h, w: ImageOps.pad(image, (w, h), Image.Resampling.BILINEAR),
        ),
        (
            "centre-crop-bilinear-antialias-1",
            lambda image, h, w: torchvisions(image, h, w, fraction=1),
        ),
        (
            "centre-crop-0.875-bilinear-antialias-1",
            lambda image, h, w: torchvisions(image, h, w, fraction=0.875),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_is_what_the_library_does_within_a_grey_level(
    rule: str,
    library: Callable[[Image.Image, int, int], Image.Image],
    photographs: list[Pixels],
    record_property: Callable[[str, object], None],
) -> None:
    worst = largest_difference(photographs, rule, library)
    record_property("measured", f"{rule}: {worst} grey levels from Pillow at most")
    assert worst <= 1


def test_rules_differ_where_photographs_are_seen(photographs: list[Pixels]) -> None:
    """Where a test could not tell one rule from another, it would prove nothing of either."""
    rules = RULES + CROPS[:8]
    images = [
        prepare(photographs[0], height=64, width=64, channels=3, rule=rule).astype(int)
        for rule in rules
    ]
    pairs = itertools.combinations(zip(rules, images, strict=True), 2)
    for (one, first), (other, second) in pairs:
        assert np.abs(first - second).max() > 10, f"{one} and {other}"


def test_the_default_rule_is_that_of_earlier_files() -> None:
    assert resize_name() == RESIZE_RULE == "centre-crop-box-average-1"
