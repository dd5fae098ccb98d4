"""The contract: how to feed a model file and how to read its answer.

It travels inside the file (see ``container``) as JSON, so that a file found alone still runs
right. This module only describes and validates; it opens no file and imports no numpy.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from edgecnn_runner.errors import CONVERT_AGAIN, COPY_AGAIN, ContractError, some_of

CONTRACT_VERSION: Final = 1

MAX_CONTRACT_BYTES: Final = 4 << 20
"""A contract is a few kilobytes; a file that claims more is an attack or damaged."""

RESIZE_RULE: Final = "centre-crop-box-average-1"
"""Name of the resize rule that is used where none is chosen; ``parse_resize`` knows the others."""

FITS: Final = ("crop", "stretch", "pad")
"""How an image of another aspect ratio is fitted to the model's: its middle is kept, it is
distorted, or black edges are added."""

FILTERS: Final[Mapping[str, str]] = {
    "box": "box-average",
    "nearest": "nearest",
    "bilinear": "bilinear",
    "bilinear-antialias": "bilinear-antialias",
}
"""How pixels are resampled: the words of options and recipes to those in a rule's name."""

INPUT_RANGES: Final[Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    "0..255": ((1.0,), (0.0,)),
    "0..1": ((1 / 255,), (0.0,)),
    "-1..1": ((1 / 127.5,), (-1.0,)),
    # The per-channel mean and standard deviation of ImageNet as used by torchvision:
    # (p / 255 - mean) / std with mean (.485, .456, .406) and std (.229, .224, .225).
    "imagenet": (
        (1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)),
        (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
    ),
}
"""Input range name to (scale, offset): the model is fed ``pixel * scale + offset``."""

_MEAN_STD: Final = re.compile(r"mean ([^ ]+) std ([^ ]+)", re.ASCII)
_LEAST_STD: Final = 1e-4
_RESIZE: Final = re.compile(
    r"(?:(centre-crop)(?:-0\.([0-9]{1,3}))?|(stretch)|(pad))"
    r"-(box-average|nearest|bilinear|bilinear-antialias)-1",
    re.ASCII,
)

FLOATS: Final = ("float16", "float32")
"""Types of an end that holds real numbers; edgecnn itself writes float32."""

_DTYPES = ("uint8", "int8", *FLOATS)
BINARY_KINDS: Final = ("binary-probability", "binary-logit")
"""One number for two classes, of the second: its probability, or its logit against the first."""

OUTPUT_KINDS: Final = ("probabilities", "logits", *BINARY_KINDS)
"""What a model's scores can be. Files made by edgecnn have a score for each class."""

LAYOUTS: Final = ("NHWC", "NCHW")
"""The order of the axes of a batch of images."""


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """What the model's one input expects, for a batch of one image.

    Attributes:
        height: Pixels, at least 1.
        width: Pixels, at least 1.
        channels: 1 (luma) or 3 (RGB).
        dtype: ``uint8``, ``int8``, ``float16`` or ``float32``.
        range: A key of ``INPUT_RANGES`` or what ``mean_std_range`` returns: the real values that
            pixels 0..255 stand for. Files made by edgecnn always say ``0..255``.
        layout: ``NHWC`` (files made by edgecnn) or ``NCHW``.
        scale: Quantization step of an integer input in real units; 1.0 for raw pixels.
        zero_point: The integer that stands for real 0.
    """

    height: int
    width: int
    channels: int
    dtype: str = "float32"
    range: str = "0..255"
    layout: str = "NHWC"
    scale: float = 1.0
    zero_point: int = 0


