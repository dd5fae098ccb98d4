"""PASS by equality: float files have it on few images; wrong files and integers never."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.build.artifact import read_artifact, write_artifact
from edgecnn.data import Images
from edgecnn.data.patterns import MOST_PROBES, probes
from edgecnn.modelfile import read_graph
from edgecnn.modelfile.precision import find_precision
from edgecnn.recipe.sections import Limits
from edgecnn.verify.evaluation import Evaluation, Probes
from edgecnn.verify.gate.criteria import judge, with_equality
from edgecnn.verify.gate.equality import SAFETY, TOLERANCE, find_equality
from edgecnn.verify.gate.judgement import Counts, Equality
from edgecnn.verify.metrics import measure
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.session import Session
from verify.synthetic import counts

FIXTURES = Path(__file__).parents[1] / "runner" / "fixtures"
INTEGERS = (
    "rgb-int8.onnx", "rgb-int8.tflite", "rgb-int8-dynamic.tflite", "rgb-logits-int8.tflite"
)  # fmt: skip
SHAPE = (12, 16, 3)
Scores = npt.NDArray[np.float32]
Weights = dict[str, npt.NDArray[Any]]


def pictures(count: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(11).integers(0, 256, (count, *SHAPE), dtype=np.uint8)


@functools.cache
def evaluation(images: int) -> Evaluation:
    """Return noise pictures with the scores of the float fixture, its own answers as labels."""
    generated = probes(SHAPE)
    with Session.open(FIXTURES / "rgb-fp32.tflite") as session:
        scores, elsewhere = session.predict(pictures(images)), session.predict(generated)
    split = Images(
        pixels=pictures(images),
        labels=scores.argmax(axis=1).astype(np.int64),
        ids=tuple(f"{i}" for i in range(images)),
    )
    return Evaluation(
        images=split,
        scores=scores,
        test=split,
        seed=None,
        probes=Probes(pixels=generated, scores=elsewhere),
    )


def equality_of(path: Path, images: int = 24) -> Equality:
    """Compare a file with the float fixture as ``verify`` does."""
    with Session.open(path) as session:
        by = evaluation(images)
        precision = find_precision(read_graph(read_container(path))).name
        return find_equality(session.predict(by.images.pixels), by, session.predict, precision)


def changed_file(place: Path, change: Callable[[Weights], None]) -> Path:
    """Write the float ONNX fixture with other weights; ``change`` changes a copy of them."""
    import onnx
    from onnx import numpy_helper

    container = read_artifact(FIXTURES / "rgb-fp32.onnx")
    assert container.contract is not None
    model = onnx.load_from_string(container.payload)
    weights = {one.name: numpy_helper.to_array(one).copy() for one in model.graph.initializer}
    change(weights)
    for one in model.graph.initializer:
        one.CopyFrom(numpy_helper.from_array(weights[one.name], one.name))
    payload = model.SerializeToString()
    digest = hashlib.sha256(payload).hexdigest()
    path = place / "changed.onnx"
    write_artifact(path, payload, dataclasses.replace(container.contract, payload_sha256=digest))
    return path


@pytest.mark.parametrize("images", [3, 24, 60])
@pytest.mark.parametrize("file", ["rgb-fp32.onnx", "rgb-fp32.tflite"])
def test_a_float_file_is_equal_on_any_number_of_images(file: str, images: int) -> None:
    found = equality_of(FIXTURES / file, images)
    assert found.holds, found.reason
    assert found.images == images
    assert found.probes == MOST_PROBES
    assert found.difference is not None
    assert found.difference < 1e-4
    assert "more than 0.01 %" in found.reason


@pytest.mark.parametrize("file", INTEGERS)
def test_integer_files_are_never_equal_whatever_their_scores(file: str) -> None:
    assert not equality_of(FIXTURES / file).holds
    by = evaluation(24)
    precision = find_precision(read_graph(read_container(FIXTURES / file))).name
    same = find_equality(by.scores, by, lambda pixels: by.probes.scores, precision)  # type: ignore[union-attr]
    assert not same.holds
    assert "int8" in same.reason


def _nudge(strength: float) -> Callable[[Weights], None]:
    def change(weights: Weights) -> None:
        rng = np.random.default_rng(3)
        for name in ("w1", "w2", "wd"):
            noise = rng.normal(0, strength, weights[name].shape)
            weights[name] = (weights[name] * (1 + noise)).astype(np.float32)

    return change


def _swap_channels(weights: Weights) -> None:
    weights["w1"] = weights["w1"][:, ::-1].copy()


def _offset(weights: Weights) -> None:
    weights["offset"] = np.full_like(weights["offset"], -0.5)


def _scale(weights: Weights) -> None:
    weights["scale"] = weights["scale"] * np.float32(255 / 256 * 2)


def _class_bias(weights: Weights) -> None:
    # All features are at least 0, so more of one column's weight is a bias of its class.
    weights["wd"][:, 1] += np.float32(0.01)


def _one_filter(weights: Weights) -> None:
    weights["w2"][4] *= np.float32(1.2)


@pytest.mark.parametrize(
    "change",
    [_nudge(0.05), _nudge(0.5), _swap_channels, _offset, _scale, _class_bias, _one_filter],
    ids=[
        "nudged by 5 %",
        "nudged by 50 %",
        "channels swapped",
        "offset",
        "scale",
        "bias",
        "filter",
    ],
)
@pytest.mark.parametrize("images", [1, 3, 24, 60])
def test_a_wrong_float_file_is_never_equal(
    change: Callable[[Weights], None], images: int, tmp_path: Path
) -> None:
    found = equality_of(changed_file(tmp_path, change), images)
    assert not found.holds, (found.difference, found.margin, found.move)


@pytest.mark.parametrize("part", range(0, 288, 12))
def test_a_wrong_weight_that_goes_unseen_changes_hardly_any_other_picture(
    part: int, tmp_path: Path
) -> None:
    """One weight of the last layer, whose feature three pictures may leave at zero."""

    def change(weights: Weights) -> None:
        weights["wd"][part, 0] += np.float32(5)

    path = changed_file(tmp_path, change)
    if not equality_of(path, 3).holds:
        return
    by = evaluation(300)
    with Session.open(path) as session:
        scores = session.predict(by.images.pixels)
    assert np.mean(scores.argmax(axis=1) != by.scores.argmax(axis=1)) < 0.01


def test_a_file_that_equals_on_the_photographs_only_is_found_on_generated_pictures() -> None:
    by = evaluation(3)
    assert by.probes is not None
    wrong = by.probes.scores[:, ::-1]
    found = find_equality(by.scores, by, lambda pixels: wrong, "fp32")
    assert not found.holds
    assert "generated pictures" in found.reason


def _toy(reference: npt.ArrayLike) -> Evaluation:
    scores = np.asarray(reference, np.float32)
    split = Images(
        pixels=np.zeros((len(scores), 2, 2, 1), np.uint8),
        labels=scores.argmax(axis=1).astype(np.int64),
        ids=tuple(f"{i}" for i in range(len(scores))),
    )
    probe = Probes(pixels=np.zeros((2, 2, 2, 1), np.uint8), scores=scores[:1].repeat(2, axis=0))
    return Evaluation(images=split, scores=scores, test=split, seed=None, probes=probe)


def _of_toy(reference: npt.ArrayLike, scores: npt.ArrayLike) -> Equality:
    by = _toy(reference)
    assert by.probes is not None
    return find_equality(np.asarray(scores, np.float32), by, lambda _: by.probes.scores, "fp32")  # type: ignore[union-attr]


def test_a_tie_has_no_margin() -> None:
    tied = [[0.4, 0.4, 0.2], [0.7, 0.2, 0.1]]
    assert not _of_toy(tied, tied).holds


def test_saturated_scores_are_told_apart_by_their_logarithms() -> None:
    sure = [[1.0, 1e-9, 1e-12], [1e-10, 1.0, 1e-9]]
    wrong = [[1.0, 3e-9, 1e-12], [1e-10, 1.0, 1e-9]]
    assert _of_toy(sure, sure).holds
    # The probabilities differ by two billionths; the odds by three times.
    found = _of_toy(sure, wrong)
    assert not found.holds
    assert "evaluation images" in found.reason


def test_scores_that_are_zero_but_for_one_tell_nothing() -> None:
    mute = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.4, 0.1]]
    found = _of_toy(mute, mute)
    assert not found.holds
    assert "tells too little" in found.reason or "tell too little" in found.reason


def test_a_margin_that_a_move_comes_near_is_not_equal() -> None:
    narrow = [[0.52, 0.48], [0.9, 0.1]]
    margin = float(np.log(0.52 / 0.48))

    def moved(part: float) -> list[list[float]]:
        odds = np.exp(margin - part * margin)
        return [[odds / (1 + odds), 1 / (1 + odds)], [0.9, 0.1]]

    assert _of_toy(narrow, moved(0.9 / SAFETY)).holds
    found = _of_toy(narrow, moved(1.2 / SAFETY))
    assert found.difference is not None
    assert found.difference < TOLERANCE
    assert not found.holds


def test_an_old_reference_leaves_the_counts_to_decide() -> None:
    by = dataclasses.replace(evaluation(24), probes=None)
    found = find_equality(by.scores, by, lambda pixels: by.scores, "fp32")
    assert not found.holds
    assert "earlier edgecnn" in found.reason


def test_equality_decides_what_counts_leave_open_and_nothing_else() -> None:
    few = counts(24, 0, 0)
    open_judgement = judge(few, Limits(min_accuracy=80))
    assert open_judgement.verdict == "INCONCLUSIVE"
    equal, unequal = Equality(holds=True, reason="same"), Equality(holds=False, reason="other")
    passed = with_equality(judge(few, Limits()), equal)
    assert (passed.verdict, passed.by_equality) == ("PASS", True)
    assert [one.by_equality for one in passed.criteria] == [True, True, False]
    assert with_equality(judge(few, Limits()), unequal).verdict == "INCONCLUSIVE"
    # Whether the file is right often enough is another question.
    few_right = counts(24, 0, 0, right=19)
    other = with_equality(judge(few_right, Limits(min_accuracy=80)), equal)
    assert (other.verdict, other.by_equality) == ("INCONCLUSIVE", False)


def test_a_pass_by_counts_is_not_called_one_by_equality() -> None:
    enough = with_equality(judge(counts(2000, 0, 0), Limits()), Equality(holds=True, reason="same"))
    assert (enough.verdict, enough.by_equality) == ("PASS", False)


def test_an_equal_file_changes_no_answer() -> None:
    by = evaluation(300)
    with Session.open(FIXTURES / "rgb-fp32.onnx") as session:
        scores = session.predict(by.images.pixels)
    metrics = measure(by.scores, scores, by.images.labels, by.images.ids)
    assert Counts.of(metrics).disagreements == 0
