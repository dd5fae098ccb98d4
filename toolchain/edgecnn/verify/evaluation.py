"""Which images artifacts are judged on, and the reference scores that belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.build.reference import Reference, check_scores, images_digest
from edgecnn.data import Dataset, Images
from edgecnn.data.patterns import probes
from edgecnn.data.split import seeded_order
from edgecnn.errors import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class Probes:
    """Generated pictures that the float model was asked about, too.

    Attributes:
        pixels: Shape (m, height, width, channels), uint8.
        scores: The float model's probabilities for them, shape (m, classes), float32.
    """

    pixels: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Evaluation images with their reference scores, row by row.

    Attributes:
        images: The images used, in the order of the test split.
        scores: The float model's probabilities for them, shape (n, classes), float32.
        test: The whole test split, which no calibration image may come from.
        seed: Seed of the subset; None if all test images are used.
        noise_scores: The float model's probabilities for the images with one grey level of noise,
            shape (n, classes), float32; None where it was not asked.
        probes: What it answers to generated pictures; None where it was not asked.
    """

    images: Images
    scores: npt.NDArray[np.float32]
    test: Images
    seed: int | None
    noise_scores: npt.NDArray[np.float32] | None = None
    probes: Probes | None = None


def choose_evaluation(
    dataset: Dataset,
    reference: Reference,
    *,
    images: int | None = None,
    seed: int = 0,
    shuffled: bool = False,
) -> Evaluation:
    """Match the test split with the reference, and take a subset where one is asked for.

    Args:
        dataset: Its test split must be the one the reference was computed on.
        reference: The float model's scores on all test images.
        images: How many images to use, class-balanced; None, or more than there are, for all.
        seed: Seed of the subset, and of the order where that is shuffled.
        shuffled: Whether to bring the images into an order that says nothing about them.

    Returns:
        Images and scores that belong together.

    Raises:
        DataError: If data set and reference do not belong together, or there are no images.
        ScoreError: If the reference holds scores that are not numbers.
    """
    test = dataset.test
    digest = images_digest(test.pixels)
    names = tuple(reference.class_names)
    fits = (
        digest == reference.images_sha256
        and np.array_equal(test.labels, reference.labels)
        and tuple(dataset.class_names) == names
    )
    if not fits:
        raise DataError(
            "the reference scores were computed on other images than this data set's test split",
            observed=f"{_describe(len(test), dataset.class_names, digest)}",
            expected=f"{_describe(len(reference.labels), names, reference.images_sha256)}",
            remedy="give the data that the model was converted with (--data PATH), or convert the "
            "model again with these data",
        )
    if len(test) == 0 or (images is not None and images < 1):
        raise DataError(
            "there are no evaluation images",
            observed=f"{len(test)} test images, {images} asked for",
            expected="at least 1",
            remedy="ask for at least one image: --images N",
        )
    check_scores(reference.scores, model="the float model (its saved reference)")
    noise_scores, generated = reference.noise_scores, _probes(reference, dataset)
    everything = images is None or images >= len(test)
    if everything and not shuffled:
        return Evaluation(
            images=test,
            scores=reference.scores,
            test=test,
            seed=None,
            noise_scores=noise_scores,
            probes=generated,
        )
    if images is None or everything:
        chosen = np.arange(len(test), dtype=np.int64)
    else:
        chosen = balanced_subset(test.labels, test.ids, images, seed)
    if shuffled:
        ids = [test.ids[index] for index in chosen]
        chosen = chosen[seeded_order(ids, seed=seed, purpose="until decided")]
    return Evaluation(
        images=test.take(chosen),
        scores=reference.scores[chosen],
        test=test,
        seed=None if everything else seed,
        noise_scores=None if noise_scores is None else noise_scores[chosen],
        probes=generated,
    )


def _probes(reference: Reference, dataset: Dataset) -> Probes | None:
    """Return the generated pictures with the float model's scores of them, where it has some.

    None, too, where another version of numpy makes other pictures of the same seed.
    """
    if reference.probe_scores is None:
        return None
    pixels = probes(dataset.shape)
    if images_digest(pixels) != reference.probes_sha256:
        return None
    return Probes(pixels=pixels, scores=reference.probe_scores)


def balanced_subset(
    labels: npt.NDArray[np.int64], ids: Sequence[str], count: int, seed: int
) -> npt.NDArray[np.int64]:
    """Choose images so that classes differ by at most one, while they last.

    Args:
        labels: Class of each image, shape (n,).
        ids: Name of each image; the choice depends on names and seed, not on positions.
        count: How many to choose, 1 to n.
        seed: Seed of the choice.

    Returns:
        Positions, ascending, shape (count,).
    """
    order = seeded_order(ids, seed=seed, purpose="evaluation")
    taken: dict[int, int] = {}
    rounds = []
    for place, index in enumerate(order):
        label = int(labels[index])
        taken[label] = taken.get(label, 0) + 1
        rounds.append((taken[label], place, index))
    # One image of every class, then a second one of every class, and so on.
    return np.array(sorted(index for _, _, index in sorted(rounds)[:count]), dtype=np.int64)


def _describe(images: int, names: Sequence[str], digest: str) -> str:
    return f"{images} images of {len(names)} classes, sha256 {digest[:12]}"