@dataclass(frozen=True, kw_only=True)
class OutputSpec:
    """How to read the model's one output: one score per class, or one number for two classes.

    Attributes:
        dtype: ``uint8``, ``int8``, ``float16`` or ``float32``.
        kind: One of ``OUTPUT_KINDS``.
        scale: Real units per integer step; 1.0 for float outputs.
        zero_point: The integer that stands for real 0; 0 for float outputs.
    """

    dtype: str = "float32"
    kind: str = "probabilities"
    scale: float = 1.0
    zero_point: int = 0

    def count(self, classes: int) -> int:
        """Return how many numbers the model answers an image with."""
        return 1 if self.kind in BINARY_KINDS else classes


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Everything a runner needs to know about one model file.

    Attributes:
        model: Model name, for example ``seed_cnn``.
        variant: Format and precision, for example ``tflite-int8``.
        labels: Class names in output order, all different.
        input: The image that it takes.
        output: The scores that it gives.
        resize: Name of the resize rule; see ``parse_resize``.
        payload_sha256: SHA-256 of the model bytes without the contract, lower-case hex; empty
            for a contract made on the command line for a foreign file.
        source_sha256: SHA-256 of the float model this came from.
        calibration_sha256: Digest of the calibration record; None where none was used.
        min_runtime: Runtime name to the lowest version that loads the file.
        created_by: Tool name to version.
        float_layers: In an integer file that was repaired, the layers that compute in float32
            all the same, each with why. Only in the JSON where there are any.
        adopted: Of a file that edgecnn took over as another program made it: its ``file`` name,
            who it is ``made_by`` as it says itself, and that its ``calibration`` images are not
            known. ``source_sha256`` is then of what it was compared with. Only in the JSON of such
            a file.
        version: Contract version.
    """

    model: str
    variant: str
    labels: tuple[str, ...]
    input: InputSpec
    output: OutputSpec
    resize: str = RESIZE_RULE
    payload_sha256: str = ""
    source_sha256: str = ""
    calibration_sha256: str | None = None
    min_runtime: Mapping[str, str] = field(default_factory=dict)
    created_by: Mapping[str, str] = field(default_factory=dict)
    float_layers: Mapping[str, str] = field(default_factory=dict)
    adopted: Mapping[str, str] = field(default_factory=dict)
    version: int = CONTRACT_VERSION

    def __post_init__(self) -> None:
        """Check every field at once.

        Raises:
            ContractError: If any field is out of range; the message lists all of them.
        """
        problems = list(_problems(self))
        if problems:
            raise ContractError(
                "the contract is not valid",
                observed="; ".join(problems),
                expected=f"the fields of contract version {CONTRACT_VERSION}, each in its range",
                remedy=CONVERT_AGAIN,
            )

    def to_json(self) -> str:
        """Return the contract as JSON text with sorted keys, ending in a newline."""
        values = dataclasses.asdict(self)
        for name in ("float_layers", "adopted"):
            if not values[name]:
                del values[name]
        return json.dumps(values, indent=1, sort_keys=True) + "\n"


def _problems(contract: Contract) -> list[str]:
    found: list[str] = []

    def need(fine: bool, text: str) -> None:
        if not fine:
            found.append(text)

    spec, out = contract.input, contract.output
    for name, value in (("height", spec.height), ("width", spec.width)):
        need(_is_int(value) and 1 <= value <= 16384, f"input.{name} is {value!r}, not 1..16384")
    channels_fit = _is_int(spec.channels) and spec.channels in (1, 3)
    need(channels_fit, f"input.channels is {spec.channels!r}, not 1 or 3")
    need(spec.dtype in _DTYPES, f"input.dtype is {spec.dtype!r}, not one of {_DTYPES}")
    need(spec.layout in LAYOUTS, f"input.layout is {spec.layout!r}, not one of {LAYOUTS}")
    need(
        is_range(spec.range),
        f"input.range is {spec.range!r}, not one of {[*INPUT_RANGES]} and not "
        "'mean A[,B,C] std A[,B,C]'",
    )
    need(out.dtype in _DTYPES, f"output.dtype is {out.dtype!r}, not one of {_DTYPES}")
    need(out.kind in OUTPUT_KINDS, f"output.kind is {out.kind!r}, not one of {OUTPUT_KINDS}")
    for side, quantized in (("input", spec), ("output", out)):
        need(
            _is_real(quantized.scale) and 0 < quantized.scale < 1e30,
            f"{side}.scale is {quantized.scale!r}, not a positive number",
        )
        need(
            _is_int(quantized.zero_point) and -128 <= quantized.zero_point <= 255,
            f"{side}.zero_point is {quantized.zero_point!r}, not -128..255",
        )
    need(len(contract.labels) >= 2, f"{len(contract.labels)} labels, not at least 2")
    need(
        out.kind not in BINARY_KINDS or len(contract.labels) == 2,
        f"{len(contract.labels)} labels, and the output {out.kind} is of 2",
    )
    need(
        all(isinstance(label, str) and _is_printable(label) for label in contract.labels),
        "a label is empty, not text, or has control characters",
    )
    twice = repeated(label for label in contract.labels if isinstance(label, str))
    need(not twice, f"two classes have the same label: {some_of(twice)}")
    need(is_resize(contract.resize), f"resize is {contract.resize!r}, no rule known here")
    need(
        _is_int(contract.version) and contract.version == CONTRACT_VERSION,
        f"version is {contract.version!r}, this program reads {CONTRACT_VERSION}",
    )
    for name in ("model", "variant", "payload_sha256", "source_sha256"):
        need(isinstance(getattr(contract, name), str), f"{name} is not text")
    calibration = contract.calibration_sha256
    need(calibration is None or isinstance(calibration, str), "calibration_sha256 is not text")
    for name in ("min_runtime", "created_by", "float_layers", "adopted"):
        versions = getattr(contract, name)
        fine = isinstance(versions, Mapping) and all(
            isinstance(part, str) for pair in versions.items() for part in pair
        )
        need(fine, f"{name} is not a table of texts")
    return found


def affine_of(input_range: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return what a range does to a pixel: the model is fed ``pixel * scale + offset``.

    Args:
        input_range: A key of ``INPUT_RANGES``, or what ``mean_std_range`` returns.

    Returns:
        Scale and offset, each one number for all channels or one for each of R, G and B.

    Raises:
        ValueError: If the text is no range.
    """
    if input_range in INPUT_RANGES:
        return INPUT_RANGES[input_range]
    found = _MEAN_STD.fullmatch(input_range)
    if found is None:
        raise ValueError(f"{input_range!r} is no input range")
    mean, std = ([float(part) for part in text.split(",")] for text in found.groups())
    if mean_std_range(mean, std) != input_range:
        raise ValueError(f"{input_range!r} is not written as mean_std_range writes it")
    return _affine(mean, std)


