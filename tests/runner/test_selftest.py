from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edgecnn_runner import selftest
from edgecnn_runner.errors import SelfTestError
from edgecnn_runner.session import Session
from runner.fixture_files import path_of
from runner.test_golden import sure

FILES = [
    "rgb-int8.tflite",
    "rgb-fp32.tflite",
    "rgb-fp32.onnx",
    "grey-int8.onnx",
    "grey-fp32.tflite",
]


@pytest.mark.parametrize("name", FILES)
def test_a_sound_device_passes(name: str) -> None:
    golden = sure(name)
    with Session.open(path_of(name)) as session:
        outcome = selftest.run(session, golden)
    assert outcome.ok
    outcome.raise_on_failure()
    assert outcome.images == len(golden.images) > 5
    assert outcome.sources == 5
    assert json.loads(json.dumps(outcome.to_dict()))["ok"] is True


def test_scores_of_the_variant_are_compared() -> None:
    golden = sure("rgb")
    with Session.open(path_of("rgb-int8.tflite")) as session:
        compared = selftest.run(session, golden)
        unknown = selftest.run(session, replace(golden, scores={}))
        far = {"tflite-int8": golden.reference + np.float32(0.5)}
        differing = selftest.run(session, replace(golden, scores=far))
    assert compared.worst_difference is not None
    assert 0 < compared.worst_difference < 0.02
    assert unknown.worst_difference is None
    assert unknown.ok
    assert not differing.ok
    assert "allowed" in differing.problems[0]


def test_other_classes_are_a_failure_that_names_them() -> None:
    golden = sure("rgb")
    turned = np.roll(golden.reference, 1, axis=1)
    with Session.open(path_of("rgb-fp32.tflite")) as session:
        outcome = selftest.run(session, replace(golden, reference=turned, scores={}))
    assert len(outcome.problems) == len(golden.images)
    assert "expected 'class" in outcome.problems[0]
    with pytest.raises(SelfTestError, match="again from their build") as caught:
        outcome.raise_on_failure()
    assert "image 0: class" in str(caught.value)


def test_one_other_byte_after_preprocessing_is_a_failure() -> None:
    golden = sure("rgb")
    changed = tuple(array.copy() for array in golden.prepared)
    changed[2][0, 0, 0] ^= 1
    with Session.open(path_of("rgb-fp32.tflite")) as session:
        outcome = selftest.run(session, replace(golden, prepared=changed))
    assert outcome.problems == ("preprocessing of source 2 gives other bytes",)


def test_vectors_of_another_model_are_refused() -> None:
    with (
        Session.open(path_of("rgb-fp32.tflite")) as session,
        pytest.raises(SelfTestError, match="another model"),
    ):
        selftest.run(session, sure("grey"))


def test_no_vectors_are_no_test() -> None:
    golden = sure("rgb")
    empty = replace(golden, images=golden.images[:0], reference=golden.reference[:0], scores={})
    with (
        Session.open(path_of("rgb-fp32.tflite")) as session,
        pytest.raises(SelfTestError, match="edgecnn convert"),
    ):
        selftest.run(session, empty)
