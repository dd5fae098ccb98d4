from __future__ import annotations

import numpy as np
import pytest

from edgecnn.train.class_weights import class_weights


@pytest.mark.parametrize("counts", [[10, 10], [30, 10, 20], [30, 10, 0]])
def test_up_to_threefold_no_class_is_weighted(counts: list[int]) -> None:
    assert class_weights(counts) is None


def test_beyond_that_classes_weigh_alike_and_the_mean_image_weighs_one() -> None:
    weights = class_weights([80, 20, 40])
    assert weights is not None
    np.testing.assert_allclose(weights * [80, 20, 40], 140 / 3, rtol=1e-6)
    assert weights @ np.asarray([80, 20, 40]) == pytest.approx(140)


def test_no_image_weighs_more_than_ten_of_the_largest_class() -> None:
    weights = class_weights([1000, 2, 0])
    assert weights is not None
    assert weights[1] / weights[0] == pytest.approx(10)
    assert np.isfinite(weights).all()
