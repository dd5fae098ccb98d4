"""What may go into a bundle: files with a PASS, and the record that says so.

The record is a build's own verification (``parity.json``, of every file on every image), or the
``results.json`` of a released model. Either binds its verdicts to the files by their digests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.build.workspace import Workspace
from edgecnn.errors import PackageError, some_of
from edgecnn.files import file_digest
from edgecnn.log import has_read
from edgecnn.modelfile import loads, read_graph
from edgecnn_runner.contract import Contract
from edgecnn_runner.formats.container import read_container


@dataclass(frozen=True, kw_only=True)
class ProvenFile:
    """One model file with a PASS.

    Attributes:
        path: Where it is.
        contract: What it carries.
        verdict: How it was proven: ``images``, ``accuracy``, ``float_accuracy``, ``agreement``
            (shares, 0..1), ``recall`` by class name, ``worst_drop`` and ``lowest_recall`` with
            the class's ``name``, and the ``limits`` that it kept.
        sha256: Of the file, as it was verified.
    """

    path: Path
    contract: Contract
    verdict: Mapping[str, Any]
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Proven:
    """A model's files with a PASS, and what goes with them.

    Attributes:
        model: Its name.
        files: In the order of the record.
        golden: Its golden vectors.
        folder: The build, or the folder of the released model.
    """

    model: str
    files: tuple[ProvenFile, ...]
    golden: Path
    folder: Path


def find_proven(place: Path, workspace: Workspace | None, variants: Sequence[str]) -> Proven:
    """Return the files of a build, or of a released model, that have a PASS.

    Args:
        place: What the command line named, for errors.
        workspace: The build; None for the released model in the folder ``place``.
        variants: Those asked for.

    Raises:
        PackageError: If one of them has no PASS, was changed since, or is not there.
    """
    folder = place if workspace is None else workspace.folder
    record = folder / ("results.json" if workspace is None else Workspace.PARITY)
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        has_read(record)
        rows = found["artifacts"] if workspace is None else found["rows"]
        by_variant = {row["variant"]: row for row in rows}
        facts = {name: _facts(found, row) for name, row in by_variant.items()}
        model = str(found["model"])
        own_scores = found.get("own_scores") or {"agrees": True}
        disagrees = own_scores["agrees"] is not True
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PackageError(
            f"{place} has no record of a verification",
            observed=f"{record}: {type(error).__name__}: {error}",
            expected="the verdicts of a whole verification",
            remedy=f"edgecnn verify {place}",
        ) from error
    if disagrees:
        raise PackageError(
            f"the float model of {place} does not have your own scores, so its verdicts prove "
            "nothing",
            observed=f"{own_scores.get('agreed')} of {own_scores.get('images')} images with the "
            f"class in {own_scores.get('file')}",
            expected="your own scores agree with the float model's, or were not given",
            remedy=f"edgecnn verify {place} --scores FILE says what explains it; convert the model "
            "as it was trained",
        )
    _refuse_useless(found, place)
    files = tuple(
        _file(folder, place, name, by_variant, facts, is_released=workspace is None)
        for name in variants
    )
    golden = folder / Workspace.GOLDEN
    if not golden.is_file():
        raise PackageError(
            f"{folder} has no golden vectors, so that a device could not test itself",
            observed=f"no {golden}",
            expected="the golden vectors that edgecnn convert makes",
            remedy=f"edgecnn convert {place}",
        )
    return Proven(model=model, files=files, golden=golden, folder=folder)


def refuse_unloadable(proven: Proven, *, package: str, version: str) -> None:
    """Refuse files that a bundle's runtime cannot load, before anything of it is made.

    Args:
        proven: The files.
        package: The runtime, a key of ``edgecnn.modelfile.RUNTIMES``.
        version: Its version.

    Raises:
        PackageError: If there is one.
    """
    for file in proven.files:
        reason = loads(read_graph(read_container(file.path)), package, version)
        if reason is not None:
            raise PackageError(
                f"{package} {version} cannot load {file.path.name}",
                observed=reason,
                expected="files that the runtime in the bundle loads",
                remedy="choose another --runtime, or another --variant",
            )


def _refuse_useless(found: Mapping[str, Any], place: Path) -> None:
    """Refuse a build whose float model guesses, unless its limits say that it may."""
    model = found.get("float_model")
    if model and model["outcome"] == "guessing" and "min_accuracy" not in found["limits"]:
        raise PackageError(
            f"the float model of {place} is no better than guessing, so that a PASS proves nothing",
            observed=f"right on {model['right']:,} of {model['images']:,} images; always to answer "
            f"{model['largest_class']} is right on {model['largest_images']:,}",
            expected="a float model that beats guessing, or limits.min_accuracy in the recipe",
            remedy=f"edgecnn verify {place} says what to check",
        )


def _facts(found: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Bring the two forms of record to one; raises ``KeyError`` and others if it is neither."""
    names: Sequence[str] = found["class_names"]
    if "judgement" in row:
        if row["judgement"] is None:
            return {}
        criteria = {one["name"]: one for one in row["judgement"]["criteria"]}
        measured, worst = row["metrics"], criteria["class_drop"]
        recall = {names[one["index"]]: one["recall"] for one in measured["classes"]}
        name = names[worst["class_index"]]
        drop, accuracy = worst["estimate"], measured["artifact"]["accuracy"]
        floats = measured["reference"]["accuracy"]
    else:
        name, drop = row["worst_class"]["name"], row["worst_class"]["drop"]
        recall, accuracy = row["recall"], row["accuracy"]
        floats, measured = found["float"]["accuracy"], row
    lowest = min(recall, key=lambda one: recall[one])
    return {
        "images": found["evaluated"]["images"],
        "dataset": found["evaluated"]["dataset"],
        "accuracy": accuracy,
        "float_accuracy": floats,
        "agreement": measured["agreement"],
        "recall": recall,
        "worst_drop": {"name": name, "drop": drop},
        "lowest_recall": {"name": lowest, "recall": recall[lowest]},
        "limits": found["limits"],
    }


