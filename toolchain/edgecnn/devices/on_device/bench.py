"""Measures model files on this device: starts, latency, memory, images, and its own state.

Everything is measured in processes of its own; this one waits. On a workstation the same runs in
a process beside the command's.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecnn.devices.on_device.bench_children import DIED, Children
from edgecnn.devices.on_device.conditions import (
    other_cpu_share,
    read_conditions,
    read_state,
    usable_cores,
)
from edgecnn.devices.on_device.libraries import RuntimePlace, no_runtime, place_of
from edgecnn_runner.machine import describe_machine
from edgecnn_runner.runtimes.telemetry import no_telemetry

_TELL_S = 2.0
# Shares of the work, for the progress: rough, and only shown.
_PROBING, _IMAGES, _STARTS = 0.08, 0.04, 0.3


def run(call: Any) -> tuple[str, Mapping[str, Any], list[bytes]]:
    """Measure.

    Args:
        call: A ``bootstrap.Call``. Parameters: ``artifacts`` (each with ``name`` of its file in
            the folder and ``format``), ``runtimes`` (name to ``module`` and ``format``),
            ``prefixes``, ``paths`` (for the end of Python's path), ``threads``, ``runs``,
            ``seconds``, ``starts``, ``seed``, ``picture`` (the file of an encoded image), ``size``
            of it, and ``inputs`` (height, width and channels that models take, and the name of
            the rule that brings images there). Files in the folder.

    Returns:
        The last frame: ``done``, the facts with a row for each artifact and runtime, and for each
        of a row's ``by_threads`` its raw times, nanoseconds as 64-bit unsigned little-endian.
    """
    no_telemetry()  # for the processes that are started
    sys.path += call.parameters["paths"]
    return _Bench(call).run()


def resolve_threads(asked: Iterable[int], cores: int) -> list[int]:
    """Return which numbers of threads are measured: 0 is all cores, and more are left out.

    Where that leaves none, all cores are measured.

    Args:
        asked: As on the command line.
        cores: How many this process may use.

    >>> resolve_threads([1, 2, 4, 0], 2)
    [1, 2]
    """
    found = [cores if one == 0 else one for one in asked]
    return sorted({one for one in found if one <= cores} or {cores})


class _Bench:
    def __init__(self, call: Any) -> None:
        self._call, self._asked = call, call.parameters
        self._folder = Path(call.folder)
        self._told = time.monotonic()
        self._done = 0.0
        self._during: list[dict[str, Any]] = []

    def run(self) -> tuple[str, Mapping[str, Any], list[bytes]]:
        self._at("looking")
        share = other_cpu_share()
        before = {**read_conditions(), "other_cpu_share": share}
        self._children = Children(self._folder, self._asked["paths"], tick=self._tell)
        rows = rows_of(self._folder, self._asked)
        self._at("starting each file")
        for index, row in enumerate(rows):
            self._tell(_PROBING * index / len(rows))
            if row.error is None:
                self._probe(row)
        threads = resolve_threads(self._asked["threads"], usable_cores())
        part = (1 - _PROBING - _IMAGES) / len(threads)
        for number in threads:
            self._done = _PROBING + part * threads.index(number)
            self._measure(rows, number, part)
        images = self._images(rows)
        facts = {
            "machine": describe_machine(),
            "conditions": {
                "before": before,
                "during": self._during,
                "after": {**read_conditions(), "other_cpu_share": None},
            },
            "rows": [
                {
                    "artifact": row.artifact,
                    "sha256": row.sha256,
                    "runtime_name": row.runtime_name,
                    "runtime": row.runtime,
                    "by_threads": row.by_threads,
                    "error": row.error,
                    "decode_ns": images.get(row.place, {}).get("decode_ns", []),
                    "preprocess_ns": images.get(row.place, {}).get("preprocess_ns", []),
                }
                for row in rows
            ],
        }
        return "done", facts, [samples for row in rows for samples in row.samples]

    def _at(self, phase: str) -> None:
        self._call.send("phase", {"at": phase})

    def _tell(self, done: float | None = None) -> None:
        """Say how far it is, if it was not said just now."""
        if done is not None:
            self._done = done
        if time.monotonic() - self._told >= _TELL_S:
            self._call.send("progress", {"done": self._done})
            self._told = time.monotonic()

    def _start(self, row: BenchRow, threads: int) -> tuple[int, dict[str, Any]] | None:
        """Start a process until its first result; None, and the row's error, if that fails."""
        asked = {
            "mode": "start",
            "file": str(row.file),
            "runtime": row.runtime_name,
            "threads": threads,
        }
        try:
            with self._children.started(row.place, asked) as child:
                mark = child.read(1, self._tell)
                took = time.perf_counter_ns() - child.begun_ns
                rest = child.rest(self._tell)
                observed = child.ending()
        except OSError as error:
            row.fail(f"{row.place.python}: {error.strerror}")
            return None
        if observed is not None or mark not in (b".", b"!"):
            row.fail(observed or "it ends without an answer")
            return None
        told: dict[str, Any] = json.loads(rest)
        if "error" in told:
            row.error = told["error"]
            return None
        return took, told

    def _probe(self, row: BenchRow) -> None:
        """Start once without counting it: what is on the disk comes into memory by that."""
        found = self._start(row, 1)
        if found is not None:
            row.runtime = found[1]["runtime"]

    def _measure(self, rows: Sequence[BenchRow], threads: int, part: float) -> None:
        """Measure all rows at one number of threads."""
        begun = self._done
        self._at(f"{threads} {'thread' if threads == 1 else 'threads'}: starts")
        starts = self._starts([row for row in rows if row.error is None], threads, part * _STARTS)
        self._done = begun + part * _STARTS
        self._during.append(read_state())
        self._at(f"{threads} {'thread' if threads == 1 else 'threads'}: runs")
        left = [row for row in rows if row.error is None]
        for place in dict.fromkeys(row.place for row in left):
            self._times(
                [row for row in left if row.place == place],
                threads,
                starts,
                part * (1 - _STARTS) * sum(row.place == place for row in left) / len(left),
            )
        self._during.append(read_state())

    def _starts(
        self, rows: Sequence[BenchRow], threads: int, part: float
    ) -> dict[BenchRow, list[tuple[int, dict[str, Any]]]]:
        found: dict[BenchRow, list[tuple[int, dict[str, Any]]]] = {row: [] for row in rows}
        shuffle = random.Random(self._asked["seed"]).shuffle  # noqa: S311 - an order, no secret
        begun, total = self._done, self._asked["starts"]
        for turn in range(total):
            order = [row for row in rows if row.error is None]
            shuffle(order)
            for row in order:
                one = self._start(row, threads)
                if one is not None:
                    found[row].append(one)
                self._tell()
            self._done = begun + part * (turn + 1) / total
        return found

    def _times(
        self,
        rows: Sequence[BenchRow],
        threads: int,
        starts: Mapping[BenchRow, Sequence[tuple[int, dict[str, Any]]]],
        part: float,
    ) -> None:
        """Time rows in turn; one that its process dies with is left out, and it begins again."""
        left, begun = [*rows], self._done
        while left:
            result = self._folder / "result"
            result.unlink(missing_ok=True)
            asked = {
                "mode": "times",
                "entries": [{"file": str(row.file), "runtime": row.runtime_name} for row in left],
                "threads": threads,
                "result": str(result),
                **{key: self._asked[key] for key in ("runs", "seconds", "seed")},
            }
            expected, since = 1 + len(left) * (0.5 + self._asked["seconds"]), time.monotonic()

            def tick(expected: float = expected, since: float = since) -> None:
                share = min(1.0, (time.monotonic() - since) / expected)
                self._tell(begun + part * share)

            try:
                with self._children.started(left[0].place, asked) as child:
                    marks = child.drain(tick)
                    observed = child.ending()
            except OSError as error:
                marks, observed = b"", f"{left[0].place.python}: {error.strerror}"
            if observed is None:
                self._take(left, threads, starts, result)
                return
            # It died at one of them; at none, if it could not even begin.
            for row in [left[marks[-1]]] if marks else left:
                row.fail(observed)
            left = [row for row in left if row.error is None]

    def _take(
        self,
        rows: Sequence[BenchRow],
        threads: int,
        starts: Mapping[BenchRow, Sequence[tuple[int, dict[str, Any]]]],
        result: Path,
    ) -> None:
        for index, (row, told) in enumerate(
            zip(rows, json.loads(result.read_text(encoding="utf-8")), strict=True)
        ):
            if told["error"] is not None:
                row.error = told["error"]
                continue
            begun = starts[row]
            peaks = [one["peak_memory_bytes"] for _, one in begun]
            row.by_threads.append(
                {
                    "threads": threads,
                    "turns": told["turns"],
                    "warmup": told["warmup"],
                    "stable": told["stable"],
                    "kernels": told["kernels"],
                    "first_ns": _middle([one["first_ns"] for _, one in begun]),
                    "load_ns": _middle([one["load_ns"] for _, one in begun]),
                    "starts_ns": [took for took, _ in begun],
                    "peak_memory_bytes": None if None in peaks else max(peaks),
                }
            )
            samples = Path(f"{result}.{index}")
            row.samples.append(samples.read_bytes())
            samples.unlink()

    def _images(self, rows: Sequence[BenchRow]) -> dict[RuntimePlace, dict[str, Any]]:
        """Time decoding and preprocessing in each Python that runs something."""
        self._at("images")
        found = {}
        for place in dict.fromkeys(row.place for row in rows if row.by_threads):
            result = self._folder / "images"
            asked = {
                "mode": "images",
                "picture": str(self._folder / self._asked["picture"]),
                "size": self._asked["size"],
                "inputs": self._asked["inputs"],
                "result": str(result),
            }
            with self._children.started(place, asked) as child:
                child.rest(self._tell)
                if child.ending() is None:
                    found[place] = json.loads(result.read_text(encoding="utf-8"))
        return found


def _middle(values: Sequence[int]) -> int:
    return sorted(values)[(len(values) - 1) // 2]


class BenchRow:
    """One file with one runtime, as it is measured.

    Attributes:
        artifact: Its place among the files asked for.
        file: Where it lies.
        sha256: Its digest.
        runtime_name: What runs it; None if nothing here does.
        place: The Python that has that.
        runtime: Package and version, once it was started.
        error: Why it is not measured, as ``EdgeError.to_dict`` gives it; None while it is.
        by_threads: Figures at each number of threads.
        samples: The raw times of each, see ``bench.run``.
    """

    def __init__(self, artifact: int, file: Path, sha256: str) -> None:
        self.artifact, self.file, self.sha256 = artifact, file, sha256
        self.runtime_name: str | None = None
        self.place = RuntimePlace("")
        self.runtime: str | None = None
        self.error: Mapping[str, Any] | None = None
        self.by_threads: list[dict[str, Any]] = []
        self.samples: list[bytes] = []

    def fail(self, observed: str) -> None:
        """Note that its process died, and how."""
        self.error = {
            "error": "ArtifactError",
            "problem": DIED,
            "observed": observed,
            "expected": "an answer",
            "remedy": "take another variant or runtime for this device",
        }


def rows_of(folder: Path, asked: Mapping[str, Any]) -> list[BenchRow]:
    """Return a row for each file and runtime that is here; one with an error where none is.

    Args:
        folder: Where the files lie.
        asked: The parameters of ``run``.
    """
    rows = []
    places = {
        name: place_of(info["module"], asked["prefixes"])
        for name, info in asked["runtimes"].items()
    }
    for index, artifact in enumerate(asked["artifacts"]):
        file = folder / artifact["name"]
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        found = []
        for name, info in asked["runtimes"].items():
            place = places[name]
            if info["format"] == artifact["format"] and place is not None:
                row = BenchRow(index, file, digest)
                row.runtime_name, row.place = name, place
                found.append(row)
        if not found:
            row = BenchRow(index, file, digest)
            modules = [
                one["module"]
                for one in asked["runtimes"].values()
                if one["format"] == artifact["format"]
            ]
            missing = no_runtime(artifact["format"], modules, asked["prefixes"])
            row.error = missing.to_dict()
            found.append(row)
        rows += found
    return rows
