from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn_runner.classifier import Classifier
from edgecnn_runner.contract import mean_std_range
from edgecnn_runner.errors import (
    ArtifactError,
    ContractError,
    LabelsError,
    ScoreError,
    UsageError,
)
from edgecnn_runner.foreign import foreign_contract, open_foreign
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.images.preprocess import prepare
from edgecnn_runner.labels import parse_labels, read_labels
from edgecnn_runner.session import Session
from runner.fixture_files import (
    FIXTURES,
    FOREIGN,
    RGB_LABELS,
    images,
    needs_onnx,
    needs_tflite,
    path_of,
    reference,
)

pytestmark = pytest.mark.slow  # in processes of their own


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_answers_as_the_float_model(name: str) -> None:
    input_range, kind = FOREIGN[name]
    path = path_of(name)
    contract = foreign_contract(path, RGB_LABELS, input_range)
    assert contract.output.kind == kind
    assert contract.labels == RGB_LABELS
    with Session.open(path, contract=contract) as session:
        found = session.predict(images("rgb"))
    np.testing.assert_allclose(found, reference("rgb"), atol=0.02 if "int8" in name else 2e-6)
    with open_foreign(path, labels=RGB_LABELS, input_range=input_range) as session:
        assert session.contract == contract
        np.testing.assert_array_equal(session.predict(images("rgb")), found)


@needs_onnx
def test_a_foreign_file_is_fed_by_mean_deviation_and_rule() -> None:
    path = path_of("foreign-nchw.onnx")  # wants 0..1
    rgb = np.random.default_rng(5).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    mean, std = (0.25, 0.5, 0.125), (0.5, 0.25, 1.0)
    fed = mean_std_range(mean, std)
    with Classifier(path, labels=RGB_LABELS, input_range=fed, resize="pad-nearest-1") as asked:
        assert (asked.contract.input.range, asked.contract.resize) == (fed, "pad-nearest-1")
        found = asked.classify(rgb, top=4)
    pixels = prepare(rgb, height=12, width=16, channels=3, rule="pad-nearest-1")
    real = ((pixels / 255 - np.array(mean)) / np.array(std)).astype(np.float32)
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    batch = real.transpose(2, 0, 1)[np.newaxis]
    (scores,) = session.run(None, {session.get_inputs()[0].name: batch})
    ranked = {one.index: one.score for one in found.ranked}
    np.testing.assert_allclose([ranked[index] for index in range(4)], scores[0], atol=1e-6)


@pytest.mark.parametrize("fed", ["imagenet", "mean 0.1,0.2,0.3 std 0.5"])
def test_a_range_of_colours_is_refused_for_a_greyscale_file(fed: str, tmp_path: Path) -> None:
    held = read_container(path_of("grey-fp32.onnx"))
    path = tmp_path / "grey.onnx"
    path.write_bytes(held.payload)
    labels = held.contract.labels if held.contract else ()
    with pytest.raises(UsageError, match=r"3 numbers, and .* takes greyscale") as caught:
        foreign_contract(path, labels, fed)
    assert "--input-mean 0.5 --input-std 0.25" in caught.value.remedy
    assert foreign_contract(path, labels, "mean 0.5 std 0.25").input.channels == 1


@pytest.mark.parametrize("rule", ["stretch", "centre-crop-box-average-2"])
def test_a_rule_that_does_not_exist_is_refused(rule: str) -> None:
    with pytest.raises(UsageError, match="no such resize rule"):
        Classifier(FIXTURES / "none.onnx", labels=RGB_LABELS, input_range="0..1", resize=rule)


def test_channels_first_is_told_by_the_shape() -> None:
    contract = foreign_contract(path_of("foreign-nchw.onnx"), RGB_LABELS, "0..1")
    assert (contract.input.layout, contract.input.height, contract.input.width) == ("NCHW", 12, 16)


@needs_onnx
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_a_shape_of_two_layouts_is_asked_about_and_not_guessed_at(layout: str) -> None:
    path, labels = FIXTURES / "either-layout.onnx", ("red or top", "green", "blue or bottom")
    with pytest.raises(ContractError, match="--layout NHWC or --layout NCHW") as caught:
        open_foreign(path, labels=labels, input_range="0..1")
    assert caught.value.observed == "input shape (1, 3, 5, 3), which may be either"
    size = (3, 5, 3) if layout == "NHWC" else (5, 3, 3)
    picture = np.zeros(size, np.uint8)
    picture[..., 2] = 255  # blue everywhere; the same in each row
    with open_foreign(path, labels=labels, input_range="0..1", layout=layout) as session:
        spec = session.contract.input
        assert (spec.layout, (spec.height, spec.width, spec.channels)) == (layout, size)
        scores = session.scores(picture)
    if layout == "NCHW":
        assert scores.argmax() == 2
    else:
        np.testing.assert_allclose(scores, 1 / 3, atol=1e-6)


