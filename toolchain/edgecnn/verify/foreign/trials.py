"""Tries other ways to feed and to read a model, on a few images, and says which one fits better.

What a model made elsewhere was trained with cannot be seen in it. The other ranges, fits and
filters, red and blue exchanged, pictures turned over, and another order of the outputs are cheap to
try. One set of tries and one rule of significance serve every command that looks for hints.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from edgecnn.build.verdict import Again, Ask
from edgecnn.data import Images
from edgecnn.errors import EdgeError
from edgecnn.report.text import percent_text
from edgecnn.verify.evaluation import balanced_subset
from edgecnn.verify.foreign.facts import Hint
from edgecnn.verify.foreign.files import with_range
from edgecnn.verify.foreign.hints import (
    can_be_sure,
    changed,
    fits_far_better,
    halves,
    is_guessing,
    main_answer,
    reordered,
    surely_better,
)
from edgecnn.verify.scoring import Ran, Scorer
from edgecnn_runner.contract import (
    FILTERS,
    INPUT_RANGES,
    RESIZE_RULE,
    Contract,
    affine_of,
    parse_resize,
    resize_name,
)

Pixels = npt.NDArray[np.uint8]
Decisions = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]
Hits = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]
Turn = Literal["left-right", "upside-down", "axes"]

MOST_IMAGES: Final = 200
_LEAST_IMAGES: Final = 40
_SECONDS: Final = 30.0
"""About how long trials of one model may take; a slow one gets fewer images."""
_PART: Final = 10
"""How many images are read again at once by all rules: what is decoded has to fit into memory."""
_SHOWN: Final = 4
_ALIKE: Final = 2
_FEWEST_RULES: Final = 4
_BETTER: Final = 0.01
"""By how much two changes have to fit better than one of them, as a share of the images."""
_TURNS: Final[Mapping[Turn, tuple[str, str]]] = {
    "left-right": ("images mirrored left to right", "x[:, :, ::-1]"),
    "upside-down": ("images turned upside down", "x[:, ::-1]"),
    "axes": ("rows and columns exchanged", "keras.layers.Permute((2, 1, 3))(x)"),
}
"""What a turn is called, and what does it in front of a Keras model."""
_TWICE: Final = ("0..1", "-1..1")
"""What images are brought to by programs whose model then does it once more."""
_FITS: Final = (
    # As Keras's image_dataset_from_directory and flow_from_directory, and as torchvision's
    # Resize(256) and CenterCrop(224) do; the likeliest first, for models that are slow.
    ("stretch", 1.0),
    ("crop", 0.875),
    ("crop", 1.0),
    ("pad", 1.0),
)


@dataclass(frozen=True, kw_only=True)
class Way:
    """How images are fed and answers read, as far as it is otherwise than they are.

    Attributes:
        input_range: What pixels are brought to.
        resize: The rule that brings images to the model's size; see ``contract.parse_resize``.
        exchanged: Red and blue.
        turned: How the pictures are turned over.
        order: The class that each output stands for.
    """

    input_range: str | None = None
    resize: str | None = None
    exchanged: bool = False
    turned: Turn | None = None
    order: tuple[int, ...] | None = None

    @property
    def changes(self) -> int:
        """How many things are otherwise."""
        return sum(one not in (None, False) for one in vars(self).values())


@dataclass(frozen=True, kw_only=True)
class Feed:
    """How a model is fed, and how it can be fed otherwise.

    Attributes:
        ask: Asks it.
        input_range: What pixels are brought to.
        ranges: Others to try.
        normalizes: Whether it was seen to normalize its input itself. A range is then tried for
            images that were brought to it before the model was trained on them: normalized twice.
        resize: The rule that brought the images to their size.
        again: Reads images again by other rules; None where there are no image files.
        seconds: How long one image takes.
    """

    ask: Ask
    input_range: str
    ranges: Sequence[str]
    seconds: float
    normalizes: bool = False
    resize: str = RESIZE_RULE
    again: Again | None = None

    @property
    def tries(self) -> int:
        """How many ways there are at most; one more for the order of the outputs."""
        return 2 * (1 + len(self.ranges)) + len(_TURNS) + len(self._rules)

    @property
    def _rules(self) -> tuple[str, ...]:
        return () if self.again is None else other_rules(self.resize)


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What a model answers when it is fed in another way.

    Attributes:
        way: The way.
        places: Which of the images they were, shape (m,).
        scores: Its probabilities, shape (m, classes); 0 throughout where they are not numbers.
    """

    way: Way
    places: Places
    scores: Scores


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A model, its answers, and what they should have been.

    Attributes:
        name: What to call it.
        images: The images it was asked about.
        decisions: Its answers to them, shape (n,).
        expected: What they should have been, shape (n,): the reference's, or the labels.
        means: What it is to have them: ``agree with the reference``, or ``be right``.
        option: The flag that names its range.
        class_names: Names in output order, as they were given.
        reorder: What to do if the outputs are in another order, a sentence.
    """

    name: str
    images: Images
    decisions: Decisions
    expected: Decisions
    means: str
    option: str
    class_names: Sequence[str]
    reorder: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The way that fits best of those that fit better, and not by chance.

    Attributes:
        way: The way.
        images: How many images the numbers are of.
        before: Share of answers as expected, as the model is fed and read, 0..1.
        after: The same in that way.
        tries: How many ways were tried.
        alike: Others that differ from it in the resize rule only, and fit as well.
    """

    way: Way
    images: int
    before: float
    after: float
    tries: int
    alike: tuple[Way, ...] = ()


