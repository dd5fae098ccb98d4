from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn_runner.contract import InputSpec, OutputSpec
from edgecnn_runner.errors import (
    ArtifactError,
    ContractError,
    ImageError,
    LabelsError,
    RuntimeMissingError,
    RuntimeTooOldError,
    ScoreError,
    UsageError,
)
from edgecnn_runner.session import Session
from runner.fixture_files import (
    FIXTURES,
    FOREIGN,
    HAS_LITERT,
    HAS_TFLITE_RUNTIME,
    OURS,
    images,
    needs_onnx,
    needs_tflite,
    path_of,
    reference,
    rewritten,
)


@pytest.mark.parametrize("name", OURS)
def test_scores_are_those_of_the_float_model(name: str) -> None:
    wanted = reference(name)
    with Session.open(path_of(name)) as session:
        found = session.predict(images(name))
    assert found.dtype == np.float32
    # int8 costs up to 2 %; a float file only the order of additions.
    np.testing.assert_allclose(found, wanted, atol=0.02 if "int8" in name else 2e-6)
    assert (found.argmax(axis=1) == wanted.argmax(axis=1)).all()


@pytest.mark.parametrize("name", OURS)
def test_classify_scores_and_predict_agree(name: str) -> None:
    with Session.open(path_of(name)) as session:
        rows = session.predict(images(name))
        for image, row in zip(images(name), rows, strict=True):
            np.testing.assert_array_equal(session.scores(image), row)
            index, score = session.classify(image)
            assert index == int(row.argmax())
            assert score == float(row[index])
            assert type(index) is int
            assert type(score) is float


@needs_tflite
@pytest.mark.parametrize(("zero_point", "kind"), [(0, "probabilities"), (128, "logits")])
def test_classify_reads_integers_of_any_zero_point(
    tmp_path: Path, zero_point: int, kind: str
) -> None:
    # foreign-int8 has int8 ends: a negative zero point, and scores below 0 as integers.
    from edgecnn_runner.foreign import foreign_contract

    path = FIXTURES / "foreign-int8.tflite"
    contract = foreign_contract(path, ["a", "b", "c", "d"], "0..255", kind)
    assert contract.output.zero_point == -128
    with Session.open(path, contract=contract) as session:
        for image in images("rgb"):
            index, score = session.classify(image)
            scores = session.scores(image)
            assert (index, score) == (int(scores.argmax()), float(scores[index]))


@needs_tflite
def test_scores_are_a_fresh_array_each_time() -> None:
    with Session.open(FIXTURES / "rgb-fp32.tflite") as session:
        first = session.scores(images("rgb")[0])
        before = first.copy()
        session.scores(images("rgb")[1])
    np.testing.assert_array_equal(first, before)


@needs_tflite
def test_images_need_not_be_contiguous() -> None:
    image = images("rgb")[0]
    wide = np.zeros((12, 32, 3), np.uint8)
    wide[:, ::2] = image
    for name in ("rgb-int8.tflite", "rgb-fp32.tflite"):
        with Session.open(FIXTURES / name) as session:
            np.testing.assert_array_equal(session.scores(wide[:, ::2]), session.scores(image))


@needs_tflite
def test_predict_tells_how_far_it_is() -> None:
    steps: list[int] = []
    many = np.tile(images("rgb"), (9, 1, 1, 1))
    with Session.open(FIXTURES / "rgb-int8.tflite") as session:
        session.predict(many, advance=steps.append)
        assert sum(steps) == len(many) == 216
        assert max(steps) <= 100
        assert len(steps) <= 8  # of a fast network
        assert session.predict(many[:0]).shape == (0, 4)


@needs_tflite
def test_a_network_that_takes_long_tells_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    many = images("rgb")[:5]
    with Session.open(FIXTURES / "rgb-int8.tflite") as session:
        run = session._run

        def slow(image: Any) -> Any:
            time.sleep(0.3)
            return run(image)

        monkeypatch.setattr(session, "_run", slow)
        session.predict(many, advance=steps.append)
    assert steps == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("name", ["rgb-int8.tflite", "rgb-int8.onnx"])
