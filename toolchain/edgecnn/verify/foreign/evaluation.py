"""The float model that foreign files are compared with, and its answers on the images chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.build.reference import Reference, check_scores, images_digest, with_noise
from edgecnn.data import JudgedImages
from edgecnn.data.patterns import probes
from edgecnn.data.types import places_in
from edgecnn.errors import DataError, LabelsError, some_of
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.verify.evaluation import Evaluation, Probes, balanced_subset
from edgecnn.verify.foreign.files import FloatModel


@dataclass(frozen=True, kw_only=True)
class ForeignReference:
    """The float model that foreign files are compared with.

    Attributes:
        model: Answers.
        name: The model as it was named on the command line.
        title: A short name for it.
        sha256: Digest of the file, or of the folder's files.
        labels: Class names in the order of its outputs.
        range_given: Whether its range was named for it, and is not just the artifacts'.
    """

    model: FloatModel
    name: str
    title: str
    sha256: str
    labels: tuple[str, ...]
    range_given: bool

    def scores(
        self,
        pixels: npt.NDArray[np.uint8],
        class_names: Sequence[str],
        *,
        input_range: str | None = None,
        progress: Progress = NO_PROGRESS,
    ) -> npt.NDArray[np.float32]:
        """Return its probabilities, in the order of the class names, shape (n, classes)."""
        found = self.model.scores(pixels, input_range=input_range, progress=progress)
        return np.ascontiguousarray(found[:, places_in(self.labels, class_names)])


def evaluation_of(
    reference: ForeignReference,
    data: JudgedImages,
    images: int | None,
    seed: int,
    progress: Progress,
) -> Evaluation:
    """Choose the images and ask the reference, its outputs put into the artifacts' order."""
    found = data.images
    if len(found) == 0 or (images is not None and images < 1):
        raise DataError(
            "there are no evaluation images",
            observed=f"{len(found)} images, {images} asked for",
            expected="at least 1",
            remedy="ask for at least one image: --images N",
        )
    if set(reference.labels) != set(data.class_names):
        differing = sorted(set(reference.labels) ^ set(data.class_names))
        raise LabelsError(
            "the reference has other labels than the artifacts",
            observed=f"only in one of them: {some_of(differing)}",
            expected="the same names, in any order",
            remedy="name the classes alike in both files of labels",
        )
    subset = images is not None and images < len(found)
    if subset:
        chosen = balanced_subset(found.labels, found.ids, int(images or 0), seed)
        used = found.take(chosen)
    else:
        used = found
    scores = reference.scores(used.pixels, data.class_names, progress=progress)
    pictures = probes(used.pixels.shape[1:])
    noisy = reference.scores(with_noise(used.pixels), data.class_names, progress=progress)
    generated = reference.scores(pictures, data.class_names)
    for found_scores in (scores, noisy, generated):
        check_scores(found_scores, model="the reference")
    return Evaluation(
        images=used,
        scores=scores,
        test=found,
        seed=seed if subset else None,
        noise_scores=noisy,
        probes=Probes(pixels=pictures, scores=generated),
    )


def saved_reference(
    reference: ForeignReference, evaluation: Evaluation, class_names: Sequence[str]
) -> Reference:
    """Return its answers as a build would have saved them."""
    return Reference(
        scores=evaluation.scores,
        labels=evaluation.images.labels,
        ids=evaluation.images.ids,
        images_sha256=images_digest(evaluation.images.pixels),
        model_sha256=reference.sha256,
        class_names=class_names,
    )
