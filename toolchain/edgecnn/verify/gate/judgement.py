"""A verdict and all that it rests on: counts, criteria, classes; ``verdict_of`` decides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgecnn.verify.metrics import Metrics

Outcome = Literal["met", "missed", "undecided"]
ClassOutcome = Literal["met", "missed", "undecided", "absent"]
CriterionName = Literal[
    "accuracy_drop", "disagreement", "class_drop", "accuracy", "gap_increase", "corruption_drop"
]
Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Right and wrong answers of two models on the same images.

    Attributes:
        images: All of them.
        lost: Those only the reference gets right.
        gained: Those only the artifact gets right.
    """

    images: int
    lost: int
    gained: int

    @property
    def drop(self) -> float:
        """The reference's share of right answers less the artifact's; needs an image."""
        return (self.lost - self.gained) / self.images


@dataclass(frozen=True, kw_only=True)
class Changed:
    """Answers that changed, among pictures of which some may be copies of one.

    Attributes:
        pictures: All of them.
        changed: Those on which the two models decide differently.
        groups: Independent ones: a picture and its copies are one.
        weight: Sum over the groups of the share of their pictures that changed; ``changed``
            where there are no copies.
    """

    pictures: int
    changed: int
    groups: int
    weight: float

    @classmethod
    def alone(cls, pictures: int, changed: int) -> Changed:
        """Return the counts of pictures without copies."""
        return cls(pictures=pictures, changed=changed, groups=pictures, weight=float(changed))

    @property
    def share(self) -> float:
        """The share of answers that changed, groups counting alike, 0..1; needs a picture."""
        return self.weight / self.groups


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Changed answers on what agreement is judged by: all, or the float model's clear ones.

    Attributes:
        labelled: On evaluation images.
        unlabelled: On pictures without labels; None where there are none.
        together: On both; a copy of an evaluation image is in one group with it.
        whole: The same, of all answers, clear or not: what bounds the drop of accuracy.
    """

    labelled: Changed
    unlabelled: Changed | None
    together: Changed
    whole: Changed


@dataclass(frozen=True, kw_only=True)
class Counts:
    """All that a verdict depends on.

    Attributes:
        overall: All evaluation images.
        disagreements: Images on which the two decide differently.
        right: Images that the artifact gets right.
        classes: The images of each class, in score order.
        agreement: What agreement is judged by; None for all answers to the evaluation images.
        clear_only: Whether that is the float model's clear answers.
    """

    overall: Paired
    disagreements: int
    right: int
    classes: tuple[Paired, ...]
    agreement: Agreement | None = None
    clear_only: bool = False

    @property
    def judged(self) -> Agreement:
        """What agreement is judged by."""
        if self.agreement is not None:
            return self.agreement
        every = Changed.alone(self.overall.images, self.disagreements)
        return Agreement(labelled=every, unlabelled=None, together=every, whole=every)

    @classmethod
    def of(
        cls, metrics: Metrics, agreement: Agreement | None = None, *, clear_only: bool = False
    ) -> Counts:
        """Take the counts out of a comparison.

        Args:
            metrics: The comparison on the evaluation images.
            agreement: What agreement is judged by; None for all answers to them.
            clear_only: Whether that is the float model's clear answers.
        """
        return cls(
            agreement=agreement,
            clear_only=clear_only,
            overall=Paired(images=metrics.images, lost=metrics.lost, gained=metrics.gained),
            disagreements=metrics.disagreements,
            right=metrics.both_right + metrics.gained,
            classes=tuple(
                Paired(images=one.images, lost=one.lost, gained=one.gained)
                for one in metrics.classes
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One measure against its limit. Shares, not percent.

    The smaller, the better, and the limit is the largest value allowed; but for ``accuracy``, of
    which it is the smallest.

    Attributes:
        name: Which.
        outcome: Met, missed or undecided.
        estimate: The observed value.
        low: Lower bound of the interval.
        high: Upper bound of the interval.
        level: Confidence of the interval.
        limit: The largest value allowed; the smallest one of ``accuracy``.
        method: How the interval was made.
        exact_p: The exact test's one-sided p on the side of the limit that the interval is on;
            None where the interval spans the limit and there was nothing to confirm.
        class_index: For ``class_drop``, the class that these numbers are of.
        about: For ``gap_increase``, the groups that they are of; for ``corruption_drop``, the
            corruption; for ``disagreement``, which answers, where not all to the evaluation images.
        images: How many independent pictures the numbers are of, where not all evaluation images.
        by_equality: Whether it is met because the file's scores equal the float model's, and not
            by its interval.
    """

    name: CriterionName
    outcome: Outcome
    estimate: float
    low: float
    high: float
    level: float
    limit: float
    method: str
    exact_p: float | None = None
    class_index: int | None = None
    about: str | None = None
    images: int | None = None
    by_equality: bool = False

    @property
    def beyond(self) -> bool:
        """Whether the observed value is on the wrong side of the limit."""
        if self.name == "accuracy":
            return self.estimate < self.limit
        return self.estimate > self.limit