def other_ranges(input_range: str, channels: int) -> tuple[str, ...]:
    """Return the ranges that images of so many channels can be brought to, but for one."""
    return tuple(
        name
        for name, (scale, _) in INPUT_RANGES.items()
        if name != input_range and len(scale) in (1, channels)
    )


def feed_ranges(input_range: str, channels: int, *, normalizes: bool) -> tuple[str, ...]:
    """Return the ranges to try with a float model.

    Args:
        input_range: The range that it is fed.
        channels: 1 or 3.
        normalizes: Whether it was seen to normalize its input itself: then another range can only
            be one that its training images were brought to before.
    """
    others = other_ranges(input_range, channels)
    return tuple(name for name in others if name in _TWICE) if normalizes else others


def other_rules(resize: str) -> tuple[str, ...]:
    """Return the resize rules to try, the likeliest first, but for one."""
    filters = ("bilinear", "bilinear-antialias", "nearest", "box")
    assert {*filters} == {*FILTERS}  # noqa: S101 - a filter more has to be given a place here
    names = [resize_name(fit, part, one) for one in filters for fit, part in _FITS]
    return tuple(name for name in names if name != resize)


def ask_artifact(path: Path, contract: Contract, scorer: Scorer, threads: int) -> Ask:
    """Return what asks an artifact with another range in its contract."""

    def ask(pixels: Pixels, input_range: str) -> Scores:
        changed = with_range(contract, input_range)
        return scorer.score(
            path, changed, pixels, threads=threads, ran=Ran(), advance=lambda _: None
        )

    return ask


def some_images(feed: Feed, images: Images) -> Places:
    """Choose the images to try, balanced: fewer for a slow model."""
    affordable = int(_SECONDS / max(feed.seconds * (feed.tries + 1), 1e-9))
    count = min(len(images), MOST_IMAGES, max(_LEAST_IMAGES, affordable))
    return balanced_subset(images.labels, images.ids, count, 0)


def answers(feed: Feed, images: Images, chosen: Places) -> Iterator[Answer]:
    """Yield what a model answers in each other way: single changes, and ranges with colours.

    A way in which the model cannot be run, or that changes no pixel, is left out.

    Args:
        feed: How it is fed.
        images: The images, as it is fed them.
        chosen: Which of them, shape (m,).
    """
    begin = time.monotonic()
    pixels = images.pixels[chosen]
    yield from _in_one_run(feed, chosen, feed.input_range, _turned(pixels))
    for name in feed.ranges:
        ways = [(way, seen) for way, seen in _turned(pixels) if way.turned is None]
        plain = (Way(), pixels)
        yield from _in_one_run(feed, chosen, name, [plain, *ways])
    if feed.again is not None:
        yield from _by_rules(feed, feed.again, images, chosen, begin)


