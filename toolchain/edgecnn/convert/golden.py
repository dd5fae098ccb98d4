"""Choose golden vectors: generated pictures on which a healthy device cannot be in doubt.

A picture qualifies if the float model's best class leads by a clear margin and every artifact
gives that class here. int8 kernels differ between processors by design; with such a margin the
class still has to be the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.patterns import pattern_stream
from edgecnn.errors import EdgeError
from edgecnn_runner.contract import RESIZE_RULE
from edgecnn_runner.golden import MIN_MARGIN, Golden, preprocessing_cases
from edgecnn_runner.session import Session

Pixels = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]

GOLDEN_COUNT: Final = 16
_SEED: Final = 20


@dataclass(frozen=True, kw_only=True)
class _Search:
    """How long pictures are looked for.

    Attributes:
        candidates: Pictures that the float model is asked about at most.
        at_once: Of them, before it is looked whether there are enough.
        patience: Of them, before that is enough which the file needs, or nothing at all is found.
        tried: Clear ones that the artifacts are asked about at most.
        first: Of these, before it is looked whether they agree on enough.
    """

    candidates: int
    at_once: int
    patience: int
    tried: int = 4 * GOLDEN_COUNT
    first: int


_OF_SMALL: Final = _Search(candidates=1500, at_once=1500, patience=1500, first=4 * GOLDEN_COUNT)
# A network for large pictures takes a tenth of a second for one, and int16x8, of which processors
# have no fast kernels, seconds: all that is done for the small ones took minutes.
_OF_LARGE: Final = _Search(candidates=1500, at_once=64, patience=448, first=GOLDEN_COUNT + 4)
_LARGE: Final = 16 * 2**10
"""Values of a picture that is large: one of more than 73 x 73 pixels in colour."""


def choose_golden(
    score: Callable[[Pixels], Scores],
    artifacts: Mapping[str, Path],
    *,
    shape: tuple[int, int, int],
    resize: str = RESIZE_RULE,
    count: int = GOLDEN_COUNT,
) -> tuple[Golden, dict[str, EdgeError]]:
    """Find golden vectors.

    Args:
        score: The float model: pictures to probabilities.
        artifacts: Variant to its file; at least one.
        shape: Height, width and channels of a picture.
        resize: The rule that the model's images are brought to size by.
        count: How many to find at most.

    Returns:
        At most ``count`` vectors, of as many different classes as there are to be had; and the
        artifacts that cannot be loaded or run here, each with its error. They have no say.
    """
    search = _OF_LARGE if math.prod(shape) > _LARGE else _OF_SMALL
    images, expected = _clear_pictures(score, shape, count, search)
    every = np.arange(len(images))
    first = _spread_over_classes(every, expected, _margins(expected), search.first)
    order = np.concatenate([first, np.setdiff1d(every, first)])
    images, expected, asked = images[order], expected[order], len(first)
    scores, failures = _answers(artifacts, images[:asked])
    if asked < len(images) and _agreed(expected[:asked], scores).sum() < count:
        sound = {variant: path for variant, path in artifacts.items() if variant in scores}
        more, failed = _answers(sound, images[asked:])
        failures |= failed
        scores = {name: np.concatenate([scores[name], found]) for name, found in more.items()}
    else:
        images, expected = images[:asked], expected[:asked]
    agreed = _agreed(expected, scores)
    # As much as an artifact's own answer leads is what a device's rounding may take away.
    worst = np.min([_margins(answers) for answers in (expected, *scores.values())], axis=0)
    kept = _spread_over_classes(np.flatnonzero(agreed), expected, worst, count)
    sources, prepared = preprocessing_cases(*shape, resize)
    golden = Golden(
        images=images[kept],
        reference=expected[kept],
        scores={variant: answers[kept] for variant, answers in scores.items()},
        sources=sources,
        prepared=prepared,
    )
    return golden, failures


def _answers(
    artifacts: Mapping[str, Path], images: Pixels
) -> tuple[dict[str, Scores], dict[str, EdgeError]]:
    """Return what each artifact answers, and why others do not."""
    scores, failures = {}, {}
    for variant, path in artifacts.items():
        try:
            with Session.open(path) as session:
                scores[variant] = session.predict(images)
        except EdgeError as error:
            failures[variant] = error
    return scores, failures


def _agreed(expected: Scores, scores: Mapping[str, Scores]) -> npt.NDArray[np.bool_]:
    """Tell of each picture whether all artifacts decide on it as the float model does."""
    best = expected.argmax(axis=1)
    agreed = np.ones(len(expected), dtype=bool)
    for answers in scores.values():
        agreed &= answers.argmax(axis=1) == best
    return agreed


def _clear_pictures(
    score: Callable[[Pixels], Scores], shape: tuple[int, int, int], count: int, search: _Search
) -> tuple[Pixels, Scores]:
    """Return up to ``search.tried`` pictures on which the model is sure, and its scores of them.

    Of those looked at the best are kept: one of each class, then a second of each. The search ends
    as soon as there are enough.
    """
    stream = pattern_stream(shape=shape, seed=_SEED)
    images = np.empty((0, *shape), np.uint8)
    expected: Scores | None = None
    for start in range(0, search.candidates, search.at_once):
        chunk = np.stack(list(islice(stream, min(search.at_once, search.candidates - start))))
        scores = score(chunk)
        images = np.concatenate([images, chunk])
        expected = scores if expected is None else np.concatenate([expected, scores])
        margins = _margins(expected)
        clear = np.flatnonzero(margins >= MIN_MARGIN)
        kept = _spread_over_classes(clear, expected, margins, search.tried)
        images, expected = images[kept], expected[kept]
        classes = len(set(expected.argmax(axis=1)))
        if len(kept) == search.tried and classes >= min(count, expected.shape[1]):
            break
        if start + search.at_once >= search.patience and (not len(kept) or len(kept) >= count):
            break
    assert expected is not None  # noqa: S101 - there is at least one chunk
    return images, expected


def _margins(scores: Scores) -> npt.NDArray[np.float64]:
    ordered = np.sort(scores.astype(np.float64), axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def _spread_over_classes(
    indices: npt.NDArray[np.intp], scores: Scores, margins: npt.NDArray[np.floating], count: int
) -> npt.NDArray[np.intp]:
    """Choose up to ``count``: one of each class, then a second of each; clear ones first."""
    by_margin = indices[np.argsort(-margins[indices], kind="stable")]
    turns: dict[int, int] = {}
    ranked = []
    for place, index in enumerate(by_margin):
        label = int(scores[index].argmax())
        turns[label] = turns.get(label, 0) + 1
        ranked.append((turns[label], place, int(index)))
    return np.array(sorted(index for _, _, index in sorted(ranked)[:count]), dtype=np.intp)
