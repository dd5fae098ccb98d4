"""Converts one network after the other into a record that grows: an interrupted run goes on.

What the tables of ``keras.applications`` and of torchvision have in common: options, limits, and an
entry that is written as soon as it is made.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from measure import machine, versions
from watched import Limits, Watched, available

from edgecnn.files import write_json

GIGABYTE: Final = 10**9


def options(doc: str | None, *, work: Path, gigabytes: float) -> argparse.ArgumentParser:
    """Return the options of such a program.

    Args:
        doc: What it does.
        work: Where it works where nothing is said.
        gigabytes: What one process may take where nothing is said.
    """
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("photos", type=Path, help="a folder per class")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="repeatable")
    parser.add_argument("--again", action="store_true", help="make entries anew")
    parser.add_argument("--work", type=Path, default=work)
    parser.add_argument("--minutes", type=float, default=60, help="limit of one process")
    parser.add_argument("--gigabytes", type=float, default=gigabytes, help="limit of one process")
    parser.add_argument("--free", type=float, default=8, help="gigabytes to wait for")
    parser.add_argument("--last-minute", help="begin no network after this time, HH:MM")
    return parser


def limits_of(arguments: argparse.Namespace) -> Limits:
    """Return what each process may take."""
    return Limits(seconds=60 * arguments.minutes, bytes=int(arguments.gigabytes * GIGABYTE))


def run_each(
    names: Iterable[str],
    arguments: argparse.Namespace,
    results: Path,
    make: Callable[[str], Mapping[str, Any]],
    write: Callable[[str, Mapping[str, Any]], None],
) -> int:
    """Make the entries that are not there yet.

    Args:
        names: Of all networks, in the order to run them.
        arguments: See ``options``.
        results: The record.
        make: Runs a network; returns its entry, with ``not_run`` where that was not possible.
        write: Writes an entry into the record.

    Returns:
        1 where ``convert`` crashed, else 0.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))  # the processes begun go with it
    every = list(names)
    unknown = sorted({*arguments.only} - {*every})
    if unknown:
        raise SystemExit(f"there is no {', '.join(unknown)}")
    crashed = False
    for name in every:
        old = entries(results).get(name)
        there = old is not None and "not_run" not in old and not arguments.again
        if there or (arguments.only and name not in arguments.only):
            continue
        while available() < arguments.free * GIGABYTE:
            time.sleep(10)
        if arguments.last_minute and f"{_now():%H:%M}" > arguments.last_minute:
            break
        print(f"{_now():%H:%M:%S} {name}", file=sys.stderr, flush=True)
        entry = make(name)
        write(name, entry)
        print(json.dumps(short(entry)), file=sys.stderr, flush=True)
        crashed |= entry.get("convert", {}).get("exit_code", 0) == 1
    return 1 if crashed else 0


def entries(results: Path) -> dict[str, Any]:
    """Return what a record holds, by the network's name."""
    if not results.exists():
        return {}
    found: dict[str, Any] = json.loads(results.read_text("utf-8"))["networks"]
    return found


def write_entry(
    results: Path, name: str, entry: Mapping[str, Any], head: Mapping[str, Any],
    order: Iterable[str] | None = None,
) -> None:  # fmt: skip
    """Write one network's entry beside the others' that are there.

    Args:
        results: The record.
        name: Of the network.
        entry: What it came to.
        head: What the record says of all of them.
        order: Of the names; None for the order in which they came.
    """
    found = {**entries(results), name: dict(entry)}
    names = found if order is None else [one for one in order if one in found]
    of_all = json.loads(results.read_text("utf-8")) if results.exists() else {}
    of_all |= {"machine": {key: value for key, value in machine().items() if key != "load"}, **head}
    write_json(results, {**of_all, "networks": {one: found[one] for one in names}})


def begun(load: float) -> dict[str, Any]:
    """Return what each entry says of its run.

    Args:
        load: Of the machine before, over a minute.
    """
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "load": load,
        "tools": versions("tensorflow", "keras", "numpy", "ai-edge-litert", "onnxruntime", "onnx"),
    }


def of_convert(done: Watched) -> dict[str, Any]:
    """Return what ``edgecnn convert`` took, and what it said it did, with the seconds since."""
    return {
        "exit_code": done.code,
        **done.took(),
        "steps": [
            {"seconds": round(wall, 1), "cpu_seconds": round(used, 1), "step": line[9:]}
            for wall, used, line in done.lines
            if line.startswith("convert: ")
        ],
    }


def said(one: Watched) -> str:
    """Return the end of what a program said on standard error."""
    return "\n".join(line for _, _, line in one.lines)[-3000:]


def reason(what: str, one: Watched, limits: Limits) -> str:
    """Return why a network has no result, in a sentence."""
    if one.ended == "time":
        return f"time: {what} took more than {limits.seconds:.0f} seconds"
    if one.ended == "memory":
        return f"memory: {what} took more than {limits.bytes / GIGABYTE:.0f} GB"
    last = [line for _, _, line in one.lines if line.strip()][-8:]
    return f"{what} ended with exit code {one.code}: " + " / ".join(last)


def short(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is worth a line of an entry."""
    if "not_run" in entry:
        return {"not_run": entry["not_run"]}
    took = entry["convert"]
    shown: dict[str, Any] = {key: took[key] for key in ("exit_code", "seconds", "cpu_seconds")}
    shown["memory"] = took["memory_bytes"]
    shown["error"] = took.get("error", "")[-600:]
    for variant, row in entry.get("variants", {}).items():
        shown[variant] = (
            [row["agreement"], round(row["largest_difference"], 6)]
            if row["status"] == "made"
            else f"{row['status']}: {row['reason']}"
        )
    return shown


def _now() -> datetime:
    return datetime.now(UTC).astimezone()
