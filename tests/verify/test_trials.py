"""Hints from models whose right range, pixels and order are known: plain functions of pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.build.verdict import Ask
from edgecnn.data import Images
from edgecnn.errors import ScoreError
from edgecnn.verify.evaluation import Evaluation
from edgecnn.verify.foreign import trials
from edgecnn.verify.foreign.facts import Hint
from edgecnn.verify.foreign.trials import (
    Feed,
    Subject,
    feed_ranges,
    find,
    guessing_hint,
    hint_of,
    other_ranges,
    other_rules,
)
from edgecnn.verify.foreign.when import hints_of_reference
from edgecnn_runner.contract import RESIZE_RULE, parse_resize

Pixels = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]
NAMES = ("dark", "dim", "light", "bright")


def pictures(count: int = 400) -> Images:
    """Pictures whose class is how bright the red of their upper right is; the rest is noise."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, count)
    pixels = rng.integers(0, 256, (count, 4, 4, 3))
    pixels[:, 0, -1, 0] = labels * 64 + rng.integers(0, 20, count)
    return Images(
        pixels=pixels.astype(np.uint8),
        labels=labels.astype(np.int64),
        ids=tuple(f"p/{index}" for index in range(count)),
    )


class Model:
    """Sorts pictures by one value, if it is fed the range that it knows."""

    def __init__(
        self, input_range: str = "0..1", colour: int = 0, place: tuple[int, int] = (0, -1)
    ) -> None:
        self.input_range, self.colour, self.place = input_range, colour, place
        self.asked: list[tuple[int, str]] = []

    def __call__(self, pixels: Pixels, input_range: str) -> Scores:
        self.asked.append((len(pixels), input_range))
        level = pixels[:, self.place[0], self.place[1], self.colour] / 64
        if input_range != self.input_range:
            level = np.zeros(len(pixels))  # everything is dark
        scores: Scores = np.eye(4, dtype=np.float32)[np.clip(level.astype(int), 0, 3)]
        return scores


def subject_of(model: Ask, fed: str, images: Images | None = None) -> Subject:
    images = images or pictures()
    return Subject(
        name="other.tflite",
        images=images,
        decisions=model(images.pixels, fed).argmax(axis=1),
        expected=images.labels,
        means="agree with the reference",
        option="--input-range",
        class_names=NAMES,
        reorder="Name it.",
    )


def feed_of(model: Ask, fed: str, **changes: object) -> Feed:
    return replace(
        Feed(ask=model, input_range=fed, ranges=other_ranges(fed, 3), seconds=0.0),
        **changes,  # type: ignore[arg-type]
    )


def hint(model: Ask, fed: str, images: Images | None = None, **changes: object) -> Hint | None:
    subject, feed = subject_of(model, fed, images), feed_of(model, fed, **changes)
    found = find(subject, feed)
    return None if found is None else hint_of(subject, feed, found)


@pytest.mark.parametrize("right", ["0..255", "-1..1", "imagenet"])
def test_a_wrong_range_is_told_with_the_right_one(right: str) -> None:
    found = hint(Model(right), "0..1")
    assert found is not None
    assert (found.kind, found.option) == ("input", f"--input-range {right}")
    assert (found.images, found.after) == (200, 1.0)
    assert 0.2 < found.before < 0.3
    assert f"with --input-range {right} it would agree with the reference on 100.0 %" in found.text
    assert "red and blue" not in found.text
    assert ("normalizes them twice" in found.text) == (right == "0..255")


@pytest.mark.parametrize(
    ("model", "words", "mended"),
    [
        (Model(colour=2), "red and blue exchanged", "model(x[..., ::-1])"),
        (Model(place=(0, 0)), "mirrored left to right", "model(x[:, :, ::-1])"),
        (Model(place=(-1, -1)), "upside down", "model(x[:, ::-1])"),
        (Model(place=(-1, 0)), "rows and columns exchanged", "Permute((2, 1, 3))(x))"),
    ],
)
def test_what_no_flag_mends_is_told_with_what_does(model: Model, words: str, mended: str) -> None:
    found = hint(model, "0..1")
    assert found is not None
    assert (found.kind, found.option, found.after) == ("input", None, 1.0)
    assert words in found.text
    assert "no flag changes that" in found.text
    assert "x = keras.Input((4, 4, 3))" in found.text
    assert mended in found.text


def test_a_range_and_colours_at_once_are_told() -> None:
    found = hint(Model("0..255", colour=2), "0..1")
    assert found is not None
    assert found.option == "--input-range 0..255"
    assert "with --input-range 0..255 and red and blue exchanged" in found.text