@dataclass(frozen=True, kw_only=True)
class ClassChange:
    """How much recall one class lost.

    Attributes:
        index: Position of the class in the scores.
        outcome: Whether the loss is within the limit; ``absent`` for a class without images.
        images: Evaluation images of the class.
        drop: The reference's recall less the artifact's; None for an absent class.
        low: Lower bound of Tango's interval at ``level``; None for an absent class.
        high: Upper bound; None for an absent class.
        level: Confidence of the interval, from the class's step in Holm's procedure; None for an
            absent class.
        p: One-sided p that the drop is beyond the limit; None for an absent class.
        by_chance: Whether it is met although its drop is beyond the limit on these images: with
            many classes, the worst of them loses as much by chance.
    """

    index: int
    outcome: ClassOutcome
    images: int
    drop: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    p: float | None = None
    by_chance: bool = False


@dataclass(frozen=True, kw_only=True)
class ManyClasses:
    """What images can tell of single classes where there are many of those.

    Attributes:
        present: Classes with images.
        images: Images of the class in the middle of those, by their number.
        beyond: Classes whose drop is beyond the limit on these images.
        by_chance: Those of them that are met all the same.
        shown_from: The smallest drop, 0..1, of a class of so many images that would be surely
            beyond the limit; None where not even a class that loses all of them would be.
    """

    present: int
    images: int
    beyond: int
    by_chance: int
    shown_from: float | None


@dataclass(frozen=True, kw_only=True)
class GapChange:
    """What a conversion does to the gap between two groups.

    Attributes:
        column: The table's column.
        ahead: The group that the float model does better on.
        behind: The other one.
        before: Accuracy of the float model on ``ahead`` less that on ``behind``, 0..1.
        after: The artifact's, -1..1; below 0 where the order has turned.
        increase: How much wider the gap is, ``|after| - |before|``, -1..1.
        low: Lower bound of its interval at ``level``.
        high: Upper bound.
        level: Confidence of the interval.
        p: One-sided p that the increase is not beyond the limit.
        outcome: Against the limit.
    """

    column: str
    ahead: str
    behind: str
    before: float
    after: float
    increase: float
    low: float
    high: float
    level: float
    p: float
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Equality:
    """Whether a file's scores equal the float model's, but for rounding.

    Attributes:
        holds: Whether they do.
        reason: Why, or why not, in words.
        images: Evaluation images compared.
        probes: Generated pictures compared; 0 where the float model was not asked about them.
        difference: The largest absolute difference of the logarithms of two probabilities, on any
            image and class; None where nothing was compared.
        margin: The smallest lead of any answer of the float model over its second class, the same
            unit; None where nothing was compared.
        move: The most that the file changes such a lead by, on an evaluation image; None where
            nothing was compared.
    """

    holds: bool
    reason: str
    images: int = 0
    probes: int = 0
    difference: float | None = None
    margin: float | None = None
    move: float | None = None


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict and what it rests on.

    Attributes:
        verdict: PASS, FAIL or INCONCLUSIVE.
        criteria: Accuracy drop, disagreement, class drop, in this order, accuracy where that has a
            limit, the increase of a gap between groups where there are groups, and the drop under
            corruption where that has a limit.
        classes: One entry per class, in score order.
        gaps: One entry per pair of groups; none without groups.
        equality: Whether the file's scores equal the float model's; None where an earlier version
            of edgecnn did not ask, or it was judged without scores.
        many_classes: What can be told of single classes; None where there are few.
    """

    verdict: Verdict
    criteria: tuple[Criterion, ...]
    classes: tuple[ClassChange, ...]
    gaps: tuple[GapChange, ...] = ()
    equality: Equality | None = None
    many_classes: ManyClasses | None = None

    @property
    def by_equality(self) -> bool:
        """Whether the verdict is a PASS that rests on equality, and would be open without it."""
        return self.verdict == "PASS" and any(one.by_equality for one in self.criteria)


def verdict_of(outcomes: Sequence[Outcome | ClassOutcome]) -> Verdict:
    """Return the verdict that criteria come to: one missed is FAIL, all met is PASS."""
    if "missed" in outcomes:
        return "FAIL"
    return "INCONCLUSIVE" if "undecided" in outcomes else "PASS"
