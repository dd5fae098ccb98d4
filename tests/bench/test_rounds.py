"""How times are taken, by a clock that the test moves."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from edgecnn.devices.on_device.bench_rounds import Contender, measure_in_turn, settle, warm_up


class Clock:
    """A clock on which only what is timed takes time."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def takes(self, *durations: int) -> Callable[[object], None]:
        """Return something that takes these times, the last one from then on."""
        left: Iterator[int] = itertools.chain(durations, itertools.repeat(durations[-1]))

        def work(_: object) -> None:
            self.now += next(left)

        return work


def test_a_warm_up_ends_when_three_bursts_agree() -> None:
    clock = Clock()
    one = Contender(clock.takes(60_000_000, 40_000_000, 30_000_000, 20_000_000), None)
    warm_up(one, clock=clock)
    assert one.stable
    # 60; 40 and 30; then bursts of three runs of 20 ms.
    assert one.warmup == 1 + 2 + 3 * 3
    assert one.runs_a_turn == 1


def test_a_warm_up_that_never_settles_is_given_up_and_says_so() -> None:
    clock = Clock()
    restless = Contender(clock.takes(*(100_000_000, 200_000_000) * 100), None)
    warm_up(restless, clock=clock)
    assert not restless.stable
    assert 4e9 < clock.now < 5e9


def test_a_turn_lasts_about_20_ms() -> None:
    clock = Clock()
    fast = Contender(clock.takes(50_000), None)
    warm_up(fast, clock=clock)
    assert fast.runs_a_turn == 400


def test_artifacts_take_turns_until_each_has_enough() -> None:
    clock, order = Clock(), list[int]()
    fast = Contender(clock.takes(1_000_000), None, runs_a_turn=20)
    slow = Contender(clock.takes(100_000_000), None, runs_a_turn=1)
    measure_in_turn(
        [fast, slow], runs=50, seconds=1.0, seed=1, beat=order.append, between=lambda: None,
        clock=clock,
    )  # fmt: skip
    assert len(slow.turns) == len(fast.turns) == 50, "until the slow one has 50 runs"
    assert {len(turn) for turn in fast.turns} == {20}
    assert all(set(order[i : i + 2]) == {0, 1} for i in range(0, 100, 2)), "A B or B A each round"
    assert len({tuple(order[i : i + 2]) for i in range(0, 100, 2)}) == 2, "in changing order"
    assert fast.turns[0] == [1_000_000] * 20


def test_the_first_run_of_a_turn_is_not_counted() -> None:
    """It is slow, since others have used the caches meanwhile."""
    clock = Clock()
    one = Contender(clock.takes(*(900, 100, 100) * 100), None, runs_a_turn=2)
    measure_in_turn([one], runs=10, seconds=0, seed=0, beat=lambda _: None, clock=clock)
    assert one.turns == [[100, 100]] * 10, "and there are ten rounds at least"


def test_time_counts_as_well_as_runs() -> None:
    clock = Clock()
    one = Contender(clock.takes(1_000_000), None, runs_a_turn=20)
    measure_in_turn([one], runs=1, seconds=0.5, seed=0, beat=lambda _: None, clock=clock)
    assert sum(map(sum, one.turns)) == 500_000_000


def test_one_that_raises_is_left_out_and_the_others_go_on() -> None:
    clock = Clock()

    def broken(_: object) -> None:
        raise MemoryError

    bad, good = Contender(broken, None), Contender(clock.takes(1000), None)
    gone = Contender(broken, None, error=ValueError("it did not load"))
    measure_in_turn([bad, good, gone], runs=10, seconds=0, seed=0, beat=lambda _: None, clock=clock)
    assert isinstance(bad.error, MemoryError)
    assert bad.turns == gone.turns == []
    assert len(good.turns) == 10


@pytest.mark.parametrize(("spins_ms", "looks"), [(0, 1), (7, 5), (10_000, 100)])
def test_threads_that_spin_are_waited_for_but_not_for_ever(spins_ms: int, looks: int) -> None:
    used, slept = 0.0, list[float]()

    def sleep(seconds: float) -> None:
        nonlocal used
        slept.append(seconds)
        used = min(spins_ms * 1e6, used + seconds * 1e9)

    settle(cpu_ns=lambda: int(used), sleep=sleep)
    assert len(slept) == looks