def _turned(pixels: Pixels) -> list[tuple[Way, Pixels]]:
    """Return images with their colours or their places exchanged."""
    found: list[tuple[Way, Pixels]] = []
    if pixels.shape[3] == 3:
        found.append((Way(exchanged=True), pixels[..., ::-1]))
    found.append((Way(turned="left-right"), pixels[:, :, ::-1]))
    found.append((Way(turned="upside-down"), pixels[:, ::-1]))
    if pixels.shape[1] == pixels.shape[2]:
        found.append((Way(turned="axes"), pixels.transpose(0, 2, 1, 3)))
    return found


def _in_one_run(
    feed: Feed, chosen: Places, input_range: str, wanted: list[tuple[Way, Pixels]]
) -> Iterator[Answer]:
    """Ask once for several ways of one range: loading a file may take longer than some images."""
    if not wanted:
        return
    with contextlib.suppress(EdgeError):
        together = np.ascontiguousarray(np.concatenate([pixels for _, pixels in wanted]))
        parts = np.split(_numbers(feed.ask(together, input_range)), len(wanted))
        for (way, _), scores in zip(wanted, parts, strict=True):
            other = None if input_range == feed.input_range else input_range
            yield Answer(way=replace(way, input_range=other), places=chosen, scores=scores)


def _numbers(scores: Scores) -> Scores:
    """Return scores in which an answer of NaN or infinity is none."""
    return np.where(np.isfinite(scores).all(axis=1, keepdims=True), scores, np.float32(0))


def _by_rules(
    feed: Feed, again: Again, images: Images, chosen: Places, begin: float
) -> Iterator[Answer]:
    """Read images again by other rules; as many of them, and of the rules, as there is time for."""
    rules: Sequence[str] = other_rules(feed.resize)
    found: dict[str | None, list[Scores]] = {}
    differs: set[str] = set()
    done: list[Places] = []
    for places in _parts(images, chosen):
        start = time.monotonic()
        if done and start - begin > _SECONDS:
            break
        given = images.pixels[places]
        read = again([images.ids[place] for place in places], rules)
        differs.update(rule for rule, seen in read.items() if not np.array_equal(seen, given))
        ways = [(Way(resize=rule), seen) for rule, seen in read.items()]
        for answer in _in_one_run(feed, places, feed.input_range, ways):
            found.setdefault(answer.way.resize, []).append(answer.scores)
        if not done:
            # The rest of the least number of images has to fit into the time that is left.
            took = (time.monotonic() - start) * (_LEAST_IMAGES / len(places) - 1)
            share = (_SECONDS - (time.monotonic() - begin)) / max(took, 1e-9)
            rules = rules[: max(_FEWEST_RULES, int(len(rules) * min(1.0, share)))]
        done.append(places)
    seen = np.concatenate(done) if done else chosen[:0]
    for rule in rules:
        if rule in differs and len(found.get(rule, ())) == len(done):
            yield Answer(way=Way(resize=rule), places=seen, scores=np.concatenate(found[rule]))


def _parts(images: Images, chosen: Places) -> Iterator[Places]:
    """Divide images so that each part, and so each beginning, is balanced."""
    some = images.take(chosen)
    before: set[int] = set()
    for count in range(_PART, len(chosen) + _PART, _PART):
        taken = balanced_subset(some.labels, some.ids, min(count, len(chosen)), 0)
        yield chosen[[place for place in taken if place not in before]]
        before.update(taken.tolist())


