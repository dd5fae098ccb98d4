"""From raw turns to rows: what we recommend, ratios with intervals, and whether the goal is met.

Recommending is the product's own rule, ``edgecnn.bench.judge.recommend``, on what was measured in
the same run, apart from the turns that peers are then compared in.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from peers.turns import Taken

from edgecnn.bench.judge.recommend import recommend
from edgecnn.bench.reply import choose_threads
from edgecnn.bench.results import ArtifactBench, DeviceBench, ThreadBench
from edgecnn.bench.statistics import Ratio, ratio, summarize

FASTER: Final = "peer is faster"
_SLOWER: Final = "ours is faster"
_EVEN: Final = "no difference shown"

_MLPERF_US: Final = 78.4
_MLPERF: Final = (
    "the reference's own file, which is not part of this project, took 78.4 µs on another day, by "
    "ai-edge-litert 2.3.0 on one thread of a machine that calls its processor the same"
)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A released file, as verification left it.

    Attributes:
        variant: Format and precision.
        file: Its name.
        sha256: Its digest.
        bytes: Its size.
        verdict: Recorded for a file with this digest; None if there is no such record.
        accuracy: Recorded likewise.
    """

    variant: str
    file: str
    sha256: str
    bytes: int
    verdict: str | None
    accuracy: float | None


def choose(
    model: str, candidates: Mapping[str, Candidate], taken: Mapping[tuple[str, int], Taken]
) -> tuple[str, int] | None:
    """Let the product's rules choose among a model's files and numbers of threads.

    Args:
        model: Its name.
        candidates: By variant.
        taken: What was measured of each, by variant and number of threads.

    Returns:
        Variant and number of threads; None if nothing that passed was measured.
    """
    rows = []
    for variant, one in candidates.items():
        measurements = [
            _as_bench(done.turns, threads)
            for (name, threads), done in taken.items()
            if name == variant and done.turns and done.problem is None
        ]
        if measurements:
            rows.append(
                ArtifactBench(
                    model=model,
                    variant=variant,
                    file=one.file,
                    sha256=one.sha256,
                    bytes=one.bytes,
                    verdict=one.verdict,
                    accuracy=one.accuracy,
                    by_threads=tuple(measurements),
                    chosen=choose_threads(measurements),
                )
            )
    choice = recommend(DeviceBench(device="local", rows=tuple(rows))).choice
    return None if choice is None else (rows[choice.row].variant, choice.threads)


def measured(taken: Taken) -> dict[str, Any]:
    """Return figures of raw turns: microseconds, and the median of each turn."""
    found = summarize([time for turn in taken.turns for time in turn])
    return {
        "n": found.n,
        "median_us": found.median_ns / 1e3,
        "p90_us": found.p90_ns / 1e3,
        "min_us": found.min_ns / 1e3,
        "turn_medians_us": [statistics.median(turn) / 1e3 for turn in taken.turns],
    }


def compared(ours: Taken, peer: Taken) -> dict[str, Any]:
    """Return the ratio of medians, ours to the peer's, with its interval, and what it shows.

    Args:
        ours: Turns taken between the peer's.
        peer: As many turns.
    """
    found = ratio(_as_bench(ours.turns, 1), _as_bench(peer.turns, 1), interleaved=True)
    return {"ratio": asdict(found), "shows": shows(found)}


def shows(found: Ratio) -> str:
    """Say what a ratio, ours to the peer's, shows: only a whole interval off 1 is a difference."""
    if found.low is None or found.high is None:
        return _EVEN
    if found.low > 1:
        return FASTER
    return _SLOWER if found.high < 1 else _EVEN


def goal(tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say whether no peer is faster on any model than what we recommend.

    Args:
        tables: As in results.json.

    Returns:
        ``met``, None where nothing was compared; ``faster``, each case where one is; and
        ``compared``, how many ratios there are.
    """
    found = [
        (table["threads"], model["model"], row)
        for table in tables
        for model in table["models"]
        for row in model["rows"]
        if "ratio" in row
    ]
    faster = [
        {
            "peer": row["peer"],
            "file": row["file"],
            "threads": threads,
            "model": model,
            "ratio": row["ratio"]["value"],
        }
        for threads, model, row in found
        if row["shows"] == FASTER
    ]
    return {"met": not faster if found else None, "faster": faster, "compared": len(found)}


def yardstick(tables: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Set our ResNet-8 on one thread beside MLPerf's; None if it was not measured.

    Returns:
        ``ours_us`` of ``file``; ``beside``, MLPerf's network in the same run (None without one);
        and ``recorded_us``, what its own file took elsewhere, as ``source`` says.
    """
    for table in tables:
        for model in table["models"]:
            if table["threads"] == 1 and model["model"] == "resnet8" and "ours" in model:
                ours = model["ours"]["median_us"]
                return {
                    "ours_us": ours,
                    "file": model["recommended"]["file"],
                    "beside": model.get("yardstick"),
                    "recorded_us": _MLPERF_US,
                    "source": _MLPERF,
                }
    return None


def _as_bench(turns: Sequence[tuple[int, ...]], threads: int) -> ThreadBench:
    """Return turns as the product's statistics take them; what was not measured here is 0."""
    return ThreadBench(
        threads=threads,
        turns=tuple(turns),
        warmup=0,
        stable=True,
        first_ns=0,
        load_ns=0,
        starts_ns=(),
        peak_memory_bytes=None,
        kernels="",
    )
