from __future__ import annotations

import pytest

from edgecnn.modelfile.layers import MOST_DB, LayerError
from edgecnn.verify.layers.diagnosis import LIMIT_DB, Layers, ratios_that_count
from edgecnn.verify.report.charts import layer_chart
from verify.test_diagnosis import layer


def layers(*found: LayerError) -> Layers:
    return Layers(against="float.tflite", layers=found, ratios_db=ratios_that_count(found))


def test_layers_stand_from_left_to_right_and_higher_ratios_higher() -> None:
    chart = layer_chart(layers(layer(0, 50), layer(1, 25), layer(2, 0)))
    assert [mark.x for mark in chart.marks] == [16.67, 50.0, 83.33]
    assert [mark.y for mark in chart.marks] == [0.0, 50.0, 100.0]
    assert chart.line == "16.67,0.0 50.0,50.0 83.33,100.0"
    assert chart.limit == 100 * (1 - LIMIT_DB / 50)
    assert chart.ticks == ((100.0, "0 dB"), (60.0, "20 dB"), (20.0, "40 dB"))


def test_what_is_beyond_the_axis_stands_at_its_end() -> None:
    chart = layer_chart(layers(layer(0, MOST_DB), layer(1, 72), layer(2, -30), layer(3, 20)))
    assert [mark.y for mark in chart.marks] == [0.0, 10.0, 100.0, 75.0]


def test_a_layer_is_marked_low_where_the_ratio_it_is_judged_by_is() -> None:
    chart = layer_chart(
        layers(layer(0, 40), layer(1, 40, channels_db=5), layer(2, 9), layer(3, 20))
    )
    low = [mark.low_y for mark in chart.marks]
    assert low == [None, 90.0, 82.0, None]
    # The ratio of the whole stays where it is.
    assert chart.marks[1].y == 20.0


@pytest.mark.parametrize(
    ("share", "height"), [(None, 0), (0.0, 0), (1e-5, 0), (1e-4, 0), (0.01, 50), (1.0, 100)]
)
def test_saturated_shares_stand_on_decades(share: float | None, height: float) -> None:
    chart = layer_chart(layers(layer(0, 40), layer(1, 20, saturated=share)))
    assert chart.marks[1].bar == pytest.approx(height)
    assert chart.saturated == (height > 0)


def test_a_file_of_real_numbers_has_no_bars() -> None:
    chart = layer_chart(layers(layer(0, 40, saturated=None), layer(1, 20, saturated=None)))
    assert not chart.bars


def test_all_layers_the_same_or_a_single_one_is_a_plot_too() -> None:
    assert layer_chart(layers(layer(0, MOST_DB))).marks[0].x == 50.0
    assert layer_chart(layers(layer(0, 20), layer(1, 20))).marks[0].y == 60.0


def test_bars_of_many_layers_do_not_touch() -> None:
    many = layer_chart(layers(*(layer(position, 30) for position in range(200))))
    assert many.bar_width < 100 / 200
