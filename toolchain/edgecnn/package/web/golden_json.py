"""Golden vectors for a browser: the same images and scores as JSON, fewer where they are large."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from edgecnn.errors import PackageError
from edgecnn_runner.golden import Golden, preprocessing_cases
from edgecnn_runner.selftest import tolerance_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["golden_json"]

_BUDGET: Final = 1 << 20
"""Bytes of pixels; with images of 224x224 pixels that is six of them."""


def golden_json(golden: Golden, variant: str) -> bytes:
    """Return golden vectors as the web app reads them.

    Args:
        golden: A build's.
        variant: Which file's scores.

    Returns:
        UTF-8 JSON: ``images``, each with ``height``, ``width``, ``channels``, ``pixels`` and
        ``prepared`` (base64 of rows from the top, channels side by side), ``scores`` and ``top``
        (null where an image tests preprocessing alone); and ``tolerance`` of a score.

    Raises:
        PackageError: If they hold no scores of this variant.
    """
    made = golden.scores.get(variant)
    if made is None:
        raise PackageError(
            f"the golden vectors have no scores of {variant}",
            observed=", ".join(sorted(golden.scores)) or "none",
            expected=variant,
            remedy="convert the model again: edgecnn convert SOURCE",
        )
    count = max(1, min(len(golden.images), _BUDGET // golden.images[0].nbytes))
    # Images are generated and not pictures of anything, so any of them serve as well.
    images = [
        _entry(image, image, [float(one) for one in scores], int(reference.argmax()))
        for image, scores, reference in zip(
            golden.images[:count], made, golden.reference, strict=False
        )
    ]
    sources, prepared = golden.sources, golden.prepared
    if not sources:  # a build of an older edgecnn
        height, width, channels = golden.images.shape[1:]
        sources, prepared = preprocessing_cases(height, width, channels)
    spent = 0
    for source, wanted in zip(sources, prepared, strict=True):
        spent += source.nbytes + wanted.nbytes
        if spent <= _BUDGET:
            images.append(_entry(source, wanted, None, None))
    value = {"images": images, "tolerance": tolerance_of(variant)}
    return (json.dumps(value, allow_nan=False, separators=(",", ":")) + "\n").encode()


def _entry(
    image: npt.NDArray[np.uint8],
    prepared: npt.NDArray[np.uint8],
    scores: list[float] | None,
    top: int | None,
) -> dict[str, Any]:
    height, width, channels = image.shape
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "pixels": base64.b64encode(image.tobytes()).decode(),
        "prepared": base64.b64encode(prepared.tobytes()).decode(),
        "scores": scores,
        "top": top,
    }
