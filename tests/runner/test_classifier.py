from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edgecnn_runner import Classifier
from edgecnn_runner.classifier import UNKNOWN, Result, Score
from edgecnn_runner.errors import ContractError, EdgeError, ImageError, ScoreError
from edgecnn_runner.images.preprocess import prepare
from runner.fixture_files import (
    FIXTURES,
    FOREIGN,
    OURS,
    RGB_LABELS,
    images,
    needs_tflite,
    path_of,
    reference,
    rewritten,
)


def png(rgb: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("name", [name for name in OURS if name.startswith("rgb")])
def test_files_paths_bytes_and_arrays_give_one_answer(name: str, tmp_path: Path) -> None:
    image = images(name)[0]
    file = tmp_path / "image.png"
    file.write_bytes(png(image))
    with Classifier(path_of(name)) as classifier:
        results = [classifier.classify(source) for source in (file, str(file), png(image), image)]
    assert all(result == results[0] for result in results)
    best = reference(name)[0].argmax()
    assert results[0].label == f"class {best}"
    assert results[0].index == best
    assert abs(results[0].score - reference(name)[0, best]) < 0.02


@pytest.mark.parametrize("name", ["grey-int8.tflite", "grey-fp32.onnx"])
def test_greyscale_arrays_are_taken_in_every_shape(name: str) -> None:
    image = images(name)[0]
    with Classifier(path_of(name)) as classifier:
        expected = classifier.classify(image)
        assert classifier.classify(image[:, :, 0]) == expected
        assert classifier.classify(np.repeat(image, 3, axis=2)) == expected


@needs_tflite
def test_images_of_other_sizes_go_through_the_resize_rule() -> None:
    rgb = np.random.default_rng(5).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    with Classifier(FIXTURES / "rgb-int8.tflite") as classifier:
        prepared = prepare(rgb, height=12, width=16, channels=3)
        assert classifier.classify(rgb) == classifier.classify(prepared)


@needs_tflite
@pytest.mark.parametrize("rule", ["stretch-nearest-1", "centre-crop-0.5-bilinear-antialias-1"])
def test_the_rule_is_that_of_the_contract(rule: str, tmp_path: Path) -> None:
    rgb = np.random.default_rng(5).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    prepared = prepare(rgb, height=12, width=16, channels=3, rule=rule)
    usual = prepare(rgb, height=12, width=16, channels=3)
    with Classifier(rewritten("rgb-fp32.tflite", tmp_path / "m.tflite", resize=rule)) as classifier:
        wanted = classifier.session.scores(prepared)
        assert classifier.classify(rgb).ranked[0].score == wanted.max()
        assert not np.array_equal(classifier.session.scores(usual), wanted)


@needs_tflite
def test_ranking_is_complete_and_in_order() -> None:
    with Classifier(FIXTURES / "rgb-fp32.tflite") as classifier:
        result = classifier.classify(images("rgb")[3], top=99)
    scores = [score.score for score in result.ranked]
    assert scores == sorted(scores, reverse=True)
    assert sorted(score.index for score in result.ranked) == [0, 1, 2, 3]
    assert all(score.label == f"class {score.index}" for score in result.ranked)
    assert abs(sum(scores) - 1) < 1e-5


@needs_tflite
@pytest.mark.parametrize("top", [1, 2, 3])
def test_top_says_how_many_are_ranked(top: int) -> None:
    with Classifier(FIXTURES / "rgb-fp32.tflite") as classifier:
        assert len(classifier.classify(images("rgb")[0], top=top).ranked) == top


@needs_tflite
def test_a_score_below_the_limit_is_unknown() -> None:
    with Classifier(FIXTURES / "rgb-fp32.tflite") as classifier:
        sure = classifier.classify(images("rgb")[0])
        unsure = classifier.classify(images("rgb")[0], reject_below=sure.score + 1e-6)
        assert classifier.classify(images("rgb")[0], reject_below=sure.score) == sure
    assert (unsure.label, unsure.index, unsure.rejected) == (UNKNOWN, None, True)
    assert unsure.score == sure.score
    assert unsure.ranked == sure.ranked
    assert not sure.rejected


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_work_with_labels_and_range(name: str) -> None:
    labels = ["ant", "bee", "cow", "dog"]
    with Classifier(path_of(name), labels=labels, input_range=FOREIGN[name][0]) as classifier:
        result = classifier.classify(images("rgb")[0])
    assert result.label == labels[int(reference("rgb")[0].argmax())]


def test_foreign_files_without_labels_are_refused() -> None:
    with pytest.raises(ContractError, match=r"labels=\.\.\., input_range"):
        Classifier(FIXTURES / "foreign-int8.tflite")
    with pytest.raises(ContractError, match="name both"):
        Classifier(FIXTURES / "foreign-int8.tflite", labels=RGB_LABELS)


@needs_tflite
@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((12, 16, 3), np.float32),
        np.zeros((12, 16, 3), np.int64),
        np.zeros((12, 16, 4), np.uint8),
        np.zeros((1, 12, 16, 3), np.uint8),
        np.zeros((0, 0, 3), np.uint8),
        np.zeros(9, np.uint8),
        b"no image",
        "no/such/file.png",
    ],
    ids=lambda value: str(getattr(value, "shape", value)),
)
def test_what_is_no_image_is_refused(wrong: Any) -> None:
    with (
        Classifier(FIXTURES / "rgb-int8.tflite") as classifier,
        pytest.raises(ImageError) as caught,
    ):
        classifier.classify(wrong)
    assert caught.value.observed is not None
    assert caught.value.remedy


@needs_tflite
def test_nan_scores_are_an_error() -> None:
    with Classifier(FIXTURES / "rgb-nan.tflite") as classifier, pytest.raises(ScoreError):
        classifier.classify(images("rgb")[0])


@needs_tflite
def test_a_file_that_is_missing_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match="check the path"):
        Classifier(tmp_path / "model.tflite")


def test_a_result_is_json_ready() -> None:
    result = Result(label="a", score=0.75, index=0, ranked=(Score(label="a", score=0.75, index=0),))
    assert result.to_dict() == {
        "label": "a",
        "score": 0.75,
        "index": 0,
        "ranked": [{"label": "a", "score": 0.75, "index": 0}],
    }