def test_a_layout_that_the_shape_rules_out_is_refused() -> None:
    path = path_of("foreign-nchw.onnx")
    with pytest.raises(ContractError, match="does not take images as NHWC"):
        foreign_contract(path, RGB_LABELS, "0..1", layout="NHWC")
    told = foreign_contract(path, RGB_LABELS, "0..1")
    assert foreign_contract(path, RGB_LABELS, "0..1", layout="NCHW") == told


@needs_tflite
def test_another_range_gives_other_answers() -> None:
    path = FIXTURES / "foreign-signed.tflite"
    with open_foreign(path, labels=RGB_LABELS, input_range="0..1") as session:
        found = session.predict(images("rgb"))
    assert np.abs(found - reference("rgb")).max() > 0.1


@needs_tflite
def test_the_kind_of_output_can_be_said() -> None:
    path = FIXTURES / "foreign-logits.tflite"
    contract = foreign_contract(path, RGB_LABELS, "0..255", "probabilities")
    assert contract.output.kind == "probabilities"


@needs_tflite
@pytest.mark.parametrize("name", ["sigmoid.tflite", "sigmoid-int8.tflite"])
def test_a_model_that_answers_each_label_by_itself_is_not_guessed_at(name: str) -> None:
    path = FIXTURES / name
    with pytest.raises(ArtifactError, match="--output-kind probabilities") as caught:
        open_foreign(path, labels=RGB_LABELS, input_range="0..255")
    assert "each label by itself" in caught.value.problem
    for kind in ("probabilities", "logits"):
        with open_foreign(
            path, labels=RGB_LABELS, input_range="0..255", output_kind=kind
        ) as session:
            sums = session.predict(images("rgb")).sum(axis=1)
        assert session.contract.output.kind == kind
        assert (np.abs(sums - 1) < 1e-5).all() == (kind == "logits")


@needs_onnx
def test_a_float_output_of_rounded_scores_is_told_to_be_probabilities(tmp_path: Path) -> None:
    # onnxruntime's quantization ends in QuantizeLinear, DequantizeLinear.
    path = tmp_path / "foreign.onnx"
    path.write_bytes(read_container(FIXTURES / "rgb-int8.onnx").payload)
    with open_foreign(path, labels=RGB_LABELS, input_range="0..255") as session:
        assert session.contract.output.kind == "probabilities"
        found = session.predict(images("rgb"))
    np.testing.assert_allclose(found, reference("rgb"), atol=0.02)


@needs_tflite
def test_a_model_of_nan_is_named_as_one(tmp_path: Path) -> None:
    path = tmp_path / "nan.tflite"
    path.write_bytes(read_container(FIXTURES / "rgb-nan.tflite").payload)
    with (
        open_foreign(path, labels=RGB_LABELS, input_range="0..255") as session,
        pytest.raises(ScoreError, match="not numbers"),
    ):
        session.scores(images("rgb")[0])


@needs_tflite
@pytest.mark.parametrize("name", ["open-size.tflite", "open-size-unpadded.tflite"])
def test_an_open_size_is_refused_and_not_run_as_one_pixel(name: str) -> None:
    path = FIXTURES / name
    contract = foreign_contract(FIXTURES / "foreign-signed.tflite", RGB_LABELS, "0..255")
    with pytest.raises(ArtifactError, match="of a fixed size"):
        Session.open(path, contract=contract)
    with pytest.raises(ArtifactError, match="of a fixed size") as caught:
        open_foreign(path, labels=RGB_LABELS, input_range="0..255")
    assert caught.value.observed == "(any, any, any, 3)"
    assert "Input((height, width, 3))" in caught.value.remedy


