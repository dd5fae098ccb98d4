"""Turns: one process runs at a time, each for a while, in an order that changes every round."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from peers.children import PeerError

PAUSE_S: Final = 0.005
"""Between turns: threads of a pool that has just run look for work for some time."""


Key = TypeVar("Key")


class Takes(Protocol):
    """What takes a turn; see ``children.Child``."""

    def go(self, count: int) -> tuple[int, ...]:
        """Take so many times."""


@dataclass
class Taken:
    """What one of them has measured.

    Attributes:
        turns: Raw times of each turn.
        problem: Why it stopped; None if it did not.
    """

    turns: list[tuple[int, ...]] = field(default_factory=list)
    problem: str | None = None


def take_turns(
    children: Mapping[Key, Takes],
    *,
    rounds: int,
    runs: int,
    warmup: int = 2,
    seed: int = 0,
    pause_s: float = PAUSE_S,
) -> dict[Key, Taken]:
    """Measure all of them together.

    Args:
        children: By name.
        rounds: Turns of each.
        runs: Times of each turn.
        warmup: Turns of each before, not counted.
        seed: Of the order.
        pause_s: Seconds between turns.

    Returns:
        What each has measured. One that fails stops, with the reason; the others go on.
    """
    taken = {name: Taken() for name in children}
    order, shuffle = list(children), random.Random(seed)
    for number in range(-warmup, rounds):
        shuffle.shuffle(order)
        for name in order:
            one = taken[name]
            if one.problem is not None:
                continue
            time.sleep(pause_s)
            try:
                times = children[name].go(runs)
            except PeerError as error:
                one.problem = str(error)
                continue
            if number >= 0:
                one.turns.append(times)
    return taken
