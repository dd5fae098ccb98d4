"""Images as worse conditions would give them: six kinds of corruption at three severities.

Noise, blur, brightness, contrast and JPEG, with their constants, are those of D. Hendrycks,
T. Dietterich (2019), Benchmarking neural network robustness to common corruptions and
perturbations, ICLR: severities 1, 3 and 5 of their five. They published two sets of constants,
CIFAR-10-C for 32 pixels and ImageNet-C for 224. An image whose shorter side is between these gets
constants between theirs, linear in the logarithm of the side; a smaller or larger image gets those
of the nearer set.

Low light is the project's own: 1, 2 and 3 stops too little light, through the linear camera model
of EMVA Standard 1288 (Poisson photoelectrons, Gaussian read noise) in linear light, between the
transfer functions of sRGB (IEC 61966-2-1). Nothing is brightened again afterwards.

What is drawn at random depends on the seed, the image's name and the kind, never on the image's
place: an image is corrupted alike in every subset. Severities of a kind share their draws.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from edgecnn.pixels import room_for

Kind = Literal["noise", "blur", "brightness", "contrast", "jpeg", "low_light"]
Pixels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SEVERITIES: Final = (1, 2, 3)
CONDITIONS: Final[tuple[tuple[Kind, int], ...]] = tuple(
    (kind, severity) for kind in KINDS for severity in SEVERITIES
)
CORRUPTIONS_VERSION: Final = 1
"""Raised when equal arguments begin to give other pixels."""
KIND_TITLES: Final[dict[Kind, str]] = {
    "noise": "noise",
    "blur": "blur",
    "brightness": "brightness",
    "contrast": "contrast",
    "jpeg": "JPEG",
    "low_light": "low light",
}

_SIDES: Final = (32, 224)


@dataclass(frozen=True, kw_only=True)
class _Strengths:
    """A constant at each severity, for images of 32 and of 224 pixels."""

    small: tuple[float, float, float]
    large: tuple[float, float, float]


_STRENGTHS: Final[Mapping[Kind, _Strengths]] = {
    # Standard deviation, shares of the full range.
    "noise": _Strengths(small=(0.04, 0.08, 0.10), large=(0.08, 0.18, 0.38)),
    # Standard deviation, pixels.
    "blur": _Strengths(small=(0.4, 0.7, 1.0), large=(1.0, 3.0, 6.0)),
    # Added to V of HSV, shares of the full range.
    "brightness": _Strengths(small=(0.05, 0.15, 0.3), large=(0.1, 0.3, 0.5)),
    # What is left of each value's distance from its channel's mean.
    "contrast": _Strengths(small=(0.75, 0.4, 0.15), large=(0.4, 0.2, 0.05)),
    # libjpeg's quality, 1 to 100.
    "jpeg": _Strengths(small=(80, 58, 40), large=(25, 15, 7)),
    # Stops too little light: each halves it.
    "low_light": _Strengths(small=(1, 2, 3), large=(1, 2, 3)),
}

_TRUNCATE: Final = 4.0  # standard deviations of the blur's kernel, as in the published sets
# A small sensor's pixel holds some thousand electrons, and white is reached with fewer at the gain
# that is used indoors: these stand for such a camera, and are measured of none.
_WHITE_ELECTRONS: Final = 1000.0
_READ_NOISE_ELECTRONS: Final = 3.0


def constants(kind: Kind, side: int) -> tuple[float, float, float]:
    """Return a kind's constant at each severity, for an image size.

    Args:
        kind: Which corruption; see the module for its source.
        side: Pixels of the shorter side, positive.

    Returns:
        Of ``noise`` a standard deviation and of ``brightness`` an addition, shares of the full
        range; of ``blur`` a standard deviation in pixels; of ``contrast`` the share that is left;
        of ``jpeg`` a quality, 1..100; of ``low_light`` stops.
    """
    small, large = _SIDES
    weight = min(1.0, max(0.0, math.log(side / small) / math.log(large / small)))
    strengths = _STRENGTHS[kind]
    first, second, third = (
        a + weight * (b - a) for a, b in zip(strengths.small, strengths.large, strict=True)
    )
    return first, second, third


def corrupt(image: Pixels, *, name: str, kind: Kind, severity: int, seed: int) -> Pixels:
    """Return an image as worse conditions would give it.

    Args:
        image: Shape (height, width, 1 or 3), uint8; of any size.
        name: Its name in the data set, which what is drawn at random depends on.
        kind: Which corruption.
        severity: 1, 2 or 3.
        seed: Any integer; other seeds draw otherwise.

    Returns:
        The same shape, uint8. Equal arguments give equal pixels with the same versions of numpy
        and of Pillow's libjpeg.

    Raises:
        ValueError: If the image is not as described, or there is no such severity.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"an image is {image.dtype} {image.shape}, not uint8 (h, w, 1 or 3)")
    if severity not in SEVERITIES:
        raise ValueError(f"severity {severity} is none of {SEVERITIES}")
    strength = constants(kind, min(image.shape[:2]))[severity - 1]
    if kind == "jpeg":
        return _jpeg(image, round(strength))
    values = _DISTORTIONS[kind](image / 255.0, strength, _generator(seed, name, kind))
    return np.rint(255.0 * np.clip(values, 0.0, 1.0)).astype(np.uint8)


