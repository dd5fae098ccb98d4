"""Golden vectors for a browser: the same images and scores as JSON, fewer where they are large."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from edgecnn.errors import PackageError
from edgecnn_runner.contract import Contract, parse_resize
from edgecnn_runner.golden import Golden, preprocessing_cases
from edgecnn_runner.selftest import tolerance_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_BUDGET: Final = 1 << 20
"""Bytes of pixels; with images of 224x224 pixels that is six of them."""


def golden_json(golden: Golden, contract: Contract) -> bytes:
    """Return golden vectors as the web app reads them.

    Args:
        golden: A build's.
        contract: Of the file whose scores are wanted.

    Returns:
        UTF-8 JSON: ``images``, each with ``height``, ``width``, ``channels``, ``pixels`` and
        ``prepared`` (base64 of rows from the top, channels side by side; ``prepared`` is null where
        the model is fed ``pixels`` themselves, which its resize rule would change), ``scores`` and
        ``top`` (null where an image tests preprocessing alone); and ``tolerance`` of a score.

    Raises:
        PackageError: If they hold no scores of this variant.
    """
    variant = contract.variant
    made = golden.scores.get(variant)
    if made is None:
        raise PackageError(
            f"the golden vectors have no scores of {variant}",
            observed=", ".join(sorted(golden.scores)) or "none",
            expected=variant,
            remedy="convert the model again: edgecnn convert SOURCE",
        )
    count = max(1, min(len(golden.images), _BUDGET // golden.images[0].nbytes))
    # A crop of a fraction does not leave a picture of the model's size as it is.
    is_kept = parse_resize(contract.resize).fraction == 1000
    # Images are generated and not pictures of anything, so any of them serve as well.
    images = [
        _entry(
            image,
            image if is_kept else None,
            [float(one) for one in scores],
            int(reference.argmax()),
        )
        for image, scores, reference in zip(
            golden.images[:count], made, golden.reference, strict=False
        )
    ]
    sources, prepared = golden.sources, golden.prepared
    if not sources:  # a build of an older edgecnn
        height, width, channels = golden.images.shape[1:]
        sources, prepared = preprocessing_cases(height, width, channels, contract.resize)
    images += [_entry(*case, None, None) for case in _affordable(sources, prepared)]
    value = {"images": images, "tolerance": tolerance_of(variant)}
    return (json.dumps(value, allow_nan=False, separators=(",", ":")) + "\n").encode()


def _affordable(
    sources: Sequence[npt.NDArray[np.uint8]], prepared: Sequence[npt.NDArray[np.uint8]]
) -> list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]:
    """Return the cases that the budget has room for, one after the other; at least the smallest."""
    cases = [*zip(sources, prepared, strict=True)]
    spent, found = 0, []
    for source, wanted in cases:
        if spent + source.nbytes + wanted.nbytes <= _BUDGET:
            spent += source.nbytes + wanted.nbytes
            found.append((source, wanted))
    return found or [min(cases, key=lambda case: case[0].nbytes)]


def _entry(
    image: npt.NDArray[np.uint8],
    prepared: npt.NDArray[np.uint8] | None,
    scores: list[float] | None,
    top: int | None,
) -> dict[str, Any]:
    height, width, channels = image.shape
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "pixels": _base64(image),
        "prepared": None if prepared is None else _base64(prepared),
        "scores": scores,
        "top": top,
    }


def _base64(pixels: npt.NDArray[np.uint8]) -> str:
    return base64.b64encode(pixels.tobytes()).decode()
