from __future__ import annotations

import pytest

from edgecnn_runner.errors import ArtifactError
from edgecnn_runner.fitting import check_classifier, class_count
from edgecnn_runner.runtimes.choice import TensorInfo


def image(*shape: int, dtype: str = "float32") -> TensorInfo:
    return TensorInfo(name="image", shape=shape, dtype=dtype)


SCORES = TensorInfo(name="scores", shape=(1, 10), dtype="float32")


@pytest.mark.parametrize(
    "shape", [(1, 32, 32, 3), (1, 8, 8, 1), (1, 3, 32, 48), (-1, 32, 32, 3), (1, 3, 3, 3)]
)
def test_one_image_in_and_scores_out_is_a_classifier(shape: tuple[int, ...]) -> None:
    check_classifier((image(*shape),), (SCORES,), name="it")


@pytest.mark.parametrize(
    "shape",
    [(), (1, 784), (32, 32, 3), (4, 32, 32, 3), (1, 32, 32, 4), (4, -1, -1, 3), (1, 0, 4, 3)],
)
def test_other_inputs_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArtifactError, match="not one image"):
        check_classifier((image(*shape),), (SCORES,), name="it")


@pytest.mark.parametrize(
    ("shape", "spelled"),
    [
        ((1, -1, -1, 3), "(1, any, any, 3)"),
        ((-1, -1, -1, 3), "(any, any, any, 3)"),
        ((1, 32, -1, 3), "(1, 32, any, 3)"),
        ((-1, 3, -1, -1), "(any, 3, any, any)"),
        ((1, -1, 32, 32), "(1, any, 32, 32)"),
    ],
)
def test_an_image_of_open_size_is_refused_with_how_to_fix_it(
    shape: tuple[int, ...], spelled: str
) -> None:
    with pytest.raises(ArtifactError, match="of a fixed size") as caught:
        check_classifier((image(*shape),), (SCORES,), name="it")
    assert caught.value.observed == spelled
    assert "Input((height, width, 3))" in caught.value.remedy


@pytest.mark.parametrize("dtype", ["int32", "float64", "int16", "tensor(string)"])
def test_other_types_are_refused(dtype: str) -> None:
    with pytest.raises(ArtifactError, match="uint8 or int8 or float16 or float32"):
        check_classifier((image(1, 8, 8, 3, dtype=dtype),), (SCORES,), name="it")


def test_no_inputs_or_two_are_refused() -> None:
    for inputs in ((), (image(1, 8, 8, 3),) * 2):
        with pytest.raises(ArtifactError, match="one input"):
            check_classifier(inputs, (SCORES,), name="it")


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ((1, 10), 10),
        ((-1, 10), 10),
        ((10,), 10),
        ((1, 1, 1, 10), 10),
        ((1, 10, 1, 1), 10),
        ((), 0),
        ((1, 5, 4), 0),
        ((2, 10), 0),
        ((1, -1), 0),
        ((1, 0), 0),
    ],
)
def test_scores_are_counted_along_their_one_long_axis(shape: tuple[int, ...], count: int) -> None:
    assert class_count(shape) == count


@pytest.mark.parametrize("shape", [(1, 12, 16, 4), (1, -1), (1, 0)])
def test_outputs_that_are_no_list_of_scores_are_refused(shape: tuple[int, ...]) -> None:
    output = TensorInfo(name="out", shape=shape, dtype="float32")
    with pytest.raises(ArtifactError, match="one score per class"):
        check_classifier((image(1, 8, 8, 3),), (output,), name="it")