def corrupt_all(
    pixels: Pixels, names: Sequence[str], *, kind: Kind, severity: int, seed: int
) -> Pixels:
    """Return images as worse conditions would give them; a name decides how its image is changed.

    Args:
        pixels: Shape (n, height, width, 1 or 3), uint8.
        names: Their names, n of them.
        kind: Which corruption.
        severity: 1, 2 or 3.
        seed: Any integer.

    Returns:
        The same shape, uint8.
    """
    made = room_for(len(pixels), pixels.shape[1:])
    for index, (image, name) in enumerate(zip(pixels, names, strict=True)):
        made[index] = corrupt(image, name=name, kind=kind, severity=severity, seed=seed)
    return made


def _generator(seed: int, name: str, kind: Kind) -> np.random.Generator:
    digest = hashlib.sha256(f"edgecnn/corruptions/{seed}/{kind}/{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def _noise(values: Values, deviation: float, rng: np.random.Generator) -> Values:
    return values + deviation * rng.standard_normal(values.shape)


def _blur(values: Values, deviation: float, _: np.random.Generator) -> Values:
    """Blur with a Gaussian, rows and then columns; edges are repeated."""
    radius = int(_TRUNCATE * deviation + 0.5)
    steps = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (steps / deviation) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        size = values.shape[axis]
        border = [(radius, radius) if axis == one else (0, 0) for one in range(3)]
        padded = np.pad(values, border, mode="edge")
        values = np.zeros_like(values)
        for offset, weight in enumerate(kernel):
            shifted = padded[offset : offset + size] if axis == 0 else padded[:, offset:][:, :size]
            values += weight * shifted
    return values


def _brightness(values: Values, addition: float, _: np.random.Generator) -> Values:
    """Add to V of HSV, the largest of the three; hue and saturation stay, so all scale with it."""
    largest = values.max(axis=2, keepdims=True)
    wanted = np.minimum(largest + addition, 1.0)
    # Black has no hue: it turns grey.
    scaled = values * np.divide(wanted, largest, out=np.zeros_like(wanted), where=largest > 0)
    brighter: Values = np.where(largest > 0, scaled, wanted)
    return brighter


def _contrast(values: Values, share: float, _: np.random.Generator) -> Values:
    mean = values.mean(axis=(0, 1), keepdims=True)
    moved: Values = mean + share * (values - mean)
    return moved


def _low_light(values: Values, stops: float, rng: np.random.Generator) -> Values:
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    read = _READ_NOISE_ELECTRONS * rng.standard_normal(values.shape)
    electrons = rng.poisson(linear * _WHITE_ELECTRONS * 2.0**-stops) + read
    seen = np.clip(electrons / _WHITE_ELECTRONS, 0.0, 1.0)
    steep, curved = 12.92 * seen, 1.055 * np.maximum(seen, 0.0031308) ** (1 / 2.4) - 0.055
    encoded: Values = np.where(seen <= 0.0031308, steep, curved)
    return encoded


_DISTORTIONS: Final[Mapping[Kind, Callable[[Values, float, np.random.Generator], Values]]] = {
    "noise": _noise,
    "blur": _blur,
    "brightness": _brightness,
    "contrast": _contrast,
    "low_light": _low_light,
}


def _jpeg(image: Pixels, quality: int) -> Pixels:
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(
        written, format="JPEG", quality=quality
    )
    with Image.open(written) as read:
        return np.asarray(read, dtype=np.uint8).reshape(image.shape)