def test_a_model_trained_on_normalized_images_that_normalizes_again_is_told() -> None:
    """No flag helps: a model that normalizes raw pixels is fed these."""
    ranges = feed_ranges("0..255", 3, normalizes=True)
    assert ranges == ("0..1", "-1..1")
    found = hint(Model("-1..1"), "0..255", ranges=ranges, normalizes=True)
    assert found is not None
    assert (found.option, found.after) == (None, 1.0)
    assert "normalized twice" in found.text
    assert "model(keras.layers.Rescaling(0.00784313725490196, -1.0)(x))" in found.text


def test_a_model_that_is_fed_rightly_gets_no_hint() -> None:
    assert hint(Model("0..1"), "0..1") is None


def test_nothing_is_tried_where_no_try_could_be_sure() -> None:
    """12 misses among 200 images: even if a way mended all, p is 2 / 2^12, Holm's level 0.0009."""
    model, images = Model("0..1"), pictures(200)
    subject = subject_of(model, "0..1", images)
    feed = feed_of(model, "0..1")
    model.asked.clear()
    for misses, asked in ((11, False), (12, True)):
        decisions = subject.decisions.copy()
        decisions[:misses] = (decisions[:misses] + 1) % 4
        find(replace(subject, decisions=decisions), feed)
        assert bool(model.asked) == asked


def test_what_agrees_and_is_right_less_often_is_no_hint() -> None:
    """The reference is what was fed wrongly: it says dark to all."""
    model, images = Model("0..1"), pictures()
    misled = replace(subject_of(model, "0..1", images), expected=np.zeros(len(images), np.int64))
    assert find(misled, feed_of(model, "0..1")) is None


def test_few_images_more_is_no_hint_and_many_are() -> None:
    """Of 200 images, a model that reads another value right on some more of them."""

    def ask(pixels: Pixels, input_range: str) -> Scores:
        scores = Model("0..1")(pixels, "0..1")
        spoilt = np.arange(len(pixels)) < (gained + 40 if input_range == "0..1" else 40)
        return np.where(spoilt[:, None], np.roll(scores, 1, axis=1), scores)

    images = pictures(200)
    for gained, told in ((10, False), (14, True)):
        found = hint(ask, "0..1", images)
        assert (found is not None) == told, gained


def test_grey_images_have_no_colours_and_no_range_of_colours() -> None:
    grey = pictures()
    grey = Images(pixels=grey.pixels[..., :1], labels=grey.labels, ids=grey.ids)
    assert other_ranges("0..1", 1) == ("0..255", "-1..1")
    model = Model("-1..1")
    subject = subject_of(model, "0..1", grey)
    model.asked.clear()
    feed = feed_of(model, "0..1", ranges=other_ranges("0..1", 1))
    found = find(subject, feed)
    assert found is not None
    assert found.way.input_range == "-1..1"
    # Three turns in one run, then the other ranges.
    assert model.asked == [(600, "0..1"), (200, "0..255"), (200, "-1..1")]


def test_a_slow_model_is_tried_on_fewer_images() -> None:
    model = Model("0..1")
    subject = subject_of(model, "-1..1")
    model.asked.clear()
    find(subject, feed_of(model, "-1..1", seconds=1.0))  # 30 s are for two images
    assert {count for count, _ in model.asked} == {160, 80}  # 40, in four ways and in two


def test_a_range_that_cannot_be_run_is_passed_over() -> None:
    model = Model("-1..1")

    def ask(pixels: Pixels, input_range: str) -> Scores:
        if input_range == "imagenet":
            raise ScoreError("it broke", remedy="none")
        scores = model(pixels, input_range)
        return np.full_like(scores, np.nan) if input_range == "0..255" else scores

    found = hint(ask, "0..1")
    assert found is not None
    assert found.option == "--input-range -1..1"


class Files:
    """Image files that come out otherwise by one rule, and as they were by all others."""

    def __init__(self, images: Images, given: Pixels, *rules: str) -> None:
        self.images, self.given, self.rules = images, given, rules
        self.read: list[int] = []

    def __call__(self, ids: Sequence[str], rules: Sequence[str]) -> Mapping[str, Pixels]:
        self.read.append(len(ids))
        places = [self.images.ids.index(name) for name in ids]
        other = self.images.pixels[places]
        return {rule: other if rule in self.rules else self.given[places] for rule in rules}


def blurred(images: Images) -> Images:
    """The same images as another rule makes them: the value that counts is that of another."""
    pixels = images.pixels.copy()
    pixels[:, 0, -1, 0] = np.random.default_rng(2).permutation(pixels[:, 0, -1, 0])
    return replace(images, pixels=pixels)


@pytest.mark.parametrize("rule", other_rules(RESIZE_RULE))
def test_another_fit_or_filter_is_told_by_its_flags(rule: str) -> None:
    images = pictures()
    given = blurred(images)
    files = Files(images, given.pixels, rule)
    found = hint(Model("0..1"), "0..1", given, again=files)
    assert found is not None
    assert (found.kind, found.after, found.images) == ("input", 1.0, 200)
    assert found.option == parse_resize(rule).options
    assert f"with {found.option} it would" in found.text
    assert sum(files.read) == 200


