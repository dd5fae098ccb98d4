"""Files of all kinds are read once, and none of them ends an inspection."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from data.quality.scenes import save, scene
from edgecnn.data.class_folders import list_classes
from edgecnn.data.quality import photos as module
from edgecnn.data.quality.photos import ReadPhotos, read_photos


def read(root: Path, **options: Any) -> ReadPhotos:
    return read_photos(root, {"": list_classes(root)[1]}, **options)


def png_that_claims(width: int, height: int) -> bytes:
    """Return a PNG file of a size that its header alone has."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with what people have in such folders, and what attackers would put there."""
    root = tmp_path / "photos"
    for number in range(3):
        save(root / "cat" / f"{number}.jpg", scene(number))
        save(root / "dog" / f"{number}.png", scene(number + 10))
    whole = (root / "cat/0.jpg").read_bytes()
    cat, dog = root / "cat", root / "dog"
    (cat / "torn.jpg").write_bytes(whole[: len(whole) // 2])
    (cat / "empty.jpg").write_bytes(b"")
    (cat / "notes.txt").write_text("<script>alert(1)</script>")
    (cat / "bomb.png").write_bytes(png_that_claims(60_000, 60_000))
    (cat / "broken.jpg").symlink_to("nowhere.jpg")
    (cat / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(cat / "pipe.jpg")
    (dog / "really-a.png").write_bytes(whole)  # a JPEG file
    (os.fsencode(dog) + b"/caf\xe9.jpg").decode("utf-8", "surrogateescape")
    Path(os.fsdecode(os.fsencode(dog) + b"/caf\xe9.jpg")).write_bytes(whole)
    Image.fromarray(scene(30)).convert("CMYK").save(dog / "cmyk.jpg")
    Image.fromarray(scene(31)).convert("L").save(dog / "grey.png")
    Image.fromarray(scene(32)[:, :, 0].astype(np.uint16) << 8).save(dog / "deep.png")
    Image.fromarray(np.dstack([scene(33), scene(34)[:, :, :1]])).save(dog / "alpha.png")
    Image.fromarray(scene(35, (1, 1))).save(dog / "dot.png")
    Image.fromarray(scene(36)).convert("P").save(dog / "palette.gif")
    return root


UNREAD = {
    "cat/bomb.png": "too large",
    "cat/broken.jpg": "No such file",
    "cat/empty.jpg": "is empty",
    "cat/loop.jpg": "Too many levels",
    "cat/notes.txt": "not an image",
    "cat/pipe.jpg": "not a regular file",
    "cat/torn.jpg": "damaged or truncated",
}


def test_what_cannot_be_read_is_told_and_all_else_is_read(odd: Path) -> None:
    found = read(odd)
    assert {one.id for one in found.unread} == set(UNREAD)
    for one in found.unread:
        assert UNREAD[one.id] in one.reason
        assert one.is_image == (one.id != "cat/notes.txt")
        assert str(odd) not in one.reason
    ids = {photo.id for photo in found.photos}
    assert ids >= {
        "dog/cmyk.jpg",
        "dog/deep.png",
        "dog/alpha.png",
        "dog/dot.png",
        "dog/palette.gif",
    }
    assert "dog/caf\\xe9.jpg" in ids
    assert len(ids) == 6 + 8
    grey = {photo.id for photo in found.photos if photo.grey}
    assert grey == {"dog/grey.png", "dog/deep.png"}


def test_equal_pictures_have_equal_digests_whatever_their_files_are(odd: Path) -> None:
    save(odd / "dog/again.bmp", np.asarray(Image.open(odd / "dog/0.png")))
    by_id = {photo.id: photo for photo in read(odd).photos}
    one, other = by_id["dog/0.png"], by_id["dog/again.bmp"]
    assert one.pixels_sha256 == other.pixels_sha256
    assert one.file_sha256 != other.file_sha256
    assert by_id["cat/0.jpg"].file_sha256 == by_id["dog/really-a.png"].file_sha256


def test_a_photo_that_a_camera_held_upright_has_the_size_that_people_see(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        save(tmp_path / name / "1.jpg", scene(0, (64, 48)))
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(scene(1, (64, 48))).save(tmp_path / "cat/2.jpg", exif=turned)
    sizes = {photo.id: (photo.height, photo.width) for photo in read(tmp_path).photos}
    assert sizes == {"cat/1.jpg": (48, 64), "cat/2.jpg": (64, 48), "dog/1.jpg": (48, 64)}


class Recorder:
    """Features that are the mean colour, and a record of what was asked."""

    name = "mean colour"
    size = 20

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, pixels: npt.NDArray[np.uint8], /) -> npt.NDArray[np.float32]:
        self.asked.append(pixels.shape)
        assert pixels.dtype == np.uint8
        found: npt.NDArray[np.float32] = pixels.mean(axis=(1, 2)).astype(np.float32)
        return found


def test_features_are_asked_for_in_batches_and_belong_to_their_photos(tmp_path: Path) -> None:
    for number in range(70):
        save(tmp_path / "cat" / f"{number:02}.png", np.full((30, 40, 3), number * 3, np.uint8))
    save(tmp_path / "dog" / "1.png", scene(0))
    (tmp_path / "cat" / "05.png").write_bytes(b"torn")
    recorder = Recorder()
    found = read(tmp_path, extractor=recorder)
    assert recorder.asked == [(63, 20, 20, 3), (7, 20, 20, 3)]
    assert found.features is not None
    assert len(found.features) == len(found.photos) == 70
    for photo, row in zip(found.photos[:-1], found.features, strict=False):
        assert row[0] == int(Path(photo.id).stem) * 3


def test_each_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cat", "dog"):
        save(tmp_path / name / "1.jpg", scene(0), taken="2024:05:01 10:00:00")
    opened: list[str] = []
    whole = Path.read_bytes

    def counted(path: Path) -> bytes:
        opened.append(path.name)
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    found = read(tmp_path, extractor=Recorder(), thumbnails=True)
    assert opened == ["1.jpg", "1.jpg"]
    assert all(photo.print.taken_s is not None for photo in found.photos)


def test_thumbnails_are_small_pictures(odd: Path) -> None:
    for photo in read(odd, thumbnails=True).photos:
        small = Image.open(io.BytesIO(photo.thumbnail))
        assert small.format == "JPEG"
        assert max(small.size) <= 128
        assert len(photo.thumbnail) < 12_000
    assert all(photo.thumbnail == b"" for photo in read(odd).photos)


def test_a_file_that_would_fill_the_memory_is_not_read(
    odd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LARGEST_FILE", 2_000)
    found = read(odd)
    large = [one for one in found.unread if one.reason.startswith("it has ")]
    assert {"cat/0.jpg", "cat/1.jpg"} <= {one.id for one in large}
