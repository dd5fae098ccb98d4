"""Choose golden vectors: generated pictures on which a healthy device cannot be in doubt.

A picture qualifies if the float model's best class leads by a clear margin and every artifact
gives that class here. int8 kernels differ between processors by design; with such a margin the
class still has to be the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
_CANDIDATES: Final = 1500
_SEED: Final = 20
_CHUNK_BYTES: Final = 64 * 2**20
_TRIED: Final = 4 * GOLDEN_COUNT


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
    images, expected = _clear_pictures(score, shape, count)
    scores, failures = {}, {}
    for variant, path in artifacts.items():
        try:
            with Session.open(path) as session:
                scores[variant] = session.predict(images)
        except EdgeError as error:
            failures[variant] = error
    best = expected.argmax(axis=1)
    agreed = np.ones(len(images), dtype=bool)
    for answers in scores.values():
        agreed &= answers.argmax(axis=1) == best
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


def _clear_pictures(
    score: Callable[[Pixels], Scores], shape: tuple[int, int, int], count: int
) -> tuple[Pixels, Scores]:
    """Return up to ``_TRIED`` pictures on which the model is sure, and its scores of them.

    Works in chunks, of which the best so far are kept, so that large pictures need no more
    memory than small ones. Pictures that fit in one chunk are all tried; else the search ends
    with the first chunk after which there are enough.
    """
    stream = pattern_stream(shape=shape, seed=_SEED)
    size = min(max(_CHUNK_BYTES // math.prod(shape), 1), _CANDIDATES)
    images = np.empty((0, *shape), np.uint8)
    expected: Scores | None = None
    for start in range(0, _CANDIDATES, size):
        chunk = np.stack(list(islice(stream, min(size, _CANDIDATES - start))))
        scores = score(chunk)
        images = np.concatenate([images, chunk])
        expected = scores if expected is None else np.concatenate([expected, scores])
        margins = _margins(expected)
        clear = np.flatnonzero(margins >= MIN_MARGIN)
        kept = _spread_over_classes(clear, expected, margins, _TRIED)
        images, expected = images[kept], expected[kept]
        classes = len(set(expected.argmax(axis=1)))
        if len(kept) == _TRIED and classes >= min(count, expected.shape[1]):
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
