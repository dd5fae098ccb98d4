"""Takes times: a warm-up until they are stable, then turns, round after round.

Artifacts are interleaved, so that whatever slows the device for a while slows all of them. A turn
begins with one run that is not counted: it brings back into the caches what the others have
replaced there. Without it, models of some ten kilobytes look about 8 % slower than alone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

_TURN_NS = 20_000_000
_MOST_RUNS_A_TURN = 10_000
_LEAST_ROUNDS = 10
_BURST_NS = 50_000_000
_BURSTS = 3
_WITHIN = 1.02
_LONGEST_WARMUP_NS = 4_000_000_000
_LOOK_S = 0.002
_LONGEST_SETTLING_S = 0.2

Clock = Callable[[], int]


@dataclass
class Contender:
    """Something to be timed against others.

    Attributes:
        classify: What is timed.
        image: What it is given.
        warmup: How often it ran before it was counted.
        stable: Whether the warm-up ended because times were stable.
        runs_a_turn: Counted runs of each turn, so that one lasts about 20 ms.
        turns: Nanoseconds of each run, a list for each turn.
        error: What it raised; it has no turns after that.
    """

    classify: Callable[[Any], object]
    image: Any
    warmup: int = 0
    stable: bool = False
    runs_a_turn: int = 1
    turns: list[list[int]] = field(default_factory=list)
    error: Exception | None = None


def _timed(one: Contender, count: int, clock: Clock) -> list[int]:
    classify, image, samples = one.classify, one.image, []
    for _ in range(count):
        started = clock()
        classify(image)
        samples.append(clock() - started)
    return samples


def warm_up(
    one: Contender,
    *,
    beat: Callable[[], object] = lambda: None,
    clock: Clock = time.perf_counter_ns,
) -> None:
    """Run something until the medians of its last three bursts are within 2 % of each other.

    A burst lasts 50 ms, or one run if that takes longer. After four seconds it is given up:
    ``stable`` tells.

    Args:
        one: What; its ``warmup``, ``stable`` and ``runs_a_turn`` are set.
        beat: Called before each burst.
        clock: Nanoseconds.
    """
    begin, medians = clock(), list[float]()
    while True:
        beat()
        burst, since = _timed(one, 1, clock), clock()
        while clock() - since + burst[0] < _BURST_NS:
            burst += _timed(one, 1, clock)
        one.warmup += len(burst)
        medians.append(median(burst))
        last = medians[-_BURSTS:]
        one.stable = len(last) == _BURSTS and max(last) <= _WITHIN * min(last)
        if one.stable or (len(last) == _BURSTS and clock() - begin > _LONGEST_WARMUP_NS):
            break
    one.runs_a_turn = max(1, min(_MOST_RUNS_A_TURN, round(_TURN_NS / max(1.0, last[-1]))))


def settle(
    cpu_ns: Clock = time.process_time_ns, sleep: Callable[[float], object] = time.sleep
) -> None:
    """Wait until the threads of this process have come to rest.

    Runtimes let their threads spin for a while after each run, in wait of the next (ONNX Runtime
    for some 30 ms of processor time): they would take cores from whoever has the next turn.

    Args:
        cpu_ns: Processor time of this process.
        sleep: Passes time.
    """
    for _ in range(round(_LONGEST_SETTLING_S / _LOOK_S)):
        before = cpu_ns()
        sleep(_LOOK_S)
        if cpu_ns() - before < _LOOK_S * 1e9 / 10:
            return


def measure_in_turn(
    contenders: Sequence[Contender],
    *,
    runs: int,
    seconds: float,
    seed: int,
    beat: Callable[[int], object],
    between: Callable[[], object] = lambda: None,
    clock: Clock = time.perf_counter_ns,
) -> None:
    """Give each contender a turn, round after round, in an order that is shuffled each time.

    It ends when each has enough runs and enough time, and not before ten rounds. All have a turn
    in every round. One that raises is left out from then on.

    Args:
        contenders: Warmed up.
        runs: Fewest counted runs of each.
        seconds: Least counted time of each.
        seed: Of the order.
        beat: Is given a contender's index before its turn.
        between: Called before each turn.
        clock: Nanoseconds.
    """
    shuffle = random.Random(seed).shuffle  # noqa: S311 - an order, no secret
    counted = {index: [0, 0] for index, one in enumerate(contenders) if one.error is None}
    rounds = 0
    while counted and (
        rounds < _LEAST_ROUNDS
        or any(count < runs or spent < seconds * 1e9 for count, spent in counted.values())
    ):
        rounds += 1
        order = [*counted]
        shuffle(order)
        for index in order:
            one = contenders[index]
            beat(index)
            between()
            try:
                one.classify(one.image)
                samples = _timed(one, one.runs_a_turn, clock)
            except Exception as error:  # noqa: BLE001 - it is told, and the others go on
                one.error = error
                del counted[index]
                continue
            one.turns.append(samples)
            counted[index][0] += len(samples)
            counted[index][1] += sum(samples)
