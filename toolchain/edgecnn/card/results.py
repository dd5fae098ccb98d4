"""The figures of a finished build, gathered from what its stages recorded."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from edgecnn.build.workspace import Workspace
from edgecnn.errors import WorkspaceError
from edgecnn.files import file_digest
from edgecnn.modelfile import read_graph
from edgecnn_runner.formats.container import read_container

RESULTS_SCHEMA: Final = 1

_TRAINING: Final = (
    "epochs", "train_images", "validation_images", "seconds", "images_per_second", "deterministic",
    "machine", "tools",
)  # fmt: skip


def collect_results(workspace: Workspace) -> dict[str, Any]:
    """Return the figures of a build that was trained, converted and verified.

    Args:
        workspace: The build; its own verification, of every file on every image, counts.

    Returns:
        JSON-ready: ``model``, ``architecture``, ``dataset``, ``class_names``, ``recipe``,
        ``training``, ``float`` (the float model's file, accuracy with interval, loss, recalls,
        calibration error and confusion), ``artifacts`` (a row per file, each with its digest,
        verdict, criteria, recalls and confusion), ``limits``, ``agreement_on`` (where agreement
        was judged on clear answers only), ``machine``, ``versions`` and ``date``. Shares
        and recalls are 0..1; no path of this machine is in it.

    Raises:
        WorkspaceError: If a stage is missing, or a file is not the one that was verified.
    """
    metrics, parity = (_read(workspace, name) for name in (Workspace.METRICS, Workspace.PARITY))
    model = workspace.path(Workspace.MODEL)
    _check_same(model, parity["evaluated"]["model_sha256"])
    manifest = workspace.manifest()
    recipe = manifest["recipe"]
    names: list[str] = parity["class_names"]
    # What a repair put another file in the place of has no figures.
    replaced = {row["variant"] for row in manifest["variants"] if row["status"] == "replaced"}
    rows = [row for row in parity["rows"] if row["variant"] not in replaced]
    first = rows[0]["metrics"]
    training = {key: metrics[key] for key in _TRAINING}
    test = metrics["test"]
    return {
        "schema": RESULTS_SCHEMA,
        "model": parity["model"],
        "architecture": recipe["model"]["architecture"],
        "dataset": metrics["dataset"],
        "class_names": names,
        "recipe": shown_recipe(recipe),
        "training": {**training, "precision": metrics["precision"]["name"]},
        "evaluated": parity["evaluated"],
        "float": {
            "bytes": model.stat().st_size,
            "sha256": parity["evaluated"]["model_sha256"],
            "parameters": metrics["parameters"],
            **{key: test[key] for key in ("images", "accuracy", "accuracy_interval", "loss")},
            "recall": {row["name"]: row["recall"] for row in test["classes"]},
            "calibration_error": first["reference"]["calibration_error"],
            "confusion": first["reference"]["confusion"],
        },
        "artifacts": [_artifact(workspace, row, names) for row in rows],
        "limits": parity["limits"],
        # Only where near-ties were left out, which earlier records do not know.
        **({"agreement_on": "clear"} if _on_clear_answers(parity) else {}),
        "machine": parity["machine"],
        "versions": parity["versions"],
        "date": parity["created"][:10],
    }


def _on_clear_answers(parity: Mapping[str, Any]) -> bool:
    return (parity.get("near_ties") or {}).get("rule") == "clear"


def shown_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of a resolved recipe that decide its weights.

    Of a teacher's path the file's name is left: where it lay is a matter of one machine.

    Args:
        recipe: As ``Recipe.to_dict`` gives it.

    Returns:
        ``augment``, ``train`` and ``calibration``.
    """
    shown = copy.deepcopy({key: recipe[key] for key in ("augment", "train", "calibration")})
    distillation = shown["train"]["distillation"]
    if distillation["teacher"] is not None:
        distillation["teacher"] = Path(distillation["teacher"]).name
    return shown


def _artifact(workspace: Workspace, row: dict[str, Any], names: list[str]) -> dict[str, Any]:
    path = workspace.path(row["file"])
    _check_same(path, row["sha256"])
    graph = read_graph(read_container(path))
    criteria = {one["name"]: one for one in row["judgement"]["criteria"]}
    worst, measured = criteria["class_drop"], row["metrics"]
    return {
        **{key: row[key] for key in ("variant", "file", "bytes", "sha256", "runtime", "verdict")},
        "payload_bytes": graph.payload_bytes,
        "macs": graph.macs,
        "accuracy": measured["artifact"]["accuracy"],
        # Only where there is a limit for it.
        **(
            {"accuracy_interval": [criteria["accuracy"][key] for key in ("low", "high")]}
            if "accuracy" in criteria
            else {}
        ),
        "drop": {key: criteria["accuracy_drop"][key] for key in ("estimate", "low", "high")},
        "agreement": measured["agreement"],
        "worst_class": {
            "name": names[worst["class_index"]],
            "drop": worst["estimate"],
            # Only where there is something to know of it.
            **({"about": worst["about"]} if worst.get("about") else {}),
        },
        "recall": {names[one["index"]]: one["recall"] for one in measured["classes"]},
        "calibration_error": measured["artifact"]["calibration_error"],
        # Only where there are many classes.
        **({"top5": measured["top5"]} if measured.get("top5") else {}),
        "confusion": measured["artifact"]["confusion"],
    }


def _read(workspace: Workspace, name: str) -> dict[str, Any]:
    path = workspace.path(name)
    if not path.is_file():
        raise WorkspaceError(
            f"{workspace.folder} is not a finished build",
            observed=f"no {name}",
            expected="a build that was trained, converted and verified",
            remedy="run edgecnn build RECIPE to the end",
        )
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _check_same(path: Path, expected: str) -> None:
    found = file_digest(path) if path.is_file() else "no such file"
    if found != expected:
        raise WorkspaceError(
            f"{path} is not the file that was verified",
            observed=found,
            expected=f"SHA-256 {expected}",
            remedy="run edgecnn build RECIPE again: it makes anew what has changed",
        )
