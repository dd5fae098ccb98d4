"""What the corruptions do to pixels."""

from __future__ import annotations

import io
import itertools
import os

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edgecnn.data import load_dataset
from edgecnn.recipe.load import Data
from edgecnn.verify.corruptions.images import (
    CONDITIONS,
    KINDS,
    SEVERITIES,
    Kind,
    constants,
    corrupt,
    corrupt_all,
)

Pixels = npt.NDArray[np.uint8]
RANDOM: tuple[Kind, ...] = ("noise", "low_light")


def photo(height: int = 40, width: int = 32, channels: int = 3, seed: int = 0) -> Pixels:
    """Something with edges, smooth parts and texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    values = 90 + 60 * np.sin(x / 5)[..., None] + 40 * (y > height // 2)[..., None]
    values = values + rng.normal(0, 8, (height, width, channels))
    image: Pixels = np.clip(values, 0, 255).astype(np.uint8)
    return image


def even(value: int, shape: tuple[int, int, int] = (32, 32, 3)) -> Pixels:
    return np.full(shape, value, np.uint8)


def made(image: Pixels, kind: Kind, severity: int = 2, name: str = "a", seed: int = 0) -> Pixels:
    return corrupt(image, name=name, kind=kind, severity=severity, seed=seed)


@pytest.mark.parametrize(("kind", "severity"), CONDITIONS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 3), (8, 8, 1), (32, 32, 3), (224, 160, 3)])
def test_shape_and_type_stay_and_the_image_itself_is_left_alone(
    kind: Kind, severity: int, shape: tuple[int, int, int]
) -> None:
    image = photo(*shape)
    before = image.copy()
    found = made(image, kind, severity)
    assert found.shape == shape
    assert found.dtype == np.uint8
    assert np.array_equal(image, before)


def test_there_are_six_kinds_at_three_severities() -> None:
    assert len(KINDS) == 6
    assert len(set(CONDITIONS)) == 18


@pytest.mark.parametrize(("kind", "severity"), CONDITIONS)
def test_an_image_is_corrupted_alike_wherever_it_stands(kind: Kind, severity: int) -> None:
    pixels = np.stack([photo(seed=seed) for seed in range(5)])
    names = [f"test/{index}" for index in range(5)]
    whole = corrupt_all(pixels, names, kind=kind, severity=severity, seed=3)
    chosen = [4, 1]
    part = corrupt_all(
        pixels[chosen], [names[i] for i in chosen], kind=kind, severity=severity, seed=3
    )
    assert np.array_equal(part, whole[chosen])
    assert np.array_equal(whole[2], made(pixels[2], kind, severity, "test/2", seed=3))


@pytest.mark.parametrize("kind", KINDS)
def test_seed_and_name_decide_what_is_drawn_and_nothing_else_does(kind: Kind) -> None:
    image = photo()
    assert np.array_equal(made(image, kind), made(image, kind))
    one, other = made(image, kind, name="b"), made(image, kind, seed=1)
    for first, second in ((one, made(image, kind)), (other, made(image, kind)), (one, other)):
        assert np.array_equal(first, second) == (kind not in RANDOM)


def changes(pixels: Pixels, kind: Kind) -> list[float]:
    """Return the mean absolute change at each severity, levels."""
    names = [str(index) for index in range(len(pixels))]
    found = (corrupt_all(pixels, names, kind=kind, severity=s, seed=0) for s in SEVERITIES)
    return [float(np.abs(one - 1.0 * pixels).mean()) for one in found]


@pytest.mark.parametrize("kind", KINDS)
def test_each_severity_changes_digits_more_than_the_one_before(kind: Kind) -> None:
    pixels = load_dataset(Data(name="digits")).test.pixels[:200]
    first, second, third = changes(pixels, kind)
    assert 0.3 < first < second < third


@pytest.mark.cifar10
@pytest.mark.skipif("EDGECNN_DATA" not in os.environ, reason="EDGECNN_DATA is not set")
@pytest.mark.parametrize("kind", KINDS)
def test_each_severity_changes_photos_more_than_the_one_before(kind: Kind) -> None:
    pixels = load_dataset(Data(name="cifar10")).test.pixels[:300]
    first, second, third = changes(pixels, kind)
    assert 0.5 < first < second < third


@pytest.mark.parametrize("kind", KINDS)
def test_the_constants_are_the_published_ones_and_between_them(kind: Kind) -> None:
    published = {
        "noise": ((0.04, 0.08, 0.10), (0.08, 0.18, 0.38)),
        "blur": ((0.4, 0.7, 1.0), (1, 3, 6)),
        "brightness": ((0.05, 0.15, 0.3), (0.1, 0.3, 0.5)),
        "contrast": ((0.75, 0.4, 0.15), (0.4, 0.2, 0.05)),
        "jpeg": ((80, 58, 40), (25, 15, 7)),
        "low_light": ((1, 2, 3), (1, 2, 3)),
    }
    small, large = published[kind]
    assert constants(kind, 32) == constants(kind, 8) == pytest.approx(small)
    assert constants(kind, 224) == constants(kind, 1000) == pytest.approx(large)
    for severity, (a, b) in enumerate(zip(small, large, strict=True)):
        sizes = [constants(kind, side)[severity] for side in (32, 48, 64, 96, 128, 224)]
        steps = [after - before for before, after in itertools.pairwise(sizes)]
        assert all(step * (b - a) > 0 or a == b for step in steps)
    # Half way in the logarithm is half way in the constant.
    middle = constants(kind, round((32 * 224) ** 0.5))
    assert middle == pytest.approx(
        [(a + b) / 2 for a, b in zip(small, large, strict=True)], rel=0.01
    )


def test_noise_has_its_deviation_and_no_bias() -> None:
    for severity, deviation in zip(SEVERITIES, (0.04, 0.08, 0.10), strict=True):
        found = np.stack([made(even(128), "noise", severity, str(i)) for i in range(30)]) - 128.0
        assert found.std() == pytest.approx(255 * deviation, rel=0.02)
        assert found.mean() == pytest.approx(0, abs=0.3)


def test_severities_of_noise_are_one_draw() -> None:
    one, two = (made(even(128), "noise", severity) - 128.0 for severity in (1, 2))
    assert np.abs(2 * one - two).max() <= 1.5  # each rounded


def test_blur_keeps_what_is_even_and_spreads_a_point_as_a_gaussian() -> None:
    assert np.array_equal(made(even(77, (9, 5, 3)), "blur", 3), even(77, (9, 5, 3)))
    point = even(0, (31, 31, 1))
    point[15, 15] = 255
    found = made(point, "blur", 3).astype(float)  # a deviation of one pixel
    across = np.exp(-0.5 * np.arange(-4, 5) ** 2.0)
    across /= across.sum()
    wanted = 255 * np.outer(across, across)
    assert np.abs(found[11:20, 11:20, 0] - wanted).max() <= 0.51
    assert np.array_equal(found, found[::-1, ::-1])
    outside = found.copy()
    outside[11:20, 11:20] = 0
    assert not outside.any()


def test_brightness_adds_to_the_largest_channel_keeps_the_hue_and_clips() -> None:
    # 12.75 levels at the first severity, 76.5 at the third.
    assert np.array_equal(made(even(100), "brightness", 1), even(113))
    assert np.array_equal(made(even(200), "brightness", 3), even(255))
    assert np.array_equal(made(even(0), "brightness", 1), even(13))
    assert np.array_equal(made(even(60, (8, 8, 1)), "brightness", 1), even(73, (8, 8, 1)))
    colour = even(0)
    colour[:] = (120, 60, 0)
    assert made(colour, "brightness", 1)[0, 0].tolist() == [133, 66, 0]
    colour[:] = (255, 60, 0)
    assert np.array_equal(made(colour, "brightness", 3), colour)


def test_contrast_moves_values_to_their_channels_mean() -> None:
    image = even(0)
    image[:, :16] = (200, 100, 50)  # the means are 100, 50 and 25
    found = made(image, "contrast", 2)
    assert found[0, 0].tolist() == [140, 70, 35]
    assert found[0, 31].tolist() == [60, 30, 15]
    assert np.array_equal(made(even(93), "contrast", 3), even(93))


def test_jpeg_is_pillows_at_its_quality() -> None:
    image = photo(32, 32)
    written = io.BytesIO()
    Image.fromarray(image).save(written, format="JPEG", quality=58)
    assert np.array_equal(made(image, "jpeg", 2), np.asarray(Image.open(written)))


def linear(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    share = values / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("value", [90, 150, 230])
def test_low_light_halves_the_light_with_every_stop_and_counts_photons(value: int) -> None:
    light = float(linear(np.array([float(value)]))[0])
    means = []
    for severity in SEVERITIES:
        found = np.stack([made(even(value), "low_light", severity, str(i)) for i in range(30)])
        seen = linear(found.astype(np.float64))
        wanted = light * 2.0**-severity
        assert seen.mean() == pytest.approx(wanted, rel=0.02)
        # Poisson photons of 1,000 at white, and 3 electrons of read noise; rounding adds little.
        assert seen.std() == pytest.approx((wanted / 1000 + 0.003**2) ** 0.5, rel=0.06)
        means.append(float(found.mean()))
    assert value > means[0] > means[1] > means[2]


def test_low_light_makes_every_picture_darker() -> None:
    pixels = load_dataset(Data(name="digits")).test.pixels[:50]
    names = [str(index) for index in range(50)]
    means = [
        corrupt_all(pixels, names, kind="low_light", severity=severity, seed=0).mean(axis=(1, 2, 3))
        for severity in SEVERITIES
    ]
    clean = pixels.mean(axis=(1, 2, 3))
    for brighter, darker in itertools.pairwise([clean, *means]):
        assert (darker < brighter).all()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
    ],
)
def test_what_is_no_image_is_refused(image: Pixels) -> None:
    with pytest.raises(ValueError, match="an image is"):
        made(image, "noise")


def test_another_severity_is_refused() -> None:
    with pytest.raises(ValueError, match="severity 4"):
        made(even(1), "noise", 4)
