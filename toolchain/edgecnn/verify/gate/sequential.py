"""The gate for images that come in batches: stop as soon as the verdict is sure.

The same criteria and limits as ``gate``, each by a confidence sequence (``betting``) in place of an
interval, so that looking after every batch costs nothing: a model at or beyond the limit of
accuracy drop, disagreement or accuracy passes in at most 2.5 % of runs, whatever the number of
looks, and one within it is failed by that criterion in at most 2.5 %.

Classes. As in ``gate``, a class is missed only if it is surely beyond the limit (here at a 2.5 %
that all classes share), and met if its estimate is within. A few images of a class say little, and
the rule would be asked again and again, so before the last image a class is met only if, besides,
it surely does not lose ``CLASS_MARGIN`` times the limit: a model one of whose classes does passes
early in at most 2.5 % of runs. With many classes, ``classes`` says what of a loss is chance; here
that is asked after the last image only.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.recipe.sections import Limits
from edgecnn.verify.gate.classes import largest_undecided_p, many_classes, worst_class
from edgecnn.verify.gate.criteria import ALPHA, LEVEL, check_some, limit_of
from edgecnn.verify.gate.judgement import (
    ClassChange,
    Counts,
    Criterion,
    CriterionName,
    Judgement,
    Outcome,
    Paired,
    Verdict,
    verdict_of,
)
from edgecnn.verify.statistics.intervals import Side

FIRST_LOOK: Final = 50
"""Images before the first look; and of each batch, until a tenth of those seen is more."""

CLASS_MARGIN: Final = 2.0
"""How many limits a class must surely not lose before a run is ended early."""

_METHOD: Final = "Confidence sequence by betting, good at every look"


@dataclass(frozen=True, kw_only=True)
class Looked:
    """How a sequence of looks went.

    Attributes:
        looks: How many there were.
        images: Images used.
        available: Images that could have been used.
    """

    looks: int
    images: int
    available: int

    @property
    def saved(self) -> int:
        """Images that were not needed."""
        return self.available - self.images


def when_to_look(available: int) -> Iterator[int]:
    """Yield after how many images to look; the last is all of them.

    Batches grow with what was seen, since on a device each of them costs a start.
    """
    seen = 0
    while seen < available:
        seen = min(available, seen + max(FIRST_LOOK, seen // 10))
        yield seen


@dataclass(frozen=True, kw_only=True)
class Available:
    """Images that there are.

    Attributes:
        images: All of them.
        classes: Those of each class, in score order.
    """

    images: int
    classes: tuple[int, ...]


def verdict_so_far(seen: Sequence[Counts], limits: Limits, available: Available) -> Verdict:
    """Say whether a run can end.

    Args:
        seen: The counts of all images so far, at each look; at least one look.
        limits: What is allowed.
        available: What there is; at the last image classes are judged as by ``gate``.

    Returns:
        PASS or FAIL; or INCONCLUSIVE, to go on if there are images left.
    """
    outcomes = [
        _outcome(_paired([one.overall for one in seen]), limit_of(limits, "accuracy_drop")),
        _outcome(_different(seen), limit_of(limits, "disagreement")),
    ]
    if limits.min_accuracy:
        outcomes.append(_outcome(_wrong(seen), 1 - limit_of(limits, "accuracy")))

    @functools.cache  # many classes have the same few counts
    def of_class(history: tuple[Paired, ...]) -> Outcome:
        return _class_outcome(history, limits, available, seen[-1])

    outcomes += [
        of_class(_history(index, seen)) for index, there in enumerate(available.classes) if there
    ]
    return verdict_of(outcomes)


def judge_sequence(seen: Sequence[Counts], limits: Limits, available: Available) -> Judgement:
    """Return the verdict after the last look, with all that it rests on.

    Raises:
        DataError: If there are no images.
    """
    last = seen[-1]
    check_some(last.overall.images)
    overall = _paired([one.overall for one in seen])
    changed = last.judged.labelled
    disagreement = _criterion("disagreement", changed.share, _different(seen), limits)
    if last.clear_only:
        disagreement = replace(disagreement, about="clear answers", images=changed.groups)
    criteria = [_criterion("accuracy_drop", last.overall.drop, overall, limits), disagreement]

    @functools.cache
    def of_class(history: tuple[Paired, ...]) -> ClassChange:
        return _class(history, seen, limits, available)

    classes = tuple(
        replace(of_class(_history(index, seen)), index=index) for index in range(len(last.classes))
    )
    class_limit = limit_of(limits, "class_drop")
    criteria.append(worst_class(classes, class_limit, method=_METHOD))
    if limits.min_accuracy:
        criteria.append(_accuracy(seen, limit_of(limits, "accuracy")))
    return Judgement(
        verdict=verdict_of([one.outcome for one in criteria]),
        criteria=tuple(criteria),
        classes=classes,
        many_classes=many_classes(classes, class_limit, alpha=ALPHA),
    )


def _outcome(tally: BettingTally, limit: float, alpha: float = ALPHA) -> Outcome:
    """Return what the first bet to pay decided; that it did so cannot be undone by later images."""
    met, missed = _paid(tally, limit, "below", alpha), _paid(tally, limit, "above", alpha)
    if met is None and missed is None:
        return "undecided"
    return "met" if missed is None or (met is not None and met <= missed) else "missed"


def _paid(tally: BettingTally, limit: float, side: Side, alpha: float) -> int | None:
    """Return the first look at which a bet has paid 1/alpha; None if none did."""
    paid = log_wealth(tally, limit, side) >= -math.log(alpha)
    return int(paid.argmax()) if paid.any() else None


def _class_outcome(
    history: Sequence[Paired], limits: Limits, available: Available, last: Counts
) -> Outcome:
    limit = limit_of(limits, "class_drop")
    if not history:
        return "undecided"
    tally = _paired(history)
    if _paid(tally, limit, "above", ALPHA / len(available.classes)) is not None:
        return "missed"
    complete = last.overall.images >= available.images
    if history[-1].drop > limit:
        present = sum(1 for one in available.classes if one)
        by_chance = complete and _class_p(tally, limit) > largest_undecided_p(present)
        return "met" if by_chance else "undecided"
    far = CLASS_MARGIN * limit
    sure = complete or far >= 1 or _paid(tally, far, "below", ALPHA) is not None
    return "met" if sure else "undecided"


def _criterion(
    name: CriterionName, estimate: float, tally: BettingTally, limits: Limits
) -> Criterion:
    low, high = bounds(tally, ALPHA)
    limit = limit_of(limits, name)
    return Criterion(
        name=name,
        outcome=_outcome(tally, limit),
        estimate=estimate,
        low=low,
        high=high,
        level=LEVEL,
        limit=limit,
        method=_METHOD,
    )


def _accuracy(seen: Sequence[Counts], least: float) -> Criterion:
    """Return the criterion of accuracy, by the sequence of the share of wrong answers."""
    wrong, last = _wrong(seen), seen[-1]
    low, high = bounds(wrong, ALPHA)
    return Criterion(
        name="accuracy",
        outcome=_outcome(wrong, 1 - least),
        estimate=last.right / last.overall.images,
        low=1 - high,
        high=1 - low,
        level=LEVEL,
        limit=least,
        method=_METHOD,
    )


def _history(index: int, seen: Sequence[Counts]) -> tuple[Paired, ...]:
    """Return the counts of one class at the looks that saw more of it than those before."""
    found = [one.classes[index] for one in seen]
    return tuple(
        one
        for before, one in zip([None, *found], found, strict=False)
        if one.images and one != before
    )


def _class(
    history: Sequence[Paired], seen: Sequence[Counts], limits: Limits, available: Available
) -> ClassChange:
    if not history:
        return ClassChange(index=0, outcome="absent", images=0)
    alpha = ALPHA / len(available.classes)
    tally = _paired(history)
    low, high = bounds(tally, alpha)
    limit = limit_of(limits, "class_drop")
    outcome = _class_outcome(history, limits, available, seen[-1])
    return ClassChange(
        index=0,
        outcome=outcome,
        images=history[-1].images,
        drop=history[-1].drop,
        low=low,
        high=high,
        level=1 - 2 * alpha,
        p=_class_p(tally, limit),
        by_chance=outcome == "met" and history[-1].drop > limit,
    )


def _class_p(tally: BettingTally, limit: float) -> float:
    """Return how surely a class is beyond the limit, good at every look."""
    return min(1.0, math.exp(-float(log_wealth(tally, limit, "above").max())))


def _paired(history: Sequence[Paired]) -> BettingTally:
    lost, gained = [one.lost for one in history], [one.gained for one in history]
    return BettingTally.of(lost, gained, [one.images for one in history], least=-1)


def _wrong(history: Sequence[Counts]) -> BettingTally:
    images = [one.overall.images for one in history]
    wrong = [one.overall.images - one.right for one in history]
    return BettingTally.of(wrong, [0] * len(images), images, least=0)


def _different(history: Sequence[Counts]) -> BettingTally:
    # Looks that saw no answer that is judged tell nothing; there is one at the last.
    seen = [one.judged.labelled for one in history if one.judged.labelled.groups]
    images = [one.groups for one in seen]
    return BettingTally.of([one.changed for one in seen], [0] * len(images), images, least=0)


# An interval of a fixed number of images is wrong far more often than it says if one looks again
# and again and stops when it suits. A bet is not: against the claim that the mean of X is at least
# m, a gambler stakes a share of what they have on X being below m. If the claim is true, no stake
# makes a profit on average, and by Ville's inequality (J. Ville (1939), Etude critique de la
# notion de collectif) the chance that the wealth ever reaches 1/alpha, at whatever look, is at
# most alpha. So the claim may be given up as soon as it does. All means that are not given up are
# a confidence sequence: I. Waudby-Smith, A. Ramdas (2024), Estimating means of bounded random
# variables by betting, Journal of the Royal Statistical Society B 86, 1-27. Spreading the stake
# over many fixed shares, as here, is the method of mixtures of H. Robbins (1970), Statistical
# methods related to the law of the iterated logarithm, Annals of Mathematical Statistics 41,
# 1397-1409.
#
# X is one image's part in a rate: for a drop 1 where the artifact loses the image, -1 where it
# gains it, 0 elsewhere; for a disagreement 1 or 0. With fixed shares the wealth depends on counts
# alone, not on the order of the images.

Floats = npt.NDArray[np.float64]

_SHARES: Final[Floats] = np.concatenate([np.geomspace(0.004, 0.9, 40), [0.95, 0.98, 0.995]])
"""Stakes, as shares of the largest one that cannot bankrupt. Many right answers and few different
ones, as here, ask for large shares; a limit that is close to the truth asks for small ones."""

_HALVINGS: Final = 40
_NEXT: Final = 1e-12
"""No stake can be made on a mean that is itself the end of what is possible; on one beside it, it
can."""


@dataclass(frozen=True)
class BettingTally:
    """How often X was 1, -1 and 0, at each of several looks.

    Attributes:
        up: Times that X was 1, shape (looks,).
        down: Times that it was -1; all 0 where it never can be.
        images: All images, positive.
        least: The smallest X possible, -1 or 0.
    """

    up: Floats
    down: Floats
    images: Floats
    least: int

    @classmethod
    def of(cls, up: object, down: object, images: object, *, least: int) -> BettingTally:
        """Make one of numbers, or of sequences of them."""
        counts = [np.atleast_1d(np.asarray(part, np.float64)) for part in (up, down, images)]
        return cls(up=counts[0], down=counts[1], images=counts[2], least=least)


def log_wealth(tally: BettingTally, mean: float | Floats, side: Side) -> Floats:
    """Return the logarithm of the wealth of bets against a claim about the mean.

    Args:
        tally: What was observed.
        mean: The claimed mean, ``least``..1; a number, or one for each look.
        side: ``below`` bets against a mean of at least ``mean``, ``above`` against one of at most.

    Returns:
        Natural logarithms, shape (looks,); 0 is what the gambler began with.
    """
    from scipy.special import logsumexp

    m = np.broadcast_to(np.asarray(mean, np.float64), tally.images.shape)[:, np.newaxis]
    m = np.clip(m, tally.least + _NEXT, 1 - _NEXT)
    # The largest stake that the worst outcome does not bankrupt; shares of it keep the wealth
    # monotone in the mean, so that what is not given up is one interval.
    room = 1 - m if side == "below" else m - tally.least
    sign = 1.0 if side == "below" else -1.0

    def gain(x: float) -> Floats:
        return np.asarray(np.log1p(_SHARES * sign * (m - x) / room))

    zero = tally.images - tally.up - tally.down
    exponent = tally.up[:, np.newaxis] * gain(1.0) + zero[:, np.newaxis] * gain(0.0)
    if tally.least < 0:
        exponent = exponent + tally.down[:, np.newaxis] * gain(-1.0)
    return np.asarray(logsumexp(exponent, axis=1) - np.log(len(_SHARES)))


def bounds(tally: BettingTally, alpha: float) -> tuple[float, float]:
    """Return the confidence sequence after the last look.

    A mean that was given up at an earlier look stays so.

    Args:
        tally: All looks so far.
        alpha: Chance of each bound to be wrong at any look.

    Returns:
        Lower and upper bound, in ``least``..1.
    """
    enough = -np.log(alpha)
    ends = []
    sides: tuple[Side, Side] = ("above", "below")
    for side in sides:
        inside = np.full(tally.images.shape, (tally.up - tally.down) / tally.images)
        outside = np.full(tally.images.shape, float(tally.least) if side == "above" else 1.0)
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            beyond = log_wealth(tally, middle, side) >= enough
            inside, outside = np.where(beyond, inside, middle), np.where(beyond, middle, outside)
        ends.append(inside)
    return float(ends[0].max()), float(ends[1].min())
