"""Reads image files as RGB bytes, and makes PNG files of pixels.

The only file that imports Pillow, or pillow-heif.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from edgecnn_runner.errors import ImageError, remedy_for_reading
from edgecnn_runner.files import describe, regular_size

if TYPE_CHECKING:
    import numpy.typing as npt

MAX_PIXELS: Final = 1 << 26
"""A file that claims more is refused unread. The limit is for memory, see ``_to_rgb``, and lies
above the 8192 x 6144 of phones with 50 megapixels: there are some that make larger photos (108
megapixels), and those have to be scaled down first."""

_BAND_PIXELS: Final = 1 << 18  # converted at a time: a few megabytes
_JPEG: Final = b"\xff\xd8\xff"
# A file in the ISO base media format begins with a box "ftyp" that lists brands of four characters
# (ISO/IEC 14496-12, 4.3); those of HEIF hold HEVC pictures (ISO/IEC 23008-12, annex B), but where
# the AVIF brands are among them.
_HEIC: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF: Final = frozenset({b"avif", b"avis"})
_HEAD: Final = 64  # bytes that tell the format; 12 brands
_COMMON: Final = ("JPEG", "PNG", "GIF", "BMP", "PPM")  # what Pillow knows from the start
# Pillow reads these by starting another program, or only as placeholders.
_NEVER: Final = frozenset({"EPS", "WMF", "FPX", "MIC", "BUFR", "GRIB", "HDF5", "MPEG"})
_ORIENTATION: Final = 0x0112  # Exif 2.32, section 4.6.5
# Where Pillow finds an orientation: Exif, Exif as PNG files of old have it, and XMP.
_METADATA: Final = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WITH_ALPHA: Final = ("LA", "La", "PA", "RGBA", "RGBa")
_EXPECTED: Final = "a complete JPEG, PNG, GIF, BMP, WebP or TIFF image"
_REMEDY: Final = "open it in a viewer; save or copy it again, as PNG or JPEG"


def image_size(path: Path) -> tuple[int, int]:
    """Return an image's height and width as they are stored, pixels, from its header alone.

    That a header can be read does not say that the pixels can.

    Args:
        path: A file.

    Raises:
        ImageError: If it is missing, or its header is none that Pillow reads.
    """
    with _told_as_image_errors(str(path)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            regular_size(path)
            file = path.open("rb")
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        with file, _open(file, str(path)) as image:
            width, height = image.size
            return height, width


def read_image(source: str | Path | bytes) -> npt.NDArray[np.uint8]:
    """Read an image file as RGB: the first frame, upright, on white where it is transparent.

    Greyscale, palette, CMYK, 1-bit and 16-bit images (``value >> 8``) become RGB; EXIF
    orientation is applied; a transparent pixel becomes ``(c * a + 255 * (255 - a) + 127) // 255``.

    Args:
        source: A path, or the bytes of a file.

    Returns:
        Shape (height, width, 3), uint8.

    Raises:
        ImageError: If the file is missing, empty, truncated, damaged, of a type that Pillow does
            not read, has more than ``MAX_PIXELS`` pixels, or does not fit into memory.
    """
    name, data = _bytes_of(source)
    if not data:
        raise ImageError(f"{name} is empty", observed="0 bytes", expected=_EXPECTED, remedy=_REMEDY)
    # Pillow warns of what is dealt with here: sizes, transparent palettes, odd metadata.
    with _told_as_image_errors(name), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _open(io.BytesIO(data), name) as image:
            _check_size(image.size, name)
            image.load()
            return _to_rgb(_upright(image), name)


def png_bytes(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return a PNG file of an image: its pixels and nothing else, neither time nor place.

    Args:
        pixels: Shape (height, width, 3) or (height, width, 1), uint8.
    """
    written = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(written, "PNG")
    return written.getvalue()


