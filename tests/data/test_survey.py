"""Looking over a folder of images without reading them all."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.data import few_images, survey_folder, uneven_classes
from edgecnn.errors import DataError


def save(path: Path, size: tuple[int, int] = (30, 20), *, grey: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(str(path)))
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    if grey:
        pixels[:] = pixels[:, :, :1]
    Image.fromarray(pixels).save(path)
    return path


def test_images_are_counted_and_other_files_are_not(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "cat" / f"{number}.png", (30 + number, 20 + number))
        (tmp_path / "cat" / f"{number}.xml").write_text("<annotation/>")
    save(tmp_path / "dog" / "deep" / "1.jpg", (500, 400))
    save(tmp_path / "dog" / "2.png").rename(tmp_path / "dog" / "2")  # known by what it holds
    (tmp_path / "dog" / "torn.jpg").write_bytes(b"\xff\xd8\xff torn")
    (tmp_path / "dog" / "notes").write_text("no image")
    found = survey_folder(tmp_path)
    assert found.counts == {"cat": 3, "dog": 3}
    assert (found.total, found.splits, found.grey, found.notes) == (6, {}, False, ())
    assert found.short_side == 21  # of 20, 20, 21, 22 and 400


def test_splits_are_counted_by_themselves(tmp_path: Path) -> None:
    for split, count in (("Train", 4), ("Val", 1), ("Test", 2)):
        for name in ("cat", "dog"):
            for number in range(count):
                save(tmp_path / split / name / f"{number}.png")
    found = survey_folder(tmp_path)
    assert found.counts == {"cat": 4, "dog": 4}
    assert found.splits == {"train": 8, "validation": 2, "test": 4}
    assert found.total == 14
    assert "are splits" in found.notes[0]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_grey_pictures_are_seen_in_colour_files(tmp_path: Path, suffix: str) -> None:
    for name in ("ill", "well"):
        for number in range(4):
            save(tmp_path / name / f"{number}.{suffix}", grey=True)
    assert survey_folder(tmp_path).grey
    save(tmp_path / "well" / f"colour.{suffix}")
    assert not survey_folder(tmp_path).grey


def test_what_holds_no_images_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # an import of it fails
    save(tmp_path / "cat" / "1.png")
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    with pytest.raises(DataError, match=r"1 of 2 class folders .* hold no images: dog"):
        survey_folder(tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / name / "1.png").write_bytes(b"torn")
    with pytest.raises(DataError, match="none that was looked at can be read"):
        survey_folder(tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / name / "1.png").rename(tmp_path / name / "1.heic")
        (tmp_path / name / "1.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(12))
    # What it is, and what reads it where that is missing.
    with pytest.raises(DataError, match="HEIC"):
        survey_folder(tmp_path)
    for part, names in {"train": ("Cat", "dog"), "test": ("cat", "dog")}.items():
        for name in names:
            save(tmp_path / "cases" / part / name / "1.png")
    with pytest.raises(DataError, match="has other classes than"):
        survey_folder(tmp_path / "cases")
    for split in ("val", "test"):
        for name in ("cat", "dog"):
            save(tmp_path / "parts" / split / name / "1.png")
    with pytest.raises(DataError, match="no training images"):
        survey_folder(tmp_path / "parts")


def test_classes_with_few_images_are_named() -> None:
    (warning,) = few_images({"cat": 9, "dog": 10, "emu": 3})
    assert "fewer than 10 images of 2 of 3 classes: cat (9), emu (3)" in warning
    assert few_images({"cat": 10, "dog": 10}) == []


def test_classes_that_others_outweigh_are_named() -> None:
    (note,) = uneven_classes({"cat": 100, "dog": 33, "emu": 34})
    assert "a third of the images of cat (100): dog (33)" in note
    assert "at most ten times" in note
    assert uneven_classes({"cat": 30, "dog": 10}) == []
