from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn_runner.contract import INPUT_RANGES, InputSpec
from edgecnn_runner.errors import ContractError
from edgecnn_runner.quantize import dequantize, input_table, quantize

# Scales are float32 in model files.
SCALES = st.floats(2**-13, 10, width=32)
DTYPES = st.sampled_from(["uint8", "int8"])


@st.composite
def grids(draw: st.DrawFn) -> tuple[float, int, str]:
    dtype = draw(DTYPES)
    limits = np.iinfo(dtype)
    return draw(SCALES), draw(st.integers(int(limits.min), int(limits.max))), dtype


@given(grids(), st.floats(0, 1))
@settings(deadline=None)
def test_quantize_then_dequantize_stays_within_half_a_step(
    grid: tuple[float, int, str], share: float
) -> None:
    scale, zero_point, dtype = grid
    limits = np.iinfo(dtype)
    lowest, highest = ((int(end) - zero_point) * scale for end in (limits.min, limits.max))
    real = lowest + share * (highest - lowest)
    back = float(dequantize(quantize(real, scale, zero_point, dtype), scale, zero_point))
    assert abs(back - real) <= scale * 0.5 * (1 + 1e-6) + abs(real) * 1e-6


@given(grids(), st.floats(-1e6, 1e6))
@settings(deadline=None)
def test_quantize_equals_decimal_arithmetic(grid: tuple[float, int, str], real: float) -> None:
    scale, zero_point, dtype = grid
    limits = np.iinfo(dtype)
    steps = Decimal(float(np.float64(real) / scale)).quantize(Decimal(1), ROUND_HALF_UP)
    expected = min(max(int(steps) + zero_point, int(limits.min)), int(limits.max))
    assert int(quantize(real, scale, zero_point, dtype)) == expected


@given(grids())
@settings(deadline=None)
def test_every_integer_survives_dequantize_and_quantize(grid: tuple[float, int, str]) -> None:
    scale, zero_point, dtype = grid
    values = np.arange(256, dtype=np.uint8).view(dtype)
    real = dequantize(values, scale, zero_point)
    assert real.dtype == np.float32
    np.testing.assert_array_equal(quantize(real, scale, zero_point, dtype), values)


def test_halves_round_away_from_zero_as_in_tflite() -> None:
    halves = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    assert quantize(halves, 1.0, 0, "int8").tolist() == [-3, -2, -1, 1, 2, 3]


def test_the_largest_number_below_a_half_rounds_to_zero() -> None:
    assert int(quantize(0.49999999999999994, 1.0, 0, "int8")) == 0


def test_values_beyond_the_type_saturate() -> None:
    assert quantize([-1e9, 1e9], 0.5, 3, "uint8").tolist() == [0, 255]
    assert quantize([-1e9, 1e9], 0.5, 3, "int8").tolist() == [-128, 127]


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_rejects_a_scale_that_is_not_positive(scale: float) -> None:
    with pytest.raises(ContractError, match="convert the model again"):
        quantize(1.0, scale, 0, "int8")
    with pytest.raises(ContractError, match="convert the model again"):
        dequantize(np.zeros(1, np.int8), scale, 0)


def test_table_of_raw_bytes_is_the_identity() -> None:
    spec = InputSpec(height=2, width=2, channels=3, dtype="uint8")
    table = input_table(spec)
    assert table.dtype == np.uint8
    np.testing.assert_array_equal(table, np.arange(256)[:, None].repeat(3, axis=1))


def test_table_of_a_unit_range_with_matching_scale_is_the_identity() -> None:
    scale = float(np.float32(1 / 255))
    spec = InputSpec(height=2, width=2, channels=1, dtype="uint8", range="0..1", scale=scale)
    assert input_table(spec)[:, 0].tolist() == list(range(256))


@pytest.mark.parametrize(
    ("name", "lowest", "highest"), [("0..255", 0, 255), ("0..1", 0, 1), ("-1..1", -1, 1)]
)
def test_float_table_spans_its_range(name: str, lowest: float, highest: float) -> None:
    table = input_table(InputSpec(height=2, width=2, channels=3, range=name))
    assert table.dtype == np.float32
    assert table.shape == (256, 3)
    np.testing.assert_allclose(table[[0, 255]], [[lowest] * 3, [highest] * 3], atol=1e-7)
    np.testing.assert_allclose(np.diff(table, axis=0), (highest - lowest) / 255, atol=1e-6)


def test_imagenet_table_has_each_channels_mean_and_deviation() -> None:
    table = input_table(InputSpec(height=2, width=2, channels=3, range="imagenet"))
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(table[100], (100 / 255 - mean) / deviation, rtol=1e-6)


def test_range_of_three_channels_is_refused_for_a_grey_model() -> None:
    with pytest.raises(ContractError, match="--input-range"):
        input_table(InputSpec(height=2, width=2, channels=1, range="imagenet"))


@pytest.mark.parametrize("name", INPUT_RANGES)
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_integer_table_is_the_float_one_within_half_a_step(name: str, dtype: str) -> None:
    scale, zero_point = 0.037, 5
    spec = InputSpec(
        height=1, width=1, channels=3, range=name, dtype=dtype, scale=scale, zero_point=zero_point
    )
    real = input_table(InputSpec(height=1, width=1, channels=3, range=name))
    limits = np.iinfo(dtype)
    lowest, highest = ((int(end) - zero_point) * scale for end in (limits.min, limits.max))
    fed = dequantize(input_table(spec), scale, zero_point)
    assert np.abs(fed - np.clip(real, lowest, highest)).max() <= scale / 2 + 1e-6
