"""What was measured, for a terminal and for the manual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_STARS = {"peer is faster": "**", "ours is faster": "", "no difference shown": ""}


def text_table(found: Mapping[str, Any]) -> str:
    """Return a line for each peer, model and number of threads."""
    lines = [_machine(found)]
    for table in found["tables"]:
        for model in table["models"]:
            lines += ["", _ours(model, table["threads"])]
            for row in model["rows"]:
                name = f"  {row['peer']} {row['variant']}"
                if "ratio" not in row:
                    lines.append(f"{name:<46} {row['reason']}")
                    continue
                lines.append(
                    f"{name:<46} {row['median_us']:8.1f} µs   ours/peer "
                    f"{_ratio(row['ratio'])}  {row['shows']}"
                )
    lines += ["", *_verdict(found)]
    return "\n".join(lines)


def markdown_tables(found: Mapping[str, Any]) -> str:
    """Return the manual's tables: a row for each peer and file, a column for each model."""
    parts = []
    for table in found["tables"]:
        models = [model for model in table["models"] if "ours" in model]
        if not models:
            continue
        threads = table["threads"]
        heads = [
            f"{model['model']}: `{model['recommended']['variant']}`, "
            f"{_threads(model['recommended']['threads'])}, {model['ours']['median_us']:.1f} µs"
            for model in models
        ]
        title = "Peers on one thread" if threads == 1 else f"Peers on all {threads} cores"
        lines = [
            f"{title}: time of ours over the peer's, with 95 % interval; **bold** where the peer "
            "is faster.",
            "",
            f"| peer, file | {' | '.join(heads)} |",
            f"| --- |{' ---: |' * len(models)}",
        ]
        for number, row in enumerate(models[0]["rows"]):
            rows = [model["rows"][number] for model in models]
            name = f"{row['peer']}{', `' + row['variant'] + '`' if row['variant'] else ''}"
            cells = [_cell(one) for one in rows]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    parts += [f"Not run: {absent}." for absent in _absent(found)]
    return "\n\n".join([*parts, " ".join([_machine(found), *_verdict(found)])])


def _ours(model: Mapping[str, Any], threads: int) -> str:
    head = f"{model['model']}, peers on {_threads(threads)}: "
    if "ours" not in model:
        return head + str(model.get("reason", "ours was not measured"))
    chosen = model["recommended"]
    ours = f"{chosen['file']} by {chosen['version']}, {_threads(chosen['threads'])}"
    return f"{head}{ours}, {model['ours']['median_us']:.1f} µs"


def _threads(number: int) -> str:
    return f"{number} thread{'s' * (number != 1)}"


def _absent(found: Mapping[str, Any]) -> list[str]:
    """Return each peer that did not run, with its reason, once."""
    return list(
        dict.fromkeys(
            " ".join(filter(None, (row["peer"], row["variant"]))) + f" ({row['reason']})"
            for table in found["tables"]
            for model in table["models"]
            for row in model["rows"]
            if "ratio" not in row
        )
    )


def _cell(row: Mapping[str, Any]) -> str:
    if "ratio" not in row:
        return "not run"
    mark = _STARS[row["shows"]]
    return f"{mark}{_ratio(row['ratio'])}{mark}"


def _ratio(ratio: Mapping[str, float | None]) -> str:
    text = f"{ratio['value']:.3f}"
    if ratio["low"] is None or ratio["high"] is None:
        return f"{text} (too few turns for an interval)"
    return f"{text} ({ratio['low']:.3f} to {ratio['high']:.3f})"


def _machine(found: Mapping[str, Any]) -> str:
    here = found["machine"]
    ran = {
        row["version"]
        for table in found["tables"]
        for model in table["models"]
        for row in model["rows"]
        if row.get("version")
    }
    tools = ", ".join(sorted(ran | {f"numpy {found['versions']['numpy']}"}))
    state = (
        "nothing else running"
        if found["quiet"]
        else f"other work running (load {found['load_before']:.1f}), so not to be relied on"
    )
    return (
        f"Recorded {found['created'][:10]} on one {here['processor']} machine with "
        f"{here['cores']} cores, Python {here['python']}, {tools}, {found['rounds']} turns of "
        f"{found['runs_per_turn']} runs, {state}."
    )


def _verdict(found: Mapping[str, Any]) -> list[str]:
    goal, lines = found["goal"], []
    if goal["met"] is None:
        lines.append("No peer could be compared.")
    elif goal["met"]:
        lines.append(f"No peer is faster in any of {goal['compared']} comparisons.")
    else:
        most: dict[str, float] = {}
        for one in goal["faster"]:
            most[one["peer"]] = max(one["ratio"], most.get(one["peer"], 0))
        peers = ", ".join(f"{name} (at most {ratio:.3f})" for name, ratio in most.items())
        lines.append(
            f"A peer is faster in {len(goal['faster'])} of {goal['compared']} comparisons: {peers}."
        )
    if found["yardstick"] is not None:
        lines.append(_yardstick(found["yardstick"]))
    return lines


def _yardstick(mark: Mapping[str, Any]) -> str:
    ours = f"`{mark['file']}` takes {mark['ours_us']:.1f} µs on one thread"
    beside = mark["beside"]
    if beside is None or "ratio" not in beside:
        why = "it was not built" if beside is None else beside["reason"]
        return f"Yardstick: {ours}; MLPerf Tiny's ResNet-8 did not run beside it ({why}); " + (
            f"{mark['source']}."
        )
    return (
        f"Yardstick: MLPerf Tiny's ResNet-8, the same network built anew with random weights and "
        f"converted as the reference is, takes {beside['median_us']:.1f} µs in the same run by a "
        f"bare LiteRT loop; {ours}, {_ratio(beside['ratio'])} of it. That network is fed int8; "
        f"ours takes an image's bytes as they are and converts them itself. For comparison, "
        f"{mark['source']}."
    )
