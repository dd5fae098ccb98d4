"""What ``run.py`` does: every released model, on one thread and on all cores, in one run.

For each model, our verified files take turns first, and ``edgecnn bench``'s rule chooses one. Then
that file by ``Session.classify`` and every peer take turns, in an order that changes each round;
each is a process of its own that keeps still while another runs, and each turn begins with a run
that is not counted. All get the same image bytes and have to say what is on them, and all have to
name the same class of a few golden images before they are timed. A peer that is not installed, or
answers otherwise, is a row with its reason.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from measure import machine
from peers.children import PeerError
from peers.contest import Plan, contest
from peers.environments import ENVIRONMENTS, ROOT, make
from peers.judging import goal, yardstick
from peers.released import MODELS, build_reference, convert_floats, read_released
from peers.table import text_table

QUIET_LOAD = 0.5
"""Above this load average of the last minute, others were working on the machine."""

_FLOATS = ROOT / "build/peers"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write JSON; return 1 if a peer is faster, or nothing was compared."""
    given = _parser().parse_args(arguments)
    told = _tell
    # Before anything of ours is a load itself.
    load = os.getloadavg()[0]
    if given.install:
        for name in ENVIRONMENTS:
            told(f"environment of {name}")
            try:
                make(name)
            except PeerError as error:
                told(f"  {error}")
    builds = list(given.build)
    if given.floats:
        for name in given.models:
            told(f"float32 files of {name}")
            convert_floats(name, _FLOATS / name)
            builds.append(_FLOATS / name)
        if "resnet8" in given.models:
            told("MLPerf Tiny's ResNet-8")
            build_reference()
    rounds = max(5, -(-given.runs // Plan.runs))
    plan = Plan(rounds=rounds, runs=-(-given.runs // rounds))
    found = measure_all(given.models, builds, plan, _threads(given.threads), load=load)
    if given.json is not None:
        given.json.write_text(_as_text(found), encoding="utf-8")
    print(text_table(found))
    return 0 if found["goal"]["met"] else 1


def measure_all(
    models: Sequence[str],
    builds: Sequence[Path],
    plan: Plan,
    threads: Sequence[int],
    *,
    load: float,
) -> dict[str, Any]:
    """Return everything measured, JSON-ready.

    Args:
        models: Folders of ``models``.
        builds: Folders with files that are not released.
        plan: How much is measured.
        threads: A table for each.
        load: Load average of the last minute before anything was done.
    """
    released = [read_released(name, builds) for name in models]
    tables = [
        {
            "threads": number,
            "models": [contest(one, plan, threads=number, told=_tell) for one in released],
        }
        for number in threads
    ]
    packages = ("ai-edge-litert", "onnxruntime", "numpy")
    now = dt.datetime.now(dt.UTC)
    return {
        "schema": 1,
        "created": now.isoformat(timespec="seconds"),
        "machine": {key: value for key, value in machine().items() if key != "load"},
        "load_before": load,
        "quiet": load < QUIET_LOAD,
        "versions": {one: metadata.version(one) for one in packages},
        "rounds": plan.rounds,
        "runs_per_turn": plan.runs,
        "tables": tables,
        "yardstick": yardstick(tables),
        "goal": goal(tables),
    }


def _as_text(found: Mapping[str, Any]) -> str:
    """Return JSON with each list of numbers on a line of its own."""
    text = json.dumps(found, indent=1, ensure_ascii=False)
    return re.sub(r"\[[\d.,\s]+\]", lambda one: " ".join(one[0].split()), text) + "\n"


def _threads(asked: Sequence[int]) -> list[int]:
    cores = os.cpu_count() or 1
    return list(dict.fromkeys(cores if number == 0 else number for number in asked))


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument(
        "--runs", type=int, default=2000, help="counted runs of each, at least (2000)"
    )
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1, 0], help="0 for all cores (1 0)"
    )
    parser.add_argument(
        "--build", type=Path, action="append", default=[], help="a folder with more of the files"
    )
    parser.add_argument(
        "--floats",
        action="store_true",
        help="convert the float32 files, and build MLPerf's ResNet-8, in build/peers",
    )
    parser.add_argument(
        "--install", action="store_true", help="make the environments that peers need"
    )
    parser.add_argument("--json", type=Path, help="write everything there")
    return parser
