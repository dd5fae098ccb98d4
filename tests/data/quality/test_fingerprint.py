"""What a photo is recognized by: alike however it was stored, and when it was taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.quality.scenes import Rgb, save, scene, stored_again
from edgecnn.data.quality.fingerprint import HASH_BITS, Fingerprint, fingerprint, reduced


def bits_between(one: Fingerprint, other: Fingerprint) -> int:
    return int(np.unpackbits(one.bits ^ other.bits).sum())


def half(rgb: Rgb) -> Rgb:
    height, width = rgb.shape[:2]
    return np.asarray(Image.fromarray(rgb).resize((width // 2, height // 2)))


@pytest.mark.parametrize("seed", range(5))
def test_a_photo_stored_again_smaller_or_brighter_has_nearly_the_same_hash(seed: int) -> None:
    rgb = scene(seed)
    brighter = np.minimum(rgb.astype(np.int32) + 25, 255).astype(np.uint8)
    for copy in (stored_again(rgb), half(rgb), brighter):
        assert bits_between(fingerprint(rgb), fingerprint(copy)) <= 12
    assert bits_between(fingerprint(rgb), fingerprint(scene(seed + 100))) > 80


@pytest.mark.parametrize("size", [(1, 1), (1, 9000), (9000, 1), (3, 2), (5000, 300)])
def test_pictures_of_any_shape_have_a_fingerprint(size: tuple[int, int]) -> None:
    found = fingerprint(np.full((size[1], size[0], 3), 90, np.uint8))
    assert found.bits.shape == (HASH_BITS // 8,)
    assert found.small.shape == (32, 32, 3)


def test_photos_are_measured_at_a_size_that_does_not_grow_with_theirs() -> None:
    assert reduced(scene(0, (1200, 900))).shape == (256, 341, 3)
    assert reduced(scene(0, (100, 80))).shape == (80, 100, 3)
    # Of a strip the longer side counts.
    assert max(reduced(np.zeros((2, 20_000, 3), np.uint8)).shape) == 8192


def test_the_camera_says_when_a_photo_was_taken(tmp_path: Path) -> None:
    times = ("2024:05:01 23:59:58", "2024:05:02 00:00:01")
    files = [
        save(tmp_path / f"{number}.jpg", scene(number), taken=taken)
        for number, taken in enumerate(times)
    ]
    before, after = (fingerprint(scene(0), path) for path in files)
    assert before.taken_s is not None
    assert after.taken_s is not None
    assert after.taken_s - before.taken_s == 3
    assert before.camera == "Camera 7"
    assert fingerprint(scene(0), files[0].read_bytes()).taken_s == before.taken_s


@pytest.mark.parametrize(
    "taken", ["", "0000:00:00 00:00:00", "yesterday", "2024:13:45 99:99:99", "\0\0\0", "é" * 5000]
)
def test_a_time_that_no_clock_shows_is_none(tmp_path: Path, taken: str) -> None:
    path = save(tmp_path / "odd.jpg", scene(0), taken=taken)
    assert fingerprint(scene(0), path).taken_s is None


def test_damaged_metadata_are_no_error(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.jpg", scene(0), taken="2024:05:01 10:00:00").read_bytes()
    at = whole.index(b"Exif\0\0")
    for cut in (8, 14, 20, 30, 60):
        torn = whole[: at + cut] + b"\xff" * 40 + whole[at + cut + 40 :]
        assert fingerprint(scene(0), torn).taken_s in (None, 63_850_000_000.0)
    assert fingerprint(scene(0), b"no image").taken_s is None
    assert fingerprint(scene(0), tmp_path / "missing.jpg").taken_s is None
