"""The images that a repair decides on: validation images, and never a test image."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from edgecnn.data import Dataset, Images
from edgecnn.data.split import digest_per_image, seeded_order

_FEWEST, _MOST = 500, 5_000
_MACS: Final = 250e9
"""Multiply-accumulates of all the images together: some seconds for a file, of which a repair may
run eighty. A number, and no time: the same repair has to give the same files everywhere."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """Images to choose between candidates by.

    Attributes:
        split: ``validation``, or ``training`` where no validation image can be used.
        images: The images with their labels.
        digests: One for each, see ``data.calibration.digest_per_image``.
    """

    split: str
    images: Images
    digests: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Return JSON-ready values that prove which images they were."""
        return {
            "split": self.split,
            "count": len(self.images),
            "image_sha256": list(self.digests),
        }


def choose_selection(
    dataset: Dataset, *, calibrated: Collection[str], macs: int, seed: int = 0
) -> Selection | None:
    """Choose the images.

    Args:
        dataset: Images whose pixels occur among its test images are left out.
        calibrated: Digests of calibration images, which are left out of training images.
        macs: Multiply-accumulates of one image. Of small networks up to 5,000 images are used, of
            large ones fewer, down to 500.
        seed: Of the choice, where there are more.

    Returns:
        The validation images; if all of them occur in the test, the training images that do not
        calibrate; None if there are none of these either.
    """
    most = int(min(_MOST, max(_FEWEST, _MACS // max(macs, 1))))
    test = set(digest_per_image(dataset.test.pixels))
    for split, images, unwanted in (
        ("validation", dataset.validation, test),
        ("training", dataset.train, test | set(calibrated)),
    ):
        digests = digest_per_image(images.pixels)
        order = seeded_order(images.ids, seed=seed, purpose="repair")
        chosen = sorted([index for index in order if digests[index] not in unwanted][:most])
        if chosen:
            return Selection(
                split=split,
                images=images.take(chosen),
                digests=tuple(digests[index] for index in chosen),
            )
    return None
