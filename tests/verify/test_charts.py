from __future__ import annotations

import pytest

from edgecnn.report import Scale
from edgecnn.report.matrix import confusion_grid
from edgecnn.verify.report.charts import common_scale, interval_chart
from verify.synthetic import make_report


def test_an_axis_shows_zero_the_limit_and_room_beyond() -> None:
    rows = make_report("PASS", "INCONCLUSIVE").rows
    scale = common_scale(rows, "accuracy_drop")
    chart = interval_chart(rows[0].criterion("accuracy_drop"), scale)
    assert 0 < chart.zero < chart.limit < 80
    assert chart.low < chart.estimate < chart.high < chart.limit


def test_a_hopeless_artifact_does_not_squeeze_the_others() -> None:
    rows = make_report("PASS", "FAIL").rows
    scale = common_scale(rows, "accuracy_drop")
    assert scale.high < 0.09
    fine, hopeless = (interval_chart(row.criterion("accuracy_drop"), scale) for row in rows)
    assert fine.on_axis
    assert not fine.off_high
    assert hopeless.off_high
    assert not hopeless.on_axis
    assert hopeless.low == hopeless.high == 100


def test_places_are_clipped_to_the_axis() -> None:
    scale = Scale(low=-1, high=3)
    assert [scale.place(value) for value in (-9, -1, 0, 3, 9)] == [0, 0, 25, 100, 100]


def test_confusion_is_shaded_by_the_share_of_its_row() -> None:
    grid = confusion_grid(((0, 0, 3), (0, 1, 1), (1, 1, 7)), 3)
    assert [[cell.count for cell in row] for row in grid] == [[3, 1, 0], [0, 7, 0], [0, 0, 0]]
    assert grid[0][0].shade == 0.75
    assert grid[0][1].shade == pytest.approx(0.5)
    assert grid[1][1].shade == 1
    assert [cell.right for cell in grid[0]] == [True, False, False]
    assert grid[2][2].shade == 0
