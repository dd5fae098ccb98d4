"""Reads what options say of how a model is fed: its input range and its resize rule.

The words are those of ``edgecnn-run``, ``edgecnn`` and recipes; what is made of them are the texts
of a contract, which is all that travels on. Imports no numpy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgecnn_runner.contract import (
    FILTERS,
    FITS,
    INPUT_RANGES,
    affine_of,
    is_range,
    mean_std_range,
    resize_name,
)
from edgecnn_runner.errors import UsageError

PREPROCESSING_OPTIONS: Final = (
    "input_range",
    "input_mean",
    "input_std",
    "fit",
    "crop_fraction",
    "resample",
)
"""The parameters of ``Preprocessing.of_options``; the options are called likewise."""

RANGES_EXPECTED: Final = f"{', '.join(INPUT_RANGES)}, or --input-mean and --input-std"

_EXAMPLE: Final = "--input-mean 0.485,0.456,0.406 --input-std 0.229,0.224,0.225"


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What was said of how the pixels of an image become a model's input.

    Attributes:
        input_range: What pixels 0..255 are to become, as a contract's ``input.range`` has it; None
            where nothing was said of it.
        resize: Name of the resize rule; None where nothing was said of it.
        given: The options that said it.
    """

    input_range: str | None = None
    resize: str | None = None
    given: tuple[str, ...] = ()

    @property
    def rule_parts(self) -> tuple[str, ...]:
        """Which attributes of ``contract.ResizeRule`` options named; the others are the usual."""
        parts = {"--fit": "fit", "--crop-fraction": "fraction", "--resample": "filter"}
        return tuple(part for option, part in parts.items() if option in self.given)

    @classmethod
    def of_options(
        cls,
        *,
        input_range: str | None = None,
        input_mean: str | None = None,
        input_std: str | None = None,
        fit: str | None = None,
        crop_fraction: str | None = None,
        resample: str | None = None,
    ) -> Preprocessing:
        """Read options as they were typed; None for one that was not given.

        Args:
            input_range: A key of ``INPUT_RANGES``, or a range in a contract's words.
            input_mean: One number or three, with commas between; instead of ``input_range``.
            input_std: Likewise.
            fit: One of ``FITS``; ``crop`` where only the next two are given.
            crop_fraction: A number above 0 and at most 1, with at most three decimals.
            resample: A key of ``FILTERS``; ``box`` where only the two before are given.

        Raises:
            UsageError: If one cannot be, or two do not go together.
        """
        values = (input_range, input_mean, input_std, fit, crop_fraction, resample)
        named = zip(PREPROCESSING_OPTIONS, values, strict=True)
        return cls(
            input_range=_range(input_range, input_mean, input_std),
            resize=_resize(fit, crop_fraction, resample),
            given=tuple(option_of(name) for name, value in named if value is not None),
        )


NOTHING_SAID: Final = Preprocessing()
"""Where no option was given."""


def option_of(name: str) -> str:
    """Return the option of a parameter: ``--input-mean`` of ``input_mean``."""
    return f"--{name.replace('_', '-')}"


def range_options(input_range: str) -> str:
    """Return the options that ask for a range; see ``contract.InputSpec``."""
    if input_range in INPUT_RANGES:
        return f"--input-range {input_range}"
    _, mean, _, std = input_range.split(" ")
    return f"--input-mean {mean} --input-std {std}"


def check_range(name: str | None, *, option: str = "--input-range") -> str | None:
    """Return the range that an option names, or None for none.

    Raises:
        UsageError: If it is no range.
    """
    if name is not None and not is_range(name):
        raise UsageError(
            f"{option} is not a range that edgecnn knows",
            observed=name,
            expected=RANGES_EXPECTED if option == "--input-range" else ", ".join(INPUT_RANGES),
            remedy="name the range of the values that the model was trained on",
        )
    return name


def check_channels(path: Path, input_range: str, channels: int) -> None:
    """Refuse a range of colours for a model of greyscale images.

    Args:
        path: The model, for the error.
        input_range: What it is to be fed, as a contract's ``input.range`` has it.
        channels: 1 or 3.

    Raises:
        UsageError: If the range has three numbers, and there is one channel.
    """
    numbers = len(affine_of(input_range)[0])
    if numbers not in (1, channels):
        raise UsageError(
            f"the input range has {numbers} numbers, and {path} takes greyscale images",
            observed=f"{input_range}, and a model with {channels} channel",
            expected="one number each for mean and deviation, or another range",
            remedy="give one number each, --input-mean 0.5 --input-std 0.25 for example, or "
            "--input-range 0..1",
        )