def is_range(text: object) -> bool:
    """Tell whether this is an input range; see ``affine_of``."""
    if not isinstance(text, str):
        return False
    try:
        affine_of(text)
    except ValueError:
        return False
    return True


def mean_std_range(mean: Sequence[float], std: Sequence[float]) -> str:
    """Return the range of a model that is fed ``(pixel / 255 - mean) / std``.

    Args:
        mean: One number for all channels, or three for R, G and B; each 0..1, as torchvision's
            ``Normalize`` takes them.
        std: One or three numbers, each 0.0001..1.

    Returns:
        A key of ``INPUT_RANGES`` where one means the same, else ``mean A[,B,C] std A[,B,C]``:
        each number as short as it can be, three equal ones written once.

    Raises:
        ValueError: If there are other counts of numbers, or one is out of its range.
    """
    for name, numbers, least in (("mean", mean, 0.0), ("std", std, _LEAST_STD)):
        if len(numbers) not in (1, 3):
            raise ValueError(f"{name} has {len(numbers)} numbers, not 1 or 3")
        for number in numbers:
            if not (_is_real(number) and least <= number <= 1):
                raise ValueError(f"{name} has {number!r}, which is not within {least:g}..1")
    affine = _affine(mean, std)
    for name, known in INPUT_RANGES.items():
        if known == affine:
            return name
    return f"mean {_joined(mean)} std {_joined(std)}"


