from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, features

from edgecnn_runner.errors import ImageError
from edgecnn_runner.images import decode
from edgecnn_runner.images.decode import MAX_PIXELS, image_size, read_image

RNG = np.random.default_rng(3)
RGB = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG written by hand, for what Pillow does not write or would not."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def on_white(colour: npt.NDArray[Any], alpha: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    c, a = colour.astype(np.int64), alpha.astype(np.int64)[:, :, np.newaxis]
    return ((c * a + 255 * (255 - a) + 127) // 255).astype(np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "TIFF"])
def test_reads_rgb_exactly(kind: str) -> None:
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(RGB), kind)), RGB)


def test_reads_paths_and_strings(tmp_path: Path) -> None:
    path = tmp_path / "a picture.png"
    path.write_bytes(encode(Image.fromarray(RGB)))
    np.testing.assert_array_equal(read_image(path), RGB)
    np.testing.assert_array_equal(read_image(str(path)), RGB)


def test_reads_jpeg_close_to_its_source() -> None:
    smooth = np.indices((32, 32)).sum(axis=0).astype(np.uint8)[:, :, np.newaxis].repeat(3, axis=2)
    found = read_image(encode(Image.fromarray(smooth), "JPEG", quality=95))
    assert np.abs(found.astype(int) - smooth).max() <= 4


def test_the_result_can_be_written_to() -> None:
    read_image(encode(Image.fromarray(RGB)))[0, 0] = 1


def test_greyscale_becomes_three_equal_channels() -> None:
    expected = np.repeat(GREY[:, :, np.newaxis], 3, axis=2)
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(GREY))), expected)


def test_one_bit_becomes_black_and_white() -> None:
    bits = GREY > 127
    found = read_image(encode(Image.fromarray(bits)))
    np.testing.assert_array_equal(found[:, :, 1], bits * np.uint8(255))


def test_rgba_is_put_on_white() -> None:
    alpha = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
    rgba = np.dstack([RGB, alpha])
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(rgba))), on_white(RGB, alpha))


def test_grey_with_alpha_is_put_on_white() -> None:
    alpha = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
    image = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)])
    expected = on_white(np.repeat(GREY[:, :, np.newaxis], 3, axis=2), alpha)
    np.testing.assert_array_equal(read_image(encode(image)), expected)


def palette_image() -> Image.Image:
    image = Image.fromarray(GREY % 4, "L").convert("L")
    image.putpalette([10, 20, 30, 200, 0, 0, 0, 200, 0, 5, 5, 250])
    return image


PALETTE = np.array([[10, 20, 30], [200, 0, 0], [0, 200, 0], [5, 5, 250]], np.uint8)


def test_palette_becomes_its_colours() -> None:
    np.testing.assert_array_equal(read_image(encode(palette_image())), PALETTE[GREY % 4])


def test_palette_with_a_transparent_entry_is_put_on_white() -> None:
    expected = PALETTE[GREY % 4].copy()
    expected[GREY % 4 == 2] = 255
    data = encode(palette_image(), transparency=2)
    np.testing.assert_array_equal(read_image(data), expected)


def test_palette_with_an_alpha_for_each_entry_is_put_on_white() -> None:
    alphas = np.array([255, 128, 0, 7], np.uint8)
    data = encode(palette_image(), transparency=alphas.tobytes())
    expected = on_white(PALETTE[GREY % 4], alphas[GREY % 4])
    np.testing.assert_array_equal(read_image(data), expected)


def test_cmyk_jpeg_becomes_rgb() -> None:
    flat = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    found = read_image(encode(flat, "JPEG", quality=95))
    assert found.shape == (16, 16, 3)
    assert np.all(np.abs(found.astype(int) - [255, 0, 0]) <= 6)


def test_16_bit_grey_keeps_its_high_byte() -> None:
    values = RNG.integers(0, 65536, (6, 9), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    found = read_image(png(9, 6, 16, 0, rows))
    np.testing.assert_array_equal(found, np.repeat((values >> 8)[:, :, np.newaxis], 3, axis=2))


def test_16_bit_rgb_keeps_its_high_bytes() -> None:
    values = RNG.integers(0, 65536, (6, 9, 3), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    np.testing.assert_array_equal(read_image(png(9, 6, 16, 2, rows)), values >> 8)


def test_floating_point_pixels_are_refused() -> None:
    with pytest.raises(ImageError, match="8 or 16 bits"):
        read_image(encode(Image.fromarray(GREY.astype(np.float32)), "TIFF"))


# What a viewer shows, from the stored pixels, for each orientation (Exif 2.32, 4.6.5, tag 274).
UPRIGHT = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: p.transpose(1, 0, 2)[:, ::-1],
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: p.transpose(1, 0, 2)[::-1],
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read_image(encode(Image.fromarray(RGB), kind, exif=exif))
    np.testing.assert_array_equal(found, UPRIGHT[orientation](RGB))


def test_exif_orientation_of_a_jpeg_is_applied() -> None:
    halves = np.zeros((16, 32, 3), np.uint8)
    halves[:, :16] = 255  # white on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: stored left is shown on top
    found = read_image(encode(Image.fromarray(halves), "JPEG", quality=95, exif=exif))
    assert found.shape == (32, 16, 3)
    assert found[:12].min() > 240
    assert found[20:].max() < 15


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(RGB), exif=exif)
    np.testing.assert_array_equal(read_image(data), RGB)


def test_damaged_metadata_does_not_keep_the_pixels_from_being_read() -> None:
    data = encode(Image.fromarray(RGB), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff garbage")
    np.testing.assert_array_equal(read_image(data), RGB)


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (8, 5), colour) for colour in ("red", "blue", "green")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.all(read_image(data) == [255, 0, 0])


def test_one_pixel_is_an_image() -> None:
    assert read_image(encode(Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1, 2, 3]]]


