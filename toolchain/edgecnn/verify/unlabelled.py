"""Pictures without labels in a verification: the float model's answers to them, and what changed.

Agreement asks whether two models give the same answer, so it needs no true class. What is found
holds for the pictures that it was found on: those with and without labels are told apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.build.reference import images_digest
from edgecnn.build.shares import wilson_interval
from edgecnn.data.unlabelled import UnlabelledPictures
from edgecnn.files import canonical_digest
from edgecnn.verify.gate.judgement import Agreement, Changed

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class UnlabelledEvaluation:
    """Pictures without labels with what the float model answers to them.

    Attributes:
        pixels: Shape (m, height, width, channels), uint8.
        scores: The float model's probabilities, shape (m, classes), float32.
        groups: The group of each, shape (m,): the position of the evaluation image that it is a
            copy of, or a number above all of those.
        facts: What the report says of them.
    """

    pixels: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]
    groups: npt.NDArray[np.int64]
    facts: UnlabelledFacts


@dataclass(frozen=True, kw_only=True)
class UnlabelledFacts:
    """Which pictures without labels were used.

    Attributes:
        folder: Where they were.
        pictures: How many were used.
        groups: How many of those are independent: copies count with their original.
        copies: Pictures in a group with an evaluation image.
        left_out: Why others were left out, and how many for each reason.
        images_sha256: Digest of the pictures used, in order.
    """

    folder: str
    pictures: int
    groups: int
    copies: int
    left_out: Mapping[str, int]
    images_sha256: str


@dataclass(frozen=True, kw_only=True)
class UnlabelledAgreement:
    """What one artifact changed on pictures with and without labels, groups counting once.

    Attributes:
        pictures: Pictures without labels that were judged: all, or those with a clear answer.
        changed: Those of them on which artifact and float model decide differently.
        groups: Independent ones among them.
        share: Share of the groups that changed, 0..1.
        low: Lower bound of its 95 % interval.
        high: Upper bound.
        labelled_share: The same share of the evaluation images.
        labelled_low: Lower bound of its 95 % interval.
        labelled_high: Upper bound.
        most_drop: What accuracy can fall by at most on all these pictures together: the upper 97.5
            % bound of the share of all answers, clear or not, that changed.
    """

    pictures: int
    changed: int
    groups: int
    share: float
    low: float
    high: float
    labelled_share: float
    labelled_low: float
    labelled_high: float
    most_drop: float

    @classmethod
    def of(cls, agreement: Agreement) -> UnlabelledAgreement:
        """Return the figures of one artifact.

        Args:
            agreement: Its counts, those of unlabelled pictures among them.
        """
        others, labelled, whole = agreement.unlabelled, agreement.labelled, agreement.whole
        assert others is not None  # noqa: S101 - the caller has looked
        apart = wilson_interval(others.weight, others.groups)
        known = wilson_interval(labelled.weight, labelled.groups)
        return cls(
            pictures=others.pictures,
            changed=others.changed,
            groups=others.groups,
            share=others.share,
            low=apart.low,
            high=apart.high,
            labelled_share=labelled.share,
            labelled_low=known.low,
            labelled_high=known.high,
            most_drop=wilson_interval(whole.weight, whole.groups).high,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """Which answers changed, picture by picture.

    Attributes:
        changed: Whether the two models decide differently, shape (n,).
        judged: Whether agreement is judged on it, shape (n,).
        groups: The group of each picture, shape (n,), the same numbers for labelled and unlabelled
            ones.
    """

    changed: Mask
    judged: Mask
    groups: npt.NDArray[np.int64]


def agreement_of(labelled: Answers, unlabelled: Answers | None) -> Agreement:
    """Count changed answers, apart and together.

    Args:
        labelled: Those to evaluation images, at least one of them judged.
        unlabelled: Those to pictures without labels; None for none.
    """
    known = _changed([labelled], judged_only=True)
    if unlabelled is None:
        whole = _changed([labelled], judged_only=False)
        return Agreement(labelled=known, unlabelled=None, together=known, whole=whole)
    both = [labelled, unlabelled]
    return Agreement(
        labelled=known,
        unlabelled=_changed([unlabelled], judged_only=True),
        together=_changed(both, judged_only=True),
        whole=_changed(both, judged_only=False),
    )


def _changed(parts: Sequence[Answers], *, judged_only: bool) -> Changed:
    changed = np.concatenate([one.changed for one in parts])
    groups = np.concatenate([one.groups for one in parts])
    if judged_only:
        judged = np.concatenate([one.judged for one in parts])
        changed, groups = changed[judged], groups[judged]
    _, place = np.unique(groups, return_inverse=True)
    sizes = np.bincount(place)
    of_group = np.bincount(place, weights=changed)
    return Changed(
        pictures=len(changed),
        changed=int(changed.sum()),
        groups=len(sizes),
        weight=float((of_group / sizes).sum()),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredPictures:
    """Pictures without labels, with the float model's answers.

    Attributes:
        pictures: The pictures.
        scores: The float model's probabilities of them, shape (m, classes), float32.
    """

    pictures: UnlabelledPictures
    scores: npt.NDArray[np.float32]

    def digest(self) -> str:
        """Return the SHA-256 of the pictures and their groups; where they are does not count."""
        found = [images_digest(self.pictures.pixels), list(self.pictures.groups)]
        return canonical_digest({"unlabelled": found})

    def evaluated_with(self, ids: Sequence[str]) -> UnlabelledEvaluation:
        """Return them beside the evaluation images.

        Args:
            ids: Names of the evaluation images that are used, in order.
        """
        pictures = self.pictures
        number = {name: index for index, name in enumerate(ids)}
        numbers = [number.setdefault(group, len(number)) for group in pictures.groups]
        groups = np.asarray(numbers, dtype=np.int64)
        return UnlabelledEvaluation(
            pixels=pictures.pixels,
            scores=self.scores,
            groups=groups,
            facts=UnlabelledFacts(
                folder=str(pictures.folder),
                pictures=len(pictures),
                groups=len(np.unique(groups)),
                copies=int(np.count_nonzero(groups < len(ids))),
                left_out=dict(pictures.left_out),
                images_sha256=images_digest(pictures.pixels),
            ),
        )