@needs_tflite
@pytest.mark.parametrize("count", [1, 3, 5])
def test_fewer_or_more_labels_than_outputs_are_refused(count: int) -> None:
    labels = [f"label {index}" for index in range(count)]
    with pytest.raises(LabelsError, match="one for each output") as caught:
        open_foreign(FIXTURES / "foreign-int8.tflite", labels=labels, input_range="0..255")
    assert caught.value.observed == f"{count} labels"
    assert str(caught.value.expected).startswith("4,")


@pytest.mark.parametrize(
    ("labels", "input_range"),
    [(None, "0..1"), (RGB_LABELS, None)],
    ids=["no labels", "no range"],
)
def test_labels_and_range_are_both_needed(
    labels: tuple[str, ...] | None, input_range: str | None
) -> None:
    with pytest.raises(ContractError, match="name both: --labels FILE --input-range"):
        open_foreign(FIXTURES / "foreign-int8.tflite", labels=labels, input_range=input_range)


@pytest.mark.parametrize("name", ["foreign-int8.tflite", "rgb-int8.tflite", "missing.tflite"])
def test_names_that_do_not_exist_are_usage_errors_whatever_the_file(name: str) -> None:
    with pytest.raises(UsageError, match="no such input range") as caught:
        open_foreign(FIXTURES / name, labels=None, input_range="0..2")
    assert caught.value.observed == "0..2"
    assert "imagenet" in str(caught.value.expected)
    with pytest.raises(UsageError, match="no such input range"):
        foreign_contract(FIXTURES / name, RGB_LABELS, "0..2")
    with pytest.raises(UsageError, match="no such output kind"):
        foreign_contract(FIXTURES / name, RGB_LABELS, "0..1", "guesses")
    with pytest.raises(UsageError, match="no such output kind"):
        open_foreign(FIXTURES / name, labels=None, input_range=None, output_kind="guesses")
    with pytest.raises(UsageError, match="no such layout"):
        open_foreign(FIXTURES / name, labels=None, input_range=None, layout="HWCN")


def test_a_file_with_a_contract_takes_no_other() -> None:
    path, remedy = FIXTURES / "rgb-int8.tflite", "leave out --labels, --input-range, .*--output"
    with pytest.raises(ContractError, match=remedy):
        foreign_contract(path, RGB_LABELS, "0..255")
    with pytest.raises(ContractError, match=remedy):
        Classifier(path, output_kind="logits")


def test_an_output_kind_alone_does_not_say_enough() -> None:
    with pytest.raises(ContractError, match="name both: --labels FILE --input-range"):
        Classifier(FIXTURES / "foreign-int8.tflite", output_kind="logits")


@needs_tflite
def test_a_model_that_is_no_classifier_is_refused() -> None:
    with pytest.raises(ArtifactError, match="one image in, one score per class out"):
        open_foreign(FIXTURES / "two-outputs.tflite", labels=RGB_LABELS, input_range="0..255")


@pytest.mark.parametrize(
    "text", ["cat\ndog\n", "cat\ndog", "\ufeffcat\r\ndog\r\n\r\n", " cat \ndog"]
)
def test_labels_are_read_one_a_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_labels(path) == ("cat", "dog")


def test_labels_are_refused_with_all_that_is_wrong() -> None:
    with pytest.raises(LabelsError) as caught:
        parse_labels("cat\n\ndog\ncat\n \nbird\ndog\n", name="labels.txt")
    assert caught.value.observed == "blank lines: 2, 5; names given twice: cat, dog"
    assert "labels.txt" in caught.value.problem
    with pytest.raises(LabelsError) as caught:
        parse_labels("cat\n", name="labels.txt")
    assert caught.value.observed == "1 names, not at least 2"


@needs_tflite
def test_labels_that_repeat_are_refused_before_the_contract_is_made() -> None:
    labels = ("cat", "dog", "cat", "bird")
    with pytest.raises(LabelsError, match="tell them apart") as caught:
        open_foreign(FIXTURES / "foreign-int8.tflite", labels=labels, input_range="0..255")
    assert caught.value.observed == "cat"


@pytest.mark.parametrize(
    "data",
    [b"", b"\n\n", b"cat\n\ndog\n", b"\xff\xfe", b"cat\n", b"cat\ndog\ncat\n", b"cat\ndog\n cat"],
)
def test_labels_that_are_not_names_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(data)
    with pytest.raises(LabelsError) as caught:
        read_labels(path)
    assert caught.value.remedy


def test_a_missing_labels_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="No such file"):
        read_labels(tmp_path / "labels.txt")
