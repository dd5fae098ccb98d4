"""Picture files of many kinds, and the pixels that Python makes of them."""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from edgecnn_runner.images.decode import read_image
from edgecnn_runner.images.preprocess import prepare

_ORIENTATION = 0x0112
# Seven, so that one after the other they meet each number of channels and each orientation.
_RULES = (
    "centre-crop-box-average-1",
    "centre-crop-0.875-bilinear-antialias-1",
    "stretch-bilinear-1",
    "centre-crop-0.875-box-average-1",
    "pad-bilinear-antialias-1",
    "stretch-nearest-1",
    "pad-bilinear-1",
)
# JPEG decoders may differ by a step in their inverse transform and colour conversion; browsers
# and Pillow use the same library here, other browsers need not.
_JPEG_TOLERANCE = 2


def write_pictures(folder: Path) -> None:
    """Write the pictures, ``pictures.json`` about them, and files that are no good pictures."""
    cases = []
    for number, (name, image, kind, options) in enumerate(_pictures()):
        file = folder / f"picture-{number}.{kind.lower()}"
        image.save(file, kind, **options)
        rgb = read_image(file)
        size: dict[str, Any] = {"height": 32, "width": 24, "channels": 1 if number % 5 == 4 else 3}
        rule = _RULES[number % len(_RULES)]
        cases.append(
            {
                "name": name,
                "file": file.name,
                "height": rgb.shape[0],
                "width": rgb.shape[1],
                "size": size | {"resize": rule},
                "bytes": base64.b64encode(prepare(rgb, **size, rule=rule).tobytes()).decode(),
                "tolerance": _JPEG_TOLERANCE if kind == "JPEG" else 0,
            }
        )
    (folder / "pictures.json").write_text(json.dumps(cases))
    jpeg = folder / "whole.jpg"
    _photo(480, 640).save(jpeg)
    (folder / "damaged.jpg").write_bytes(jpeg.read_bytes()[:60])
    (folder / "truncated.jpg").write_bytes(jpeg.read_bytes()[:9000])
    for kind in ("PNG", "GIF", "WEBP", "BMP"):
        whole = io.BytesIO()
        _photo(48, 64).save(whole, kind)
        data = whole.getvalue()
        (folder / f"cut.{kind.lower()}").write_bytes(data[: len(data) * 9 // 10])
    (folder / "text.png").write_text("this is no picture")
    (folder / "empty.png").write_bytes(b"")
    Image.new("1", (8193, 8192)).save(folder / "large.png")


def write_containers(folder: Path) -> None:
    """Write each kind of file plainly, and where it can be, with a colour profile and a gamma."""
    photo = _photo(24, 20)
    profile = {"icc_profile": _swapped_profile()}
    kinds: dict[str, list[dict[str, Any]]] = {
        "JPEG": [{"exif": _exif(6), "progressive": True}, profile],
        "PNG": [profile, {"pnginfo": _gamma()}],
        "WEBP": [{"lossless": True}, profile],
        "GIF": [{}],
        "BMP": [{}],
    }
    cases = []
    for kind, all_options in kinds.items():
        photo.save(folder / f"plain.{kind}", kind)
        cases.append({"plain": f"plain.{kind}", "file": f"plain.{kind}", "coloured": False})
        for number, options in enumerate(all_options):
            file = f"{number}.{kind}"
            photo.save(folder / file, kind, **options)
            coloured = "icc_profile" in options or "pnginfo" in options
            cases.append({"plain": f"plain.{kind}", "file": file, "coloured": coloured})
    (folder / "containers.json").write_text(json.dumps(cases))


def _pictures() -> Iterator[tuple[str, Image.Image, str, dict[str, Any]]]:
    photo = _photo(123, 210)
    yield "RGB as PNG", photo, "PNG", {}
    yield "of the model's size", _photo(32, 24), "PNG", {}
    yield "one pixel", _photo(1, 1), "PNG", {}
    yield "greyscale", photo.convert("L"), "PNG", {}
    yield "palette", photo.quantize(200), "PNG", {}
    yield "one bit", photo.convert("1"), "PNG", {}
    yield "half-transparent", _with_alpha(photo), "PNG", {}
    yield "half-transparent, not averaged", _noise_with_alpha(32, 24), "PNG", {}
    yield "half-transparent, greyscale", _with_alpha(photo).convert("LA"), "PNG", {}
    yield "wholly transparent or not", _with_alpha(photo, hard=True), "PNG", {}
    yield "transparent in a palette", photo.quantize(60), "PNG", {"transparency": 3}
    profile = {"icc_profile": _swapped_profile()}
    yield "with a colour profile", photo, "PNG", profile
    yield "WebP with a colour profile", photo, "WEBP", {"lossless": True, **profile}
    yield "JPEG with a colour profile", photo, "JPEG", profile
    yield "with a gamma", photo, "PNG", {"pnginfo": _gamma()}
    yield "GIF", photo.quantize(100), "GIF", {}
    yield "GIF, the first of two frames", photo.quantize(100), "GIF", _second_frame()
    yield "BMP", photo, "BMP", {}
    yield "WebP without loss", photo, "WEBP", {"lossless": True}
    yield "large", _photo(3000, 4100), "PNG", {"compress_level": 1}
    yield "JPEG", photo, "JPEG", {"quality": 90}
    yield "JPEG without subsampling", photo, "JPEG", {"quality": 95, "subsampling": 0}
    yield "JPEG, greyscale", photo.convert("L"), "JPEG", {}
    yield "JPEG, progressive", photo, "JPEG", {"progressive": True}
    for orientation, exif in _orientations():
        name = f"EXIF orientation {orientation}"
        yield f"JPEG, {name}", photo, "JPEG", {"exif": exif, "quality": 95}
        yield f"PNG, {name}", photo, "PNG", {"exif": exif}
        yield f"WebP, {name}", photo, "WEBP", {"exif": exif, "lossless": True}
    yield "WebP with loss, EXIF orientation 6", photo, "WEBP", {"exif": _exif(6)}
    transparent = _with_alpha(photo)
    yield "half-transparent WebP, turned", transparent, "WEBP", {"exif": _exif(7), "lossless": True}


def write_orientations(folder: Path) -> None:
    """Write small pictures of every orientation, and ``orientations.json`` about them."""
    cases = []
    for kind in ("JPEG", "PNG", "WEBP"):
        for orientation, exif in _orientations():
            name = f"turned-{orientation}.{kind.lower()}"
            _photo(5, 9).save(folder / name, kind, exif=exif)
            cases.append({"file": name, "kind": kind, "orientation": orientation})
    (folder / "orientations.json").write_text(json.dumps(cases))


def _orientations() -> Iterator[tuple[int, Image.Exif]]:
    for orientation in range(1, 9):
        yield orientation, _exif(orientation)


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return exif


def _photo(rows: int, columns: int) -> Image.Image:
    """Make a picture with slopes, edges and a little noise, different in each corner."""
    row, column = np.mgrid[:rows, :columns]
    planes: list[npt.NDArray[Any]] = [
        200 * row / rows + 40 * ((column // 17) % 2),
        180 * column / columns + 60 * ((row // 11) % 2),
        240 - 120 * row / rows - 100 * column / columns,
    ]
    noise = np.random.default_rng(5).integers(0, 12, (rows, columns, 3))
    return Image.fromarray((np.stack(planes, axis=-1) + noise).clip(0, 255).astype(np.uint8))


def _with_alpha(photo: Image.Image, *, hard: bool = False) -> Image.Image:
    columns, rows = photo.size
    ramp = np.linspace(0, 255, columns).astype(np.uint8)
    alpha = np.repeat(ramp[np.newaxis], rows, axis=0)
    image = photo.copy()
    image.putalpha(Image.fromarray((alpha > 100).astype(np.uint8) * 255 if hard else alpha))
    return image


def _noise_with_alpha(rows: int, columns: int) -> Image.Image:
    """Make a picture in which any digit lost by multiplying with the opacity shows."""
    pixels = np.random.default_rng(6).integers(0, 256, (rows, columns, 4), dtype=np.uint8)
    return Image.fromarray(pixels)


def _gamma() -> PngInfo:
    """Return PNG's chunk for a gamma of 1.0; following it makes a picture darker or brighter."""
    made = PngInfo()
    made.add(b"gAMA", struct.pack(">I", 100_000))
    return made


def _swapped_profile() -> bytes:
    """Return sRGB's profile with red and green swapped: it shows at once whether it is applied."""
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # In the table of tags, a signature is followed by where its value lies (ICC.1, section 7.3).
    return profile.replace(b"rXYZ", b"?XYZ").replace(b"gXYZ", b"rXYZ").replace(b"?XYZ", b"gXYZ")


def _second_frame() -> dict[str, Any]:
    other = Image.new("RGB", (210, 123), (255, 0, 255)).quantize(4)
    return {"save_all": True, "append_images": [other], "duration": 100}
