"""Tries other ways to feed and to read a model that fits badly, on a few images; makes hints of it.

What a file made elsewhere was trained with cannot be seen in it. If its answers are mostly wrong as
the flags say it is fed, the other ranges, red and blue exchanged, and another order of the outputs
are cheap to try.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.errors import EdgeError
from edgecnn.verify.evaluation import Evaluation, balanced_subset
from edgecnn.verify.foreign_facts import Hint
from edgecnn.verify.hints import fits_far_better, is_guessing, main_answer, reordered
from edgecnn.verify.reference_file import with_range
from edgecnn.verify.scoring import Ran, Scorer
from edgecnn.verify.wording import percent
from edgecnn_runner.contract import INPUT_RANGES, Contract

__all__ = [
    "Ask",
    "Subject",
    "ask_artifact",
    "guessing_hint",
    "input_hint",
    "labels_hint",
    "other_ranges",
]

Pixels = npt.NDArray[np.uint8]
Decisions = npt.NDArray[np.int64]
Hits = npt.NDArray[np.bool_]
Ask = Callable[[Pixels, str], npt.NDArray[np.float32]]
"""Scores of images that are brought to a range."""

_MOST_IMAGES: Final = 200
_LEAST_IMAGES: Final = 40
_SECONDS: Final = 30.0
"""About how long trials of one model may take; a slow one gets fewer images."""
_SHOWN: Final = 4
_BETTER: Final = 0.01
"""By how much two changes have to fit better than one of them, as a share of the images."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A model whose answers do not fit.

    Attributes:
        name: What to call it.
        evaluation: The images it was asked about.
        decisions: Its answers to them, shape (n,).
        expected: What they should have been, shape (n,): the reference's, or the labels.
        means: What it is to have them: ``agree with the reference``, or ``be right``.
        option: The flag that names its range.
        input_range: The range it was fed.
        ranges: Others to try; none for a model that normalizes its input itself.
        seconds: How long all images took.
    """

    name: str
    evaluation: Evaluation
    decisions: Decisions
    expected: Decisions
    means: str
    option: str
    input_range: str
    ranges: Sequence[str]
    seconds: float


def other_ranges(input_range: str, channels: int) -> tuple[str, ...]:
    """Return the ranges that images of so many channels can be brought to, but for one."""
    return tuple(
        name
        for name, (scale, _) in INPUT_RANGES.items()
        if name != input_range and len(scale) in (1, channels)
    )


def ask_artifact(path: Path, contract: Contract, scorer: Scorer, threads: int) -> Ask:
    """Return what asks an artifact with another range in its contract."""

    def ask(pixels: Pixels, input_range: str) -> npt.NDArray[np.float32]:
        changed = with_range(contract, input_range)
        return scorer.score(
            path, changed, pixels, threads=threads, ran=Ran(), advance=lambda _: None
        )

    return ask


def input_hint(subject: Subject, ask: Ask) -> Hint | None:
    """Try other ranges and red and blue exchanged; None if nothing fits far better.

    An alternative that is right less often than the model is as it was fed is none, however well
    it agrees: then it is the reference that is fed wrongly.

    Args:
        subject: The model.
        ask: Asks it.
    """
    chosen = _some_images(subject)
    pixels, labels = subject.evaluation.images.pixels[chosen], subject.evaluation.images.labels
    before = (subject.decisions == subject.expected)[chosen]
    right = int(np.count_nonzero(subject.decisions[chosen] == labels[chosen]))
    best: tuple[tuple[str, bool], Hits] | None = None
    for way, decisions in _answers(subject, ask, pixels):
        hits = decisions == subject.expected[chosen]
        if not fits_far_better(before, hits):
            continue
        if int(np.count_nonzero(decisions == labels[chosen])) < right:
            continue
        twice = way[1] and way[0] != subject.input_range
        if best is None or _is_better(hits, best[1], by_two_changes=twice):
            best = way, hits
    if best is None:
        return None
    (input_range, exchanged), hits = best
    option = None if input_range == subject.input_range else f"{subject.option} {input_range}"
    ways = [option] if option else []
    ways += ["red and blue exchanged"] if exchanged else []
    text = (
        f"{subject.name} may be fed otherwise than it was trained: with {' and '.join(ways)} it "
        f"would {subject.means} on {percent(float(hits.mean()), 1)} of {len(chosen):,} images, "
        f"now on {percent(float(before.mean()), 1)}."
    )
    if exchanged:
        text += (
            " Images are fed as RGB, and no flag changes that: exchange the channels inside the "
            "model, where it was made."
        )
    return Hint(
        kind="input",
        text=text,
        images=len(chosen),
        before=float(before.mean()),
        after=float(hits.mean()),
        option=option,
    )


def _is_better(hits: Hits, best: Hits, *, by_two_changes: bool) -> bool:
    """Compare with the best so far; single changes come first, and two need a reason."""
    misses, least = (int(np.count_nonzero(~one)) for one in (hits, best))
    if by_two_changes:
        return 2 * misses <= least and least - misses > _BETTER * len(hits)
    return misses < least


def _some_images(subject: Subject) -> npt.NDArray[np.int64]:
    images = subject.evaluation.images
    runs = 2 * (1 + len(subject.ranges))
    affordable = int(_SECONDS / max(subject.seconds / len(images) * runs, 1e-9))
    count = min(len(images), _MOST_IMAGES, max(_LEAST_IMAGES, affordable))
    return balanced_subset(images.labels, images.ids, count, 0)


def _answers(
    subject: Subject, ask: Ask, pixels: Pixels
) -> Iterator[tuple[tuple[str, bool], Decisions]]:
    """Yield each other way to feed, single changes first, and the answers to it."""
    exchanged = np.ascontiguousarray(pixels[..., ::-1]) if pixels.shape[3] == 3 else pixels[:0]
    found: dict[tuple[str, bool], Decisions] = {}
    for input_range in (subject.input_range, *subject.ranges):
        # Both in one run: loading a file may take longer than some images.
        with contextlib.suppress(EdgeError):
            scores = ask(np.concatenate([pixels, exchanged]), input_range)
            # NaN and infinity are no answer.
            scores = np.where(np.isfinite(scores).all(axis=1, keepdims=True), scores, 0)
            decisions = scores.argmax(axis=1)
            found[input_range, False] = decisions[: len(pixels)]
            found[input_range, True] = decisions[len(pixels) :]

    def changes(way: tuple[str, bool]) -> int:
        return way[1] + (way[0] != subject.input_range)

    for way in sorted(found, key=changes):
        if changes(way) and len(found[way]):
            yield way, found[way]


def labels_hint(subject: Subject, class_names: Sequence[str], remedy: str) -> Hint | None:
    """Look for another order of the outputs; None if none fits far better.

    Args:
        subject: The model.
        class_names: Names in output order, as they were given.
        remedy: What to do about it, a sentence.
    """
    before = subject.decisions == subject.expected
    order = reordered(subject.decisions, subject.expected, len(class_names))
    if not fits_far_better(before, order.hits):
        return None
    moved = order.moved()
    shown = [
        f"output {out}, named {class_names[out]}, for {class_names[one]}" for out, one in moved
    ]
    more = f"; and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
    return Hint(
        kind="labels",
        text=f"The outputs of {subject.name} may be in another order than its labels: reordered, "
        f"it would {subject.means} on {percent(float(order.hits.mean()), 1)} of "
        f"{len(before):,} images, now on {percent(float(before.mean()), 1)}. It seems to answer "
        f"with {'; '.join(shown[:_SHOWN])}{more}. {remedy}",
        images=len(before),
        before=float(before.mean()),
        after=float(order.hits.mean()),
    )


def guessing_hint(subject: Subject, class_names: Sequence[str]) -> Hint | None:
    """Say that a model guesses; None if it does not."""
    labels = subject.evaluation.images.labels
    hits = subject.decisions == labels
    if not is_guessing(subject.decisions, labels):
        return None
    _, largest = main_answer(labels)
    answer, share = main_answer(subject.decisions)
    always = (
        f" It answers {class_names[answer]} for {percent(share, 1)} of them." if share > 0.5 else ""
    )
    return Hint(
        kind="guessing",
        text=f"{subject.name} is right on {percent(float(hits.mean()), 1)} of {len(hits):,} "
        f"images, no better than guessing ({percent(largest, 1)}).{always} No other range, "
        "order of colours or order of the outputs that was tried explains it: check the order of "
        "the labels, the range, and the file itself.",
        images=len(hits),
        before=float(hits.mean()),
    )
