"""Hints from models whose right range, colours and order are known: plain functions of pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.data import Images
from edgecnn.errors import ScoreError
from edgecnn.verify.evaluation import Evaluation
from edgecnn.verify.foreign_hints import hints_of_reference
from edgecnn.verify.trials import Subject, guessing_hint, input_hint, labels_hint, other_ranges

Pixels = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]
NAMES = ("dark", "dim", "light", "bright")


def pictures(count: int = 400) -> Images:
    """Pictures whose class is how bright their red is; blue has a brightness of its own."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, count)
    pixels = rng.integers(0, 20, (count, 4, 4, 3))
    pixels[..., 0] += (labels * 64)[:, None, None]
    pixels[..., 2] += (rng.integers(0, 4, count) * 64)[:, None, None]
    return Images(
        pixels=pixels.astype(np.uint8),
        labels=labels.astype(np.int64),
        ids=tuple(f"p/{index}" for index in range(count)),
    )


class Model:
    """Sorts pictures by the brightness of one colour, if it is fed the range that it knows."""

    def __init__(self, input_range: str = "0..1", colour: int = 0) -> None:
        self.input_range, self.colour = input_range, colour
        self.asked: list[tuple[int, str]] = []

    def __call__(self, pixels: Pixels, input_range: str) -> Scores:
        self.asked.append((len(pixels), input_range))
        level = pixels[..., self.colour].mean(axis=(1, 2)) / 64
        if input_range != self.input_range:
            level = np.zeros(len(pixels))  # everything is dark
        scores: Scores = np.eye(4, dtype=np.float32)[np.clip(level.astype(int), 0, 3)]
        return scores


def subject_of(
    model: Model, fed: str, *, images: Images | None = None, seconds: float = 0.1
) -> Subject:
    images = images or pictures()
    return Subject(
        name="other.tflite",
        evaluation=Evaluation(
            images=images, scores=np.eye(4, dtype=np.float32)[images.labels], test=images, seed=None
        ),
        decisions=model(images.pixels, fed).argmax(axis=1),
        expected=images.labels,
        means="agree with the reference",
        option="--input-range",
        input_range=fed,
        ranges=other_ranges(fed, 3),
        seconds=seconds,
    )


@pytest.mark.parametrize("right", ["0..255", "-1..1", "imagenet"])
def test_a_wrong_range_is_told_with_the_right_one(right: str) -> None:
    model = Model(right)
    hint = input_hint(subject_of(model, "0..1"), model)
    assert hint is not None
    assert (hint.kind, hint.option) == ("input", f"--input-range {right}")
    assert (hint.images, hint.after) == (200, 1.0)
    assert 0.2 < hint.before < 0.3
    assert f"with --input-range {right} it would agree with the reference on 100.0 %" in hint.text
    assert "red and blue" not in hint.text


def test_exchanged_colours_are_told_and_that_no_flag_helps() -> None:
    model = Model("0..1", colour=2)
    hint = input_hint(subject_of(model, "0..1"), model)
    assert hint is not None
    assert hint.option is None
    assert "with red and blue exchanged" in hint.text
    assert "no flag changes that" in hint.text


def test_both_at_once_are_told() -> None:
    model = Model("0..255", colour=2)
    hint = input_hint(subject_of(model, "0..1"), model)
    assert hint is not None
    assert hint.option == "--input-range 0..255"
    assert "with --input-range 0..255 and red and blue exchanged" in hint.text


def test_a_model_that_is_fed_rightly_gets_no_hint() -> None:
    model = Model("0..1")
    assert input_hint(subject_of(model, "0..1"), model) is None


def test_what_agrees_and_is_right_less_often_is_no_hint() -> None:
    """The reference is what was fed wrongly: it says dark to all."""
    model = Model("0..1")
    images = pictures()
    right = subject_of(model, "0..1", images=images)
    misled = Subject(**{**vars(right), "expected": np.zeros(len(images), np.int64)})
    assert input_hint(misled, model) is None


