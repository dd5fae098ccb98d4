"""The user's own scores against a model whose right way to be fed is known: functions of pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.data import Images
from edgecnn.data.own_scores import OwnScores
from edgecnn.errors import DataError, OwnScoresError
from edgecnn.verify.foreign.trials import Feed, other_ranges
from edgecnn.verify.own_agreement import OwnAgreement
from edgecnn.verify.scores_check import Decoded, Explainer, check_own_scores
from edgecnn_runner.contract import affine_of

Pixels = npt.NDArray[np.uint8]
NAMES = ("a", "b", "c")
COUNT = 60


def pictures() -> Images:
    rng = np.random.default_rng(1)
    return Images(
        pixels=rng.integers(0, 256, (COUNT, 4, 4, 3), dtype=np.uint8),
        labels=np.arange(COUNT) % 3,
        ids=tuple(f"{NAMES[index % 3]}/{index}.jpg" for index in range(COUNT)),
    )


WEIGHTS = np.random.default_rng(2).normal(0, 1, (48, 3))


def model(pixels: Pixels, input_range: str) -> npt.NDArray[np.float32]:
    """A linear classifier that was trained on -1..1."""
    scale, offset = affine_of(input_range)
    logits = (pixels * np.array(scale) + np.array(offset)).reshape(len(pixels), -1) @ WEIGHTS
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def own_of(
    probabilities: npt.NDArray[np.floating[Any]], places: Sequence[int] = range(COUNT)
) -> OwnScores:
    return OwnScores(
        path=Path("own.csv"),
        sha256="0",
        places=np.asarray(places),
        probabilities=np.asarray(probabilities, np.float64),
        kind="probabilities",
        named=True,
        unknown=2,
    )


def checked(
    own: OwnScores,
    fed: str = "-1..1",
    decoded: Decoded | None = None,
    images: Images | None = None,
) -> OwnAgreement:
    images = images or pictures()
    feed = Feed(ask=model, input_range=fed, ranges=other_ranges(fed, 3), seconds=0.0)
    return check_own_scores(
        own,
        images,
        model(images.pixels, fed),
        class_names=NAMES,
        explainer=lambda: Explainer(feed=feed, decoded=decoded),
    )


TRUTH = model(pictures().pixels, "-1..1")


def test_the_same_scores_agree_and_nothing_is_loaded() -> None:
    def explainer() -> Explainer:
        raise AssertionError("it is not needed")

    found = check_own_scores(
        own_of(np.round(TRUTH, 4)), pictures(), TRUTH, class_names=NAMES, explainer=explainer
    )
    assert found.agrees
    assert found.error() is None
    assert (found.images, found.agreed, found.excused, found.unknown) == (COUNT, COUNT, 0, 2)
    assert 0 < found.largest <= 5e-5
    assert (found.decoding, found.explanation) == (None, None)
    assert found.sentence.startswith("The float model has the class of own.csv on 60 of 60 images;")


@pytest.mark.parametrize("fed", ["0..1", "0..255", "imagenet"])
def test_another_range_explains_it(fed: str) -> None:
    found = checked(own_of(TRUTH), fed)
    assert not found.agrees
    assert found.explanation is not None
    assert found.explanation.startswith("--input-range -1..1 explains it")
    assert "is then 0 instead of" in found.explanation or "e-0" in found.explanation
    error = found.error()
    assert isinstance(error, OwnScoresError)
    assert error.remedy == found.explanation
    assert found.explanation in found.sentence


@pytest.mark.parametrize(
    ("turned", "words"),
    [
        (pictures().pixels[..., ::-1], "red and blue exchanged"),
        (pictures().pixels[:, :, ::-1], "mirrored left to right"),
        (pictures().pixels[:, ::-1], "upside down"),
        (pictures().pixels.transpose(0, 2, 1, 3), "rows and columns exchanged"),
    ],
)
def test_other_colours_and_places_explain_it(turned: Pixels, words: str) -> None:
    found = checked(own_of(model(turned, "-1..1")))
    assert found.explanation is not None
    assert f"{words} explains it" in found.explanation


def test_another_order_of_the_outputs_explains_it() -> None:
    found = checked(own_of(TRUTH[:, [1, 2, 0]]))
    assert found.explanation is not None
    assert "output 0, named a, for c; output 1, named b, for a" in found.explanation
    assert "--labels FILE" in found.explanation


def test_other_scores_are_explained_by_nothing() -> None:
    other = np.random.default_rng(3).dirichlet([1, 1, 1], COUNT)
    found = checked(own_of(other))
    assert found.explanation is not None
    assert found.explanation.startswith("no other range, fit, filter")


def unsure(margin: float, count: int) -> OwnScores:
    """Scores that turn the best two of some images, each by no more than the margin."""
    scores = TRUTH.astype(np.float64)
    best, second = np.argsort(scores, axis=1)[:, -1], np.argsort(scores, axis=1)[:, -2]
    rows = np.arange(COUNT)
    near = np.argsort(scores[rows, best] - scores[rows, second])[:count]
    assert (scores[near, best[near]] - scores[near, second[near]]).max() < margin
    for row in near:
        scores[row, [best[row], second[row]]] = scores[row, [second[row], best[row]]]
    return own_of(scores)


def decoder(levels: int, asked: list[str]) -> Decoded:
    """Another decoder that is off by some levels."""

    def decode(ids: Sequence[str]) -> tuple[npt.NDArray[np.int64], Pixels]:
        asked.extend(ids)
        images = pictures()
        pixels = images.pixels[[images.ids.index(one) for one in ids]].astype(int)
        noise = np.random.default_rng(4).integers(-levels, levels + 1, pixels.shape)
        return np.arange(len(ids)), np.clip(pixels + noise, 0, 255).astype(np.uint8)

    return decode


def test_classes_that_another_decoder_may_change_are_excused_and_others_are_not() -> None:
    own = unsure(0.2, 3)
    asked: list[str] = []
    found = checked(own, decoded=decoder(8, asked))
    assert found.decoding is not None
    # Of most images, by which the most sensitive one is not hidden.
    assert 0.02 < found.margin < 2 * found.decoding
    assert found.agreed == COUNT - 3
    assert found.excused >= 1
    assert found.agrees == (found.excused == 3)
    # The images whose class differs are decoded first, and each once.
    assert {*asked[:3]} == {
        name
        for name, mine, other in zip(
            pictures().ids, TRUTH.argmax(axis=1), own.probabilities.argmax(axis=1), strict=True
        )
        if mine != other
    }
    assert len(asked) == found.decoded == COUNT
    exact = checked(own)
    assert (exact.excused, exact.margin, exact.decoding) == (0, 2e-4, None)
    assert not exact.agrees
    assert exact.differing[0] in asked[:3]


def test_a_class_that_differs_beyond_the_margin_is_never_excused() -> None:
    scores = TRUTH.astype(np.float64)
    sure = int(scores.max(axis=1).argmax())
    scores[sure] = np.roll(scores[sure], 1)
    found = checked(own_of(scores), decoded=decoder(8, []))
    assert (found.agreed, found.excused, found.agrees) == (COUNT - 1, 0, False)
    assert found.differing == (pictures().ids[sure],)


def test_one_image_that_decoding_changes_much_excuses_no_other() -> None:
    scores = TRUTH.astype(np.float64)
    ordered = np.sort(scores, axis=1)
    unsure = int((ordered[:, -1] - ordered[:, -2]).argsort()[COUNT // 2])
    scores[unsure] = np.roll(scores[unsure], 1)
    sensitive = pictures().ids[(unsure + 1) % COUNT]

    def decode(ids: Sequence[str]) -> tuple[npt.NDArray[np.int64], Pixels]:
        images = pictures()
        pixels = images.pixels[[images.ids.index(name) for name in ids]].copy()
        for place, name in enumerate(ids):
            if name == sensitive:
                pixels[place] = 255 - pixels[place]
        return np.arange(len(ids)), pixels

    found = checked(own_of(scores), decoded=decode)
    assert found.decoding is not None
    assert found.decoding > 0.2
    assert (found.excused, found.agrees) == (0, False)
    assert found.differing == (pictures().ids[unsure],)


def fed_otherwise(
    ask: Callable[[Pixels, str], npt.NDArray[np.float32]],
    theirs: npt.NDArray[np.floating[Any]],
    decoded: Decoded | None,
) -> OwnAgreement:
    """Compare scores with those of a model that is fed -1..1 and may be fed 0..1."""
    feed = Feed(ask=ask, input_range="-1..1", ranges=("0..1",), seconds=0.0)
    return check_own_scores(
        own_of(theirs),
        pictures(),
        ask(pictures().pixels, "-1..1"),
        class_names=NAMES,
        explainer=lambda: Explainer(feed=feed, decoded=decoded),
    )


def test_a_way_that_leaves_half_of_a_difference_explains_nothing() -> None:
    """Other weights are often nearer in some other range, and far from the same."""
    theirs = model(pictures().pixels, "-1..1")

    def ask(pixels: Pixels, input_range: str) -> npt.NDArray[np.float32]:
        # No order of rows, columns or channels makes one of the other.
        share = 0.6 if input_range == "0..1" else 0.0
        other = model(255 - pixels // 2, "-1..1")
        return np.asarray(share * model(pixels, "-1..1") + (1 - share) * other, np.float32)

    found = fed_otherwise(ask, theirs, None)
    assert not found.agrees
    assert found.explanation is not None
    assert "--input-range" not in found.explanation


def test_what_another_range_explains_is_never_excused_as_decoding() -> None:
    """A range that is off by little changes few classes, of images with small margins."""
    near = replace(pictures(), pixels=np.clip(pictures().pixels, 0, 235) + 20)
    theirs = model(pictures().pixels, "-1..1")
    assert 0 < np.count_nonzero(model(near.pixels, "-1..1").argmax(1) != theirs.argmax(1)) < 9

    def ask(pixels: Pixels, input_range: str) -> npt.NDArray[np.float32]:
        shift = 20 if input_range == "-1..1" else 0
        return model(np.clip(pixels, 0, 255 - shift) + np.uint8(shift), "-1..1")

    found = fed_otherwise(ask, theirs, decoder(140, []))
    assert found.margin > 0.3
    assert (found.excused, found.agrees) == (0, False)
    assert found.explanation is not None
    assert found.explanation.startswith("--input-range 0..1 explains it")


def test_without_the_float_model_a_difference_is_one_all_the_same() -> None:
    found = check_own_scores(
        unsure(0.2, 1), pictures(), TRUTH, class_names=NAMES, explainer=lambda: None
    )
    assert not found.agrees
    assert (found.explanation, found.decoded) == (None, 0)
    error = found.error()
    assert error is not None
    assert "give the model that made these scores" in error.remedy


def test_scores_of_some_images_are_compared_on_these() -> None:
    some = [*range(5, 45)]
    found = checked(own_of(TRUTH[some], some))
    assert (found.images, found.agreed, found.without) == (40, 40, 20)


def test_too_few_scores_prove_nothing() -> None:
    with pytest.raises(DataError, match="too few"):
        checked(own_of(TRUTH[:31], range(31)))
    few = pictures().take(range(10))
    assert checked(own_of(TRUTH[:10], range(10)), images=few).agrees
    with pytest.raises(DataError, match="too few"):
        checked(own_of(TRUTH[:9], range(9)), images=few)


def test_it_reads_back_as_it_was_written() -> None:
    from pydantic import TypeAdapter

    found = replace(checked(own_of(TRUTH), "0..1"))
    assert TypeAdapter(OwnAgreement).validate_python(found.to_dict()) == found