def test_two_threads_give_the_same_answers(name: str) -> None:
    with Session.open(path_of(name)) as one, Session.open(path_of(name), threads=2) as two:
        assert two.threads == 2
        np.testing.assert_array_equal(one.predict(images(name)), two.predict(images(name)))


@pytest.mark.parametrize("name", ["rgb-int8.tflite", "rgb-fp32.onnx"])
@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((12, 16), np.uint8),
        np.zeros((16, 12, 3), np.uint8),
        np.zeros((2, 2, 12, 16, 3), np.uint8),
        np.zeros((12, 16, 3), np.int8),
        np.zeros((12, 16, 3), np.float32),
    ],
    ids=lambda array: f"{array.shape}-{array.dtype}",
)
def test_images_of_another_shape_or_type_are_refused(name: str, wrong: Any) -> None:
    with Session.open(path_of(name)) as session:
        for call in (session.classify, session.scores, session.predict):
            with pytest.raises(ImageError, match=r"12, 16, 3\), uint8"):
                call(wrong)


@needs_tflite
def test_one_image_and_many_are_not_taken_for_each_other() -> None:
    with Session.open(FIXTURES / "rgb-int8.tflite") as session:
        with pytest.raises(ImageError, match=r"\(n, 12, 16, 3\)"):
            session.predict(images("rgb")[0])
        with pytest.raises(ImageError, match=r"shape \(12, 16, 3\)"):
            session.scores(images("rgb")[:1])


@needs_tflite
def test_it_says_what_it_is() -> None:
    with Session.open(FIXTURES / "rgb-int8.tflite") as session:
        package, version = session.runtime.split()
        assert package == ("ai-edge-litert" if HAS_LITERT else "tflite-runtime")
        assert version[0].isdigit()
        assert session.format == "tflite"
        assert session.contract.variant == "tflite-int8"
        assert session.load_ns > 0


@pytest.mark.skipif(not (HAS_LITERT and HAS_TFLITE_RUNTIME), reason="needs both TFLite runtimes")
def test_both_tflite_runtimes_agree() -> None:
    path = FIXTURES / "rgb-fp32.tflite"
    with (
        Session.open(path, runtime="litert") as new,
        Session.open(path, runtime="tflite-runtime") as old,
    ):
        np.testing.assert_allclose(
            new.predict(images("rgb")), old.predict(images("rgb")), atol=1e-5
        )


@needs_tflite
def test_a_closed_session_says_so() -> None:
    session = Session.open(FIXTURES / "rgb-int8.tflite")
    session.close()
    with pytest.raises(ValueError, match="closed"):
        session.classify(images("rgb")[0])


@pytest.mark.parametrize("call", ["classify", "scores", "predict"])
def test_weights_that_are_nan_are_an_error_not_an_answer(call: str) -> None:
    with Session.open(path_of("rgb-nan.tflite")) as session:
        image = images("rgb")[:1] if call == "predict" else images("rgb")[0]
        with pytest.raises(ScoreError, match="train and convert it again"):
            getattr(session, call)(image)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_needs_a_contract(name: str) -> None:
    with pytest.raises(ContractError, match="--labels FILE --input-range"):
        Session.open(FIXTURES / name)


@needs_tflite
def test_a_second_contract_is_refused() -> None:
    path = FIXTURES / "rgb-int8.tflite"
    with Session.open(path) as session, pytest.raises(ContractError, match="leave out --labels"):
        Session.open(path, contract=session.contract)


def labels(count: int) -> tuple[str, ...]:
    return tuple(f"label {index}" for index in range(count))


RGB: dict[str, Any] = {"height": 12, "width": 16, "channels": 3}


