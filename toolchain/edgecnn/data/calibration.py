"""Which training images an int8 variant takes its ranges from, and the proof of it.

The record names every calibration image and its digest. Verification recomputes the digests of
the evaluation images and refuses an artifact that was calibrated on any of them, so a record
needs no trust in how the images were chosen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.split import digest_per_image, seeded_order
from edgecnn.data.types import Images
from edgecnn.errors import CalibrationError
from edgecnn.files import canonical_digest

CALIBRATION_SCHEMA: Final = 1

DEFAULT_COUNT: Final = 500
"""More changes the ranges of a small network little; MLPerf Tiny calibrates on 500, too."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibrationSet:
    """Calibration images and their record.

    Attributes:
        pixels: Shape (n, height, width, channels), uint8, 0..255.
        record: JSON-ready: ``schema``, ``seed``, ``count``, ``class_counts`` (name to number),
            ``ids``, ``indices`` (positions in the train split), ``image_sha256`` (one per image,
            see ``digest_per_image``), ``excluded`` (ids of training images that were not eligible
            because they occur among the evaluation images), ``sha256`` (``canonical_digest`` of
            all the other entries). A repaired variant's own record also has ``method`` and
            ``selection``, the images that it was chosen by (``split``, ``count`` and their
            ``image_sha256``).
    """

    pixels: npt.NDArray[np.uint8]
    record: dict[str, Any]


def choose_calibration(
    train: Images, evaluation: Images, *, count: int | None, seed: int, class_names: Sequence[str]
) -> CalibrationSet:
    """Choose calibration images: from train only, balanced over the classes, by seed.

    An image whose pixels also occur among the evaluation images is never chosen, nor the same
    pixels twice. Class counts differ by at most one while every class has enough images; a class
    with too few gives all it has and the others make up for it. With fewer images than classes,
    ``count`` classes give one each.

    Args:
        train: The training split.
        evaluation: The images that artifacts will be verified on.
        count: How many to choose; None for ``DEFAULT_COUNT``, or all there are if fewer.
        seed: Seed of the choice.
        class_names: Names in label order.

    Returns:
        The images, in the order of the train split, and their record.

    Raises:
        CalibrationError: If count is less than 1 or more images than there are to choose from.
    """
    digests = digest_per_image(train.pixels)
    known = set(digest_per_image(evaluation.pixels))
    excluded = [index for index, digest in enumerate(digests) if digest in known]
    queues: list[list[int]] = [[] for _ in class_names]
    seen = set(known)
    for index in seeded_order(train.ids, seed=seed, purpose="calibration"):
        if digests[index] not in seen:
            seen.add(digests[index])
            queues[int(train.labels[index])].append(index)
    available = sum(map(len, queues))
    if count is None:
        count = min(DEFAULT_COUNT, available)
    if not 1 <= count <= available:
        raise CalibrationError(
            "there are not that many calibration images"
            if count > 0
            else "int8 variants need calibration images",
            observed=f"{count} asked for",
            expected=f"1..{available}, the different training images that are not evaluation "
            "images",
            remedy="set calibration.images in the recipe within these bounds",
        )
    labels = [str(label) for label in range(len(class_names))]
    order = seeded_order(labels, seed=seed, purpose="calibration classes")
    counts = _balance([len(queue) for queue in queues], count, order)
    chosen = sorted(
        index for queue, many in zip(queues, counts, strict=True) for index in queue[:many]
    )
    record = _record(
        train.take(chosen),
        indices=chosen,
        digests=[digests[index] for index in chosen],
        seed=seed,
        class_names=class_names,
        excluded=[train.ids[index] for index in excluded],
    )
    return CalibrationSet(pixels=train.pixels[chosen], record=record)


def _balance(available: Sequence[int], count: int, order: Sequence[int]) -> list[int]:
    """Return how many to take of each class: as even as the classes allow.

    Args:
        available: Images per class.
        count: Total to take, at most the sum of ``available``.
        order: Labels; the first ones take the remainder of an uneven division.
    """
    counts = [0] * len(available)
    left = count
    while left:
        open_classes = [label for label in order if counts[label] < available[label]]
        each = max(1, left // len(open_classes))
        for label in open_classes:
            more = min(each, available[label] - counts[label], left)
            counts[label] += more
            left -= more
    return counts


def _record(
    images: Images,
    *,
    indices: list[int],
    digests: list[str],
    seed: int,
    class_names: Sequence[str],
    excluded: list[str],
) -> dict[str, Any]:
    per_class = images.class_counts(len(class_names))
    record: dict[str, Any] = {
        "schema": CALIBRATION_SCHEMA,
        "seed": seed,
        "count": len(images),
        "class_counts": dict(zip(class_names, per_class, strict=True)),
        "ids": list(images.ids),
        "indices": indices,
        "image_sha256": digests,
        "excluded": excluded,
    }
    return {**record, "sha256": canonical_digest(record)}


def read_calibration(path: Path) -> dict[str, Any]:
    """Read a calibration record and check that it is whole and unchanged.

    Args:
        path: A JSON file that holds ``CalibrationSet.record``.

    Returns:
        The record.

    Raises:
        CalibrationError: If it is missing, damaged, changed, empty, or of another schema.
    """
    remedy = "convert the model again, with its recipe and data"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CalibrationError(
            f"cannot read the calibration record {path} ({error})",
            observed=f"{type(error).__name__}: {error}",
            expected=f"the JSON record that convert writes, schema {CALIBRATION_SCHEMA}",
            remedy=remedy,
        ) from error
    problem = next(_problems(record), None)
    if problem is not None:
        raise CalibrationError(
            f"the calibration record {path} is not valid: {problem}",
            observed=problem,
            expected=f"an unchanged record of the images that calibrated, schema "
            f"{CALIBRATION_SCHEMA}",
            remedy=remedy,
        )
    checked: dict[str, Any] = record
    return checked


def _problems(record: object) -> Iterator[str]:
    """Yield what is wrong with a parsed record; later checks rely on the earlier ones."""
    if not isinstance(record, dict):
        yield "it is not a JSON object"
        return
    if record.get("schema") != CALIBRATION_SCHEMA:
        yield f"it has schema {record.get('schema')!r}, this program reads {CALIBRATION_SCHEMA}"
        return
    digests, ids = record.get("image_sha256"), record.get("ids")
    if not isinstance(digests, list) or not isinstance(ids, list):
        yield "image_sha256 or ids is missing"
        return
    if not digests:
        yield "it names no images"
    if not len(digests) == len(ids) == record.get("count"):
        yield f"{len(digests)} digests, {len(ids)} ids, count {record.get('count')!r}"
    if not all(isinstance(text, str) and _SHA256.fullmatch(text) for text in digests):
        yield "an image digest is not a SHA-256"
    rest = {key: value for key, value in record.items() if key != "sha256"}
    try:
        if record.get("sha256") != canonical_digest(rest):
            yield "its digest does not fit what it says; it was changed"
    except ValueError:
        yield "it holds NaN or infinity"


def overlap(record: Mapping[str, Any], evaluation_pixels: npt.NDArray[np.uint8]) -> list[int]:
    """Return which evaluation images were used for calibration, or to choose it.

    Args:
        record: Of the calibration.
        evaluation_pixels: Shape (n, height, width, channels), uint8.

    Returns:
        Positions 0..n-1, ascending; empty is what it should be.
    """
    used = set(record["image_sha256"])
    selection = record.get("selection")
    if isinstance(selection, Mapping):
        used |= set(selection.get("image_sha256", ()))
    digests = digest_per_image(evaluation_pixels)
    return [index for index, digest in enumerate(digests) if digest in used]