def _affine(
    mean: Sequence[float], std: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return scale and offset; one number each where all channels have the same."""
    count = 1 if len({*mean}) == len({*std}) == 1 else 3
    means, stds = ([*numbers] * count if len(numbers) == 1 else numbers for numbers in (mean, std))
    scale = tuple(1 / (255 * deviation) for deviation in stds[:count])
    # Added to 0, so that no mean of 0 becomes the offset -0.0.
    offset = tuple(
        0.0 - average / deviation
        for average, deviation in zip(means[:count], stds[:count], strict=True)
    )
    return scale, offset


def _joined(numbers: Sequence[float]) -> str:
    """Return numbers in their shortest decimals; equal ones once."""
    few = numbers[:1] if len({*numbers}) == 1 else numbers
    # Added to 0, so that -0.0 is written as 0.0.
    return ",".join(repr(float(number) + 0.0) for number in few)


@dataclass(frozen=True, kw_only=True)
class ResizeRule:
    """How an image of any size is brought to a model's; ``preprocess`` says it in full.

    Attributes:
        fit: One of ``FITS``.
        fraction: With ``crop``, how much of the height and the width of the largest part with the
            model's aspect ratio is kept, in thousandths: 1..1000. Else 1000.
        filter: A key of ``FILTERS``.
    """

    fit: str
    fraction: int
    filter: str

    @property
    def name(self) -> str:
        """The name in a contract."""
        fit = "centre-crop" if self.fit == "crop" else self.fit
        part = "" if self.fraction == 1000 else f"-{self.fraction / 1000}"
        return f"{fit}{part}-{FILTERS[self.filter]}-1"

    @property
    def options(self) -> str:
        """The options that ask for this rule: ``--fit crop --resample nearest``, for example."""
        part = "" if self.fraction == 1000 else f" --crop-fraction {self.fraction / 1000}"
        return f"--fit {self.fit}{part} --resample {self.filter}"


def parse_resize(name: str) -> ResizeRule:
    """Return what the name of a resize rule means.

    Args:
        name: Fit, filter and version, such as ``centre-crop-0.875-bilinear-antialias-1``.

    Raises:
        ValueError: If there is no such rule, or its name is written otherwise.
    """
    found = _RESIZE.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no resize rule")
    crop, part, stretch, pad, word = found.groups()
    rule = ResizeRule(
        fit="crop" if crop else stretch or pad,
        fraction=1000 if part is None else int(part.ljust(3, "0")),
        filter=next(key for key, value in FILTERS.items() if value == word),
    )
    if rule.name != name or rule.fraction == 0:
        raise ValueError(f"{name!r} is no resize rule: its share is not written as in 0.875")
    return rule


def resize_name(fit: str = "crop", crop_fraction: float = 1.0, resample: str = "box") -> str:
    """Return the name of the resize rule that options or a recipe ask for.

    Args:
        fit: One of ``FITS``.
        crop_fraction: More than 0, at most 1, with at most three decimals: how much of the height
            and the width is kept. torchvision's Resize(256) and CenterCrop(224) keep 0.875.
        resample: A key of ``FILTERS``.

    Returns:
        For ``Contract.resize``; without arguments, ``RESIZE_RULE``.

    Raises:
        ValueError: If there is no such rule.
    """
    if fit not in FITS:
        raise ValueError(f"fit is {fit!r}, not one of {', '.join(FITS)}")
    if resample not in FILTERS:
        raise ValueError(f"resample is {resample!r}, not one of {', '.join(FILTERS)}")
    if not (_is_real(crop_fraction) and 0 < crop_fraction <= 1):
        raise ValueError(f"crop_fraction is {crop_fraction!r}, not above 0 and at most 1")
    thousandths = round(crop_fraction * 1000)
    if thousandths < 1 or abs(thousandths / 1000 - crop_fraction) > 1e-9:
        raise ValueError(f"crop_fraction is {crop_fraction!r}, which has more than three decimals")
    if fit != "crop" and thousandths != 1000:
        raise ValueError(
            f"crop_fraction is {crop_fraction!r}, and nothing is cropped: fit is {fit}"
        )
    return ResizeRule(fit=fit, fraction=thousandths, filter=resample).name


def is_resize(name: object) -> bool:
    """Tell whether this is the name of a resize rule; see ``parse_resize``."""
    if not isinstance(name, str):
        return False
    try:
        parse_resize(name)
    except ValueError:
        return False
    return True


def repeated(names: Iterable[str]) -> list[str]:
    """Return the names that occur more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _is_printable(text: str) -> bool:
    """Tell whether a text can be shown in one line of a terminal, in any encoding of Unicode."""
    # Control characters (C0, DEL, C1) and lone surrogates.
    return bool(text) and not any(
        ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 or 0xD800 <= ord(char) < 0xE000
        for char in text
    )


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_real(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def parse_contract(text: str | bytes) -> Contract:
    """Read a contract from its JSON text; unknown keys are ignored, missing ones refused.

    Args:
        text: UTF-8 JSON, as ``Contract.to_json`` writes it.

    Returns:
        The validated contract.

    Raises:
        ContractError: If the text is not JSON, or a field is missing or out of range.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContractError(
            "the contract is not JSON",
            observed=f"{len(text)} bytes beginning {text[:20]!r}: {error}",
            expected="a JSON object",
            remedy=COPY_AGAIN,
        ) from error
    if not isinstance(raw, dict):
        raise ContractError(
            "the contract is not a JSON object",
            observed=f"{type(raw).__name__} beginning {text[:20]!r}",
            expected="an object with the contract's fields",
            remedy=COPY_AGAIN,
        )
    version = raw.get("version")
    if version != CONTRACT_VERSION:
        raise ContractError(
            "the contract has a version this program does not read",
            observed=f"version {version!r}",
            expected=f"version {CONTRACT_VERSION}",
            remedy="install the edgecnn-runner that belongs to the toolchain that made the file",
        )
    try:
        labels = raw["labels"]
        if not isinstance(labels, list):
            raise TypeError("labels is not a list")
        fields = {
            **_known(Contract, raw),
            "labels": tuple(labels),
            "input": InputSpec(**_known(InputSpec, raw["input"])),
            "output": OutputSpec(**_known(OutputSpec, raw["output"])),
        }
        return Contract(**fields)
    except (KeyError, TypeError) as error:
        raise ContractError(
            "the contract is incomplete",
            observed=f"{type(error).__name__}: {error}",
            expected=f"every field of contract version {CONTRACT_VERSION}",
            remedy=COPY_AGAIN,
        ) from error


def _known(kind: type, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of ``raw`` that ``kind`` has fields for."""
    if not isinstance(raw, dict):
        raise TypeError(f"{kind.__name__} is not an object")
    return {item.name: raw[item.name] for item in dataclasses.fields(kind) if item.name in raw}