def _file(
    folder: Path,
    place: Path,
    variant: str,
    rows: Mapping[str, Mapping[str, Any]],
    facts: Mapping[str, dict[str, Any]],
    *,
    is_released: bool,
) -> ProvenFile:
    row = rows.get(variant)
    if row is None or row["verdict"] != "PASS":
        passed = [name for name, one in rows.items() if one["verdict"] == "PASS"]
        raise PackageError(
            f"{variant} of {place} has no PASS, and only what is proven is packaged",
            observed="it was not verified" if row is None else f"verdict {row['verdict']}",
            expected="PASS; that have: " + (some_of(passed) or "none"),
            remedy="another --variant"
            if passed
            else f"edgecnn verify {place} says what is missing: with INCONCLUSIVE, more images or "
            "wider limits in the recipe",
        )
    path = folder / Path(str(row["file"])).name
    if is_released and not path.exists():
        raise PackageError(
            f"the released model {place} has no {variant} file, only the record of its proof",
            observed=f"no {path}",
            expected="one of the files that lie there",
            remedy=f"make it from the released weights, prove it, and package that build: edgecnn "
            f"convert {place} --variant {variant}; edgecnn verify {place}; edgecnn package again",
        )
    try:
        digest = file_digest(path)
    except OSError as error:
        digest = error.strerror or str(error)
    if digest != row["sha256"]:
        raise PackageError(
            f"{path} is not the file that was verified",
            observed=digest,
            expected=f"SHA-256 {row['sha256']}",
            remedy=f"convert and verify it again: edgecnn verify {place}",
        )
    contract = read_container(path).contract
    if contract is None:
        raise PackageError(
            f"{path} carries no contract",
            observed="a file that edgecnn did not make",
            expected="a file that explains itself",
            remedy="package what edgecnn convert makes of its float model",
        )
    return ProvenFile(path=path, contract=contract, verdict=facts[variant], sha256=digest)