def heic(image: Image.Image, **options: Any) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    # Without loss, or nearly: the colours go through YCbCr.
    pillow_heif.from_pillow(image).save(buffer, quality=-1, chroma=444, **options)
    return buffer.getvalue()


def test_heic_is_read_where_pillow_heif_is_there() -> None:
    smooth = np.indices((40, 64)).sum(axis=0).astype(np.uint8)[:, :, np.newaxis].repeat(3, axis=2)
    found = read_image(heic(Image.fromarray(smooth)))
    assert found.shape == (40, 64, 3)
    assert np.abs(found.astype(int) - smooth).max() <= 3


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_orientation_of_heic_is_applied_once(orientation: int) -> None:
    halves = np.zeros((64, 128, 3), np.uint8)
    halves[:, :64] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read_image(heic(Image.fromarray(halves), exif=exif.tobytes()))
    expected = UPRIGHT[orientation](halves)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 4


def test_heic_with_alpha_is_put_on_white() -> None:
    clear = Image.new("RGBA", (64, 64), (200, 10, 10, 0))
    assert read_image(heic(clear)).min() > 250


def test_truncated_heic_is_refused() -> None:
    noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = heic(Image.fromarray(noise))
    for share in (0.2, 0.5, 0.9):
        refuse(data[: int(len(data) * share)])


# What an iPhone's photo begins with, and what other HEIF writers put there.
FTYP = b"\0\0\0\x18ftyp%s\0\0\0\0%s%s" + bytes(40)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"hevc"])
def test_without_pillow_heif_a_heic_photo_is_named_as_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, brand: bytes
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # an import of it fails
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(FTYP % (brand, b"mif1", b"heic"))
    error = refuse(path)
    assert "HEIC photo" in error.problem
    assert "pip install pillow-heif" in error.remedy
    assert "JPEG" in error.remedy


def test_what_is_no_heic_is_not_named_as_one(tmp_path: Path) -> None:
    film = FTYP % (b"mp42", b"isom", b"mp42")
    assert "HEIC" not in str(refuse(film))
    assert "HEIC" not in str(refuse(FTYP % (b"avif", b"mif1", b"miaf")))


def test_avif_is_read_where_pillow_does() -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    flat = Image.new("RGB", (16, 12), (10, 200, 30))
    found = read_image(encode(flat, "AVIF", quality=95))
    assert np.abs(found.astype(int) - [10, 200, 30]).max() <= 6


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_the_size_is_that_of_the_header(tmp_path: Path, kind: str) -> None:
    data = encode(Image.fromarray(RNG.integers(0, 256, (30, 50, 3), dtype=np.uint8)), kind)
    path = tmp_path / "image"
    path.write_bytes(data)
    assert image_size(path) == (30, 50)
    for bad in (b"", b"hello"):
        path.write_bytes(bad)
        with pytest.raises(ImageError):
            image_size(path)
    with pytest.raises(ImageError):
        image_size(tmp_path)


def refuse(source: bytes | Path) -> ImageError:
    with pytest.raises(ImageError) as caught:
        read_image(source)
    error = caught.value
    assert error.observed is not None
    assert error.expected is not None
    assert error.remedy
    return error


def test_empty_bytes_are_refused() -> None:
    assert "0 bytes" in str(refuse(b""))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_truncated_files_are_refused(kind: str, share: float) -> None:
    noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), kind)
    refuse(data[: int(len(data) * share)])


def test_a_damaged_checksum_is_refused() -> None:
    data = bytearray(encode(Image.fromarray(RGB)))
    data[-20] ^= 0xFF
    refuse(bytes(data))


def test_text_is_refused_with_its_first_bytes() -> None:
    assert "68 65 6c 6c 6f" in str(refuse(b"hello, I am a text file"))


def test_a_decompression_bomb_is_refused_unread() -> None:
    # 60000 x 60000 grey pixels in a few bytes; the first row is enough for the header check.
    bomb = png(60_000, 60_000, 8, 0, b"\0" * 60_001)
    assert str(MAX_PIXELS) in str(refuse(bomb))


def test_the_limit_of_pixels_is_ours_not_pillows() -> None:
    above = png(65_537, 1_024, 8, 0, b"\0" * 65_538)
    error = refuse(above)
    assert "65537 x 1024" in str(error)
    assert str(MAX_PIXELS) in str(error.expected)
    assert 8192 * 6144 < MAX_PIXELS == 67_108_864