@contextlib.contextmanager
def _told_as_image_errors(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises for a file into an ``ImageError`` that names it."""
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(name, str(error)) from error
    except MemoryError as error:
        raise _too_large(name, "it does not fit into memory") from error
    except Exception as error:
        raise ImageError(
            f"{name} is damaged or truncated",
            observed=f"{type(error).__name__}: {error}",
            expected=_EXPECTED,
            remedy=_REMEDY,
        ) from error


def _bytes_of(source: str | Path | bytes) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return "the image", source
    try:
        regular_size(Path(source))
        return str(source), Path(source).read_bytes()
    except MemoryError as error:
        raise _too_large(str(source), "it does not fit into memory") from error
    except (OSError, ValueError) as error:
        raise _unreadable(Path(source), error) from error


def _unreadable(path: Path, error: Exception) -> ImageError:
    remedy = remedy_for_reading(error)
    if isinstance(error, IsADirectoryError):
        import shlex

        remedy = f"name the files: {shlex.quote(str(path))}/*"
    return ImageError(
        f"cannot read the image {path}",
        observed=f"{getattr(error, 'strerror', None) or error}: {describe(path)}",
        expected="an image file that can be read",
        remedy=remedy,
    )


def _open(file: IO[bytes], name: str) -> Image.Image:
    """Read an image's header.

    Args:
        file: Stays in use until the image is loaded.
        name: What to call the file in errors.

    Raises:
        ImageError: If Pillow knows no such format; what it is, where that can be told.
    """
    head = file.read(_HEAD)
    file.seek(0)
    if head.startswith(_JPEG):
        from PIL import JpegImagePlugin

        # What Image.open does once it has loaded the plugins of four other formats, which takes
        # longer than to read most photos.
        with contextlib.suppress(SyntaxError):  # its word for "no JPEG"
            return JpegImagePlugin.jpeg_factory(file)
        file.seek(0)
    # The common formats first: knowing all of them takes Pillow longer than reading most images.
    with contextlib.suppress(UnidentifiedImageError):
        return Image.open(file, formats=_COMMON)
    brands = _brands(head)
    if brands & _HEIC and not brands & _AVIF:
        _learn_heic(name, head)
    Image.init()
    others = [kind for kind in Image.ID if kind not in _NEVER]
    file.seek(0)
    try:
        return Image.open(file, formats=others)
    except UnidentifiedImageError as error:
        if brands & _AVIF and "AVIF" not in Image.ID:
            raise ImageError(
                f"{name} is an AVIF image, which this Pillow does not read",
                observed=f"bytes beginning {head[:12].hex(' ')}",
                expected=_EXPECTED,
                remedy="save it as PNG or JPEG, or install Pillow 11.3 or newer",
            ) from error
        raise ImageError(
            f"{name} is not an image Pillow can read",
            observed=f"bytes beginning {head[:8].hex(' ')}",
            expected=_EXPECTED,
            remedy=_REMEDY,
        ) from error


def _brands(head: bytes) -> set[bytes]:
    """Return the brands of a file in the ISO base media format; none of any other file."""
    if head[4:8] != b"ftyp":
        return set()
    names = head[8 : min(int.from_bytes(head[:4], "big"), len(head))]
    return {names[at : at + 4] for at in range(0, len(names), 4) if at != 4}  # there: a version


def _learn_heic(name: str, head: bytes) -> None:
    """Make Pillow read HEIC.

    Raises:
        ImageError: If pillow-heif, which does it, is not installed.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise ImageError(
            f"{name} is a HEIC photo, as iPhones make them, and pillow-heif, which reads those, "
            "is not installed",
            observed=f"bytes beginning {head[:12].hex(' ')}",
            expected=_EXPECTED,
            remedy="pip install pillow-heif, or convert it to JPEG",
        ) from error
    # Of several pictures in a file the primary one is what Pillow sees; thumbnails and the like
    # are not asked for.
    pillow_heif.register_heif_opener(thumbnails=False)


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise _too_large(name, f"{width} x {height} pixels")


def _too_large(name: str, observed: str) -> ImageError:
    return ImageError(
        f"{name} is too large to be read safely",
        observed=observed,
        expected=f"at most {MAX_PIXELS} pixels",
        remedy="scale it down first; a classifier sees far fewer pixels anyway",
    )


def _upright(image: Image.Image) -> Image.Image:
    # TIFF files Pillow has turned while loading. Of others without metadata it would say the same,
    # after loading all that it needs to read some.
    if image.format == "TIFF" or not any(key in image.info for key in _METADATA):
        return image
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - damaged metadata raises anything; the pixels are fine
        turn = None
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image, name: str) -> npt.NDArray[np.uint8]:
    """Convert in bands of rows: the steps in between take several times the memory of the result.

    Pillow takes up to 4 bytes a pixel, twice that to turn an image upright, and the result 3:
    one of 49 megapixels with alpha peaks at 340 MB.
    """
    width, height = image.size
    rgb = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        band = image if rows >= height else image.crop((0, top, width, bottom))
        rgb[top:bottom] = _band_to_rgb(band, name)
    return rgb


def _band_to_rgb(band: Image.Image, name: str) -> npt.NDArray[np.uint8]:
    if band.mode.startswith(("I", "F")):
        return _wide_grey_to_rgb(band, name)
    if band.mode in _WITH_ALPHA or "transparency" in band.info:
        return _on_white(np.asarray(band.convert("RGBA")))
    return np.asarray(band.convert("RGB"))


def _on_white(rgba: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    colour, alpha = rgba[:, :, :3].astype(np.uint16), rgba[:, :, 3:].astype(np.uint16)
    # At most 255 * 255 + 127, which uint16 holds.
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _wide_grey_to_rgb(image: Image.Image, name: str) -> npt.NDArray[np.uint8]:
    """Read 16-bit greyscale, which Pillow gives as mode I;16 or, in older versions, I."""
    values: npt.NDArray[Any] = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 0xFFFF:
        raise ImageError(
            f"{name} holds values that are not 8 or 16 bits wide",
            observed=f"mode {image.mode}, {values.min()} to {values.max()}",
            expected="8 or 16 bits a channel",
            remedy=_REMEDY,
        )
    grey = (values.astype(np.uint16) >> 8).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