def test_a_model_is_asked_once_for_all_rules_of_the_images_that_are_read_at_once() -> None:
    # Opening a file, or asking a device, takes longer than some images.
    images, model = pictures(), Model("0..1")
    files = Files(images, images.pixels)
    list(trials.answers(feed_of(model, "0..1", again=files, ranges=()), images, np.arange(200)))
    assert [asked for asked, _ in model.asked[1:]] == [
        len(other_rules(RESIZE_RULE)) * count for count in files.read
    ]


def test_rules_that_fit_alike_are_named_together_with_the_likelier_first() -> None:
    images = pictures()
    given = blurred(images)
    both = Files(images, given.pixels, "stretch-nearest-1", "stretch-bilinear-1")
    found = hint(Model("0..1"), "0..1", given, again=both)
    assert found is not None
    assert found.option == "--fit stretch --resample bilinear"
    assert "--fit stretch --resample nearest fits as well." in found.text


def test_files_that_are_slow_to_read_are_read_as_long_as_there_is_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = pictures()
    given = blurred(images)
    files = Files(images, given.pixels, "stretch-bilinear-1", "pad-box-average-1")
    clock = iter(range(0, 10_000, 12))
    monkeypatch.setattr("edgecnn.verify.foreign.trials.time.monotonic", lambda: float(next(clock)))
    subject = subject_of(Model("0..1"), "0..1", given)
    list(trials.answers(feed_of(Model("0..1"), "0..1", again=files), given, np.arange(200)))
    assert len(files.read) == 1
    assert find(subject, feed_of(Model("0..1"), "0..1", again=files)) is None  # 10 prove nothing


def test_another_order_of_outputs_is_told_by_name() -> None:
    subject = subject_of(Model("0..1"), "0..1")
    turned = replace(subject, decisions=(subject.decisions + 1) % 4)
    feed = feed_of(Model("0..1"), "0..1")
    found = find(turned, feed)
    assert found is not None
    assert found.way.order == (3, 0, 1, 2)
    told = hint_of(turned, feed, found)
    assert (told.kind, told.before, told.after, told.images) == ("labels", 0.0, 1.0, 400)
    assert "output 0, named dark, for bright; output 1, named dim, for dark" in told.text
    assert told.text.endswith("Name it.")
    assert find(subject, feed) is None


def test_guessing_is_said_with_the_answer_that_is_given_to_all() -> None:
    subject = subject_of(Model("-1..1"), "0..1")
    told = guessing_hint(subject)
    assert told is not None
    largest = np.bincount(subject.images.labels).max() / len(subject.images)
    assert f"no better than guessing ({100 * largest:.1f} %)" in told.text
    assert "It answers dark for 100.0 % of them." in told.text
    assert guessing_hint(subject_of(Model(), "0..1")) is None


def about_reference(model: Model, fed: str, **changes: object) -> list[str]:
    subject = subject_of(model, fed)
    images = subject.images
    evaluation = Evaluation(
        images=images, scores=np.eye(4, dtype=np.float32)[subject.decisions], test=images, seed=None
    )
    values: dict[str, object] = {"range_given": False, "answers": {}}
    normalizes = bool(changes.pop("normalizes", False))
    ranges = feed_ranges(fed, 3, normalizes=normalizes)
    feed = feed_of(model, fed, ranges=ranges, normalizes=normalizes)
    model.asked.clear()
    hints = hints_of_reference("float.h5", feed, evaluation, NAMES, **{**values, **changes})  # type: ignore[arg-type]
    return [one.option or one.kind for one in hints]


def test_a_reference_is_doubted_where_it_is_right_more_often_in_another_way() -> None:
    assert about_reference(Model("0..1"), "0..1") == []
    assert about_reference(Model("-1..1"), "0..1") == ["--input-range -1..1"]
    assert about_reference(Model("-1..1"), "0..1", range_given=True) == ["--reference-range -1..1"]


def test_an_artifact_that_is_right_shows_whose_range_is_wrong() -> None:
    truth = pictures().labels
    found = about_reference(Model("-1..1"), "0..1", answers={"a.tflite": truth})
    assert found == ["--reference-range -1..1"]


def test_with_a_reference_that_normalizes_itself_only_normalizing_twice_is_tried() -> None:
    model = Model("imagenet")
    assert about_reference(model, "0..255", normalizes=True) == ["guessing"]
    assert {name for _, name in model.asked} == {"0..255", "0..1", "-1..1"}


def test_a_good_reference_is_not_doubted_for_a_bad_artifact() -> None:
    wrong = (pictures().labels + 1) % 4
    model = Model("0..1")
    assert about_reference(model, "0..1", answers={"a.tflite": wrong}) == []
    assert model.asked == []