def test_a_text_chunk_bomb_is_refused() -> None:
    text = b"k\0\0" + zlib.compress(b"\0" * (80 << 20))
    body = (
        struct.pack(">I", len(text))
        + b"zTXt"
        + text
        + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    )
    refuse(png(1, 1, 8, 0, b"\0\0", extra=body))


def test_postscript_is_refused_and_no_program_is_started(tmp_path: Path) -> None:
    trap = tmp_path / "started"
    script = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({trap}) (w) file\n%%EOF\n"
    refuse(script.encode())
    assert not trap.exists()


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    assert "No such file" in str(refuse(tmp_path / "nothing.png"))
    assert "directory" in str(refuse(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_regular_file_is_refused_unread(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        assert "not a regular file" in str(refuse(path))


def grey_with_alpha() -> Image.Image:
    return Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(GREY.T.reshape(6, 9).copy())])


def wide_grey() -> bytes:
    values = RNG.integers(0, 65536, (6, 9), dtype=np.uint16)
    return png(9, 6, 16, 0, b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))


BANDED: dict[str, Callable[[], bytes]] = {
    "rgb": lambda: encode(Image.fromarray(RGB)),
    "grey": lambda: encode(Image.fromarray(GREY)),
    "rgba": lambda: encode(Image.fromarray(np.dstack([RGB, GREY]))),
    "grey with alpha": lambda: encode(grey_with_alpha()),
    "palette": lambda: encode(palette_image()),
    "palette with a transparent entry": lambda: encode(palette_image(), transparency=2),
    "palette with alpha": lambda: encode(palette_image(), transparency=b"\xff\x80\x00\x07"),
    "16 bits": wide_grey,
    "one bit": lambda: encode(Image.fromarray(GREY > 127)),
    "cmyk": lambda: encode(Image.fromarray(np.dstack([RGB, GREY]), "RGBA").convert("CMYK"), "TIFF"),
}


@pytest.mark.parametrize("name", BANDED)
@pytest.mark.parametrize("pixels", [1, 20])
def test_bands_of_rows_make_no_difference(
    monkeypatch: pytest.MonkeyPatch, name: str, pixels: int
) -> None:
    data = BANDED[name]()
    whole = read_image(data)
    monkeypatch.setattr(decode, "_BAND_PIXELS", pixels)
    np.testing.assert_array_equal(read_image(data), whole)


def in_its_own_process(code: str, path: Path) -> str:
    package = Path(decode.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env={**os.environ, "PYTHONPATH": str(package), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def large_grey_with_alpha(path: Path) -> Path:
    side = 4000
    path.write_bytes(png(side, side, 8, 4, (b"\0" + b"\x40\x80" * side) * side))
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_image_with_alpha_takes_little_more_than_its_pixels(tmp_path: Path) -> None:
    path = large_grey_with_alpha(tmp_path / "large.png")
    code = """
import re, sys
from edgecnn_runner.images.decode import read_image
def peak():
    with open("/proc/self/status") as file:
        return int(re.search(r"VmHWM:\\s+(\\d+)", file.read())[1]) * 1024
before = peak()
pixels = read_image(sys.argv[1])
print((peak() - before) * 3 / pixels.nbytes, pixels.min(), pixels.max())
"""
    bytes_a_pixel, *values = in_its_own_process(code, path).split()
    # 4 in Pillow, 3 in the result, and one band.
    assert float(bytes_a_pixel) < 10
    assert values == [str((0x40 * 0x80 + 255 * 127 + 127) // 255)] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
def test_an_image_that_does_not_fit_into_memory_is_too_large_not_damaged(tmp_path: Path) -> None:
    path = large_grey_with_alpha(tmp_path / "large.png")
    code = """
import re, resource, sys
from edgecnn_runner.images.decode import read_image
from edgecnn_runner.errors import ImageError
with open("/proc/self/status") as file:
    used = int(re.search(r"VmSize:\\s+(\\d+)", file.read())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + (30 << 20), used + (30 << 20)))
try:
    read_image(sys.argv[1])
except ImageError as error:
    print(error.problem, error.observed)
"""
    told = in_its_own_process(code, path)
    assert "too large to be read safely" in told
    assert "does not fit into memory" in told


def test_a_path_with_a_null_byte_is_refused() -> None:
    refuse(Path("a\0b.png"))


def test_damaged_images_give_pixels_or_an_image_error() -> None:
    rng = np.random.default_rng(4)
    noise = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    sources = [encode(noise, kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")]
    sources.append(encode(palette_image(), transparency=b"\x00\x80"))
    refused = 0
    for turn in range(350):
        data = bytearray(sources[turn % len(sources)])
        for position in rng.integers(0, len(data), 3):
            data[position] = rng.integers(0, 256)
        try:
            found = read_image(bytes(data))
        except ImageError:
            refused += 1
        else:
            assert found.ndim == 3
            assert found.shape[2] == 3
            assert found.dtype == np.uint8
    assert 0 < refused < 350


def test_a_folder_is_told_to_be_one_and_how_its_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "new photos").mkdir()
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / "new photos")
    assert caught.value.remedy == f"name the files: '{tmp_path}/new photos'/*"
