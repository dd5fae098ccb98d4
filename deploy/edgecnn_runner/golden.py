"""Golden vectors: a few generated images and what a healthy device answers to them.

``golden.npz`` holds, without pickles: ``images`` (n, height, width, channels) uint8 of the
model's size; ``reference`` (n, classes) float32, the float model's probabilities;
``scores_<variant>`` (n, classes) float32, an artifact's where it was made; ``sources_<i>``, RGB
images of other sizes, and ``prepared_<i>``, the exact bytes that the resize rule makes of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn_runner.contract import RESIZE_RULE
from edgecnn_runner.errors import SelfTestError
from edgecnn_runner.files import atomic_file, describe, regular_size
from edgecnn_runner.images.preprocess import prepare

MIN_MARGIN: Final = 0.3
"""How far the best class of each reference leads, at least: int8 kernels differ between
processors, so only images that are not in doubt may decide whether a device is sound."""

GOLDEN_FILE: Final = "golden.npz"
"""What a build calls its golden vectors, which lie beside its model files."""

_REMEDY: Final = f"copy {GOLDEN_FILE} again from the build it belongs to"
Pixels = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Golden:
    """Golden vectors.

    Attributes:
        images: Shape (n, height, width, channels), uint8.
        reference: The float model's probabilities, shape (n, classes), float32.
        scores: Variant to its artifact's probabilities, shape (n, classes), float32.
        sources: RGB images of other sizes, each (any height, any width, 3), uint8.
        prepared: For each source, what the model's resize rule makes of it.

    Raises:
        SelfTestError: If these do not fit together, or a reference's margin is below
            ``MIN_MARGIN``.
    """

    images: Pixels
    reference: Scores
    scores: Mapping[str, Scores]
    sources: tuple[Pixels, ...] = ()
    prepared: tuple[Pixels, ...] = ()

    def __post_init__(self) -> None:
        """Check that shapes, types and margins are as said above."""
        shape = self.reference.shape
        if not self._fits():
            raise SelfTestError(
                "the golden vectors do not fit together",
                observed=f"images {self.images.shape} {self.images.dtype}, reference {shape}, "
                f"{self.reference.dtype}, {len(self.sources)} sources, "
                f"{len(self.prepared)} prepared",
                expected="images (n, height, width, channels) uint8, reference and scores "
                "(n, classes) float of at least 2 classes, and for each source "
                "(any height, any width, 3) uint8 one prepared image of the model's size",
                remedy=_REMEDY,
            )
        ordered = np.sort(self.reference.astype(np.float64), axis=1)
        with np.errstate(invalid="ignore"):  # infinity less infinity is NaN, and refused below
            margins = ordered[:, -1] - ordered[:, -2]
        # Not "below", so that NaN is refused, too; float32 may round 0.3 down.
        if not (margins >= MIN_MARGIN - 1e-6).all():
            raise SelfTestError(
                "the golden vectors leave the class in doubt",
                observed=f"a margin of {margins.min():.3f}",
                expected=f"at least {MIN_MARGIN}",
                remedy="make them again on the workstation: edgecnn convert SOURCE",
            )

    def _fits(self) -> bool:
        """Tell whether all shapes and types are as the attributes say."""
        images, reference = self.images, self.reference
        return (
            images.ndim == 4
            and images.dtype == np.uint8
            and reference.ndim == 2
            and reference.shape[1] >= 2
            and len(images) == len(reference)
            and all(
                scores.shape == reference.shape and scores.dtype.kind == "f"
                for scores in (reference, *self.scores.values())
            )
            and len(self.sources) == len(self.prepared)
            and all(
                source.dtype == np.uint8
                and source.ndim == 3
                and source.shape[2] == 3
                and source.size > 0
                for source in self.sources
            )
            and all(
                prepared.dtype == np.uint8 and prepared.shape == images.shape[1:]
                for prepared in self.prepared
            )
        )


def write_golden(path: str | Path, golden: Golden) -> None:
    """Save golden vectors, atomically; equal vectors give equal bytes.

    Raises:
        OutputError: If the file cannot be written.
    """
    arrays: dict[str, npt.NDArray[Any]] = {"images": golden.images, "reference": golden.reference}
    arrays.update({f"scores_{name}": scores for name, scores in sorted(golden.scores.items())})
    for index, (source, prepared) in enumerate(zip(golden.sources, golden.prepared, strict=True)):
        # A plane after the other, as .npy can say it of the same array: these patterns compress to
        # a fifth of what they take with their channels side by side.
        arrays[f"sources_{index}"] = np.asfortranarray(source)
        arrays[f"prepared_{index}"] = np.asfortranarray(prepared)
    with atomic_file(Path(path)) as file:
        # Names such as scores_tflite-int8 are fine as keys of an archive.
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # numpy 2's allow_pickle


def golden_beside(model: str | Path) -> Path:
    """Return the golden vectors that lie beside a model file, as a build puts them.

    Args:
        model: The model file.

    Raises:
        SelfTestError: If there are none.
    """
    path = Path(model).parent / GOLDEN_FILE
    if not path.is_file():
        raise SelfTestError(
            f"there are no golden vectors beside {model}",
            observed=f"{path}: {describe(path)}",
            expected=f"the {GOLDEN_FILE} of the build the file is from",
            remedy=f"copy {GOLDEN_FILE} from the build to there, or name it: "
            f"edgecnn-run selftest {model} GOLDEN",
        )
    return path


def read_golden(path: str | Path) -> Golden:
    """Load golden vectors; no pickles are opened.

    Raises:
        SelfTestError: If the file is missing, damaged or no golden vectors.
    """
    try:
        regular_size(Path(path))
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        count = sum(name.startswith("sources_") for name in arrays)
        parts = {
            "images": arrays["images"],
            "reference": arrays["reference"],
            "sources": _contiguous(arrays, "sources_", count),
            "prepared": _contiguous(arrays, "prepared_", count),
        }
    except Exception as error:
        raise SelfTestError(
            f"cannot read the golden vectors {path}",
            observed=f"{type(error).__name__}: {error}; {describe(Path(path))}",
            expected=f"a {GOLDEN_FILE}, as edgecnn convert writes it",
            remedy=_REMEDY,
        ) from error
    prefix = "scores_"
    scores = {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
    return Golden(scores=scores, **parts)


def _contiguous(
    arrays: Mapping[str, npt.NDArray[Any]], prefix: str, count: int
) -> tuple[npt.NDArray[Any], ...]:
    """Return the arrays of a series, in the order in which pictures come from a decoder."""
    return tuple(np.ascontiguousarray(arrays[f"{prefix}{index}"]) for index in range(count))


def preprocessing_cases(
    height: int, width: int, channels: int, rule: str = RESIZE_RULE
) -> tuple[tuple[Pixels, ...], tuple[Pixels, ...]]:
    """Generate sources of other sizes, and what a resize rule makes of them.

    Larger and smaller, too wide and too high, odd sizes, one pixel: each takes another way
    through the arithmetic.

    Args:
        height: Rows of the model's input.
        width: Columns of the model's input.
        channels: 1 or 3.
        rule: Name of the rule; see ``contract.parse_resize``.

    Returns:
        For ``Golden.sources`` and ``Golden.prepared``.
    """
    sizes = (
        (2 * height + 1, 3 * width + 2),
        (3 * height + 2, 2 * width - 1),
        (height // 2 + 1, width + 3),
        (height, width),
        (1, 1),
    )
    sources = tuple(_pattern(*size) for size in sizes)
    prepared = tuple(
        prepare(source, height=height, width=width, channels=channels, rule=rule)
        for source in sources
    )
    return sources, prepared


def _pattern(rows: int, columns: int) -> Pixels:
    """Ramps of different steepness in each channel, wrapping around: sharp edges and slopes."""
    row, column = np.ogrid[:rows, :columns]
    planes = (7 * row + 3 * column, 5 * row * column // 4 + 40, 11 * column - 2 * row + 90)
    return np.stack([plane % 256 for plane in planes], axis=-1).astype(np.uint8)
