"""One model on some cores: choose what to recommend there, then let all take turns."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from peers.children import Child, PeerError
from peers.contestants import NOT_ON_PYPI, OURS, PEERS, YARDSTICK
from peers.environments import python_of
from peers.judging import choose, compared, measured
from peers.released import Released
from peers.turns import Key, Taken, take_turns

import edgecnn
import edgecnn_runner

# Where ours is imported from, be it installed or not.
_OURS = [str(Path(one.__file__).parents[1]) for one in (edgecnn, edgecnn_runner) if one.__file__]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: Turns of each.
        runs: Times of each turn.
        seed: Of the order of turns.
        longest_s: Seconds for a peer to become ready, or for a turn.
    """

    rounds: int = 50
    runs: int = 40
    seed: int = 0
    longest_s: float = 120.0


def contest(
    model: Released, plan: Plan, *, threads: int, told: Callable[[str], None]
) -> dict[str, Any]:
    """Measure one model.

    Args:
        model: What there is of it.
        plan: How much.
        threads: Of every peer; ours may use one instead, if that is what is recommended.
        told: Is given what is being done.

    Returns:
        JSON-ready: ``model``, ``candidates``, ``recommended``, ``ours`` and ``rows``, one for
        each peer and file, also those that did not run; ``yardstick`` where there is one.
    """
    found: dict[str, Any] = {"model": model.name, "candidates": [], "rows": []}
    with tempfile.TemporaryDirectory(prefix="edgecnn-peers-") as folder:
        images = Path(folder) / "images.npy"
        np.save(images, model.images)
        told(f"{model.name}, {threads} thread(s): our files")
        starts = _Starts(model, images, plan.longest_s)
        best = _recommended(found, model, starts, plan, threads)
        if best is None:
            return found
        told(f"{model.name}, {threads} thread(s): peers")
        _compare(found, best, model, starts, plan, threads)
    return found


class _Asked(NamedTuple):
    program: str
    variant: str
    threads: int
    environment: str | None = None


@dataclass(frozen=True)
class _Starts:
    """Starts processes for one model."""

    model: Released
    images: Path
    longest_s: float

    def child(self, asked: _Asked) -> Child:
        """Start one; raises ``PeerError`` where that is not possible."""
        variant, environment = asked.variant, asked.environment
        if variant not in self.model.paths:
            raise PeerError(f"there is no {variant} file; run.py --floats makes it")
        command = [python_of(environment), "-B", "-m", f"peers.{asked.program}"]
        command += [str(self.model.paths[variant]), str(self.images), str(asked.threads)]
        path = _OURS if environment is None else []
        return Child(command, longest_s=self.longest_s, path=path)


def _recommended(
    found: dict[str, Any], model: Released, starts: _Starts, plan: Plan, threads: int
) -> _Asked | None:
    """Measure our files, on one thread and on all, and return what to recommend."""
    asked = {
        (variant, number): _Asked(OURS, variant, number)
        for variant in model.candidates
        for number in sorted({1, threads})
    }
    problems: dict[tuple[str, int], str] = {}
    with _children(asked, starts, problems) as children:
        taken = take_turns(children, rounds=plan.rounds, runs=plan.runs, seed=plan.seed)
        about = {key: child.ready for key, child in children.items()}
    for key in asked:
        one = model.candidates[key[0]]
        row: dict[str, Any] = {"variant": key[0], "threads": key[1]}
        row |= {"file": one.file, "verdict": one.verdict}
        problem = problems.get(key) or taken[key].problem
        row |= {"reason": problem} if problem else measured(taken[key])
        found["candidates"].append(row)
    best = choose(model.name, model.candidates, taken)
    if best is None:
        found["reason"] = "nothing that passed verification was measured"
        return None
    found["recommended"] = {
        "variant": best[0],
        "threads": best[1],
        "file": model.candidates[best[0]].file,
        "version": about[best]["version"],
        "details": about[best]["details"],
    }
    return asked[best]


def _compare(
    found: dict[str, Any], best: _Asked, model: Released, starts: _Starts, plan: Plan, threads: int
) -> None:
    ours = (OURS, best.variant)
    peers = {(peer.name, variant): peer for peer in PEERS for variant in peer.variants}
    yardstick = (YARDSTICK.name, YARDSTICK.variants[0])
    if YARDSTICK.variants[0] in model.paths:
        peers[yardstick] = YARDSTICK
    asked = {ours: best}
    for key, peer in peers.items():
        asked[key] = _Asked(peer.program, key[1], threads, peer.environment)
    problems: dict[tuple[str, str], str] = {}
    with _children(asked, starts, problems) as children:
        if ours in children:
            _same_classes(children, ours, peers_that_answer(), problems)
        ready = {key: child for key, child in children.items() if key not in problems}
        taken = take_turns(ready, rounds=plan.rounds, runs=plan.runs, seed=plan.seed + 1)
        about = {key: child.ready for key, child in children.items()}
    mine = taken.get(ours, Taken(problem=problems.get(ours)))
    if mine.problem is None:
        found["ours"] = measured(mine)
    for key in peers:
        row: dict[str, Any] = {"peer": key[0], "variant": key[1]}
        row["file"] = model.paths[key[1]].name if key[1] in model.paths else key[1]
        row |= {name: about[key][name] for name in ("version", "details") if key in about}
        problem = problems.get(key) or taken[key].problem
        if problem is None and mine.problem is not None:
            problem = f"ours stopped: {mine.problem}"
        if problem is None:
            row |= {**measured(taken[key]), **compared(mine, taken[key])}
        else:
            row["reason"] = problem
        if key == yardstick:
            found["yardstick"] = row
        else:
            found["rows"].append(row)
    for name, reason in NOT_ON_PYPI.items():
        found["rows"].append({"peer": name, "variant": "", "file": "", "reason": reason})


def peers_that_answer() -> frozenset[str]:
    """Return the names of peers that classify the image that they are given."""
    return frozenset(peer.name for peer in PEERS if peer.answers)


def _same_classes(
    children: Mapping[tuple[str, str], Child],
    ours: tuple[str, str],
    answering: frozenset[str],
    problems: dict[tuple[str, str], str],
) -> None:
    """Leave out who does not say of each image what ours says: it does another job."""
    expected = children[ours].ready["classes"]
    for key, child in children.items():
        if key[0] in answering and child.ready["classes"] != expected:
            problems[key] = (
                f"it answers {child.ready['classes']} where ours answers {expected}: not compared"
            )


@contextlib.contextmanager
def _children(
    asked: Mapping[Key, _Asked], starts: _Starts, problems: dict[Key, str]
) -> Iterator[dict[Key, Child]]:
    """Start what can be started; why others cannot goes into ``problems``."""
    with contextlib.ExitStack() as stack:
        children = {}
        for key, one in asked.items():
            try:
                child = starts.child(one)
            except PeerError as error:
                problems[key] = str(error)
                continue
            children[key] = stack.enter_context(child)
        yield children