def find(subject: Subject, feed: Feed) -> Finding | None:
    """Try other ways to feed and to read a model; None if none is surely better.

    Better is to have more answers as expected: McNemar's exact test, corrected by Holm over all
    tries. Another order of the outputs also has to leave at most half of the misses, since two
    classes that a poor model confuses would fit better exchanged. An alternative that is right less
    often than the model is as it was fed is none, however well it agrees: then it is what was
    expected that is wrong.

    Args:
        subject: The model and its answers.
        feed: How it is fed.
    """
    images, before = subject.images, subject.decisions == subject.expected
    right = subject.decisions == images.labels
    tried: list[tuple[Way, Hits, Hits]] = []
    excluded: set[int] = set()
    chosen = some_images(feed, images)
    if can_be_sure(int(np.count_nonzero(~before[chosen])), feed.tries + 1):
        for answer in answers(feed, images, chosen):
            decisions, places = answer.scores.argmax(axis=1), answer.places
            if np.count_nonzero(decisions == images.labels[places]) < np.count_nonzero(
                right[places]
            ):
                excluded.add(len(tried))
            tried.append((answer.way, before[places], decisions == subject.expected[places]))
    order = _ordered(subject)
    if not halves(order[1], order[2]):
        excluded.add(len(tried))
    tried.append(order)
    sure = surely_better([changed(was, now) for _, was, now in tried])
    left = [
        one
        for index, one in enumerate(tried)
        if sure[index] and index not in excluded and one[0].changes
    ]
    if not left:
        return None
    best = None
    for one in sorted(left, key=lambda one: one[0].changes):
        if best is None or _is_better(one, best):
            best = one
    assert best is not None  # noqa: S101 - there is one at least
    way, was, now = best
    return Finding(
        way=way,
        images=len(now),
        before=float(was.mean()),
        after=float(now.mean()),
        tries=len(tried),
        alike=tuple(
            other
            for other, _, hits in left
            if other.resize not in (None, way.resize) and way.resize and hits.mean() == now.mean()
        ),
    )


def find_order(subject: Subject) -> Finding | None:
    """Look for another order of the outputs alone; see ``find``."""
    way, before, hits = _ordered(subject)
    if not (way.order and fits_far_better(before, hits)):
        return None
    return Finding(
        way=way, images=len(hits), before=float(before.mean()), after=float(hits.mean()), tries=1
    )


def _ordered(subject: Subject) -> tuple[Way, Hits, Hits]:
    """Return the best order of the outputs, a way without a change if that is the one given."""
    found = reordered(subject.decisions, subject.expected, len(subject.class_names))
    order = tuple(found.class_of.tolist()) if found.moved() else None
    return Way(order=order), subject.decisions == subject.expected, found.hits


def _is_better(one: tuple[Way, Hits, Hits], best: tuple[Way, Hits, Hits]) -> bool:
    """Compare with the best so far; single changes come first, and two need a reason."""
    misses, least = (float(1 - hits.mean()) for _, _, hits in (one, best))
    if one[0].changes > 1:
        return 2 * misses <= least and least - misses > _BETTER
    return misses < least


def hint_of(subject: Subject, feed: Feed, found: Finding) -> Hint:
    """Say in words what was found, and what to do about it."""
    numbers = (
        f"it would {subject.means} on {percent_text(found.after, 1)} of {found.images:,} images, "
        f"now on {percent_text(found.before, 1)}."
    )
    if found.way.order is not None:
        moved = [(out, one) for out, one in enumerate(found.way.order) if out != one]
        names = subject.class_names
        shown = [f"output {out}, named {names[out]}, for {names[one]}" for out, one in moved]
        more = f"; and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
        text = (
            f"The outputs of {subject.name} may be in another order than its labels: reordered, "
            f"{numbers} It seems to answer with {'; '.join(shown[:_SHOWN])}{more}. "
            f"{subject.reorder}"
        )
    else:
        text = (
            f"{subject.name} may be fed otherwise than it was trained: with "
            f"{ways_in_words(found.way, subject, feed)} {numbers}"
        )
        text = " ".join(
            [text, *remedies(found.way, feed, subject.images.pixels.shape[1:], found.alike)]
        )
    return Hint(
        kind="input" if found.way.order is None else "labels",
        text=text,
        images=found.images,
        before=found.before,
        after=found.after,
        option=" ".join(flags_of(found.way, subject, feed)) or None,
    )


