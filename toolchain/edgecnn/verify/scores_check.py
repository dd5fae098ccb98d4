"""Compares the user's own scores of images with the float model's, and explains a difference.

Scores that a training program gave the same images prove decoding, resizing, range, colours, order
of labels and weights at once. What alone may differ is what image decoders round otherwise, and
that is measured: the same images are decoded in another way, and asked about again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.data import Images
from edgecnn.data.own_scores import OwnScores
from edgecnn.errors import DataError, some_of
from edgecnn.verify.evaluation import balanced_subset
from edgecnn.verify.foreign.hints import surely_better
from edgecnn.verify.foreign.trials import (
    Feed,
    Subject,
    Way,
    answers,
    flags_of,
    remedies,
    some_images,
    ways_in_words,
)
from edgecnn.verify.own_agreement import OwnAgreement

LEAST_IMAGES: Final = 32
"""Fewer images prove little: a model that differs on one of ten would agree on 20 of them by chance
in one case of eight; on 32, in one of 29."""
_DECODED: Final = 64
_NUMERICS: Final = 1e-4
"""What two frameworks' float32 arithmetic, and scores written with four digits, may make of a
score."""
_SAME: Final = 1e-6
_HALF: Final = 0.5
_LEFT: Final = 0.05
"""What a way that explains a difference leaves of it in the mean, at most: decoding leaves less."""
_MOST_DIFFERING: Final = 512
_LISTED: Final = 3
_NOTHING: Final = (
    "no other range, fit, filter, order of colours or of outputs that was tried explains it: the "
    "weights may be others, or the images were cut, turned or decoded otherwise (photos are turned "
    "upright here by their EXIF orientation, and white is put behind transparency; TensorFlow does "
    "neither)"
)

Scores = npt.NDArray[Any]
Places = npt.NDArray[np.int64]
Decoded = Callable[[Sequence[str]], tuple[Places, npt.NDArray[np.uint8]]]
"""Takes ids of images; returns which of them another decoder read, and what it made of them."""


@dataclass(frozen=True, kw_only=True)
class Explainer:
    """A float model that can be asked again.

    Attributes:
        feed: How it is fed, and how it can be fed otherwise.
        decoded: Reads images by another decoder; None where images have one meaning to the bit.
        option: The flag that names the model's range.
    """

    feed: Feed
    decoded: Decoded | None
    option: str = "--input-range"


def check_enough(own: OwnScores, ids: Sequence[str]) -> None:
    """Refuse scores of too few images.

    Args:
        own: The user's own.
        ids: The images that may have some.

    Raises:
        DataError: If there are scores of fewer than 32, where there are as many.
    """
    wanted = min(LEAST_IMAGES, len(ids))
    if len(own) < wanted:
        raise DataError(
            f"{own.path} has scores of too few of the images",
            observed=f"scores of {len(own):,} of {len(ids):,} images",
            expected=f"at least {wanted}",
            remedy="write the scores of more of these images, named by their path in the data "
            f"folder, such as {ids[0]}",
        )


def check_own_scores(
    own: OwnScores,
    images: Images,
    reference: Scores,
    *,
    class_names: Sequence[str],
    explainer: Callable[[], Explainer | None],
) -> OwnAgreement:
    """Compare the user's own scores with the float model's, image by image.

    Args:
        own: The user's; its places are those of ``images``.
        images: The images, n of them.
        reference: The float model's probabilities, shape (n, classes); of images that the user's
            file has no scores of, any.
        class_names: Names in output order.
        explainer: Loads the float model; called only where a class differs. None if it is gone.

    Returns:
        What was found; ``error`` says whether it is an error.

    Raises:
        DataError: If there are scores of too few of the images.
    """
    check_enough(own, images.ids)
    part = images.take(own.places)
    ours = np.asarray(reference, np.float64)[own.places]
    errors = np.abs(ours - own.probabilities).max(axis=1)
    theirs = own.probabilities.argmax(axis=1)
    differs = np.flatnonzero(ours.argmax(axis=1) != theirs)
    margins = ours.max(axis=1) - ours[np.arange(len(part)), theirs]
    known = explainer() if len(differs) else None
    changes = {} if known is None else _decoding(part, ours, differs, known)
    # What decoding makes of the one image, or of most: a single image that is very sensitive says
    # nothing of others.
    usual = float(np.median([*changes.values()])) if changes else 0.0
    margin = 2 * max(usual, _NUMERICS)
    of_each = np.array([2 * changes.get(int(one), 0.0) for one in differs])
    explanation = None
    if known is not None:
        explanation = _explained(own, part, ours, errors, class_names, known)
    # What another way to feed the model explains is not made by decoding.
    left = differs if explanation else differs[margins[differs] >= np.maximum(of_each, margin)]
    if len(left) and known is not None:
        explanation = explanation or _NOTHING
    return OwnAgreement(
        file=str(own.path),
        sha256=own.sha256,
        kind=own.kind,
        named=own.named,
        images=len(part),
        agreed=len(part) - len(differs),
        excused=len(differs) - len(left),
        largest=float(errors.max()),
        mean=float(errors.mean()),
        margin=margin,
        decoded=len(changes),
        decoding=max(changes.values()) if changes else None,
        without=len(images) - len(part),
        unknown=own.unknown,
        differing=tuple(part.ids[one] for one in left[:_LISTED]),
        explanation=explanation,
    )


def _decoding(part: Images, ours: Scores, differs: Places, known: Explainer) -> dict[int, float]:
    """Measure what another decoder makes of scores: the largest change for each image's place.

    The images whose class differs come first: what decoding does to them is what matters.
    """
    if known.decoded is None:
        return {}
    others = np.setdiff1d(np.arange(len(part)), differs)
    some = part.take(others)
    chosen = others[balanced_subset(some.labels, some.ids, min(_DECODED, len(others)), 0)]
    asked = np.concatenate([differs[:_MOST_DIFFERING], chosen])
    which, pixels = known.decoded([part.ids[one] for one in asked])
    if not len(which):
        return {}
    scores = known.feed.ask(pixels, known.feed.input_range)
    places = asked[which]
    changes = np.abs(scores - ours[places]).max(axis=1)
    return {int(place): float(change) for place, change in zip(places, changes, strict=True)}


def _explained(
    own: OwnScores,
    part: Images,
    ours: Scores,
    errors: Scores,
    class_names: Sequence[str],
    known: Explainer,
) -> str | None:
    """Say in which other way the float model has the user's scores; None if in none that is known.

    Scores tell more than classes: in the right way nearly all of them are nearer, and on average
    at least twice as near. The sign test over images, corrected by Holm over all tries.
    """
    feed = known.feed
    subject = Subject(
        name="the model",
        images=part,
        decisions=ours.argmax(axis=1),
        expected=own.probabilities.argmax(axis=1),
        means="have these scores",
        option=known.option,
        class_names=class_names,
        reorder="",
    )
    tried = [_other_order(own, ours)]
    for answer in answers(feed, part, some_images(feed, part)):
        after = np.abs(answer.scores - own.probabilities[answer.places]).max(axis=1)
        tried.append((answer.way, errors[answer.places], after))
    counts = [
        (int((after > before + _SAME).sum()), int((before > after + _SAME).sum()))
        for _, before, after in tried
    ]
    fitting = [
        (float(after.mean() / max(before.mean(), 1e-12)), way, before, after)
        for sure, (way, before, after) in zip(surely_better(counts), tried, strict=True)
        if sure and way.changes and after.mean() <= min(_HALF * before.mean(), _LEFT)
    ]
    if not fitting:
        return None
    _, way, before, after = min(fitting, key=lambda one: (one[1].changes > 1, one[0]))
    numbers = (
        f"the mean difference of scores is then {after.mean():.2g} instead of {before.mean():.2g}, "
        f"on {len(after):,} images"
    )
    if way.order is not None:
        moved = [
            f"output {out}, named {class_names[out]}, for {class_names[one]}"
            for out, one in enumerate(way.order)
            if out != one
        ]
        return (
            f"another order of the outputs explains it ({some_of(moved, joint='; ')}): {numbers}; "
            "give the names in the order of the outputs: --labels FILE"
        )
    flags = flags_of(way, subject, feed)
    mend = [f"give {' '.join(flags)}"] if flags else []
    mend += [one.rstrip(".") for one in remedies(way, feed, part.pixels.shape[1:])]
    return f"{ways_in_words(way, subject, feed)} explains it: {numbers}; {'; '.join(mend)}"


def _other_order(own: OwnScores, ours: Scores) -> tuple[Way, Scores, Scores]:
    """Match the columns of both by their values; each half is judged by the order of the other."""
    halves = np.arange(len(ours)) % 2
    before = np.abs(ours - own.probabilities).max(axis=1)
    after = before.copy()
    for half in (0, 1):
        order = _columns(ours[halves != half], own.probabilities[halves != half])
        judged = halves == half
        moved = np.empty_like(ours[judged])
        moved[:, order] = ours[judged]
        after[judged] = np.abs(moved - own.probabilities[judged]).max(axis=1)
    whole = _columns(ours, own.probabilities)
    changed = not np.array_equal(whole, np.arange(len(whole)))
    return Way(order=tuple(whole.tolist()) if changed else None), before, after


def _columns(ours: Scores, theirs: Scores) -> npt.NDArray[np.int64]:
    """Return the class that each output stands for, by the least differences of scores."""
    from scipy.optimize import linear_sum_assignment

    costs = np.array([np.abs(one[:, None] - theirs).sum(axis=0) for one in ours.T])
    costs -= np.eye(len(costs)) * 1e-9  # of orders that fit alike, the one that is given
    _, class_of = linear_sum_assignment(costs)
    return np.asarray(class_of, np.int64)