def test_grey_images_have_no_colours_and_no_range_of_colours() -> None:
    grey = pictures()
    grey = Images(pixels=grey.pixels[..., :1], labels=grey.labels, ids=grey.ids)
    assert other_ranges("0..1", 1) == ("0..255", "-1..1")
    model = Model("-1..1")
    subject = subject_of(model, "0..1", images=grey)
    model.asked.clear()
    hint = input_hint(Subject(**{**vars(subject), "ranges": other_ranges("0..1", 1)}), model)
    assert hint is not None
    assert hint.option == "--input-range -1..1"
    assert model.asked == [(200, "0..1"), (200, "0..255"), (200, "-1..1")]


def test_a_slow_model_is_tried_on_fewer_images() -> None:
    model = Model("0..1")
    subject = subject_of(model, "0..1", seconds=400.0)  # a second an image: 30 s are for 3
    model.asked.clear()
    input_hint(subject, model)
    assert [count for count, _ in model.asked] == [80] * 4  # 40, and 40 with colours exchanged


def test_a_range_that_cannot_be_run_is_passed_over() -> None:
    model = Model("-1..1")

    def ask(pixels: Pixels, input_range: str) -> Scores:
        if input_range == "imagenet":
            raise ScoreError("it broke", remedy="none")
        scores = model(pixels, input_range)
        return np.full_like(scores, np.nan) if input_range == "0..255" else scores

    hint = input_hint(subject_of(model, "0..1"), ask)
    assert hint is not None
    assert hint.option == "--input-range -1..1"


def test_another_order_of_outputs_is_told_by_name() -> None:
    subject = subject_of(Model("0..1"), "0..1")
    turned = Subject(**{**vars(subject), "decisions": (subject.decisions + 1) % 4})
    hint = labels_hint(turned, NAMES, "Name it.")
    assert hint is not None
    assert (hint.kind, hint.before, hint.after, hint.images) == ("labels", 0.0, 1.0, 400)
    assert "output 0, named dark, for bright; output 1, named dim, for dark" in hint.text
    assert hint.text.endswith("Name it.")
    assert labels_hint(subject, NAMES, "Name it.") is None


def test_guessing_is_said_with_the_answer_that_is_given_to_all() -> None:
    subject = subject_of(Model("-1..1"), "0..1")
    hint = guessing_hint(subject, NAMES)
    assert hint is not None
    largest = np.bincount(subject.evaluation.images.labels).max() / 400
    assert f"no better than guessing ({100 * largest:.1f} %)" in hint.text
    assert "It answers dark for 100.0 % of them." in hint.text
    assert guessing_hint(subject_of(Model(), "0..1"), NAMES) is None


def about_reference(model: Model, fed: str, **changes: object) -> list[str]:
    subject = subject_of(model, fed)
    images = subject.evaluation.images
    values: dict[str, object] = {
        "input_range": fed,
        "normalizes": False,
        "range_given": False,
        "answers": {},
        "seconds": 0.1,
        **changes,
    }
    evaluation = Evaluation(
        images=images, scores=np.eye(4, dtype=np.float32)[subject.decisions], test=images, seed=None
    )
    hints = hints_of_reference("float.h5", model, evaluation, NAMES, **values)  # type: ignore[arg-type]
    return [hint.option or hint.kind for hint in hints]


def test_a_reference_is_doubted_where_it_is_mostly_wrong_and_only_there() -> None:
    assert about_reference(Model("0..1"), "0..1") == []
    assert about_reference(Model("-1..1"), "0..1") == ["--input-range -1..1"]
    assert about_reference(Model("-1..1"), "0..1", range_given=True) == ["--reference-range -1..1"]


def test_an_artifact_that_is_right_shows_whose_range_is_wrong() -> None:
    truth = pictures().labels
    found = about_reference(Model("-1..1"), "0..1", answers={"a.tflite": truth})
    assert found == ["--reference-range -1..1"]


def test_no_other_range_is_tried_with_a_reference_that_normalizes_itself() -> None:
    model = Model("-1..1")
    assert about_reference(model, "0..255", normalizes=True) == ["guessing"]
    assert {name for _, name in model.asked} == {"0..255"}


def test_a_good_reference_is_not_doubted_for_a_bad_artifact() -> None:
    wrong = (pictures().labels + 1) % 4
    model = Model("0..1")
    assert about_reference(model, "0..1", answers={"a.tflite": wrong}) == []
    assert [name for _, name in model.asked] == ["0..1"]
