"""Photos that a model was trained on are told from new ones, whatever they are called."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgecnn.build.workspace import Workspace
from edgecnn.data import Images
from edgecnn.verify.seen_images import SeenImages, seen_in

NAMES = {"train": ["cat/0.png", "cat/1.png"], "validation": ["dog/2.png"], "test": ["dog/3.png"]}


def bytes_of(number: int) -> bytes:
    """Return the bytes of a file; all have one size."""
    return f"file {number}".encode()


@pytest.fixture
def build(tmp_path: Path) -> Workspace:
    """A build that was trained on four files, which are still there."""
    source = tmp_path / "source"
    for name in (name for names in NAMES.values() for name in names):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(bytes_of(int(Path(name).stem)))
    folder = tmp_path / "build"
    folder.mkdir()
    splits = {split: {"ids": names} for split, names in NAMES.items()}
    (folder / Workspace.SPLITS).write_text(json.dumps({"dataset": "folder", "splits": splits}))
    recipe = {"model": {"architecture": "wren"}, "data": {"name": "folder", "path": str(source)}}
    manifest = {"schema": 1, "stages": {}, "files": {}, "variants": [], "recipe": recipe}
    (folder / Workspace.MANIFEST).write_text(json.dumps(manifest))
    return Workspace(folder)


def photos(folder: Path, files: dict[str, bytes]) -> Images:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    count = len(files)
    pixels = np.arange(count * 12, dtype=np.uint8).reshape(count, 2, 2, 3)
    return Images(pixels=pixels, labels=np.zeros(count, np.int64), ids=tuple(files))


def test_files_are_compared_by_their_bytes_and_not_by_their_names(
    build: Workspace, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    images = photos(
        new,
        {
            "cat/0.png": b"file X",  # another photo of the same name, and of the same size
            "cat/copy.png": bytes_of(1),
            "cat/again.png": bytes_of(1),
            "dog/a.png": bytes_of(2),
            "dog/b.png": bytes_of(3),
            "dog/c.png": b"longer than all of them",
        },
    )
    found = seen_in(build, images, new)
    assert found == SeenImages(known=True, train=2, validation=1, test=1)
    first, second, third = found.warnings(6)
    assert first.startswith("2 of the 6 photos are among those that it was trained on")
    assert "flatters" in second
    assert "own test photos" in third


def test_new_photos_are_not_seen(build: Workspace, tmp_path: Path) -> None:
    images = photos(tmp_path / "new", {"cat/0.png": b"file 9", "dog/3.png": b"file 8"})
    assert seen_in(build, images, tmp_path / "new") == SeenImages(known=True)
    assert list(SeenImages(known=True).warnings(2)) == []


def test_photos_that_calibrated_are_known_where_the_folder_is_gone(
    build: Workspace, tmp_path: Path
) -> None:
    from edgecnn.data import choose_calibration

    images = photos(tmp_path / "new", {f"cat/{number}.png": b"x" for number in range(4)})
    record = choose_calibration(
        images.take([0, 2]), images.take([1]), count=2, seed=0, class_names=["cat"]
    ).record
    build.path(Workspace.CALIBRATION).write_text(json.dumps(record))
    for path in (tmp_path / "source").rglob("*.png"):
        path.unlink()
    assert seen_in(build, images, tmp_path / "new").train == 2


def test_published_images_are_known_by_their_names(build: Workspace) -> None:
    record = {"dataset": "digits", "splits": {"train": {"ids": ["digits/1"]}}}
    build.path(Workspace.SPLITS).write_text(json.dumps(record))
    images = Images(
        pixels=np.zeros((2, 2, 2, 1), np.uint8),
        labels=np.zeros(2, np.int64),
        ids=("digits/0", "digits/1"),
    )
    assert seen_in(build, images, None).train == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"splits": 3}', '{"splits": {"train": []}}', "[" * 100_000]
)
def test_a_record_that_cannot_be_read_says_nothing(
    build: Workspace, tmp_path: Path, text: str
) -> None:
    build.path(Workspace.SPLITS).write_text(text)
    images = photos(tmp_path / "new", {"cat/0.png": b"x"})
    assert seen_in(build, images, tmp_path / "new").train == 0
    assert seen_in(None, images, tmp_path / "new") == SeenImages(known=False)


def test_a_record_leads_nowhere_outside_its_folder(build: Workspace, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"secret")
    names = ["../outside.png", str(outside)]
    record = {"dataset": "folder", "splits": {"train": {"ids": names}}}
    build.path(Workspace.SPLITS).write_text(json.dumps(record))
    images = photos(tmp_path / "new", {"cat/0.png": b"secret"})
    assert seen_in(build, images, tmp_path / "new").train == 0
