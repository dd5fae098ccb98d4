from __future__ import annotations

import pytest

from bench.measured import at
from edgecnn.bench.reply import choose_threads, cost_ns


@pytest.mark.parametrize(
    ("times", "chosen"),
    [
        ({1: 1000}, 1),
        ({1: 1000, 2: 960}, 1),  # not worth a second core
        ({1: 1000, 2: 940}, 2),
        ({1: 1000, 2: 600, 4: 580}, 2),
        ({1: 1000, 2: 600, 4: 500}, 4),
        ({4: 500, 1: 510}, 1),
    ],
)
def test_more_threads_have_to_be_worth_it(times: dict[int, int], chosen: int) -> None:
    assert choose_threads([at(threads, (ns,) * 10) for threads, ns in times.items()]) == chosen


def test_a_better_median_does_not_make_up_for_slow_calls() -> None:
    """Median 10 % better, p90 twice as slow."""
    two = at(2, (900,) * 80 + (2000,) * 20)
    assert choose_threads([at(1, (1000,) * 100), two]) == 1
    assert cost_ns(two) == pytest.approx((900 * 2000) ** 0.5)


def test_nothing_measured() -> None:
    assert choose_threads([]) is None