def flags_of(way: Way, subject: Subject, feed: Feed) -> list[str]:
    """Return the flags that would feed a model in that way; what none changes is left out."""
    flags = []
    if way.input_range is not None and not feed.normalizes:
        flags.append(f"{subject.option} {way.input_range}")
    if way.resize is not None:
        flags.append(parse_resize(way.resize).options)
    return flags


def ways_in_words(way: Way, subject: Subject, feed: Feed) -> str:
    """Name the changes, as far as they have flags by these."""
    words = flags_of(way, subject, feed)
    if way.input_range is not None and feed.normalizes:
        words.append(f"pixels brought to {way.input_range} before it normalizes them itself")
    words += ["red and blue exchanged"] if way.exchanged else []
    words += [_TURNS[way.turned][0]] if way.turned else []
    return " and ".join(words)


def remedies(way: Way, feed: Feed, shape: tuple[int, ...], alike: Sequence[Way] = ()) -> list[str]:
    """Say what to do, where that is not plain from the flags: a sentence each.

    Args:
        way: The way that fits.
        feed: How the model is fed.
        shape: Height, width and channels of the model.
        alike: Other resize rules that fit as well.
    """
    sentences = []
    if way.input_range == "0..255" and not feed.normalizes:
        sentences.append(
            f"Perhaps the model scales pixels itself, so that {feed.input_range} normalizes them "
            "twice."
        )
    if alike:
        shown = [parse_resize(str(one.resize)).options for one in alike[:_ALIKE]]
        shown += [f"{len(alike) - _ALIKE} others"] if len(alike) > _ALIKE else []
        sentences.append(
            " and ".join(shown) + (" fits as well." if len(shown) == 1 else " fit as well.")
        )
    front = []
    if way.exchanged:
        sentences.append("Images are fed as RGB, and no flag changes that.")
        front.append("x[..., ::-1]")
    if way.turned:
        sentences.append("Images are fed upright, row by row, and no flag changes that.")
        front.append(_TURNS[way.turned][1])
    if way.input_range is not None and feed.normalizes:
        sentences.append("It seems to have been trained on pixels that were normalized twice.")
        scale, offset = (
            list(values) if len(values) > 1 else values[0] for values in affine_of(way.input_range)
        )
        front.append(f"keras.layers.Rescaling({scale}, {offset})(x)")
    if front:
        size = ", ".join(str(side) for side in shape)
        inner = front[0] if len(front) == 1 else f"{front[1].replace('(x)', f'({front[0]})')}"
        sentences.append(
            f"Put it in front of the model: x = keras.Input(({size})); keras.Model(x, "
            f"model({inner})).save('mended.keras')."
        )
        if feed.normalizes:
            # Behind what was put in front, its own values may not be seen any more.
            sentences.append("Say that it normalizes inside: --input-range 0..255.")
    return sentences


def guessing_hint(subject: Subject) -> Hint | None:
    """Say that a model guesses; None if it does not."""
    labels = subject.images.labels
    hits = subject.decisions == labels
    if not is_guessing(subject.decisions, labels):
        return None
    _, largest = main_answer(labels)
    answer, share = main_answer(subject.decisions)
    name = subject.class_names[answer]
    always = f" It answers {name} for {percent_text(share, 1)} of them." if share > 0.5 else ""
    return Hint(
        kind="guessing",
        text=f"{subject.name} is right on {percent_text(float(hits.mean()), 1)} of {len(hits):,} "
        f"images, no better than guessing ({percent_text(largest, 1)}).{always} No other range, "
        "order of colours or order of the outputs that was tried explains it: check the order of "
        "the labels, the range, and the file itself.",
        images=len(hits),
        before=float(hits.mean()),
    )
