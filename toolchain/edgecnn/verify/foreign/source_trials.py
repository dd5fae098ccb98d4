"""Tries a float model in other ways before anything is converted from it.

Files agree with a float model that is fed wrongly as well as with one that is fed rightly, so no
verification of theirs can see it. Only labelled images can: a way in which the model is right on
more of them, and not by chance, is how it was trained.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from edgecnn.build.verdict import Again, ExaminedModel
from edgecnn.data import Dataset, Images
from edgecnn.errors import TrialError
from edgecnn.report.text import percent_text
from edgecnn.verify.evaluation import balanced_subset
from edgecnn.verify.foreign.facts import Hint
from edgecnn.verify.foreign.hints import LEVEL
from edgecnn.verify.foreign.trials import (
    MOST_IMAGES,
    Feed,
    Finding,
    Subject,
    feed_ranges,
    find,
    hint_of,
)
from edgecnn_runner.contract import RESIZE_RULE, parse_resize

_MOST_NAMES: Final = 100


@dataclass(frozen=True, kw_only=True)
class Given:
    """What was said of a float model on the command line.

    Attributes:
        name: What to call the model.
        input_range: Whether its range was given.
        labels: Whether the order of its outputs was given.
        resize: The rule that brings images to its size.
        rule: Which parts of that rule were given: attributes of ``contract.ResizeRule``.
        as_is: Whether to take the model as it is, whatever is found.
    """

    name: str
    input_range: bool = False
    labels: bool = False
    resize: str = RESIZE_RULE
    rule: Collection[str] = ()
    as_is: bool = False


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What trials of a float model came to.

    Attributes:
        images: How many labelled images were used, validation images first.
        right: On how many of them it is right.
        hint: The way that fits better, where what was given says otherwise; None for none.
    """

    images: int
    right: int
    hint: Hint | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)


def try_source(model: ExaminedModel, given: Given, *, again: Again | None) -> Tried:
    """Try a float model in other ways, on up to 200 labelled images.

    They are validation images, and training images where these are too few: the test images,
    which prove the files afterwards, decide nothing about how the model is fed.

    Args:
        model: The model.
        given: What was said of it. What was given goes before what is found: that is then a hint.
        again: Reads images again by other resize rules; None where there are no image files.

    Returns:
        What was found.

    Raises:
        TrialError: If the model is surely right on more images in another way, and nothing that
            was given says that it is not meant.
    """
    images = _images(model.dataset)
    model.ask(images.pixels[:1], model.input_range)  # the first time takes longer
    begin = time.perf_counter()
    decisions = model.ask(images.pixels, model.input_range).argmax(axis=1)
    seconds = (time.perf_counter() - begin) / len(images)
    feed = Feed(
        ask=model.ask,
        input_range=model.input_range,
        ranges=feed_ranges(model.input_range, images.pixels.shape[3], normalizes=model.normalizes),
        normalizes=model.normalizes,
        seconds=seconds,
        resize=given.resize,
        again=again,
    )
    subject = Subject(
        name=given.name,
        images=images,
        decisions=decisions,
        expected=images.labels,
        means="be right",
        option="--input-range",
        class_names=model.dataset.class_names,
        reorder="",
    )
    found = find(subject, feed)
    right = int((decisions == images.labels).sum())
    if found is None:
        return Tried(images=len(images), right=right, hint=None)
    if found.way.order is not None:
        subject = _with_order(subject, found)
    hint = hint_of(subject, feed, found)
    if not (given.as_is or _is_given(found, given)):
        raise TrialError(
            hint.text,
            observed=f"right on {percent_text(found.before, 1)} of {found.images:,} labelled "
            "images",
            expected="no other way to feed or to read it in which it is right on more of them "
            f"({percent_text(found.after, 1)}; McNemar's exact test, Holm's correction over "
            f"{found.tries} tries, {percent_text(LEVEL, 0)})",
            remedy=_remedy(found, hint, subject),
        )
    return Tried(images=len(images), right=right, hint=hint)


def _images(dataset: Dataset) -> Images:
    found: Images | None = None
    for part in (dataset.validation, dataset.train):
        wanted = min(len(part), MOST_IMAGES - (0 if found is None else len(found)))
        if wanted:
            some = part.take(balanced_subset(part.labels, part.ids, wanted, 0))
            found = some if found is None else found.joined(some)
    assert found is not None  # noqa: S101 - no split is empty
    return found


def _is_given(found: Finding, given: Given) -> bool:
    """Tell whether the way changes something that was said on the command line."""
    way = found.way
    if way.resize is not None:
        said, other = parse_resize(given.resize), parse_resize(way.resize)
        return any(getattr(said, part) != getattr(other, part) for part in given.rule)
    return bool(
        (way.input_range is not None and given.input_range)
        or (way.order is not None and given.labels)
    )


def _with_order(subject: Subject, found: Finding) -> Subject:
    """Say in which order the names belong, where there are not too many of them to read."""
    assert found.way.order is not None  # noqa: S101 - the caller has looked
    names = [subject.class_names[one] for one in found.way.order]
    if len(names) > _MOST_NAMES:
        return subject
    order = ", ".join(names)
    return replace(subject, reorder=f"In the order of the outputs the names seem to be: {order}.")


def _remedy(found: Finding, hint: Hint, subject: Subject) -> str:
    if found.way.order is not None:
        mend = "write the names in the order of the outputs to a file, and give it: --labels FILE"
    elif hint.option is None:
        mend = "mend the model as described, and convert that"
    elif found.way.changes > 1:
        mend = f"give {hint.option}, and mend the model as described"
    else:
        mend = f"give {hint.option}"
    return f"{mend}; to convert {subject.name} as it is all the same: --as-is"
