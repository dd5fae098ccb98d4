from __future__ import annotations

import numpy as np
import pytest

from edgecnn_runner.errors import ArtifactError
from edgecnn_runner.foreign import tell_kind

STEP = 1 / 256

SOFTMAX = (0.7, 0.2, 0.1)
LOGITS = (-1.0, 2.5, 0.3)
SIGMOID = (0.9, 0.8, 0.1)


@pytest.mark.parametrize(
    ("samples", "step", "kind"),
    [
        ([SOFTMAX, (1, 0, 0)], 0.0, "probabilities"),
        ([(0.7004, 0.2, 0.1)], 0.0, "probabilities"),  # as float16 adds up
        ([LOGITS], 0.0, "logits"),
        ([(0.0, 0.0, 0.0), LOGITS], 0.0, "logits"),  # no bias: 0 for an image of zeros
        ([SIGMOID, (0.4, 0.1, 1.2)], 0.0, "logits"),  # one score beyond 1 is enough
        ([SIGMOID, (0.4, 0.1, -0.2)], 0.0, "logits"),
        ([SOFTMAX, LOGITS], 0.0, "logits"),  # may sum to 1 once
        ([(-0.5, 1.2, 0.3)], 0.0, "logits"),  # sums to 1
        ([], 0.0, "logits"),  # nothing that is a number: an error when it is run
    ],
)
def test_scores_are_told_by_their_range_and_sum(
    samples: list[tuple[float, ...]], step: float, kind: str
) -> None:
    assert tell_kind(samples, step, name="it") == kind


@pytest.mark.parametrize("samples", [[SIGMOID], [SOFTMAX, SIGMOID], [(0.0, 0.0, 0.0)]])
@pytest.mark.parametrize("step", [0.0, STEP])
def test_scores_that_neither_sum_to_1_nor_leave_0_to_1_are_not_guessed_at(
    samples: list[tuple[float, ...]], step: float
) -> None:
    with pytest.raises(ArtifactError, match="--output-kind probabilities") as caught:
        tell_kind(samples, step, name="net.onnx")
    assert "--output-kind logits" in caught.value.remedy
    assert "net.onnx seems to answer each label by itself" in caught.value.problem
    assert f"{sum(samples[-1]):.3g}" in str(caught.value.observed)


def softmaxes(classes: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    logits = np.random.default_rng(classes).normal(0, 2, (40, classes))
    powers = np.exp(logits)
    shares: np.ndarray[tuple[int, int], np.dtype[np.float64]] = powers / powers.sum(
        axis=1, keepdims=True
    )
    return shares


@pytest.mark.parametrize("classes", [2, 3, 10, 100, 1000])
@pytest.mark.parametrize("levels", [127, 128, 255, 256])
@pytest.mark.parametrize("hidden", [False, True], ids=["integers", "as floats"])
def test_a_rounded_softmax_is_one(classes: int, levels: int, hidden: bool) -> None:
    # Files by onnxruntime's quantization end in DequantizeLinear: floats, but on a grid.
    rounded = np.round(softmaxes(classes) * levels) / levels
    rounded = rounded.astype(np.float32)
    step = 0.0 if hidden else 1 / levels
    assert tell_kind(rounded.tolist(), step, name="it") == "probabilities"


@pytest.mark.parametrize("classes", [2, 3, 10, 30])
@pytest.mark.parametrize("hidden", [False, True], ids=["integers", "as floats"])
def test_a_rounded_sigmoid_is_none(classes: int, hidden: bool) -> None:
    logits = np.random.default_rng(classes).normal(0, 2, (5, classes))
    rounded = np.minimum(np.round(256 / (1 + np.exp(-logits))), 255) / 256
    with pytest.raises(ArtifactError):
        tell_kind(rounded.tolist(), 0.0 if hidden else STEP, name="it")


def test_a_rounded_1_and_0_are_within_0_to_1() -> None:
    # A scale that is chosen for the largest score may put it a little above 1.
    with pytest.raises(ArtifactError):
        tell_kind([(1.0015, 0.9), (0.0, -0.0015)], STEP, name="it")