@needs_tflite
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"input": InputSpec(**{**RGB, "height": 16}, dtype="uint8")}, "input shape"),
        ({"input": InputSpec(**{**RGB, "channels": 1}, dtype="uint8")}, "input shape"),
        ({"input": InputSpec(**RGB, dtype="uint8", layout="NCHW")}, "input shape"),
        ({"input": InputSpec(**RGB, dtype="float32")}, "input type"),
        ({"input": InputSpec(**RGB, dtype="uint8", scale=0.5)}, "input quantization"),
        ({"input": InputSpec(**RGB, dtype="uint8", zero_point=1)}, "input quantization"),
        ({"output": OutputSpec()}, "output type"),
        ({"output": OutputSpec(dtype="uint8", scale=0.5)}, "output quantization"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_contract_of_another_model_is_refused(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    path = rewritten("rgb-int8.tflite", tmp_path / "model.tflite", **changes)
    with pytest.raises(ContractError) as caught:
        Session.open(path)
    assert problem in str(caught.value)
    assert caught.value.observed
    assert caught.value.expected


@pytest.mark.parametrize(
    ("name", "count"), [("rgb-int8.tflite", 3), ("rgb-int8.tflite", 5), ("rgb-fp32.onnx", 9)]
)
def test_a_contract_with_more_labels_than_outputs_is_a_labels_error(
    tmp_path: Path, name: str, count: int
) -> None:
    path = rewritten(path_of(name).name, tmp_path / name, labels=labels(count))
    with pytest.raises(LabelsError, match="4 outputs") as caught:
        Session.open(path)
    assert f"{count} labels" in str(caught.value.expected)


@needs_tflite
def test_a_model_with_two_outputs_is_refused(tmp_path: Path) -> None:
    from edgecnn_runner.formats.container import append_contract, read_container
    from runner.fixture_files import contract_for

    payload = read_container(FIXTURES / "two-outputs.tflite").payload
    path = tmp_path / "two.tflite"
    path.write_bytes(append_contract(payload, contract_for(payload), model_format="tflite"))
    with pytest.raises(ArtifactError, match="it has 2 outputs"):
        Session.open(path)


@needs_onnx
def test_an_opset_from_the_future_is_a_runtime_that_is_too_old() -> None:
    with pytest.raises(RuntimeTooOldError, match="pip install --upgrade onnxruntime") as caught:
        Session.open(FIXTURES / "too-new.onnx")
    assert caught.value.problem.endswith(": Opset 99 is under development")
    assert caught.value.expected == "at least onnxruntime 9"


@pytest.mark.skipif(HAS_LITERT or not HAS_TFLITE_RUNTIME, reason="needs tflite-runtime alone")
def test_an_operator_version_from_the_future_is_a_runtime_that_is_too_old() -> None:
    with pytest.raises(RuntimeTooOldError, match="pip install ai-edge-litert") as caught:
        Session.open(FIXTURES / "rgb-int8-dynamic.tflite")
    assert "FULLY_CONNECTED version 12" in caught.value.problem
    assert caught.value.expected == "at least tflite-runtime 2.17.0"


def test_a_runtime_that_does_not_exist_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no such runtime") as caught:
        Session.open(FIXTURES / "rgb-int8.tflite", runtime="torch")
    assert caught.value.observed == "torch"


def test_a_runtime_of_the_other_format_is_refused() -> None:
    with pytest.raises(RuntimeMissingError, match="onnxruntime does not run tflite"):
        Session.open(FIXTURES / "rgb-int8.tflite", runtime="onnxruntime")
    with pytest.raises(RuntimeMissingError, match="litert does not run onnx"):
        Session.open(FIXTURES / "rgb-int8.onnx", runtime="litert")


@pytest.mark.parametrize("name", ["rgb-int8.tflite", "rgb-int8.onnx"])
def test_no_threads_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="threads is 0"):
        Session.open(path_of(name), threads=0)


def test_a_missing_file_is_an_artifact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="check the path"):
        Session.open(tmp_path / "no.tflite")
