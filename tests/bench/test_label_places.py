from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.bench.report.pareto_chart import Mark, boxes_at, place_labels

WIDTHS = (230.0, 400.0, 640.0)
MARKS = st.builds(
    Mark,
    x=st.floats(2, 98),
    y=st.floats(5, 295),
    radius=st.floats(4, 15),
    texts=st.sampled_from([("tflite-int8-dynamic", "12"), ("tflite-fp32", "3"), ("7",)]),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(MARKS, max_size=25))
def test_no_text_covers_another_or_a_mark_or_leaves_the_drawing(marks: list[Mark]) -> None:
    labels = place_labels(marks, widths=WIDTHS, height=300)
    assert len(labels) == len(marks)
    for width in WIDTHS:
        boxes = [boxes_at(label, width) for label in labels if label is not None]
        for left, top, right, bottom in boxes:
            assert left >= 0
            assert right <= width
            assert top >= 0
            assert bottom <= 300
        for one, other in itertools.combinations(boxes, 2):
            apart = one[2] <= other[0] or other[2] <= one[0]
            assert apart or one[3] <= other[1] or other[3] <= one[1]
        for mark, label in zip(marks, labels, strict=True):
            for other_mark in marks:
                if label is None or other_mark is mark:
                    continue
                box, x = boxes_at(label, width), other_mark.x / 100 * width
                beside = box[2] <= x - other_mark.radius or x + other_mark.radius <= box[0]
                above = box[3] <= other_mark.y - other_mark.radius
                assert beside or above or other_mark.y + other_mark.radius <= box[1]


def test_a_mark_alone_has_its_best_text_to_its_right() -> None:
    mark = Mark(x=20, y=100, radius=5, texts=("tflite-int8", "1"))
    (label,) = place_labels([mark], widths=WIDTHS, height=300)
    assert label is not None
    assert (label.text, label.side) == ("tflite-int8", "start")
    assert label.dx > mark.radius


def test_at_the_right_end_it_stands_to_the_left() -> None:
    (label,) = place_labels(
        [Mark(x=97, y=100, radius=5, texts=("tflite-int8", "1"))], widths=WIDTHS, height=300
    )
    assert label is not None
    assert label.side == "end"


def test_the_first_of_many_at_one_place_keep_their_names_and_the_others_may_have_none() -> None:
    marks = [Mark(x=50, y=150, radius=8, texts=(f"variant-{n}", str(n))) for n in range(30)]
    labels = place_labels(marks, widths=WIDTHS, height=300)
    assert labels[0] is not None
    assert labels[0].text == "variant-0"
    assert None in labels


def test_a_text_that_is_too_long_gives_way_to_the_shorter_one() -> None:
    mark = Mark(x=50, y=150, radius=8, texts=("n" * 60, "1"))
    (label,) = place_labels([mark], widths=WIDTHS, height=300)
    assert label is not None
    assert label.text == "1"
