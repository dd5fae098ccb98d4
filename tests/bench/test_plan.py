from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from edgecnn.bench.plan import ProvenAccuracy, plan
from edgecnn.errors import UsageError
from edgecnn_runner.contract import RESIZE_RULE
from edgecnn_runner.formats.container import append_contract, read_container
from graph.onnx_files import end, model
from runner.fixture_files import FIXTURES

RESNET8 = Path(__file__).parents[2] / "models/resnet8"


def test_what_is_known_of_a_file_before_it_runs() -> None:
    path = RESNET8 / "resnet8-int8.tflite"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (one,) = plan([path, path], {digest: ProvenAccuracy(verdict="PASS", accuracy=0.9)})
    assert (one.format, one.input) == ("tflite", (32, 32, 3, RESIZE_RULE))
    assert one.row.model == "resnet8"
    assert one.row.variant == "tflite-int8"
    assert one.row.macs == 12_501_632
    assert (one.row.verdict, one.row.accuracy) == ("PASS", 0.9)
    assert one.row.sha256 == digest
    assert one.row.bytes == len(one.data) == path.stat().st_size


def test_images_are_brought_to_size_by_the_rule_of_the_file(tmp_path: Path) -> None:
    held = read_container(RESNET8 / "resnet8-int8.onnx")
    assert held.contract is not None
    ruled = replace(held.contract, resize="pad-bilinear-1")
    path = tmp_path / "ruled.onnx"
    path.write_bytes(append_contract(held.payload, ruled, model_format=held.format))
    (one,) = plan([path], {})
    assert one.input == (32, 32, 3, "pad-bilinear-1")


def test_a_verdict_on_another_file_does_not_count() -> None:
    (one,) = plan([RESNET8 / "resnet8-int8.onnx"], {"ab" * 32: ProvenAccuracy(verdict="PASS")})
    assert (one.row.verdict, one.row.accuracy) == (None, None)


def test_a_file_that_cannot_be_measured_is_a_row_with_its_error(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes((RESNET8 / "resnet8-int8.tflite").read_bytes()[:1000])
    folder = tmp_path / "folder.onnx"
    folder.mkdir()
    paths = [tmp_path / "none.tflite", damaged, folder, RESNET8 / "resnet8-int8.onnx"]
    found = plan(paths, {})
    assert [one.row.error is None for one in found] == [False, False, False, True]
    assert [one.row.file for one in found] == [path.name for path in paths]
    assert found[0].row.error is not None
    assert found[0].row.error.observed == "No such file or directory"


def test_nothing_and_too_much() -> None:
    with pytest.raises(UsageError, match="nothing to measure"):
        plan([], {})
    with pytest.raises(UsageError, match="too many"):
        plan([Path(f"{number}.tflite") for number in range(81)], {})


def test_a_classifier_without_a_contract_gets_one_to_be_timed_by() -> None:
    path = FIXTURES / "foreign-int8.tflite"
    (one,) = plan([path], {})
    assert one.row.error is None
    assert (one.row.random_input, one.row.fed) == (True, "")
    assert one.row.fed_text == "random pixels"
    assert one.data.startswith(path.read_bytes())
    assert one.sent_sha256 != one.row.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "fed"),
    [("two-outputs.tflite", "float32"), ("open-size.tflite", "1x224x224x3 float32")],
)
def test_what_is_no_classifier_is_sent_as_it_is_and_says_what_it_is_fed(
    name: str, fed: str
) -> None:
    path = FIXTURES / name
    (one,) = plan([path], {})
    assert one.row.error is None
    assert one.format == "tflite"
    assert one.input is None
    assert one.data == path.read_bytes()
    assert one.row.fed.endswith(fed)
    assert one.row.fed_text == f"no image classifier; fed at random: {one.row.fed}"


def test_weights_in_other_files_and_inputs_of_text_are_errors_of_their_rows(
    tmp_path: Path,
) -> None:
    words = tmp_path / "words.onnx"
    nodes = [helper.make_node("Identity", ["text"], ["same"])]
    ends = [end(name, [1], TensorProto.STRING) for name in ("text", "same")]
    words.write_bytes(model(nodes, ends[:1], ends[1:]).SerializeToString())
    first, second = plan([FIXTURES / "external.onnx", words], {})
    assert first.row.error is not None
    assert "weights in other files" in first.row.error.problem
    assert second.row.error is not None
    assert "takes no numbers: its input 'text'" in second.row.error.problem
