from __future__ import annotations

import numpy as np
import pytest

from edgecnn_runner.contract import INPUT_RANGES, InputSpec
from edgecnn_runner.images.feed import make_feed
from edgecnn_runner.quantize import input_table

IMAGE = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
GRIDS = [(1.0, 0), (1.0, -128), (1 / 255, 0), (0.037, 5)]


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("name", INPUT_RANGES)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16", "float32"])
def test_every_way_to_feed_equals_the_table(
    dtype: str, name: str, grid: tuple[float, int], layout: str
) -> None:
    spec = InputSpec(
        height=5,
        width=7,
        channels=3,
        dtype=dtype,
        range=name,
        layout=layout,
        scale=grid[0],
        zero_point=grid[1],
    )
    table = input_table(spec)
    expected = np.stack([table[IMAGE[:, :, c], c] for c in range(3)], axis=-1)[np.newaxis]
    if layout == "NCHW":
        expected = expected.transpose(0, 3, 1, 2)
    fed = make_feed(spec)(IMAGE)
    assert fed.dtype == np.dtype(dtype)
    assert fed.flags.c_contiguous
    np.testing.assert_array_equal(fed, expected)


def test_raw_bytes_are_fed_without_a_copy() -> None:
    spec = InputSpec(height=5, width=7, channels=3, dtype="uint8")
    assert np.shares_memory(make_feed(spec)(IMAGE), IMAGE)


def test_feeding_leaves_the_image_as_it_was() -> None:
    before = IMAGE.copy()
    for dtype, zero_point in (("int8", -128), ("float32", 0), ("uint8", 0)):
        spec = InputSpec(height=5, width=7, channels=3, dtype=dtype, zero_point=zero_point)
        make_feed(spec)(IMAGE)
    np.testing.assert_array_equal(IMAGE, before)
