"""An inspection finds what was put into a folder, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from data.quality.scenes import blurred, save, scene, stored_again
from edgecnn.data.quality.findings import KINDS, FindingKind, PhotoFinding
from edgecnn.data.quality.inspection import DataQuality, inspect_folder
from edgecnn.errors import DataError


def clean(root: Path, *, count: int = 12, first: int = 0) -> Path:
    """Make a folder of two classes in which nothing is wrong."""
    for offset, name in enumerate(("cat", "dog")):
        for number in range(count):
            letters = f"{'abcdefghijklmnopqrst'[number]}x"
            save(root / name / f"{letters}.jpg", scene(first + 100 * offset + number))
    return root


def of(quality: DataQuality, kind: FindingKind) -> list[PhotoFinding]:
    return [finding for finding in quality.findings if finding.kind == kind]


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path) -> None:
    quality = inspect_folder(clean(tmp_path)).quality
    assert quality.findings == ()
    assert quality.error is None
    assert (quality.photos, quality.notes) == (24, ())
    assert [(one.name, one.photos, one.short_side) for one in quality.classes] == [
        ("cat", 12, 144),
        ("dog", 12, 144),
    ]
    assert quality.auto is not None
    assert (quality.auto.groups, quality.auto.together, quality.auto.largest) == (24, 0, 1)
    assert quality.backbone is None
    assert {one.check for one in quality.not_checked} == {
        "labels that are likely wrong",
        "near duplicates by features",
        "by how much a random split flatters",
    }


def test_each_fault_is_found_where_it_is(tmp_path: Path) -> None:
    root = clean(tmp_path)
    cat, dog = root / "cat", root / "dog"
    shutil.copy(cat / "ax.jpg", dog / "copy-of-a.jpg")
    shutil.copy(cat / "bx.jpg", cat / "copy-of-b.jpg")
    save(dog / "alike.jpg", stored_again(scene(3)), quality=60)  # cat/dx
    save(cat / "again.jpg", stored_again(scene(4)), quality=50)  # cat/ex
    save(cat / "dark.jpg", (scene(50) // 10).astype(np.uint8))
    save(cat / "blank.png", np.full((90, 120, 3), 77, np.uint8))
    white = scene(51)
    white[:90] = 255
    save(cat / "white.jpg", white, quality=95)
    save(dog / "soft.jpg", blurred(scene(52, (400, 300)), 9), quality=95)
    save(dog / "tiny.jpg", scene(53, (40, 30)))
    (dog / "torn.jpg").write_bytes((dog / "ax.jpg").read_bytes()[:2000])
    (dog / "readme.txt").write_text("hello")
    quality = inspect_folder(root).quality
    found = {kind: [set(one.photos) for one in of(quality, kind)] for kind in KINDS}
    assert {kind: sets for kind, sets in found.items() if sets} == {
        "equal_across_classes": [{"cat/ax.jpg", "dog/copy-of-a.jpg"}],
        "near_across_classes": [{"cat/dx.jpg", "dog/alike.jpg"}],
        "unreadable": [{"dog/torn.jpg"}],
        "not_an_image": [{"dog/readme.txt"}],
        "blank": [{"cat/blank.png"}],
        "dark": [{"cat/dark.jpg"}],
        "burnt_out": [{"cat/white.jpg"}],
        "blurred": [{"dog/soft.jpg"}],
        "small": [{"dog/tiny.jpg"}],
        "equal": [{"cat/bx.jpg", "cat/copy-of-b.jpg"}],
        "near": [{"cat/again.jpg", "cat/ex.jpg"}],
    }
    kinds = [finding.kind for finding in quality.findings]
    assert kinds == sorted(kinds, key=list(KINDS).index)
    assert of(quality, "equal")[0].detail == "equal files"
    assert quality.error is None  # findings are none


def test_splits_that_share_photos_are_found_out(tmp_path: Path) -> None:
    clean(tmp_path / "train", first=0)
    clean(tmp_path / "test", first=1000, count=4)
    shutil.copy(tmp_path / "train/cat/ax.jpg", tmp_path / "test/cat/new.jpg")
    save(tmp_path / "test/dog/seen.jpg", stored_again(scene(103)), quality=70)
    quality = inspect_folder(tmp_path).quality
    assert [one.photos for one in of(quality, "equal_across_splits")] == [
        ("train/cat/ax.jpg", "test/cat/new.jpg")
    ]
    assert [set(one.photos) for one in of(quality, "near_across_splits")] == [
        {"train/dog/dx.jpg", "test/dog/seen.jpg"}
    ]
    assert len(quality.findings) == 2
    assert quality.classes[0].splits == {"train": 12, "test": 5}
    assert quality.auto is not None  # the validation photos are still to be split off


class Colour:
    """A stand-in for a pretrained network: mean colours of nine fields."""

    name = "colours of fields"
    size = 30

    def __call__(self, pixels: npt.NDArray[np.uint8], /) -> npt.NDArray[np.float32]:
        fields = pixels.reshape(len(pixels), 3, 10, 3, 10, 3).mean(axis=(2, 4))
        found: npt.NDArray[np.float32] = fields.reshape(len(pixels), 27).astype(np.float32)
        return found


def coloured(root: Path) -> Path:
    """Make photos of red cats and of blue dogs, one of which lies in the wrong folder."""
    for number in range(30):
        for name, channel in (("cat", 0), ("dog", 2)):
            photo = (scene(number + 500 * channel) // 2).astype(np.uint8)
            photo[:, :, channel] += 120
            wrong = name == "cat" and number == 7
            place = root / ("dog" if wrong else name)
            save(place / f"{'abcdef'[number % 6]}{'ghijk'[number // 6]}{name}.jpg", photo)
    return root


def test_a_photo_in_the_wrong_folder_is_named_with_the_right_one(tmp_path: Path) -> None:
    quality = inspect_folder(coloured(tmp_path), extractor=Colour()).quality
    doubts = of(quality, "label")
    assert [(one.photos, one.suggested) for one in doubts] == [(("dog/bhcat.jpg",), "cat")]
    assert "by colours of fields it is cat" in doubts[0].detail
    assert quality.backbone == "colours of fields"
    assert quality.split_effect is not None
    assert quality.split_effect.backbone == "colours of fields"
    assert quality.split_effect.random > 0.9
    assert quality.not_checked == ()


def test_labels_of_few_photos_are_not_judged(tmp_path: Path) -> None:
    quality = inspect_folder(clean(tmp_path, count=8), extractor=Colour()).quality
    assert not of(quality, "label")
    assert quality.split_effect is None
    assert "fewer than 10 photos" in quality.not_checked[0].why


def test_a_folder_that_cannot_be_used_says_so_after_all_was_found(tmp_path: Path) -> None:
    root = clean(tmp_path)
    for name in ("ax", "bx", "cx"):
        (root / "cat" / f"{name}.jpg").write_bytes(b"\xff\xd8\xff torn")
    quality = inspect_folder(root).quality
    assert len(of(quality, "unreadable")) == 3
    assert quality.error is not None
    assert "3 of 24 files" in quality.error.problem
    for path in (root / "cat").iterdir():
        path.write_bytes(b"\xff\xd8\xff torn")
    error = inspect_folder(root).quality.error
    assert error is not None
    assert "1 of 2 classes" in error.problem
    assert "cat" in error.problem


def test_a_class_of_copies_alone_leaves_nothing_to_train_on(tmp_path: Path) -> None:
    root = clean(tmp_path)
    for path in (root / "cat").iterdir():
        shutil.copy(path, root / "dog" / f"copy-{path.name}")
    quality = inspect_folder(root).quality
    assert [(one.name, one.photos, one.conflicting) for one in quality.classes] == [
        ("cat", 12, 12),
        ("dog", 24, 12),
    ]
    assert quality.error is not None
    assert quality.error.problem.startswith("1 of 2 classes")
    assert quality.error.problem.endswith("too: cat")


def test_photos_too_alike_to_stay_together_are_told(tmp_path: Path) -> None:
    root = clean(tmp_path)
    for number in range(8):
        save(root / "cat" / f"{'abcdefgh'[number]}y.jpg", scene(0), quality=60 + 4 * number)
    quality = inspect_folder(root).quality
    assert len(of(quality, "near")) == 1
    assert any("may be torn apart by the split" in note for note in quality.notes)


def test_one_class_is_no_data_set(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "1.jpg", scene(0))
    with pytest.raises(DataError, match="fewer than two class folders"):
        inspect_folder(tmp_path)


def test_dark_photos_throughout_are_how_they_were_taken(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for number in range(12):
            path = tmp_path / name / f"{'abcdefghijkl'[number]}.jpg"
            save(path, (scene(number + len(name) * 50) // 10).astype(np.uint8), quality=95)
    notes = inspect_folder(tmp_path).quality.notes
    assert any(
        "dark photos are 2" in note and "how these photos were taken" in note for note in notes
    )


def test_grey_in_one_class_alone_is_told(tmp_path: Path) -> None:
    root = clean(tmp_path)
    for path in (root / "dog").iterdir():
        save(path, np.repeat(scene(len(path.name))[:, :, :1], 3, axis=2))
    assert any("all photos of dog are grey" in note for note in inspect_folder(root).quality.notes)


def test_thumbnails_are_of_the_photos_that_are_shown(tmp_path: Path) -> None:
    root = clean(tmp_path)
    shutil.copy(root / "cat/ax.jpg", root / "dog/copy.jpg")
    inspected = inspect_folder(root, thumbnails=True)
    assert set(inspected.thumbnails) == {"cat/ax.jpg", "dog/copy.jpg"}


def test_no_file_is_changed(tmp_path: Path) -> None:
    root = clean(tmp_path)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*.jpg")}
    inspect_folder(root, extractor=Colour(), thumbnails=True)
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*.jpg")}
    assert before == after