def _range(input_range: str | None, mean: str | None, std: str | None) -> str | None:
    if mean is None and std is None:
        return check_range(input_range)
    if mean is None or std is None:
        there, missing = ("mean", "std") if std is None else ("std", "mean")
        raise UsageError(
            f"--input-{there} is given without --input-{missing}",
            observed=f"--input-{there} {mean or std}",
            expected=f"both, as in {_EXAMPLE}",
            remedy="give --input-std, too: 1 where nothing was divided by"
            if std is None
            else "give --input-mean, too: 0 where nothing was subtracted",
        )
    if input_range is not None:
        raise UsageError(
            "two input ranges are given",
            observed=f"--input-range {input_range}, and --input-mean {mean}",
            expected="--input-range, or --input-mean and --input-std",
            remedy="leave --input-range out: mean and std say it all, of pixels brought to 0..1",
        )
    means, stds = _numbers("--input-mean", mean), _numbers("--input-std", std)
    if max(*means, *stds) > 1:
        raise _of_bytes(means, stds)
    try:
        return mean_std_range(means, stds)
    except ValueError as error:
        raise UsageError(
            f"--input-mean and --input-std are no mean and deviation of pixels: {error}",
            observed=f"--input-mean {mean} --input-std {std}",
            expected="one number or three each, a mean of 0..1 and a deviation of 0.0001..1, as "
            "torchvision's Normalize takes them",
            remedy=f"write them as in {_EXAMPLE}",
        ) from None


def _numbers(option: str, text: str) -> list[float]:
    parts = [part.strip() for part in text.split(",")]
    try:
        return [float(part) for part in parts]
    except ValueError:
        raise UsageError(
            f"{option} is not one number, or three with commas between",
            observed=text,
            expected=f"as in {_EXAMPLE}",
            remedy="write decimals with a point, and no brackets",
        ) from None


def _of_bytes(means: Sequence[float], stds: Sequence[float]) -> UsageError:
    """Return the error about numbers that cannot be of 0..1; pixels of 0..255 have such."""

    def listed(numbers: Sequence[float], divisor: float = 1.0) -> str:
        return ",".join(f"{number / divisor:.6g}" for number in numbers)

    bytes_too = max(*means, *stds) <= 255 and min(means) >= 0 and min(stds) > 0
    largest = max(*means, *stds)
    remedy = f"write numbers of pixels brought to 0..1, as in {_EXAMPLE}"
    if bytes_too:
        remedy = (
            "if these are of pixels 0..255, divide each by 255: "
            f"--input-mean {listed(means, 255)} --input-std {listed(stds, 255)}"
        )
    return UsageError(
        "--input-mean and --input-std are of pixels brought to 0..1, as torchvision writes them"
        + (f"; {largest:g} looks like one of 0..255: {largest / 255:.6g}" if bytes_too else ""),
        observed=f"--input-mean {listed(means)} --input-std {listed(stds)}",
        expected="one number or three each, none above 1",
        remedy=remedy,
    )


def _resize(fit: str | None, fraction: str | None, resample: str | None) -> str | None:
    if (fit, fraction, resample) == (None, None, None):
        return None
    for option, word, known in (("--fit", fit, FITS), ("--resample", resample, FILTERS)):
        if word is not None and word not in known:
            raise UsageError(
                f"{option} is not one that edgecnn has",
                observed=word,
                expected=", ".join(known),
                remedy="name the one that comes nearest to what the model was trained with",
            )
    if fraction is None:
        return resize_name(fit or "crop", 1.0, resample or "box")
    kept = _fraction(fraction)
    if fit not in (None, "crop"):
        raise UsageError(
            f"--crop-fraction says how much is kept of an image, and --fit {fit} keeps all of it",
            observed=f"--fit {fit} --crop-fraction {fraction}",
            expected="--crop-fraction with --fit crop, or alone",
            remedy="leave one of the two out",
        )
    return resize_name("crop", kept, resample or "box")


def _fraction(text: str) -> float:
    number, sign, rest = text.strip().partition("%")
    try:
        value = float(number) / 100 if sign and not rest else float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value <= 1:
        per_cent = 1 < value <= 100 and not sign
        raise UsageError(
            "--crop-fraction is not a share of an image"
            + (
                f"; {value:g} looks like per cent: {value / 100:g} or {value:g}%"
                if per_cent
                else ""
            ),
            observed=text,
            expected="more than 0 and at most 1: 0.875 for Resize(256) and CenterCrop(224)",
            remedy="write what the crop's side is, divided by the side that was resized to",
        )
    rounded = max(round(value, 3), 0.001)
    if abs(rounded - value) > 1e-9:
        # The thousandth below: an image is resized to the whole part of its side divided by it,
        # so that 0.965 is Resize(232) and CenterCrop(224), and 0.966 would be Resize(231).
        rounded = max(math.floor(value * 1000) / 1000, 0.001)
        raise UsageError(
            "--crop-fraction has more than three decimals",
            observed=text,
            expected="thousandths, such as 0.875",
            remedy=f"write --crop-fraction {rounded:g}",
        )
    return rounded
